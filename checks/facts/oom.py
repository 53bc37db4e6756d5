"""Programs that the kernel killed because memory ran out: from its log, and from its counters.

The counter says how many since the start (or in this container) and costs nothing; the log says when and
whom, but is closed to many users and may be cut off. Together with what earlier runs saw of the counter they
tell of the last days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, Recall, RunCommand
from checks.facts.boot import BOOT_ID, UPTIME, boot_number, same_start, uptime_of
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.host import Host
    from checks.facts.memory import Sample

DAYS: Final = 7
_WINDOW_S: Final = DAYS * 86400.0

_VMSTAT: Final = "/proc/vmstat"
_GROUP: Final = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_JOURNAL: Final = RunCommand(
    ("journalctl", "--no-pager", "-r", "-o", "short-iso", "--since", f"-{DAYS}d", "_TRANSPORT=kernel"), 8.0
)
_DMESG: Final = RunCommand(("dmesg",))

# Texts, because compiling them would cost every run, and few have a log to look through.
_KILLED: Final = r"\bKill(?:ed)? process (\d{1,10}) \(([^()]{0,64})\)"
_STAMPED: Final = r"(?:<\d{1,3}>)?\[ *(\d{1,10}\.\d{1,9})\]"
_UNSEEN: Final = ("No journal files", "not seeing messages")
_KILLS_KEPT: Final = 100
_ONE_KILL_S: Final = 60.0
"""Old kernels say in two lines that they chose a process and that they killed it."""


class Kill(msgspec.Struct, frozen=True):
    """One killed program. `at` is empty or as the journal writes it; `ago_s` is in seconds, by the kernel's
    own log."""

    program: str
    pid: int
    at: str = ""
    ago_s: float | None = None


class Kills(msgspec.Struct, frozen=True):
    """What is known of the last `DAYS` days.

    `logged` are the kills in the log, newest first; `log` says which one was read (``journal``, ``dmesg``, or
    why none could be). `counted` are those since the start of the system (or of the container) by the
    counter, None where there is none; `recent` those of the last days as far as the counter tells, and
    `certain` says that it tells for all of these days since the start.
    """

    logged: tuple[Kill, ...] = ()
    log: str = ""
    counted: int | None = None
    recent: int = 0
    certain: bool = False
    up_s: float = 0.0
    boot: int = 0
    container: str = ""


@fact
class OomKills(Fact, frozen=True):
    """Programs killed for want of memory within the last seven days."""

    value_type: ClassVar[type] = Kills
    deadline_s: ClassVar[float] = 15.0

    def describe(self) -> str:
        return f"read oom_kill in {_VMSTAT}; where that does not settle it run journalctl and dmesg"

    def asks(self) -> tuple[Ask, ...]:
        return (*self._files(), _JOURNAL, _DMESG)

    def _files(self) -> tuple[Ask, ...]:
        files = (ReadFile(path) for path in (_VMSTAT, *_GROUP, UPTIME, BOOT_ID))
        return (*files, *CONTAINER_ASKS, Recall(self.id()))

    def read(self, host: Host) -> Kills:
        host.want(self._files())
        up_s, boot = uptime_of(host), boot_number(host)
        container = container_of(host)
        counted = _of_group(host) if container else _of_kernel(host)
        if container and counted is None:
            raise NotReadable(
                "this container has no counter of its own, and the log is its machine's", "unsupported"
            )
        recent, certain = recent_kills(counted, up_s, boot, host.recall(self.id()))
        seen = Kills((), "", counted, recent, certain, up_s, boot, container)
        if container or (counted == 0 and up_s >= _WINDOW_S):
            return seen
        # Kills before the start can only be in a journal; those since it are none where none is counted.
        asks = (_JOURNAL,) if counted == 0 else (_JOURNAL, _DMESG)
        host.want(asks)
        logged, log = _from_logs(host, asks, up_s)
        if not log and counted is None:
            raise NotReadable(
                "neither the journal nor dmesg shows the kernel's log; root may see it", "denied"
            )
        return msgspec.structs.replace(seen, logged=logged, log=log)

    @classmethod
    def settled(cls, value: Kills) -> dict[str, Any]:
        """Nothing: what the kernel did is no state of the system, and ages by itself."""
        del value
        return {}

    @classmethod
    def series(cls, value: Kills) -> Mapping[str, float]:
        if value.counted is None:
            return {}
        return {"kills": value.counted, "up_s": value.up_s, "boot": value.boot}


def recent_kills(
    counted: int | None, up_s: float, boot: int, samples: tuple[Sample, ...]
) -> tuple[int, bool]:
    """Kills of the last `DAYS` days by the counter, and whether that is certain of all since the start.

    What an earlier run counted as long ago as that, or later, is taken off.
    """
    if counted is None:
        return 0, False
    if up_s <= _WINDOW_S or not counted:
        return counted, True
    older = [sample.values for sample in samples if sample.values.keys() >= {"kills", "up_s", "boot"}]
    older = [values for values in older if same_start(values["boot"], boot) and values["up_s"] < up_s]
    before = [values for values in older if up_s - values["up_s"] >= _WINDOW_S]
    if before:
        return max(0, counted - int(before[-1]["kills"])), True
    return (max(0, counted - int(older[0]["kills"])), False) if older else (0, False)


def _from_logs(host: Host, asks: tuple[RunCommand, ...], up_s: float) -> tuple[tuple[Kill, ...], str]:
    """The kills in the first log that can be read, and its name; empty where none can."""
    for ask in asks:
        try:
            done = host.execute(ask)
        except NotReadable:
            continue
        if done.status != 0 and not done.truncated:
            continue
        if ask is _JOURNAL and _is_shown(done):
            return parse_journal(_lines(done)), "journal"
        if ask is _DMESG:
            return parse_dmesg(_lines(done), up_s), "dmesg"
    return (), ""


def _is_shown(done: Output) -> bool:
    """journalctl ends well, too, where it shows nothing because there is no journal or it is closed to us."""
    said = done.err.decode(errors="replace")
    return not any(words in said for words in _UNSEEN)


def _lines(done: Output) -> Iterator[str]:
    lines = done.out.decode(errors="replace").split("\n")
    if done.truncated:
        lines.pop()
    return iter(lines)


def parse_journal(lines: Iterator[str]) -> tuple[Kill, ...]:
    """The kills in what ``journalctl -r -o short-iso`` shows of the kernel, newest first."""
    found: list[Kill] = []
    for line in lines:
        killed = re.search(_KILLED, line)
        stamp = line.split(" ", 1)[0]
        moment = _journal_time(stamp) if killed else None
        if killed is None or moment is None:
            continue
        kill = Kill(killed[2], int(killed[1]), stamp)
        if not any(_one(kill, moment, other) for other in found[-3:]):
            found.append(kill)
        if len(found) >= _KILLS_KEPT:
            break
    return tuple(found)


def _one(kill: Kill, moment: datetime, other: Kill) -> bool:
    then = _journal_time(other.at)
    if then is None or (kill.pid, kill.program) != (other.pid, other.program):
        return False
    return abs(then - moment) <= timedelta(seconds=_ONE_KILL_S)


def _journal_time(stamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def parse_dmesg(lines: Iterator[str], up_s: float) -> tuple[Kill, ...]:
    """The kills of the last days in what dmesg shows (util-linux, BusyBox), newest first.

    A line without a time (``printk.time=0``) is taken as recent: it is of this start at least.
    """
    found: list[Kill] = []
    for line in lines:
        killed = re.search(_KILLED, line)
        if killed is None:
            continue
        stamp = re.match(_STAMPED, line)
        ago = max(0.0, round(up_s - float(stamp[1]), 1)) if stamp else None
        kill = Kill(killed[2], int(killed[1]), "", ago)
        last = found[-1] if found else None
        twice = last is not None and (last.pid, last.program) == (kill.pid, kill.program)
        if twice and last is not None and (last.ago_s or 0.0) - (ago or 0.0) <= _ONE_KILL_S:
            continue
        if ago is None or ago <= _WINDOW_S:
            found.append(kill)
    return tuple(reversed(found[-_KILLS_KEPT:]))


def _of_kernel(host: Host) -> int | None:
    """Kills since the start of the system; kernels before 4.13 do not count them."""
    return _counter(host.read_text(_VMSTAT, 256 * 1024))


def _of_group(host: Host) -> int | None:
    """Kills in this container's control group, of version 2 or 1."""
    for path in _GROUP:
        try:
            return _counter(host.read_text(path, 64 * 1024))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
    return None


def _counter(text: str) -> int | None:
    found = re.search(r"^oom_kill (\d{1,15})$", text, re.MULTILINE | re.ASCII)
    return int(found[1]) if found else None
