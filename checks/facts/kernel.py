"""What the kernel is, and tables and settings of it that have a form of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

OSRELEASE: Final = "/proc/sys/kernel/osrelease"

_THP: Final = "/sys/kernel/mm/transparent_hugepage"
_FILE_NR: Final = "/proc/sys/fs/file-nr"
_RANGE: Final = "/proc/sys/net/ipv4/ip_local_port_range"
_RESERVED: Final = "/proc/sys/net/ipv4/ip_local_reserved_ports"
_CONNTRACK: Final = "/proc/sys/net/netfilter/nf_conntrack_"

_RANGES_KEPT: Final = 4096
_SMALL: Final = 1024


@fact
class KernelRelease(Fact, frozen=True):
    """The release of the running kernel as ``uname -r`` shows it."""

    value_type: ClassVar[type] = str

    def describe(self) -> str:
        return f"read {OSRELEASE}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(OSRELEASE),)

    def read(self, host: Host) -> str:
        return kernel_release(host)


def kernel_release(host: Host) -> str:
    """The release of the running kernel; asks `OSRELEASE`."""
    release = host.read_text(OSRELEASE, _SMALL).strip()
    if not release:
        raise NotReadable(f"{OSRELEASE} is empty", "parse")
    return release[:100]


class HugePages(msgspec.Struct, frozen=True):
    """When the kernel uses huge pages by itself (``always``, ``madvise``, ``never``) and makes room for them.

    `supported` is False where the kernel was built without them.
    """

    supported: bool
    enabled: str = ""
    defrag: str = ""


@fact
class TransparentHugePages(Fact, frozen=True):
    """The kernel's choice for transparent huge pages (Documentation/admin-guide/mm/transhuge.rst)."""

    value_type: ClassVar[type] = HugePages

    def describe(self) -> str:
        return f"read {_THP}/enabled and defrag"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(f"{_THP}/enabled"), ReadFile(f"{_THP}/defrag"), ReadFile(OSRELEASE))

    def read(self, host: Host) -> HugePages:
        host.want(self.asks())
        try:
            enabled = chosen(host.read_text(f"{_THP}/enabled", _SMALL))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            kernel_release(host)  # a system that shows no kernel at all has not said that it lacks them
            return HugePages(False)
        return HugePages(True, enabled, chosen(host.read_text(f"{_THP}/defrag", _SMALL)))


def chosen(text: str) -> str:
    """The word in brackets in a text such as ``always [madvise] never``."""
    found = re.search(r"\[([a-z+_]{1,30})\]", text)
    if found is None:
        raise NotReadable("the kernel's file names no choice in brackets", "parse")
    return found[1]


class Handles(msgspec.Struct, frozen=True):
    """Open files of the whole system, and how many there may be."""

    used: int
    limit: int

    @property
    def used_percent(self) -> float:
        return 100 * self.used / self.limit if self.limit else 0.0


@fact
class FileHandles(Fact, frozen=True):
    """The kernel's table of open files (Documentation/admin-guide/sysctl/fs.rst, file-nr)."""

    value_type: ClassVar[type] = Handles

    def describe(self) -> str:
        return f"read {_FILE_NR}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(_FILE_NR),)

    def read(self, host: Host) -> Handles:
        found = re.match(r"\s*(\d{1,20})\s+(\d{1,20})\s+(\d{1,20})\s*$", host.read_text(_FILE_NR, _SMALL))
        if found is None:
            raise NotReadable(f"{_FILE_NR} does not hold three numbers", "parse")
        used, unused, limit = (min(int(number), 2**63 - 1) for number in found.groups())
        return Handles(max(0, used - unused), limit)

    @classmethod
    def settled(cls, value: Handles) -> dict[str, int]:
        """The limit: what is open moves all the time."""
        return {"limit": value.limit}


class Ports(msgspec.Struct, frozen=True):
    """The ports that connections from here take by themselves, both ends included, bar those `reserved`."""

    low: int
    high: int
    reserved: tuple[tuple[int, int], ...] = ()

    def takes(self, port: int) -> bool:
        """Whether a connection from here may take this port."""
        inside = self.low <= port <= self.high
        return inside and not any(first <= port <= last for first, last in self.reserved)


@fact
class EphemeralPorts(Fact, frozen=True):
    """The range of local ports and what is left out of it (Documentation/networking/ip-sysctl.rst)."""

    value_type: ClassVar[type] = Ports

    def describe(self) -> str:
        return f"read {_RANGE} and {_RESERVED}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(_RANGE), ReadFile(_RESERVED))

    def read(self, host: Host) -> Ports:
        host.want(self.asks())
        found = re.match(r"\s*(\d{1,5})\s+(\d{1,5})\s*$", host.read_text(_RANGE, _SMALL))
        if found is None:
            raise NotReadable(f"{_RANGE} does not hold two ports", "parse")
        try:
            reserved = port_ranges(host.read_text(_RESERVED))
        except NotReadable as problem:
            if problem.cause != "absent":  # kernels before 2.6.35
                raise
            reserved = ()
        return Ports(int(found[1]), int(found[2]), reserved)


def port_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """The ranges in a list such as ``8080,9000-9010``; raises `NotReadable` (parse) for what is none."""
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        if not part.strip():
            continue
        found = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part, re.ASCII)
        if found is None or len(ranges) >= _RANGES_KEPT:
            raise NotReadable(f"{part.strip()[:40]!r} is not a port or a range of ports", "parse")
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < 65536:
            raise NotReadable(f"{part.strip()!r} is not a range of ports", "parse")
        ranges.append((first, last))
    return tuple(ranges)


class Tracked(msgspec.Struct, frozen=True):
    """Connections that the packet filter keeps track of; `limit` is 0 where it keeps track of none."""

    used: int
    limit: int


@fact
class ConnectionTracking(Fact, frozen=True):
    """The table of tracked connections (Documentation/networking/nf_conntrack-sysctl.rst)."""

    value_type: ClassVar[type] = Tracked

    def describe(self) -> str:
        return f"read {_CONNTRACK}count and max"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(f"{_CONNTRACK}count"), ReadFile(f"{_CONNTRACK}max"), ReadFile(OSRELEASE))

    def read(self, host: Host) -> Tracked:
        host.want(self.asks())
        try:
            used = whole_number(host, f"{_CONNTRACK}count")
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            kernel_release(host)  # a system that shows no kernel at all has not said that it lacks the module
            return Tracked(0, 0)
        return Tracked(used, whole_number(host, f"{_CONNTRACK}max"))

    @classmethod
    def settled(cls, value: Tracked) -> dict[str, Any]:
        """The limit: connections come and go."""
        return {"limit": value.limit}


def whole_number(host: Host, path: str) -> int:
    """The one number that a file of the kernel's holds."""
    found = re.fullmatch(r"\s*(\d{1,18})\s*", host.read_text(path, _SMALL), re.ASCII)
    if found is None:
        raise NotReadable(f"{path} does not hold a number", "parse")
    return int(found[1])
