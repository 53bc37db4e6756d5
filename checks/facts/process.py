"""Running processes by name, and the limits they have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListListeners, ListProcesses, ReadFile, StatPath
from checks.facts.host import MOUNT_TABLE
from checks.facts.processtable import COMM_LENGTH

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.processtable import Process

PIDS_SHOWN: Final = 100
UNLIMITED: Final = 2**63 - 1

KINDS: Final = {
    "Max open files": "nofile",
    "Max processes": "nproc",
    "Max stack size": "stack",
    "Max locked memory": "memlock",
}
"""The limits that are kept, by their names in ``/proc/PID/limits``, as limits.conf(5) calls them."""

_BY_MEMORY: Final = ("nproc",)
"""Limits whose default the kernel works out from the memory it finds: they differ from start to start."""

_LIMIT: Final = rf"^({'|'.join(KINDS)})[ ]+(unlimited|[0-9]{{1,18}})[ ]+(unlimited|[0-9]{{1,18}})\b"


class ProcessGroup(msgspec.Struct, frozen=True):
    """The processes of one name: how many, as whom they run (sorted), and the first hundred pids."""

    count: int
    users: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()


@fact
class Processes(Fact, frozen=True):
    """Processes whose program has this name; never their arguments."""

    value_type: ClassVar[type] = ProcessGroup
    name: str

    def describe(self) -> str:
        return f"read names and users of all processes, keep those of {self.name}"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), ReadFile(MOUNT_TABLE))

    def read(self, host: Host) -> ProcessGroup:
        found = named(host.processes(), self.name)
        if not found:
            refuse_if_hidden(host)
        users = sorted({process.user or user_name(process.uid) for process in found})
        return ProcessGroup(len(found), tuple(users), tuple(process.pid for process in found[:PIDS_SHOWN]))

    @classmethod
    def settled(cls, value: ProcessGroup) -> dict[str, Any]:
        """Whether they run and as whom: how many there are follows the load (a database has one a client)."""
        return {"running": value.count > 0, "users": value.users}


class Limit(msgspec.Struct, frozen=True):
    """A soft and a hard limit: a number, or bytes where it is of memory; `UNLIMITED` for none."""

    soft: int
    hard: int


class FileLimit(msgspec.Struct, frozen=True):
    """The lowest limits among the processes of one name: `soft` and `hard` of open files, others by kind."""

    name: str
    soft: int
    hard: int
    count: int = 1
    others: dict[str, Limit] = {}


class FileLimits(msgspec.Struct, frozen=True):
    """Limits by name of process. `hidden` counts listening sockets whose holders this user may not see;
    `suspects` are the processes that may be them."""

    processes: tuple[FileLimit, ...]
    hidden: int = 0
    suspects: tuple[FileLimit, ...] = ()


@fact
class ProcessLimits(Fact, frozen=True):
    """Limits of running processes by name; of all that listen for TCP where the name is empty."""

    value_type: ClassVar[type] = FileLimits
    name: str = ""

    def describe(self) -> str:
        return f"read {self._limits}"

    @property
    def _limits(self) -> str:
        who = f"<pid of {self.name}>" if self.name else "<pid of each process listening for TCP>"
        return f"/proc/{who}/limits"

    def asks(self) -> tuple[Ask, ...]:
        who = (ListProcesses(), ReadFile(MOUNT_TABLE)) if self.name else (ListProcesses(), ListListeners())
        return (StatPath("/proc/self"), *who, ReadFile(self._limits))

    def read(self, host: Host) -> FileLimits:
        try:
            host.stat("/proc/self")
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            raise NotReadable("this system has no /proc to read limits from", "unsupported") from problem
        processes = host.processes()
        if self.name:
            chosen = named(processes, self.name)
            if not chosen:
                refuse_if_hidden(host)
            return FileLimits(_lowest(host, chosen))
        listeners = host.listeners()
        holders = [process for process in processes if process.pid in listeners.pids]
        wanted = listeners.suspects if listeners.hidden else frozenset()
        suspects = [process for process in processes if process.pid in wanted]
        host.want(ReadFile(_limits_path(process.pid)) for process in holders + suspects)
        return FileLimits(_lowest(host, holders), listeners.hidden, _lowest(host, suspects))

    @classmethod
    def settled(cls, value: FileLimits) -> dict[str, Any]:
        """The limits by name. How many processes share a name is noise, and so are mere suspects and what
        the kernel works out from the memory it finds."""
        return {limit.name: _settled_limits(limit) for limit in value.processes}


def named(processes: tuple[Process, ...], name: str) -> list[Process]:
    """The processes of a name; one that the kernel had cut off counts as well."""
    cut = name[:COMM_LENGTH] if len(name) > COMM_LENGTH else name
    return [process for process in processes if process.name in (name, cut)]


def parse_limits(text: str) -> dict[str, Limit]:
    """The limits of `KINDS` in the text of ``/proc/PID/limits``, by kind."""
    return {
        KINDS[title]: Limit(*(UNLIMITED if word == "unlimited" else int(word) for word in (soft, hard)))
        for title, soft, hard in re.findall(_LIMIT, text, re.MULTILINE)
    }


def user_name(uid: int) -> str:
    """The name of a user, or the number where nobody has it."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def _lowest(host: Host, processes: list[Process]) -> tuple[FileLimit, ...]:
    """The limits of processes by name, sorted; the lowest of those that share a name."""
    lowest: dict[str, dict[str, Limit]] = {}
    count: dict[str, int] = {}
    host.want(ReadFile(_limits_path(process.pid)) for process in processes)
    for process in processes:
        limits = _limits_of(host, process.pid)
        if "nofile" in limits:
            old = lowest.get(process.name, {})
            lowest[process.name] = {
                kind: _lower(limit, old.get(kind, limit)) for kind, limit in limits.items()
            }
            count[process.name] = count.get(process.name, 0) + 1
    return tuple(_limit_of(name, lowest[name], count[name]) for name in sorted(lowest))


def _limit_of(name: str, limits: dict[str, Limit], count: int) -> FileLimit:
    files = limits["nofile"]
    others = {kind: limit for kind, limit in limits.items() if kind != "nofile"}
    return FileLimit(name, files.soft, files.hard, count, others)


def _settled_limits(limit: FileLimit) -> dict[str, Any]:
    kept = {kind: each for kind, each in limit.others.items() if kind not in _BY_MEMORY}
    said = {f"{kind} {side}": getattr(each, side) for kind, each in kept.items() for side in ("soft", "hard")}
    numbers = {"soft": limit.soft, "hard": limit.hard} | said
    return {name: "unlimited" if number >= UNLIMITED else number for name, number in numbers.items()}


def _lower(one: Limit, other: Limit) -> Limit:
    return Limit(min(one.soft, other.soft), min(one.hard, other.hard))


def _limits_path(pid: int) -> str:
    return f"/proc/{pid}/limits"


def _limits_of(host: Host, pid: int) -> dict[str, Limit]:
    """None at all for a process that ended meanwhile."""
    try:
        return parse_limits(host.read_text(_limits_path(pid), 64 * 1024))
    except NotReadable as problem:
        if problem.cause == "absent":
            return {}
        raise


def refuse_if_hidden(host: Host) -> None:
    """Nothing found means nothing where ``/proc`` hides other users' processes (hidepid)."""
    if host.is_root():
        return
    for mount in host.mounts():
        hides = mount.point == "/proc" and "hidepid=" in mount.super_options
        if hides and not {"hidepid=0", "hidepid=off"} & set(mount.super_options.split(",")):
            raise NotReadable("/proc hides other users' processes (hidepid); run as root", "denied")
