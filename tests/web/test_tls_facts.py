"""TLS against a real nginx and against servers that do what none should."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hostile import dripping_head, garbage, hanging_up, serving, silent
from nginx import KINDS, Web

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.tls import Certificates, Held, TlsSeen, TlsServer
from checks.library.tls import remaining_validity, verified_server
from checks.model import Status, Verdict

FAR = 100 * 366 * 86400


def seen(web: Web, kind: str, name: str = "", ca: bool = True) -> TlsSeen:
    return TlsServer(web.at(kind), "none", name, web.ca if ca else "").read(LocalHost())


def judged(web: Web, kind: str, name: str = "", ca: bool = True) -> Verdict:
    verdict = verified_server(
        seen(web, kind, name, ca), server=web.at(kind), now=datetime.now(UTC), name=name, ca="x" if ca else ""
    )
    assert isinstance(verdict, Verdict)
    return verdict


def test_what_a_server_shows(web: Web) -> None:
    shown = seen(web, "good")
    assert (shown.protocol, shown.cause, shown.broken, shown.whole) == ("TLSv1.3", "", "", True)
    assert [each.subject for each in shown.chain] == ["good", "Test Intermediate"]
    leaf, issuer = shown.chain
    assert (leaf.issuer, leaf.key, leaf.signature, leaf.authority, leaf.weak) == (
        *("Test Intermediate", "EC secp256r1", "sha256", False, ""),
    )
    assert leaf.names == ("good.example", "*.wild.example", "xn--bcher-kva.example", KINDS["good"])
    assert issuer.authority
    assert not issuer.self_signed


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("good", ""),
        ("expired", "expired"),
        ("later", "not-yet-valid"),
        ("self-signed", "self-signed"),
        ("wrong-host", "wrong-host"),
        ("incomplete", "incomplete-chain"),
        ("unknown-root", "untrusted"),
        ("soon", ""),
        ("old", "old-protocol"),
        ("weak", "weak"),
        ("client", ""),
        ("two things", "expired"),
    ],
)
def test_each_class_of_failure_has_its_own_cause(web: Web, kind: str, cause: str) -> None:
    verdict = judged(web, kind)
    assert (verdict.status, verdict.cause) == (Status.FAIL if cause else Status.PASS, cause)
    assert verdict.evidence["problems"] == {"two things": "expired, self-signed, wrong-host"}.get(kind, cause)


def test_the_agents_own_trust_is_what_counts_without_a_file(web: Web) -> None:
    verdict = judged(web, "good", ca=False)
    assert (verdict.status, verdict.cause) == (Status.FAIL, "untrusted")
    assert "Test Root" in str(verdict.message)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("good.example", ""),
        ("GOOD.example", ""),
        ("a.wild.example", ""),
        ("bücher.example", ""),
        ("a.b.wild.example", "wrong-host"),
        ("wild.example", "wrong-host"),
        ("127.0.0.99", "wrong-host"),
    ],
)
def test_another_name_is_asked_for_and_verified(web: Web, name: str, cause: str) -> None:
    assert judged(web, "good", name).cause == cause


def test_a_server_by_name(web: Web) -> None:
    shown = TlsServer(f"localhost:{web.port}", "none", "good.example", web.ca).read
    with pytest.raises(NotReadable) as told:
        shown(LocalHost())
    assert told.value.cause == "refused"  # it listens on other addresses than localhost's


@pytest.mark.parametrize(
    ("kind", "status", "cause"),
    [
        ("good", Status.PASS, ""),
        ("soon", Status.WARN, "low"),
        ("expired", Status.FAIL, "expired"),
        ("later", Status.FAIL, "not-yet-valid"),
        ("self-signed", Status.PASS, ""),
        ("client", Status.PASS, ""),
        ("old", Status.PASS, ""),
    ],
)
def test_expiry_is_told_whoever_trusts_it(web: Web, kind: str, status: Status, cause: str) -> None:
    for where in (web.at(kind), str(web.folder / f"{kind}.pem")):
        held = Certificates(where).read(LocalHost())
        assert isinstance(held, Held)
        verdict = remaining_validity(held, certificate=where, now=datetime.now(UTC))
        assert isinstance(verdict, Verdict)
        assert (verdict.status, verdict.cause) == (status, cause)


def test_the_first_of_a_chain_to_end_counts(web: Web) -> None:
    held = Certificates(web.at("good")).read(LocalHost())
    verdict = remaining_validity(held, certificate="x", now=datetime.now(UTC), warn_below=91 * 86400)
    assert isinstance(verdict, Verdict)
    assert verdict.message.args["subject"] == "good"
    assert (verdict.message.args["days"], verdict.evidence["certificates"]) == (89, 2)


def test_a_file_of_trust_that_is_none_is_said(web: Web, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    for path, cause in ((tmp_path / "empty.pem", "parse"), (tmp_path / "nowhere.pem", "failed")):
        with pytest.raises(NotReadable) as told:
            TlsServer(web.at("good"), ca=str(path)).read(LocalHost())
        assert told.value.cause == cause


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_breaks_off_for_want_of_a_certificate_has_shown_its_own(
    web: Web, newest: ssl.TLSVersion
) -> None:
    """nginx goes on and answers 400; others send an alert, which TLS 1.3 brings after the handshake only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(web.folder / "good.pem", web.folder / "good.key")
    context.load_verify_locations(web.ca)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, newest

    def serve(link: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(link, server_side=True) as inner:
            inner.recv(1)

    with serving(serve) as port:
        shown = TlsServer(f"127.0.0.1:{port}", "none", "good.example", web.ca).read(LocalHost())
        other = TlsServer(f"127.0.0.1:{port}", "none", "other.example", web.ca).read(LocalHost())
        held = Certificates(f"127.0.0.1:{port}").read(LocalHost())
    assert (shown.broken, shown.cause, len(shown.chain)) == ("", "", 2)
    assert bool(shown.refused) is (newest == ssl.TLSVersion.TLSv1_2)
    assert other.cause == "wrong-host"
    assert [each.subject for each in held.chain] == ["good", "Test Intermediate"]


def test_garbage_in_place_of_tls_and_a_connection_closed_midway_are_no_tls() -> None:
    for serve in (garbage, hanging_up):
        with serving(serve) as port:
            shown = TlsServer(f"127.0.0.1:{port}", timeout=3.0).read(LocalHost())
            assert shown.broken == "handshake"
            with pytest.raises(NotReadable) as told:
                Certificates(f"127.0.0.1:{port}", timeout=3.0).read(LocalHost())
        assert told.value.cause == "handshake"
        verdict = verified_server(shown, server=f"127.0.0.1:{port}", now=datetime.now(UTC))
        assert isinstance(verdict, Verdict)
        assert (verdict.status, verdict.cause) == (Status.FAIL, "handshake")


@pytest.mark.parametrize("protocol", ["none", "smtp", "postgres", "ldap"])
def test_a_server_that_says_nothing_is_given_up(protocol: str) -> None:
    with serving(silent) as port, pytest.raises(NotReadable) as told:
        TlsServer(f"127.0.0.1:{port}", protocol, timeout=0.3).read(LocalHost())
    assert told.value.cause == "timeout"


def test_one_that_says_a_byte_at_a_time_is_given_up_as_well() -> None:
    """Its bytes come faster than the timeout of a socket: only a deadline for all of it ends this."""
    with serving(dripping_head) as port, pytest.raises(NotReadable) as told:
        TlsServer(f"127.0.0.1:{port}", "smtp", timeout=0.4).read(LocalHost())
    assert told.value.cause == "timeout"


def test_what_is_written_wrong_is_refused_before_anything_is_asked() -> None:
    for server in ("", "a b", "http://x", "x:0", "x:99999", "x:y", "::1", "[x]:443", "user@x"):
        with pytest.raises(BadInput, match="host:port"):
            TlsServer(server)
    assert TlsServer("[::1]").asks()[0].describe() == "TLS handshakes with ::1:443"
    assert TlsServer("db", "postgres").asks()[0].describe() == (
        "TLS handshakes with db:5432 after postgres STARTTLS"
    )


def test_an_address_of_the_sixth_version(web: Web) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(web.folder / "good.pem", web.folder / "good.key")

    def serve(link: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(link, server_side=True) as inner:
            inner.recv(1)

    try:
        with serving(serve, "::1") as port:
            shown = TlsServer(f"[::1]:{port}", "none", "", web.ca).read(LocalHost())
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert (shown.cause, shown.chain[0].subject) == ("wrong-host", "good")


Lines = list[tuple[bytes | None, bytes]]
"""What is waited for (None: nothing), and what is said then."""

CONVERSATIONS: dict[str, Lines] = {
    "smtp": [
        (None, b"220-mail.example\r\n220 ready\r\n"),
        (b"EHLO localhost\r\n", b"250-mail.example\r\n250-SIZE 100\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220 go\r\n"),
    ],
    "imap": [(None, b"* OK ready\r\n"), (b"a STARTTLS\r\n", b"* noise\r\na OK begin\r\n")],
    "pop3": [(None, b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")],
    "postgres": [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")],
    "ldap": [(b"1.3.6.1.4.1.1466.20037", bytes.fromhex("300c02010178070a010004000400"))],
    "mysql": [
        (
            None,
            b"\x4a\0\0\0\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xdf\x15"
            + b"\0" * 10
            + b"abcdefghijkl\0mysql_native_password\0",
        ),
        (b"\0" * 23, b""),
    ],
}
REFUSALS: dict[str, Lines] = {
    "smtp": [(None, b"220 ready\r\n"), (b"EHLO localhost\r\n", b"250-mail.example\r\n250 SIZE 100\r\n")],
    "imap": [(None, b"* OK ready\r\n"), (b"a STARTTLS\r\n", b"a NO never\r\n")],
    "pop3": [(None, b"+OK ready\r\n"), (b"STLS\r\n", b"-ERR what\r\n")],
    "postgres": [(b"\x16\x2f", b"N")],
    "ldap": [(b"20037", bytes.fromhex("300c02010178070a013404000400"))],
    "mysql": [(None, b"\x1c\0\0\0\x0a5.5\0\x01\0\0\0abcdefgh\0\x00\x00\x21\x02\0\0\0")],
}


def speak(link: socket.socket, lines: Lines) -> None:
    for wanted, answer in lines:
        got = b""
        while wanted is not None and wanted not in got and (part := link.recv(1)):
            got += part
        if answer[3:5] == b"\0\x0a":
            answer = (len(answer) - 4).to_bytes(3, "little") + answer[3:]
        link.sendall(answer)


@pytest.mark.parametrize("protocol", sorted(CONVERSATIONS))
def test_tls_is_asked_of_other_protocols(web: Web, protocol: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(web.folder / "good.pem", web.folder / "good.key")

    def serve(link: socket.socket, over: threading.Event) -> None:
        speak(link, CONVERSATIONS[protocol])
        with context.wrap_socket(link, server_side=True) as inner:
            inner.recv(1)

    with serving(serve) as port:
        shown = TlsServer(f"127.0.0.1:{port}", protocol, "good.example", web.ca).read(LocalHost())
    assert (shown.broken, shown.cause, len(shown.chain)) == ("", "", 2)


@pytest.mark.parametrize("protocol", sorted(REFUSALS))
def test_a_server_that_offers_no_tls_says_so(protocol: str) -> None:
    with serving(lambda link, over: speak(link, REFUSALS[protocol])) as port:
        shown = TlsServer(f"127.0.0.1:{port}", protocol).read(LocalHost())
    assert shown.broken == "no-tls"
    assert shown.detail


@pytest.mark.parametrize("protocol", sorted(REFUSALS))
@pytest.mark.parametrize("said", [b"", b"\xff" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x84\xff"])
def test_a_server_of_another_protocol_cannot_be_told(protocol: str, said: bytes) -> None:
    with serving(lambda link, over: link.sendall(said)) as port, pytest.raises(NotReadable):
        TlsServer(f"127.0.0.1:{port}", protocol, timeout=1.0).read(LocalHost())
