"""Processors: how many there are to use, how busy they are, and how fast they may run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile
from checks.facts.machine import CPUINFO, CPUINFO_LIMIT

if TYPE_CHECKING:
    from checks.facts.host import Host

_SMT: Final = "/sys/devices/system/cpu/smt/active"
_CPUFREQ: Final = "/sys/devices/system/cpu/cpufreq"
_LOADAVG: Final = "/proc/loadavg"
_SETS: Final = ("/sys/fs/cgroup/cpuset.cpus.effective", "/sys/fs/cgroup/cpuset/cpuset.effective_cpus")
_QUOTA: Final = "/sys/fs/cgroup/cpu.max"
_OLD_QUOTA: Final = ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")
_SMALL: Final = 4096


class Cpus(msgspec.Struct, frozen=True):
    """Processors as the kernel counts them, and cores; 0 cores where the kernel does not tell them apart.

    `usable` is what programs get of them where a control group sets fewer apart or gives less time.
    """

    logical: int
    physical: int = 0
    usable: float = 0.0

    @property
    def limited(self) -> bool:
        return self.usable < self.logical


@fact
class Processors(Fact, frozen=True):
    """Processors of the machine, and what a control group leaves of them."""

    value_type: ClassVar[type] = Cpus

    def describe(self) -> str:
        return f"read {CPUINFO} and the control group's processors and quota"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(ReadFile(path) for path in (CPUINFO, _SMT, *_SETS, _QUOTA, *_OLD_QUOTA))

    def read(self, host: Host) -> Cpus:
        host.want(self.asks())
        try:
            text = host.read_text(CPUINFO, CPUINFO_LIMIT)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the processors of a system without /proc")
            return processors_by_psutil()
        logical, physical = parse_cpuinfo(text)
        # Other architectures name no cores; without hyper-threading each processor is one.
        if not physical and _text(host, _SMT) == "0":
            physical = logical
        limits = [float(logical), *(count for path in _SETS if (count := count_in(_text(host, path))))]
        quota = _quota(host)
        if quota:
            limits.append(quota)
        return Cpus(logical, physical, round(min(limits), 2))


def processors_by_psutil() -> Cpus:
    """The same where there is no ``/proc``: Windows and macOS."""
    import psutil

    logical = psutil.cpu_count()
    if not logical:
        raise NotReadable("this system does not count its processors", "unsupported")
    return Cpus(logical, psutil.cpu_count(logical=False) or 0, float(logical))


def parse_cpuinfo(text: str) -> tuple[int, int]:
    """Logical processors and cores in the text of ``/proc/cpuinfo``; 0 cores where it names none."""
    logical, cores, package, named = 0, set(), "0", 0
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon:
            continue
        if name == "processor" and value.strip().isdigit():
            logical, package = logical + 1, "0"
        elif name == "physical id":
            package = value.strip()
        elif name == "core id":
            cores.add((package, value.strip()))
            named += 1
        elif name == "# processors" and not logical:  # s390x
            found = re.fullmatch(r"\s*(\d{1,6})\s*", value, re.ASCII)
            logical = int(found[1]) if found else 0
    if not logical:
        raise NotReadable(f"{CPUINFO} names no processor", "parse")
    return logical, len(cores) if named == logical else 0


def count_in(text: str) -> int:
    """How many processors a list such as ``0-3,8`` names; 0 for what is no such list."""
    count = 0
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip(), re.ASCII)
        if found is None:
            return 0
        count += int(found[2] or found[1]) - int(found[1]) + 1
    return max(0, count)


def _quota(host: Host) -> float:
    """Processors' worth of time that a control group gives; 0 for no limit."""
    words = _text(host, _QUOTA).split()
    if not words:
        words = [_text(host, path) for path in _OLD_QUOTA]
    found = [re.fullmatch(r"[1-9]\d{0,14}", word, re.ASCII) for word in words]
    if len(found) != 2 or None in found:
        return 0.0
    return int(words[0]) / int(words[1])


def _text(host: Host, path: str) -> str:
    """A small file that many systems lack; empty there, and where it is not shown."""
    try:
        return host.read_text(path, _SMALL).strip()
    except NotReadable:
        return ""


class Load(msgspec.Struct, frozen=True):
    """Programs that ran or waited for the disk, on average over 1, 5 and 15 minutes."""

    one: float
    five: float
    fifteen: float


@fact
class LoadAverage(Fact, frozen=True):
    """The load averages; a container shows those of its machine."""

    value_type: ClassVar[type] = Load

    def describe(self) -> str:
        return f"read {_LOADAVG}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(_LOADAVG),)

    def read(self, host: Host) -> Load:
        number = r"(\d{1,9}\.\d{1,4})"
        found = re.match(rf"{number} {number} {number} ", host.read_text(_LOADAVG, _SMALL), re.ASCII)
        if found is None:
            raise NotReadable(f"{_LOADAVG} does not hold three averages", "parse")
        return Load(float(found[1]), float(found[2]), float(found[3]))

    @classmethod
    def settled(cls, value: Load) -> dict[str, Any]:
        """Nothing: it never stands still."""
        del value
        return {}


@fact
class Governors(Fact, frozen=True):
    """Who chooses the frequency of the processors: how many policies each governor has; empty for none.

    A virtual machine has none: its hypervisor chooses (Documentation/admin-guide/pm/cpufreq.rst).
    """

    value_type: ClassVar[Any] = dict[str, int]

    def describe(self) -> str:
        return f"read {_CPUFREQ}/<each policy>/scaling_governor"

    def asks(self) -> tuple[Ask, ...]:
        governor = ReadFile(f"{_CPUFREQ}/<each policy>/scaling_governor")
        return (ListFolder(_CPUFREQ), ReadFile(CPUINFO), governor)

    def read(self, host: Host) -> Mapping[str, int]:
        host.want(self.asks()[:2])
        try:
            entries = host.list_folder(_CPUFREQ)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.read_bytes(
                CPUINFO, CPUINFO_LIMIT
            )  # a system that shows nothing has not said that it lacks them
            return {}
        names = [entry.name for entry in entries if re.fullmatch(r"policy\d{1,6}", entry.name, re.ASCII)]
        paths = [f"{_CPUFREQ}/{name}/scaling_governor" for name in names]
        host.want(ReadFile(path) for path in paths)
        found: dict[str, int] = {}
        for path in paths:
            governor = host.read_text(path, _SMALL).strip()[:40]
            found[governor] = found.get(governor, 0) + 1
        return dict(sorted(found.items()))
