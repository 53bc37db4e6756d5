"""Every port that something listens on for TCP, and who."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListListeners, ListProcesses, ReadFrom
from checks.facts.sockets import parse_sockets

if TYPE_CHECKING:
    from checks.facts.host import Host

TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
LIMIT: Final = 1000
_LISTEN: Final = "0A"


class OpenPort(msgspec.Struct, frozen=True):
    """A port, the addresses it is open on and the names of the processes that hold it, each sorted; no names
    where those are not known."""

    port: int
    addresses: tuple[str, ...]
    processes: tuple[str, ...] = ()


class PortTable(msgspec.Struct, frozen=True):
    """The ports that are open, in their order."""

    ports: tuple[OpenPort, ...] = ()


@fact
class OpenPorts(Fact, frozen=True):
    """The TCP ports that something listens on, by port."""

    value_type: ClassVar[type] = PortTable

    def describe(self) -> str:
        return f"read which TCP ports are open, and who holds them ({' and '.join(TABLES)})"

    def asks(self) -> tuple[Ask, ...]:
        return (*(ReadFrom(path, 0) for path in TABLES), ListListeners(), ListProcesses())

    def read(self, host: Host) -> PortTable:
        host.want(self.asks())
        addresses: dict[int, set[str]] = {}
        inodes: dict[int, set[str]] = {}
        absent = 0
        for path in TABLES:
            try:
                data = host.read_listening(path)
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
                absent += 1
                continue
            for row in parse_sockets(data):
                if row.state == _LISTEN:
                    addresses.setdefault(row.port, set()).add(row.address)
                    inodes.setdefault(row.port, set()).add(row.inode)
        if absent == len(TABLES):
            host.only_here("the open ports of a system without /proc/net")
            return _by_psutil()
        holders = host.listeners().holders
        names = {process.pid: process.name for process in host.processes()}
        found = []
        for port in sorted(addresses):
            pids = {pid for inode in inodes[port] for pid in holders.get(inode, frozenset())}
            held_by = {names[pid] for pid in pids if pid in names}
            found.append(OpenPort(port, tuple(sorted(addresses[port])), tuple(sorted(held_by))))
        return PortTable(tuple(found[:LIMIT]))


def _by_psutil() -> PortTable:
    """Windows and macOS."""
    import psutil

    try:
        seen = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied as error:
        raise NotReadable("sockets of others are shown to root only", "denied") from error
    names = {each.pid: each.info["name"] or "" for each in psutil.process_iter(["name"])}
    addresses: dict[int, set[str]] = {}
    holders: dict[int, set[str]] = {}
    for link in seen:
        if link.laddr and link.status == psutil.CONN_LISTEN:
            addresses.setdefault(link.laddr.port, set()).add(str(link.laddr.ip))
            holders.setdefault(link.laddr.port, set()).add(names.get(link.pid or -1, ""))
    return PortTable(
        tuple(
            OpenPort(port, tuple(sorted(addresses[port])), tuple(sorted(holders[port] - {""})))
            for port in sorted(addresses)[:LIMIT]
        )
    )
