"""TCP connects to several places at once: one row of a matrix of who reaches what."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from math import ceil
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, Unavailable, fact
from checks.facts.asks import Ask, Connect
from checks.facts.network import MAX_TIMEOUT_S, Connection

if TYPE_CHECKING:
    from checks.facts.host import Host

AT_ONCE: Final = 16
"""Connects at a time: many more would look like a port scan to a customer's firewall."""

MAX_DESTINATIONS: Final = 128
"""Of one fact, so that its deadline can be named."""

WANTED: Final = "host:port such as db1:5432, an IPv6 address in brackets: [::1]:80"

UNTRIED: Final = Unavailable("it was not tried")

_DESTINATION: Final = r"(?:\[([^\[\]]+)\]|([^\x00-\x20\[\]<>{}@:/]+)):([0-9]{1,5})"


class Reach(msgspec.Struct, frozen=True):
    """What came of each destination; `unread` are those that could not be tried from there, and why."""

    links: dict[str, Connection] = {}
    unread: dict[str, Unavailable] = {}


@fact
class Reachability(Fact, frozen=True):
    """A TCP connect from here to each of the destinations, each closed at once.

    `timeout` in seconds for each. What is no destination is left out of the value.
    """

    value_type: ClassVar[type] = Reach
    deadline_s: ClassVar[float] = ceil(MAX_DESTINATIONS / AT_ONCE) * (MAX_TIMEOUT_S + 1.0) + 5.0
    destinations: tuple[str, ...] | str
    timeout: float | str = 5.0

    def describe(self) -> str:
        if isinstance(self.destinations, str):
            return f"connect to {self.destinations} (TCP)"
        return f"connect to {', '.join(filter(destination_of, dict.fromkeys(self.destinations)))} (TCP)"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(self._connects().values())

    def read(self, host: Host) -> Reach:
        connects = self._connects()
        if len(connects) > MAX_DESTINATIONS:
            said = f"{len(connects)} destinations are more than {MAX_DESTINATIONS}: make two items of them"
            raise NotReadable(said, "too-large")
        host.want(connects.values())
        found = _connect_all(host, connects)
        unread = {name: each for name in connects if isinstance(each := found[name], Unavailable)}
        links = {name: each for name in connects if isinstance(each := found[name], Connection)}
        return Reach(links, unread)

    @classmethod
    def settled(cls, value: Reach) -> dict[str, str]:
        """What came of each, without times, addresses and words, which vary."""
        outcomes = {name: str(link.outcome) for name, link in value.links.items()}
        return outcomes | {name: each.cause for name, each in value.unread.items()}

    def _connects(self) -> dict[str, Connect]:
        """What is asked, by destination as it was written; none while that is a placeholder."""
        if isinstance(self.destinations, str) or isinstance(self.timeout, str):
            return {}
        timeout = min(max(float(self.timeout), 0.1), MAX_TIMEOUT_S)
        places = {name: place for name in self.destinations if (place := destination_of(name))}
        return {name: Connect(*place, timeout) for name, place in places.items()}


def destination_of(text: str) -> tuple[str, int] | None:
    """Host and port of ``host:port`` or ``[IPv6 address]:port``; None for anything else."""
    found = re.fullmatch(_DESTINATION, text)
    if found is None or not 0 < int(found[3]) < 65536:
        return None
    if found[1] is not None and not _is_ipv6(found[1]):
        return None
    return found[1] or found[2], int(found[3])


def _is_ipv6(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.IPv6Address(text)
    except ipaddress.AddressValueError:
        return False
    return True


def _connect_all(host: Host, connects: Mapping[str, Connect]) -> dict[str, Connection | Unavailable]:
    """What came of each. A connect ends by itself, so every worker does; it is a daemon for a Ctrl-C."""
    todo: SimpleQueue[tuple[str, Connect]] = SimpleQueue()
    for pair in connects.items():
        todo.put(pair)
    found: dict[str, Connection | Unavailable] = dict.fromkeys(connects, UNTRIED)

    def work() -> None:
        while True:
            try:
                name, ask = todo.get_nowait()
            except Empty:
                return
            found[name] = _connect(host, ask)

    count = min(AT_ONCE, len(connects))
    workers = [threading.Thread(target=work, name="connect", daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def _connect(host: Host, ask: Connect) -> Connection | Unavailable:
    try:
        return host.connect(ask.host, int(ask.port), float(ask.timeout))
    except NotReadable as problem:
        return Unavailable(problem.reason, problem.cause)
    except OSError as problem:
        return Unavailable(f"{ask.host}:{ask.port}: {problem.strerror or problem}", "failed")
