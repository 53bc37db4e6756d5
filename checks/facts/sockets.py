"""Which ports are taken, on which addresses and by whom: /proc/net (proc(5)), or psutil where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListListeners, ListProcesses, ReadFile, ReadFrom
from checks.facts.host import MOUNT_TABLE
from checks.facts.process import named, refuse_if_hidden

if TYPE_CHECKING:
    from checks.facts.host import Host

MAX_SOCKETS: Final = 500
_LINE: Final = (
    r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{2}) "
    r"\S+ \S+ \S+\s+(\d+)\s+\d+\s+(\d+)"
)
_MEANT: Final = (
    r"(?:(?P<process>[^\s:/]*[^\s:/0-9][^\s:/]*)(?::|(?=$)|(?=/)))?"
    r"(?P<port>\d{1,5})?(?:/(?P<protocol>tcp|udp))?"
)
_LISTEN: Final = "0A"
_TIME_WAIT: Final = "06"


class Bound(msgspec.Struct, frozen=True):
    """A socket with a port of its own: address (``::`` and ``0.0.0.0`` are all), what holds it.

    `listens` is False for the near end of a connection. `processes` are the names of its holders, sorted,
    empty where they are not known; `uid` is who made it, -1 where the system does not tell.
    """

    address: str
    port: int
    listens: bool = True
    processes: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    uid: int = -1


class BoundSockets(msgspec.Struct, frozen=True):
    """The sockets that were asked for, by port and address. `hidden`: more may be held by processes that
    could not be looked into."""

    sockets: tuple[Bound, ...] = ()
    hidden: bool = False


class Row(msgspec.Struct, frozen=True):
    """A line of /proc/net/tcp and the like."""

    address: str
    port: int
    far_port: int
    state: str
    uid: int
    inode: str


class Meant(msgspec.Struct, frozen=True):
    """Whose sockets: of a program, of a port (0: of any), or of both."""

    process: str
    port: int
    protocol: str


@fact
class Sockets(Fact, frozen=True):
    """The sockets of a port (``443``, ``53/udp``), of a program (``nginx``) or of both (``nginx:443``).

    Of TCP those that listen, and of a port that nobody listens on also connections that have it at the near
    end; of UDP all that are bound, whose holders are not looked for. Raises `BadInput` where `of` is written
    in another way.
    """

    value_type: ClassVar[type] = BoundSockets
    of: str

    def __post_init__(self) -> None:
        if "{" not in self.of:
            meant(self.of)

    def describe(self) -> str:
        return f"read the sockets of {self.of} ({' and '.join(self._tables)})"

    @property
    def _tables(self) -> tuple[str, str]:
        protocol = "tcp" if "{" in self.of else meant(self.of).protocol
        return f"/proc/net/{protocol}", f"/proc/net/{protocol}6"

    def asks(self) -> tuple[Ask, ...]:
        tables = tuple(ReadFrom(path, 0) for path in self._tables)
        if self.of.endswith("/udp"):
            return tables
        return (*tables, ListListeners(), ListProcesses(), ReadFile(MOUNT_TABLE))

    def read(self, host: Host) -> BoundSockets:
        wanted = meant(self.of)
        host.want(self.asks())
        rows = _rows(host, self._tables, wanted)
        if rows is None:
            host.only_here("the sockets of a system without /proc/net")
            return _elsewhere(wanted)
        kept = [row for row in rows if wanted.port in (0, row.port) and _counts(row, wanted)]
        if wanted.protocol == "udp" or not self._wants_holders(wanted):
            udp = wanted.protocol == "udp"
            bound = [Bound(row.address, row.port, udp or row.state == _LISTEN, uid=row.uid) for row in kept]
            return BoundSockets(_sorted(bound))
        return _held(host, kept, wanted.process)

    @staticmethod
    def _wants_holders(wanted: Meant) -> bool:
        del wanted
        return True

    @classmethod
    def settled(cls, value: BoundSockets) -> list[list[str]]:
        """What listens where, by program: pids are new with every start, and connections come and go."""
        return sorted(
            [f"{each.address} {each.port}", ", ".join(each.processes)]
            for each in value.sockets
            if each.listens
        )


@fact
class Listening(Sockets, frozen=True):
    """The same without the holders of a port, unless it is a program's: to find them every process has to be
    looked into, which costs more than all else that a run of cheap checks does."""

    def asks(self) -> tuple[Ask, ...]:
        asked = super().asks()
        if "{" in self.of or self._wants_holders(meant(self.of)):
            return asked
        return tuple(ask for ask in asked if isinstance(ask, ReadFrom))

    @staticmethod
    def _wants_holders(wanted: Meant) -> bool:
        return bool(wanted.process)


def meant(of: str) -> Meant:
    """Whose sockets a text means. Raises `BadInput` that says how to write it."""
    found = re.fullmatch(_MEANT, of.strip())
    port = int(found["port"] or 0) if found else 0
    if found is None or not (found["process"] or 0 < port < 65536) or port > 65535:
        raise BadInput(f"{of!r:.100} is no listener; write a port (443, 53/udp), a program or nginx:443")
    protocol = found["protocol"] or "tcp"
    if protocol == "udp" and (found["process"] or not port):
        raise BadInput(f"{of!r:.100}: who holds a UDP socket is not looked for; name its port alone")
    return Meant(found["process"] or "", port, protocol)


def parse_sockets(data: bytes) -> Iterator[Row]:
    """The rows of /proc/net/{tcp,udp}{,6}; what is no such row, such as a last one cut short, is left out."""
    for line in data.decode("ascii", errors="replace").splitlines():
        found = re.match(_LINE, line)
        if found is not None:
            address, port, far, state, uid, inode = found.groups()
            yield Row(_address(address), int(port, 16), int(far, 16), state, int(uid), inode)


def _address(digits: str) -> str:
    """An address out of 32-bit words in the byte order of nearly all machines, the little end first."""
    packed = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    if len(packed) == 4 or packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return ".".join(map(str, packed[-4:]))
    import socket

    return socket.inet_ntop(socket.AF_INET6, packed)


def _rows(host: Host, tables: tuple[str, str], wanted: Meant) -> list[Row] | None:
    """Rows of both tables that may be meant; None where the system has neither.

    Connections count only of a port that nobody listens on, so they are looked at only then.
    """
    if wanted.protocol == "tcp":
        rows = _rows_in(host.read_listening, tables, wanted)
        if rows is None or wanted.process or any(_listens_at(row, wanted.port) for row in rows):
            return rows
    return _rows_in(lambda path: host.read_from(path, 0), tables, wanted)


def _rows_in(read: Callable[[str], bytes], tables: tuple[str, str], wanted: Meant) -> list[Row] | None:
    # Of thousands of connections only the lines that may be meant are worth a closer look.
    sought = b":%04X " % wanted.port if wanted.port else f" {_LISTEN} ".encode()
    found: list[Row] = []
    absent = 0
    for path in tables:
        try:
            found += parse_sockets(_lines_with(sought, read(path)))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            absent += 1
    return None if absent == 2 else found


def _lines_with(sought: bytes, data: bytes) -> bytes:
    """The lines that hold it, found without taking the others apart: there may be thousands."""
    lines, at = [], data.find(sought)
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        lines.append(data[data.rfind(b"\n", 0, at) + 1 : end])
        at = data.find(sought, end)
    return b"\n".join(lines)


def _listens_at(row: Row, port: int) -> bool:
    return row.state == _LISTEN and row.port == port


def _counts(row: Row, wanted: Meant) -> bool:
    """A connection that is only remembered holds no port against one who listens (SO_REUSEADDR)."""
    if wanted.protocol == "udp" or row.state == _LISTEN:
        return True
    return bool(wanted.port) and row.state != _TIME_WAIT


def _held(host: Host, rows: list[Row], process: str) -> BoundSockets:
    """TCP sockets with their holders."""
    listeners = host.listeners()
    processes = host.processes()
    names = {each.pid: each.name for each in processes}
    wanted = {each.pid for each in named(processes, process)} if process else set()
    found, unknown = [], False
    for row in rows:
        pids = listeners.holders.get(row.inode, frozenset())
        listens = row.state == _LISTEN
        if process and not (listens and pids & wanted):
            unknown |= listens and not pids and bool(listeners.suspects & wanted)
            continue
        held_by = tuple(sorted({names[pid] for pid in pids if pid in names}))
        found.append(Bound(row.address, row.port, listens, held_by, tuple(sorted(pids)), row.uid))
    if process and not wanted:
        refuse_if_hidden(host)
    return BoundSockets(_sorted(found), unknown)


def _elsewhere(wanted: Meant) -> BoundSockets:
    """Windows and macOS."""
    import psutil

    try:
        seen = psutil.net_connections(kind=wanted.protocol)
    except psutil.AccessDenied as error:
        raise NotReadable("sockets of others are shown to root only", "denied") from error
    names = {each.pid: each.info["name"] or "" for each in psutil.process_iter(["name"])}
    found = []
    for link in seen:
        if not link.laddr or wanted.port not in (0, link.laddr.port):
            continue
        listens = wanted.protocol == "udp" or link.status == psutil.CONN_LISTEN
        name = names.get(link.pid or -1, "")
        if wanted.process not in ("", name, name.lower().removesuffix(".exe")):
            continue
        if not listens and (not wanted.port or wanted.process or link.status == psutil.CONN_TIME_WAIT):
            continue
        pids = (link.pid,) if link.pid else ()
        found.append(Bound(str(link.laddr.ip), link.laddr.port, listens, (name,) if name else (), pids))
    return BoundSockets(_sorted(found))


def _sorted(found: list[Bound]) -> tuple[Bound, ...]:
    """By port and address. Connections count only where nobody listens: with a listener they are its own."""
    listening = {each.port for each in found if each.listens}
    kept = [each for each in found if each.listens or each.port not in listening]
    return tuple(sorted(kept, key=lambda each: (each.port, each.address, each.pids))[:MAX_SOCKETS])
