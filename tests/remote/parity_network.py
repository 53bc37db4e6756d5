"""Names, sockets, interfaces, proxies, web pages and certificates: here and from a target's side."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.facts.dns import HostName, Lookup, NameLookup
from checks.facts.http import WebAnswer, WebPage
from checks.facts.interfaces import Interface, InterfaceCounts, Interfaces
from checks.facts.keypair import KeyFits
from checks.facts.pem import CertificateFile
from checks.facts.proxy import ProxySettings, ProxyTunnel
from checks.facts.sockets import Listening, Sockets
from checks.facts.tls import Certificates, TlsServer

if TYPE_CHECKING:
    from checks.fact import Fact

_ports: dict[str, int] = {}
"""Ports that `make` opened; the names of the samples are the same without."""


def samples(world: Any) -> dict[str, Fact]:
    folder = world.folder
    web, closed = _ports.get("web", 1), world.closed_port
    return {
        "NameLookup": NameLookup("localhost"),
        "NameLookup without going back": NameLookup("localhost", False),
        "NameLookup of an address": NameLookup("127.0.0.1"),
        "NameLookup of nobody": NameLookup("no-such-host.invalid"),
        "NameLookup of no name": NameLookup("-n"),
        "HostName": HostName(),
        "Interfaces": Interfaces(),
        "InterfaceCounts": InterfaceCounts("lo"),
        "InterfaceCounts that is not there": InterfaceCounts("fl-none"),
        "InterfaceCounts of no name": InterfaceCounts("../../etc/passwd"),
        "Sockets of a port": Sockets(str(world.open_port)),
        "Sockets of a port nobody has": Sockets("1"),
        "Sockets of UDP": Sockets("1/udp"),
        "Listening of a port": Listening(str(world.open_port)),
        "Listening of a port nobody has": Listening("1"),
        "Listening of a program that is not there": Listening("fl-not-there"),
        "Sockets of a program that is not there": Sockets("fl-not-there"),
        "ProxySettings": ProxySettings(),
        "ProxySettings of a program that is not there": ProxySettings("fl-not-there"),
        "ProxyTunnel without a proxy": ProxyTunnel("db1:5432"),
        "ProxyTunnel refused": ProxyTunnel("db1:5432", f"127.0.0.1:{closed}"),
        "ProxyTunnel that is no proxy": ProxyTunnel("db1:5432", f"http://ann:secret@127.0.0.1:{web}"),
        "ProxyTunnel to no destination": ProxyTunnel("db1", f"127.0.0.1:{closed}"),
        "WebPage": WebPage(f"http://127.0.0.1:{web}/", contains="well", json="status", header="x-a"),
        "WebPage by name": WebPage(f"http://localhost:{web}/"),
        "WebPage refused": WebPage(f"http://127.0.0.1:{closed}/"),
        "WebPage of nobody": WebPage("http://no-such-host.invalid/"),
        "WebPage over no TLS": WebPage(f"https://127.0.0.1:{web}/"),
        "TlsServer that speaks none": TlsServer(f"127.0.0.1:{web}"),
        "TlsServer refused": TlsServer(f"127.0.0.1:{closed}"),
        "Certificates of a server that speaks none": Certificates(f"127.0.0.1:{web}"),
        "Certificates in a file": Certificates(f"{folder}/pair.pem"),
        "CertificateFile": CertificateFile(f"{folder}/pair.pem"),
        "CertificateFile of something else": CertificateFile(f"{folder}/line"),
        "CertificateFile that is not there": CertificateFile(f"{folder}/nowhere"),
        "CertificateFile that may not be read": CertificateFile(f"{folder}/secret"),
        "KeyFits": KeyFits(f"{folder}/pair.pem"),
        "KeyFits not": KeyFits(f"{folder}/pair.pem", f"{folder}/other.key"),
        "KeyFits without a key": KeyFits(f"{folder}/pair.pem", f"{folder}/line"),
        "KeyFits with a key that may not be read": KeyFits(f"{folder}/pair.pem", f"{folder}/secret"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    make_pair(folder)
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    _ports["web"] = listener.getsockname()[1]
    stack.callback(_ports.clear)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                threading.Thread(target=answer, args=(link,), daemon=True).start()

    def answer(link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            link.settimeout(10)
            if link.recv(4096):
                body = b'{"status": "all is well"}'
                link.sendall(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    taker = threading.Thread(target=serve, daemon=True)
    taker.start()
    stack.callback(taker.join, 5)
    stack.callback(listener.shutdown, socket.SHUT_RDWR)


def make_pair(folder: Path) -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pair")])
    began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(began).not_valid_after(began.replace(year=2046))
    made = builder.sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "pair.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form)
    )
    (folder / "other.key").write_bytes(other.private_bytes(*form))


STANDING = {
    # How long it took; the size of a body is that of one answer.
    Lookup: lambda seen: (seen.outcome, seen.addresses, seen.canonical, seen.reverse),
    WebAnswer: lambda seen: (
        *(seen.outcome, seen.status, seen.hops, seen.size),
        *(seen.contains, seen.header, seen.json),
    ),
    # Packets are counted all the time.
    Interface: lambda seen: (seen.before, seen.members),
}
