"""Names and addresses as the target's own resolver knows them: DNS, /etc/hosts and whatever else it is told.

getent(1) asks like every program there does. Where a system has none (BusyBox alone), nslookup asks DNS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand
from checks.facts.resolver import Answer, answer_of
from checks.facts.tlscontext import ascii_host

if TYPE_CHECKING:
    from checks.facts.host import Host

MAX_TIMEOUT_S: Final = 30.0
MAX_REVERSE: Final = 8
"""Addresses of which the names are asked for, for `REVERSE_S` seconds each."""

REVERSE_S: Final = 5.0

_TIMED: Final = (
    "a=$(cat /proc/uptime); "
    'if command -v getent >/dev/null; then getent ahosts "$1"; else nslookup "$1"; fi; s=$?; '
    'if [ $s = 1 ] && getent hosts "$1" 2>/dev/null; then s=0; fi; '
    'c=$(cat /proc/uptime); echo "took ${a%% *} ${c%% *}"; exit $s'
)
"""A program that times another: nothing that every system has does so. The clock's steps are 10 ms. A getent
that does not know of ahosts ends with 1 (glibc's and musl's end with 2 for a name that is not known)."""

_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.:%-]{0,253})"


class Lookup(msgspec.Struct, frozen=True):
    """What a name resolves to. `outcome`: found, unknown, or timeout.

    `canonical` is the name that the resolver knows it by; `reverse` the names of the first eight addresses;
    `latency_ms` how long the first question took, None where that could not be told.
    """

    outcome: str
    addresses: tuple[str, ...] = ()
    canonical: str = ""
    reverse: dict[str, tuple[str, ...]] = {}
    latency_ms: float | None = None


class OwnName(msgspec.Struct, frozen=True):
    """What a machine calls itself: now, after the next start (empty: it does not say), in full; and the
    addresses that its resolver has for it."""

    name: str
    persisted: str = ""
    full: str = ""
    addresses: tuple[str, ...] = ()


@fact
class NameLookup(Fact, frozen=True):
    """The addresses of a name, within `timeout` seconds, and with `reverse` the names of these."""

    value_type: ClassVar[type] = Lookup
    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + MAX_REVERSE * REVERSE_S + 5.0
    name: str
    reverse: bool | str = True
    timeout: float | str = 5.0

    def describe(self) -> str:
        back = ", and their names" if self.reverse else ""
        return f"resolve {self.name} (getent ahosts, or nslookup){back}"

    def asks(self) -> tuple[Ask, ...]:
        if "{" in self.name:
            return ()
        forward = _timed(_asked(self.name), self._seconds)
        return (
            forward,
            *_asks(f"<address of {self.name}>", REVERSE_S)[: 2 * bool(self.reverse)],
        )

    def read(self, host: Host) -> Lookup:
        name = _asked(self.name)
        if not re.fullmatch(_NAME, name):
            raise NotReadable(f"{self.name!r:.100} is not a host name", "unsupported")
        try:
            said = answer_of(host.execute(_timed(name, self._seconds)))
        except NotReadable as problem:
            if problem.cause == "absent":
                host.only_here("names on a system without a POSIX shell")
                return _by_socket(name, bool(self.reverse), self._seconds)
            if problem.cause != "timeout":
                raise
            return Lookup("timeout", latency_ms=self._seconds * 1000)
        if not said.addresses:
            return Lookup("unknown", latency_ms=said.latency_ms)
        reverse: dict[str, tuple[str, ...]] = {}
        if self.reverse:
            asked = said.addresses[:MAX_REVERSE]
            host.want(_asks(each, REVERSE_S)[0] for each in asked)
            reverse = {each: _names(host, each) for each in asked}
        canonical = said.names[0] if said.names else ""
        return Lookup("found", said.addresses, canonical, reverse, said.latency_ms)

    @classmethod
    def settled(cls, value: Lookup) -> dict[str, Any]:
        """What is known, in no order: servers turn their answers round, and how long it took varies."""
        reverse = {address: sorted(names) for address, names in sorted(value.reverse.items())}
        return {"outcome": value.outcome, "addresses": sorted(value.addresses), "reverse": reverse}

    @property
    def _seconds(self) -> float:
        given = self.timeout
        return 5.0 if isinstance(given, str) else min(max(float(given), 0.1), MAX_TIMEOUT_S)


@fact
class HostName(Fact, frozen=True):
    """The machine's own name, and what its resolver makes of it."""

    value_type: ClassVar[type] = OwnName
    deadline_s: ClassVar[float] = 15.0

    def describe(self) -> str:
        return "read the host's name (/proc/sys/kernel/hostname, /etc/hostname) and resolve it"

    def asks(self) -> tuple[Ask, ...]:
        own = (ReadFile("/proc/sys/kernel/hostname"), ReadFile("/etc/hostname"))
        return (*own, _timed("<name of the host>", 5.0))

    def read(self, host: Host) -> OwnName:
        host.want(self.asks()[:2])
        name = _line(host, "/proc/sys/kernel/hostname")
        if not name:
            host.only_here("the name of a system without /proc")
            return _own_by_socket()
        persisted = _line(host, "/etc/hostname")
        if not re.fullmatch(_NAME, name):
            return OwnName(name, persisted)
        try:
            said = answer_of(host.execute(_timed(name, 5.0)))
        except NotReadable as problem:
            if problem.cause != "timeout":
                raise
            said = Answer()
        full = next((each for each in (*said.names, name) if "." in each), "")
        return OwnName(name, persisted, full, said.addresses)

    @classmethod
    def settled(cls, value: OwnName) -> dict[str, Any]:
        """Everything, the addresses in no order."""
        kept = {name: getattr(value, name) for name in ("name", "persisted", "full")}
        return kept | {"addresses": sorted(value.addresses)}


