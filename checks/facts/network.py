"""TCP connects; what came of one is its value: a refused connection is an answer, not a failed reading."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, Connect

if TYPE_CHECKING:
    import socket

    from checks.facts.host import Host

Outcome = Literal["connected", "refused", "timeout", "dns", "no-route", "failed"]

MAX_TIMEOUT_S: Final = 30.0
_OUTCOMES: Final[dict[int, Outcome]] = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "no-route",
    errno.ENETUNREACH: "no-route",
    errno.EADDRNOTAVAIL: "no-route",
}
# Of several addresses the answer that tells most: a host without IPv6 has no route to the first of them.
_TELLING: Final[tuple[Outcome, ...]] = ("refused", "timeout", "failed", "no-route")


class Connection(msgspec.Struct, frozen=True):
    """What came of connecting: milliseconds to the answer, the address that gave it, the system's words."""

    outcome: Outcome
    latency_ms: float = 0.0
    address: str = ""
    detail: str = ""


@fact
class TcpConnect(Fact, frozen=True):
    """One TCP connect from here, closed at once; `timeout` in seconds, over all addresses of the name."""

    value_type: ClassVar[type] = Connection
    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + 5.0
    host: str
    port: int | str
    timeout: float | str = 5.0

    def describe(self) -> str:
        return f"connect to {self.host}:{self.port}/tcp"

    def asks(self) -> tuple[Ask, ...]:
        return (self._connect(),)

    def read(self, host: Host) -> Connection:
        ask = self._connect()
        if not (isinstance(ask.port, int) and 0 < ask.port < 65536):
            raise NotReadable(f"{ask.port} is not a port", "unsupported")
        return host.connect(ask.host, ask.port, float(ask.timeout))

    @classmethod
    def settled(cls, value: Connection) -> dict[str, str]:
        """What came of it: how long it took, which of its addresses answered, and the words for it vary."""
        return {"outcome": value.outcome}

    def _connect(self) -> Connect:
        """What is asked, within bounds."""
        port = int(self.port) if str(self.port).isdigit() else self.port
        timeout = min(max(float(self.timeout), 0.1), MAX_TIMEOUT_S) if _is_number(self.timeout) else 5.0
        return Connect(self.host, port, timeout)


def _is_number(value: float | str) -> bool:
    """False for a placeholder that is not filled yet."""
    return not isinstance(value, str) or value.replace(".", "", 1).isdigit()


def connect(name: str, port: int, timeout: float) -> Connection:
    """Try the addresses of `name` one after the other until one connects; `timeout` seconds for all."""
    link, came_of = open_connection(name, port, timeout)
    if link is not None:
        link.close()
    return came_of


def open_connection(name: str, port: int, timeout: float) -> tuple[socket.socket | None, Connection]:
    """As `connect`, with the open socket where there is one, which the caller closes."""
    import socket

    began = time.monotonic()
    addresses = _resolve(name, port, timeout)
    if isinstance(addresses, Connection):
        return None, addresses
    tried: list[Connection] = []
    for at, (family, address) in enumerate(addresses):
        left = timeout - (time.monotonic() - began)
        if left <= 0 and tried:
            break
        asked = time.monotonic()
        link = socket.socket(family, socket.SOCK_STREAM)
        link.settimeout(max(0.05, left / (len(addresses) - at)))
        outcome: Outcome
        try:
            link.connect(address)
            outcome, detail = "connected", ""
        except TimeoutError:
            outcome, detail = "timeout", f"no answer within {timeout:g} s"
        except OSError as error:
            outcome = _OUTCOMES.get(error.errno or 0, "failed")
            detail = error.strerror or str(error)
        took = round((time.monotonic() - asked) * 1000, 3)
        tried.append(Connection(outcome, took, str(address[0]), detail))
        if outcome == "connected":
            return link, tried[-1]
        link.close()
    return None, min(tried, key=lambda one: _TELLING.index(one.outcome))


def _resolve(name: str, port: int, timeout: float) -> list[tuple[Any, Any]] | Connection:
    """The addresses of a name, or that it has none. The system's resolver cannot be stopped, so it is left
    behind in a thread of its own when it takes too long."""
    import socket
    import threading

    found: list[list[tuple[Any, Any]] | Connection] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or "not a host name"
            found.append(Connection("dns", detail=str(words)))
        else:
            found.append(list(dict.fromkeys((info[0], info[4]) for info in infos)))

    resolver = threading.Thread(target=look_up, daemon=True, name=f"resolve {name}")
    resolver.start()
    resolver.join(timeout)
    return found[0] if found else Connection("dns", detail=f"no answer within {timeout:g} s")
