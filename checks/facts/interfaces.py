"""Network interfaces: packets and errors they counted (/proc/net/dev), and the members of bonds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, Recall

if TYPE_CHECKING:
    from checks.facts.host import Host

TABLE: Final = "/proc/net/dev"
BONDS: Final = "/proc/net/bonding"
_PASSING: Final = r"lo\d*|Loopback.*|(veth|cali|tap|vnet).*"
"""Names of what is no way out, or comes and goes with a container or guest."""


class Counts(msgspec.Struct, frozen=True):
    """Packets and errors since the interface came up, received and sent."""

    received: int = 0
    receive_errors: int = 0
    sent: int = 0
    send_errors: int = 0


class Interface(msgspec.Struct, frozen=True):
    """An interface's counters now, and as an earlier run found them (`before`, at `since`, aware UTC).

    `members` are those of a bond: whether each has a link.
    """

    now: Counts
    before: Counts | None = None
    since: datetime | None = None
    members: dict[str, bool] = {}


@fact
class Interfaces(Fact, frozen=True):
    """The names of the interfaces that lead somewhere: not the loopback, not those of single containers."""

    value_type: ClassVar[Any] = tuple[str, ...]

    def describe(self) -> str:
        return f"read the names of the network interfaces ({TABLE})"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(TABLE),)

    def read(self, host: Host) -> tuple[str, ...]:
        return tuple(name for name in sorted(_counters(host)) if not re.fullmatch(_PASSING, name))


@fact
class InterfaceCounts(Fact, frozen=True):
    """What one interface counted, beside what the last run recorded."""

    value_type: ClassVar[type] = Interface
    interface: str

    def describe(self) -> str:
        return f"read the counters of {self.interface} ({TABLE}) and its members ({BONDS}/{self.interface})"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(TABLE), ReadFile(f"{BONDS}/{self.interface}"), Recall(self.id()))

    def read(self, host: Host) -> Interface:
        if "/" in self.interface or self.interface in ("", ".", ".."):
            raise NotReadable(f"{self.interface!r} is not the name of an interface", "unsupported")
        host.want(self.asks())
        counters = _counters(host)
        if self.interface not in counters:
            raise NotReadable(f"there is no interface {self.interface}", "absent")
        samples = host.recall(self.id())
        before, since = None, None
        if samples:
            names = Counts.__struct_fields__
            before = Counts(*(int(samples[-1].values.get(name, 0)) for name in names))
            since = samples[-1].at
        return Interface(counters[self.interface], before, since, _members(host, self.interface))

    @classmethod
    def settled(cls, value: Interface) -> dict[str, Any]:
        """The members of a bond and whether they have a link; counters never stand still."""
        return {"members": value.members}

    @classmethod
    def series(cls, value: Interface) -> Mapping[str, float]:
        return {name: float(getattr(value.now, name)) for name in Counts.__struct_fields__}


def parse_counters(text: str) -> dict[str, Counts]:
    """The counters by interface in the text of /proc/net/dev, whose order of columns is that of the kernel
    since 2.1; lines that are something else are left out."""
    found = {}
    for line in text.splitlines():
        name, colon, rest = line.rpartition(":")
        columns = rest.split()
        if (
            colon
            and name.strip()
            and len(columns) >= 16
            and all(re.fullmatch("[0-9]{1,20}", c) for c in columns)
        ):
            numbers = [int(each) for each in columns]
            found[name.strip()] = Counts(numbers[1], numbers[2], numbers[9], numbers[10])
    return found


def parse_bond(text: str) -> dict[str, bool]:
    """The members of a bond and whether their link is up (bonding.rst, "Bonding Configuration")."""
    members: dict[str, bool] = {}
    member = ""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == "Slave Interface":
            member = value.strip()[:64]
            members[member] = False
        elif colon and key.strip() == "MII Status" and member:
            members[member] = value.strip() == "up"
    return members


def _counters(host: Host) -> dict[str, Counts]:
    try:
        return parse_counters(host.read_text(TABLE))
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
    host.only_here("the interfaces of a system without /proc/net")
    import psutil

    return {
        name: Counts(seen.packets_recv, seen.errin, seen.packets_sent, seen.errout)
        for name, seen in psutil.net_io_counters(pernic=True).items()
    }


def _members(host: Host, interface: str) -> dict[str, bool]:
    try:
        return parse_bond(host.read_text(f"{BONDS}/{interface}", 256 * 1024))
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return {}
