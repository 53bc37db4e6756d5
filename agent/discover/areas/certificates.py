"""Certificates: those that configuration files name, and those that servers on the loopback send."""

from __future__ import annotations

from collections.abc import Iterator

from agent.discover.areas import products
from agent.discover.areas.files import config_files, config_patterns
from agent.discover.areas.ports import outside
from agent.discover.known import TLS_PORTS, WEB_SERVERS
from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Finding, Note, Seen, slug
from checks.addresses import ANY
from checks.fact import Fact
from checks.facts.foundfiles import FoundFiles
from checks.facts.listening import OpenPort, OpenPorts
from checks.facts.pem import Certificate, CertificateFile
from checks.facts.tls import Certificates, Held
from checks.facts.tlsfiles import Pair, TlsFiles

NAME = "certificates"

_PLAIN = frozenset({80, 8080})
_NO_TLS = frozenset({"no-tls", "handshake", "refused"})
"""Causes that say that the server speaks no TLS there, or none without more being said first."""


def facts(seen: Seen) -> Iterator[Fact]:
    yield from products.facts(seen)
    for pattern in config_patterns(seen):
        yield FoundFiles(pattern)
    for path in config_files(seen):
        yield TlsFiles(path)
    for certificate in _pairs(seen):
        yield CertificateFile(certificate)
    yield OpenPorts()
    for server in _servers(seen):
        yield Certificates(server)


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    for pattern in config_patterns(seen):
        yield from seen.unread(NAME, pattern, FoundFiles(pattern), quiet=NOT_THERE)
    for path in config_files(seen):
        yield from seen.unread(NAME, f"which certificates {path} names", TlsFiles(path))
    for certificate, (pair, where) in _pairs(seen).items():
        yield from seen.unread(NAME, f"{certificate}, which {where} names", CertificateFile(certificate))
        chain = seen.value(CertificateFile(certificate))
        if not chain:
            continue
        why = f"{where} names it: {_told(chain[0])}"
        name = slug(certificate)
        yield Entry(NAME, f"certificate.{name}", "tls.expiry", {"certificate": certificate}, why)
        if pair.key:
            parameters = {"certificate": certificate, "key": pair.key}
            yield Entry(NAME, f"keypair.{name}", "tls.keypair", parameters, f"{where} names both")
    yield from seen.unread(NAME, "on which ports servers may speak TLS", OpenPorts())
    for server, port in _servers(seen).items():
        fact = Certificates(server)
        yield from seen.unread(NAME, f"what {server} sends", fact, quiet=_NO_TLS)
        held: Held | None = seen.value(fact)
        if held is None or not held.chain:
            if port.port in TLS_PORTS and (problem := seen.failure(fact)) and problem.cause in _NO_TLS:
                yield Note(NAME, f"{server} speaks no TLS: {problem.reason}")
            continue
        why = f"{', '.join(port.processes) or 'a server'} sends it: {_told(held.chain[0])}"
        yield Entry(NAME, f"certificate.{slug(server)}", "tls.expiry", {"certificate": server}, why)


def _told(certificate: Certificate) -> str:
    return f"{certificate.subject}, until {certificate.not_after:%Y-%m-%d}"


def _pairs(seen: Seen) -> dict[str, tuple[Pair, str]]:
    """Certificates by path, each with its key and the file that names it first."""
    found: dict[str, tuple[Pair, str]] = {}
    for path in config_files(seen):
        for pair in seen.value(TlsFiles(path)) or ():
            if not {*pair.certificate, *pair.key} & {*"{}<>"}:
                found.setdefault(pair.certificate, (pair, path))
    return found


def _servers(seen: Seen) -> dict[str, OpenPort]:
    """Where servers may speak TLS from the first byte on, as seen from the machine itself."""
    table = seen.value(OpenPorts())
    found = {}
    for port in table.ports if table is not None else ():
        if port.port not in TLS_PORTS and not (WEB_SERVERS & {*port.processes} and port.port not in _PLAIN):
            continue
        away = [address for address in outside(port) if address not in ANY]
        reached_here = len(away) < len(port.addresses)
        if reached_here:
            only_six = all(":" in address for address in port.addresses) and "::" not in port.addresses
            place = "[::1]" if only_six else "127.0.0.1"
            found[f"{place}:{port.port}"] = port
        elif away and "%" not in away[0] and not away[0].startswith("fe80:"):
            found[f"[{away[0]}]:{port.port}" if ":" in away[0] else f"{away[0]}:{port.port}"] = port
    return found


AREA = Area(NAME, "Certificates", facts, findings)
