"""Checks of what can be reached over the network."""

from __future__ import annotations

from typing import Final

from checks.facts.network import Connection, TcpConnect
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span
from checks.verdicts import fail, msg, passed

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
def reachable_port(link: Connection, host: str, port: int, timeout: Span = 5) -> Verdict:
    """A TCP port can be reached from here.

    A connection is opened and closed at once; nothing is sent. What came of it is told apart, because
    each has another remedy and another person to ask: refused, timeout, dns, no-route.

    Remedy: from this host, `nc -vz {host} {port}` shows the same. Refused: start the service there, or have
    it listen on that address (`ss -ltn`). Timeout: ask the firewall's people to let TCP {port} from here to
    {host} pass. Name not known: `getent hosts {host}`, then DNS or /etc/hosts. No route:
    `ip route get <address>`.
    Source: host preflights of troubleshoot.sh (tcpConnect, with its outcomes); 5 s is their timeout.
    """
    evidence: dict[str, Scalar] = {
        "outcome": link.outcome,
        "address": link.address,
        "latency_ms": link.latency_ms,
    }
    if link.outcome == "connected":
        return passed(msg("connected in {latency} ms", latency=round(link.latency_ms, 1)), evidence=evidence)
    said = msg(_SAYS[link.outcome], detail=link.detail, timeout=timeout)
    return fail(said, cause=link.outcome, evidence=evidence)
