"""Which processes of a name have arguments that fit a pattern; the arguments themselves are never kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListProcesses, ReadFile
from checks.facts.host import MOUNT_TABLE
from checks.facts.process import PIDS_SHOWN, ProcessGroup, named, refuse_if_hidden, user_name

if TYPE_CHECKING:
    from checks.facts.host import Host

MATCHED_LENGTH: Final = 16 * 1024
"""Characters of a command line that a pattern sees: bounds what a slow pattern can cost."""


@fact
class ProcessesWith(Fact, frozen=True):
    """Processes whose program has this name and whose command line, blanks between its words, a regular
    expression is found in."""

    value_type: ClassVar[type] = ProcessGroup
    name: str
    args: str

    def describe(self) -> str:
        return f"read /proc/<pid of {self.name}>/cmdline, keep whether it matches {self.args}"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), ReadFile(MOUNT_TABLE), ReadFile(f"/proc/<pid of {self.name}>/cmdline"))

    def read(self, host: Host) -> ProcessGroup:
        try:
            pattern = re.compile(self.args)
        except re.error as error:
            raise NotReadable(f"{self.args!r} is not a regular expression: {error}", "unsupported") from error
        candidates = named(host.processes(), self.name)
        if not candidates:
            refuse_if_hidden(host)
        lines = command_lines(host, [process.pid for process in candidates])
        found = [
            process
            for process in candidates
            if pattern.search(" ".join(lines.get(process.pid, ()))[:MATCHED_LENGTH])
        ]
        users = sorted({process.user or user_name(process.uid) for process in found})
        return ProcessGroup(len(found), tuple(users), tuple(process.pid for process in found[:PIDS_SHOWN]))

    @classmethod
    def settled(cls, value: ProcessGroup) -> dict[str, Any]:
        """As of `Processes`."""
        return {"running": value.count > 0, "users": value.users}


def command_lines(host: Host, pids: list[int]) -> dict[int, tuple[str, ...]]:
    """The words of processes by pid, without those that ended meanwhile; empty for a thread of the kernel.

    Never to be kept: they may hold secrets.
    """
    host.want(ReadFile(_path(pid)) for pid in pids)
    found = {}
    for pid in pids:
        try:
            data = host.read_bytes(_path(pid))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            continue
        found[pid] = tuple(data.decode(errors="replace").rstrip("\0").split("\0"))
    # All may have ended; but where there is no /proc at all, nothing was told yet.
    if pids and not found and not any(mount.point == "/proc" for mount in host.mounts()):
        host.only_here("the command lines of a system without /proc")
        return _by_psutil(pids)
    return found


def _by_psutil(pids: list[int]) -> dict[int, tuple[str, ...]]:
    """The same on Windows and macOS."""
    import psutil

    found = {}
    for pid in pids:
        try:
            found[pid] = tuple(psutil.Process(pid).cmdline())
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied as error:
            raise NotReadable(f"the command line of process {pid} may not be read", "denied") from error
    return found


def _path(pid: int) -> str:
    return f"/proc/{pid}/cmdline"
