"""What only a target can see is seen from there: it lives in a network namespace that no way leads into.

Its sshd is one that was handed a connection from here (`sshd -i`), so that there is a way in for SSH alone.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import services
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from far_side import cause, read_at, value
from parity_network import make_pair
from ssh_site import SiteFolder
from sshd import Sshd

from checks.fact import Fact
from checks.facts.http import WebPage
from checks.facts.interfaces import Interfaces
from checks.facts.localhost import LocalHost
from checks.facts.proxy import ProxyTunnel
from checks.facts.sockets import Sockets
from checks.facts.tls import Certificates, TlsServer

WEB, TLS, PROXY = 18088, 18443, 13128

INSIDE = """
import fcntl, socket, ssl, struct, sys, threading
up = socket.socket()
fcntl.ioctl(up, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS, up and running
def serve(port, answer, context=None):
    listener = socket.create_server(("127.0.0.1", port))
    def run():
        while True:
            link, _ = listener.accept()
            threading.Thread(target=one, args=(link,), daemon=True).start()
    def one(link):
        try:
            if context: link = context.wrap_socket(link, server_side=True)
            if link.recv(4096): link.sendall(answer)
        except OSError: pass
        finally: link.close()
    threading.Thread(target=run, daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
serve(@WEB@, b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\ninside")
serve(@TLS@, b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nsecret", context)
serve(@PROXY@, b"HTTP/1.1 403 Forbidden\\r\\n\\r\\n")
print("ready", flush=True)
threading.Event().wait()
"""


@dataclass(frozen=True)
class Far:
    """Where its sshd is reached from here, and the certificate that it has inside."""

    port: int
    certificate: Path


@pytest.fixture(scope="module")
def far(ssh_server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("vantage")
    make_pair(folder)
    program = INSIDE.replace("@WEB@", str(WEB)).replace("@TLS@", str(TLS)).replace("@PROXY@", str(PROXY))
    argv = ["unshare", "-n", sys.executable, "-c", program, str(folder / "pair.pem")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as inside:
        try:
            assert inside.stdout is not None
            if inside.stdout.readline() != b"ready\n":
                services.missing("a network namespace", "run as root where unshare -n may make one")
            with _door(ssh_server, inside.pid, folder) as port:
                ssh_server.known_at("127.0.0.1", port)
                yield Far(port, folder / "pair.pem")
        finally:
            inside.kill()


@contextlib.contextmanager
def _door(server: Sshd, pid: int, folder: Path) -> Iterator[int]:
    """A port here, behind which sshd runs in the network of that process."""
    sshd = str(Path(services.program("sshd", "openssh-server")).absolute())
    argv = ["nsenter", "-t", str(pid), "-n", sshd, "-i", "-e", "-f", str(server.folder / "sshd_config")]
    sessions: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        with contextlib.suppress(OSError), (folder / "log").open("wb") as log:
            while True:
                link, _ = listener.accept()
                with link:
                    sessions.append(subprocess.Popen(argv, stdin=link, stdout=link, stderr=log))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        taker = threading.Thread(target=serve)
        taker.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            taker.join(10)
            for session in sessions:
                session.terminate()
                session.wait(10)


def test_what_listens_inside_is_reached_from_inside_only(far: Far, ssh_server: Sshd) -> None:
    page = WebPage(f"http://127.0.0.1:{WEB}/", contains="inside")
    secret = WebPage(f"https://127.0.0.1:{TLS}/", verify=False, contains="secret")
    untrusted = WebPage(f"https://127.0.0.1:{TLS}/")
    server = TlsServer(f"127.0.0.1:{TLS}")
    chain = Certificates(f"127.0.0.1:{TLS}")
    tunnel = ProxyTunnel("db1:5432", f"127.0.0.1:{PROXY}")
    sockets, none = Sockets(str(WEB)), Sockets("1")
    facts: list[Fact] = [page, secret, untrusted, server, chain, tunnel, sockets, none, Interfaces()]
    there = read_at(ssh_server, facts, port=far.port)
    assert (value(there[page]).outcome, value(there[page]).contains) == ("answered", True)
    assert (value(there[secret]).status, value(there[secret]).contains) == (200, True)
    assert value(there[untrusted]).outcome == "tls-self-signed"
    assert (value(there[server]).cause, value(there[server]).protocol) == ("self-signed", "TLSv1.3")
    assert [each.subject for each in value(there[chain]).chain] == ["pair"]
    assert (value(there[tunnel]).outcome, value(there[tunnel]).status) == ("denied", 403)
    assert [each.address for each in value(there[sockets]).sockets] == ["127.0.0.1"]
    assert value(there[none]).sockets == ()
    assert value(there[Interfaces()]) == ()

    here = LocalHost()
    assert page.read(here).outcome == "refused"
    assert tunnel.read(here).outcome == "refused"
    assert cause(read_at(ssh_server, [server])[server]) == "refused"
    assert sockets.read(here).sockets == ()


def test_who_says_nothing_is_given_up_from_there_as_well(ssh_server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = f"127.0.0.1:{mute.getsockname()[1]}"
        page = WebPage(f"http://{place}/", timeout=0.5)
        secret = WebPage(f"https://{place}/", timeout=0.5)
        tunnel = ProxyTunnel("db1:5432", place, timeout=0.5)
        servers = [TlsServer(place, protocol, timeout=0.5) for protocol in ("none", "smtp", "postgres")]
        readings = read_at(ssh_server, [page, secret, tunnel, *servers])
    assert [value(readings[fact]).outcome for fact in (page, secret, tunnel)] == ["timeout"] * 3
    assert [cause(readings[fact]) for fact in servers] == ["timeout"] * 3


PROFILE = f"""\
profile: vantage
version: "1"
title: From there
items:
  - {{id: page, check: http.ok, with: {{url: "http://127.0.0.1:{WEB}/", contains: inside}}}}
  - {{id: trust, check: tls.verify, with: {{server: "127.0.0.1:{TLS}", ca: @CA@}}}}
  - {{id: expiry, check: tls.expiry, with: {{certificate: "127.0.0.1:{TLS}"}}}}
  - {{id: bound, check: net.listen_bind, with: {{listener: "{WEB}"}}}}
"""


def test_a_run_says_from_where_it_looked(far: Far, ssh_server: Sshd, visit: SiteFolder) -> None:
    ca = far.certificate.with_name("ca.pem")
    certificate = x509.load_pem_x509_certificate(far.certificate.read_bytes())
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    visit.write("visit.yaml", PROFILE.replace("@CA@", str(ca)))
    visit.write_config(ssh_server)
    visit.write_site(f"plant: {{address: 127.0.0.1, port: {far.port}}}\nlaptop: {{local: true}}")
    answer = visit.check()
    said = {
        (each["target"], each["item"]): (each["object"], each["status"], each["cause"])
        for each in answer.report["results"]
    }
    page, tls = f"http://127.0.0.1:{WEB}/", f"127.0.0.1:{TLS}"
    assert said == {
        ("plant", "page"): (f"{page} from plant", "pass", ""),
        ("plant", "trust"): (f"{tls} from plant", "fail", "wrong-host"),
        ("plant", "expiry"): (f"{tls} from plant", "pass", ""),
        ("plant", "bound"): (f"{WEB} from plant", "fail", "loopback"),
        ("laptop", "page"): (page, "fail", "refused"),
        ("laptop", "trust"): (tls, "error", "refused"),
        ("laptop", "expiry"): (tls, "error", "refused"),
        ("laptop", "bound"): (f"{WEB}", "fail", "absent"),
    }
