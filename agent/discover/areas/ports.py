"""TCP ports that something listens on, who, and on which addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.discover.known import PRODUCTS
from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Finding, Note, Seen, Written, slug
from checks.addresses import ANY, is_loopback
from checks.fact import Fact
from checks.facts.kernel import EphemeralPorts, Ports
from checks.facts.listening import OpenPort, OpenPorts

NAME = "ports"
REMOTE = "remote"
SHOWN = 8
"""Ports that are named of many."""

_FIXED = frozenset(port for product in PRODUCTS for port in product.ports)
_PROGRAM = re.compile(r"[^\s:/{}<>]*[^\s:/0-9{}<>][^\s:/{}<>]*")


def facts(seen: Seen) -> Iterator[Fact]:
    del seen
    yield OpenPorts()
    yield EphemeralPorts()


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "who listens", OpenPorts())
    yield from seen.unread(NAME, "the ports that connections take", EphemeralPorts(), quiet=NOT_THERE)
    table = seen.value(OpenPorts())
    if table is None:
        return
    taken: Ports | None = seen.value(EphemeralPorts())
    unseen = []
    passing: dict[str, list[int]] = {}
    for port in table.ports:
        if taken is not None and port.port not in _FIXED and taken.takes(port.port):
            passing.setdefault(", ".join(port.processes), []).append(port.port)
            continue
        if not port.processes:
            unseen.append(str(port.port))
        yield _entry(port)
    yield from (Note(NAME, _passing(who, ports)) for who, ports in passing.items())
    if unseen:
        yield Note(
            NAME,
            f"who listens on {', '.join(unseen)} could not be seen, so any program may. Root sees it, "
            "unless it is in another container",
        )


def _passing(who: str, ports: list[int]) -> str:
    """What is said of ports that the next start may choose otherwise: one line for all of a program."""
    if len(ports) == 1:
        named = f"{ports[0]} ({who})" if who else str(ports[0])
        return f"{named} lies among the ports that connections take, so that it may be another at each start"
    shown = ", ".join(map(str, ports[:SHOWN])) + (", …" if len(ports) > SHOWN else "")
    return (
        f"{len(ports)} ports{f' of {who}' if who else ''} ({shown}) lie among those that connections "
        "take, so that they may be others at each start"
    )


def outside(port: OpenPort) -> list[str]:
    """The addresses of a port that are not of the loopback."""
    return [address for address in port.addresses if not is_loopback(address)]


def _entry(port: OpenPort) -> Entry:
    named = port.processes[0] if len(port.processes) == 1 and _PROGRAM.fullmatch(port.processes[0]) else ""
    listener = f"{named}:{port.port}" if named else str(port.port)
    where = outside(port)
    variables = {}
    address: str = REMOTE
    if not where:
        address = "loopback"
    elif any(each in ANY for each in where):
        address = "all"
    elif len(where) == 1 and "%" not in where[0] and not where[0].startswith("fe80:"):
        address, variables = Written("${address}"), {"address": where[0]}
    who = ", ".join(port.processes) or "something"
    return Entry(
        NAME,
        f"listener.{slug(listener)}",
        "net.listen_bind",
        {"listener": listener, "address": address},
        f"{who} listens on {', '.join(port.addresses)}",
        severity="P2" if address == "loopback" else "",
        variables=variables,
    )


AREA = Area(NAME, "Listeners", facts, findings)
