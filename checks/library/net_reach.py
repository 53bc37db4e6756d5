"""Checks of what can be reached over the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from checks.fact import Unavailable
from checks.facts.network import Connection, TcpConnect
from checks.facts.reach import UNTRIED, WANTED, Reach, Reachability, destination_of
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span
from checks.verdicts import error, fail, msg, passed

_SAYS: Final = {
    "refused": "the connection was refused: the host answers, nothing listens there or a firewall rejects",
    "timeout": "no answer within {timeout} s: a firewall drops it, or the host is down",
    "dns": "the name is not known: {detail}",
    "no-route": "there is no route: {detail}",
    "failed": "the connection failed: {detail}",
}


@check(
    "net.port_reach",
    severity=Severity.P1,
    about="host",
    owner="network",
    object="{host}:{port}",
    link=TcpConnect("{host}", "{port}", "{timeout}"),
)
def reachable_port(
    link: Connection, host: str, port: int, timeout: Span = 5, reachable: bool = True
) -> Verdict:
    """A TCP port can be reached from here.

    A connection is opened and closed at once; nothing is sent. What came of it is told apart, because
    each has another remedy and another person to ask: refused, timeout, dns, no-route.
    ``reachable: false`` wants it closed from here.

    Remedy: from this host, `nc -vz {host} {port}` shows the same. Refused: start the service there, or have
    it listen on that address (`ss -ltn`). Timeout: ask the firewall's people to let TCP {port} from here to
    {host} pass. Name not known: `getent hosts {host}`, then DNS or /etc/hosts. No route:
    `ip route get <address>`.
    Source: host preflights of troubleshoot.sh (tcpConnect, with its outcomes); 5 s is their timeout.
    """
    verdict = _judged(link, timeout)
    if reachable:
        return verdict
    evidence: dict[str, Scalar] = {"outcome": link.outcome}
    if verdict.status == "pass":
        return fail("it can be reached from here, and should not", cause="open", evidence=evidence)
    return passed(msg("it cannot be reached, as wanted ({outcome})", outcome=link.outcome), evidence=evidence)


@check(
    "net.matrix",
    severity=Severity.P1,
    about="site",
    owner="network",
    across="site",
    rows=Reachability("{to}", "{timeout}"),
)
def reachable_matrix(
    rows: Mapping[str, Reach | Unavailable], to: list[str], timeout: Span = 5
) -> list[Verdict]:
    """Every source reaches every destination.

    Sources are the targets that take part (narrow them with `on`), destinations the `host:port` of `to`, an
    IPv6 address as `[::1]:80`, at most 128. A connection is opened from each source and closed at once;
    nothing is sent. There is one result for each pair, `app1 → db1:5432`: together they are the table to give
    to the people of the firewall. What is measured through SSH includes the way to the source, so the time is
    shown and never judged.

    Remedy: from the source, `nc -vz <host> <port>` shows the same. Refused: start the service there, or have
    it listen on that address (`ss -ltn`). Timeout: ask the firewall's people to let this source through to
    that port. Name not known: `getent hosts <host>` on the source, then DNS or /etc/hosts. No route:
    `ip route get <address>` on the source.
    Source: host preflights of troubleshoot.sh (tcpConnect, with its outcomes); 5 s is their timeout.
    """
    places = {destination: destination_of(destination) for destination in to}
    wrong = [
        error(
            msg("{destination} is no destination; write {wanted}", destination=repr(name), wanted=WANTED),
            object=f"* → {name}",
            cause="unsupported",
        )
        for name, place in places.items()
        if place is None
    ]
    return wrong + [
        _cell(source, row, name, timeout)
        for source, row in rows.items()
        for name, place in places.items()
        if place
    ]


def _cell(source: str, row: Reach | Unavailable, destination: str, timeout: float) -> Verdict:
    """One pair; its object is the same whatever became of it, so that its finding is."""
    object = f"{source} → {destination}"
    if isinstance(row, Reach) and destination in row.links:
        return _judged(row.links[destination], timeout, object)
    why = row.unread.get(destination, UNTRIED) if isinstance(row, Reach) else row
    return error(msg("it could not be tried: {reason}", reason=why.reason), object=object, cause=why.cause)


def _judged(link: Connection, timeout: float, object: str | None = None) -> Verdict:
    evidence: dict[str, Scalar] = {
        "outcome": link.outcome,
        "address": link.address,
        "latency_ms": link.latency_ms,
    }
    if link.outcome == "connected":
        said = msg("connected in {latency} ms", latency=round(link.latency_ms, 1))
        return passed(said, object=object, evidence=evidence)
    said = msg(_SAYS[link.outcome], detail=link.detail, timeout=timeout)
    return fail(said, object=object, cause=link.outcome, evidence=evidence)