def _timed(name: str, seconds: float) -> RunCommand:
    return RunCommand(("sh", "-c", _TIMED, "sh", name), seconds)


def _asks(name: str, seconds: float) -> tuple[RunCommand, RunCommand]:
    """To ask as programs do; and DNS alone, where that is not possible."""
    return RunCommand(("getent", "hosts", name), seconds), RunCommand(("nslookup", name), seconds)


def _answered(host: Host, name: str, seconds: float) -> Answer:
    """Raises `NotReadable`: unsupported where neither tool is there, timeout."""
    for ask in _asks(name, seconds):
        try:
            return answer_of(host.execute(ask))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
    raise NotReadable("there is neither getent nor nslookup", "unsupported")


def _asked(name: str) -> str:
    return name if "{" in name else ascii_host(name).removesuffix(".")


def _names(host: Host, address: str) -> tuple[str, ...]:
    """The names of an address; none where nobody answers in time."""
    try:
        return _answered(host, address, REVERSE_S).names
    except NotReadable as problem:
        if problem.cause != "timeout":
            raise
        return ()


def _line(host: Host, path: str) -> str:
    """The first line of a small file that is no comment; empty where there is none."""
    try:
        text = host.read_text(path, 64 * 1024)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return ""
    lines = (line.strip() for line in text.splitlines())
    return next((line[:255] for line in lines if line and not line.startswith("#")), "")


def _by_socket(name: str, reverse: bool, seconds: float) -> Lookup:
    """The same through the standard library."""
    import socket
    import threading
    import time

    found: list[Lookup] = []

    def look_up() -> None:
        began = time.monotonic()
        try:
            infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
        except (OSError, UnicodeError):
            found.append(Lookup("unknown", latency_ms=round((time.monotonic() - began) * 1000, 1)))
            return
        took = round((time.monotonic() - began) * 1000, 1)
        addresses = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
        back = {address: _back(address) for address in addresses[:MAX_REVERSE]} if reverse else {}
        found.append(Lookup("found", addresses, infos[0][3], back, took))

    resolver = threading.Thread(target=look_up, daemon=True, name=f"resolve {name}")
    resolver.start()
    resolver.join(2 * seconds)
    return found[0] if found else Lookup("timeout", latency_ms=seconds * 1000)


def _back(address: str) -> tuple[str, ...]:
    import socket

    try:
        name, others, _ = socket.gethostbyaddr(address)
    except (OSError, UnicodeError):
        return ()
    return (name, *others)


def _own_by_socket() -> OwnName:
    import socket

    name, full = socket.gethostname(), socket.getfqdn()
    try:
        infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        infos = []
    addresses = tuple(dict.fromkeys(str(info[4][0]) for info in infos))
    return OwnName(name, "", full if "." in full else "", addresses)
