"""How busy the processors were: from counters, over the time since an earlier run, or since the start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, Recall
from checks.facts.boot import BOOT_ID, UPTIME, boot_number, same_start, uptime_of

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.memory import Sample

_STAT: Final = "/proc/stat"
_STAT_LIMIT: Final = 16 * 1024 * 1024

SHORTEST_S: Final = 60.0
"""A shorter time says nothing of sustained use."""

LONGEST_S: Final = 26 * 3600.0
"""Over a longer time than from one day's run to the next a busy hour disappears in the average."""

_COUNTERS: Final = ("busy", "total", "waiting", "stolen", "up_s", "boot")


class CpuTime(msgspec.Struct, frozen=True):
    """Counters since the start of the system `boot`, in ticks of all processors, at `up_s` seconds after it.

    `busy` is all time but idle and waiting for disks; `stolen` is what the hypervisor gave to others, which
    is busy as well. The percentages are of the last `over_s` seconds; `since` is what they began with.
    """

    busy: int
    total: int
    waiting: int
    stolen: int
    up_s: float
    boot: int
    used_percent: float = 0.0
    waiting_percent: float = 0.0
    stolen_percent: float = 0.0
    over_s: float = 0.0
    since: str = "start"


@fact
class CpuUse(Fact, frozen=True):
    """Use of all processors together since the newest earlier run that is 1 min to 26 h ago, else since the
    start of the system. Nothing waits for a second look."""

    value_type: ClassVar[type] = CpuTime

    def describe(self) -> str:
        return f"read {_STAT}, {UPTIME} and {BOOT_ID}, and recall them from earlier runs"

    def asks(self) -> tuple[Ask, ...]:
        return (*(ReadFile(path) for path in (_STAT, UPTIME, BOOT_ID)), Recall(self.id()))

    def read(self, host: Host) -> CpuTime:
        host.want(self.asks())
        try:
            up_s = uptime_of(host)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the use of processors of a system without /proc")
            now = cpu_time_by_psutil()
        else:
            times = parse_stat(host.read_text(_STAT, _STAT_LIMIT))
            now = CpuTime(*times, up_s, boot_number(host))
        return used_since(now, host.recall(self.id()))

    @classmethod
    def settled(cls, value: CpuTime) -> dict[str, Any]:
        """Nothing: it never stands still."""
        del value
        return {}

    @classmethod
    def series(cls, value: CpuTime) -> Mapping[str, float]:
        return {name: getattr(value, name) for name in _COUNTERS}


def parse_stat(text: str) -> tuple[int, int, int, int]:
    """Busy, total, waiting and stolen ticks of all processors in the text of ``/proc/stat`` (proc(5)).

    Guests' time is part of user time already.
    """
    words = text.split("\n", 1)[0][:1000].split()
    numbers = [int(word) for word in words[1:] if re.fullmatch(r"\d{1,15}", word, re.ASCII)]
    if words[:1] != ["cpu"] or not 4 <= len(numbers) == len(words) - 1:
        raise NotReadable(f"{_STAT} does not begin with the times of all processors", "parse")
    user, nice, system, idle, waiting, irq, softirq, stolen = (numbers + [0] * 8)[:8]
    busy = user + nice + system + irq + softirq + stolen
    return busy, busy + idle + waiting, waiting, stolen


def cpu_time_by_psutil() -> CpuTime:
    """The same where there is no ``/proc``, in milliseconds: Windows and macOS."""
    import time

    import psutil

    times, started = psutil.cpu_times(), float(psutil.boot_time())
    parts = times._asdict()
    # Windows counts the time of interrupts as part of system time.
    total = sum(parts.get(name, 0.0) for name in ("user", "nice", "system", "idle"))
    busy = total - times.idle
    return CpuTime(
        round(busy * 1000), round(total * 1000), 0, 0, max(0.0, time.time() - started), int(started)
    )


def used_since(now: CpuTime, samples: tuple[Sample, ...]) -> CpuTime:
    """The counters with what they say of the time since the best of the earlier samples."""
    for sample in reversed(samples):
        old = sample.values
        if not old.keys() >= {*_COUNTERS} or not same_start(old["boot"], now.boot):
            continue
        passed = now.up_s - old["up_s"]
        if SHORTEST_S <= passed <= LONGEST_S and now.total > old["total"]:
            return _shares(now, old, passed, "an earlier run")
    nothing = dict.fromkeys(_COUNTERS, 0.0)
    return _shares(now, nothing, now.up_s, "start")


def _shares(now: CpuTime, old: Mapping[str, float], over_s: float, since: str) -> CpuTime:
    total = now.total - old["total"]

    def percent(name: str) -> float:
        # Counters of waiting may go back a little (proc(5)).
        share = 100 * (getattr(now, name) - old[name]) / total if total else 0.0
        return round(min(100.0, max(0.0, share)), 2)

    return msgspec.structs.replace(
        now,
        used_percent=percent("busy"),
        waiting_percent=percent("waiting"),
        stolen_percent=percent("stolen"),
        over_s=round(over_s, 1),
        since=since,
    )
