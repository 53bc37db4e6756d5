"""What a connection says when it cannot be had: every way to fail has its cause, and one line for people."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from relays import Relay, closing_server, garbage_server, silent_server
from ssh_site import dial, eventually, logins, new_key, prepared, refused, route_to
from sshd import Sshd, start_sshd

from agent.targets import connection
from agent.targets.connection import Dialer
from checks.errors import Unreachable


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> float:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(connection, "CONNECT_S", 0.5)
    return 0.5


@contextlib.contextmanager
def greeting_server(*, hangs_up: bool) -> Iterator[int]:
    """The port of a server that greets as SSH does, hears the answer, and says nothing more or hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []

        def greet() -> None:
            link, _ = listener.accept()
            kept.append(link)
            link.sendall(b"SSH-2.0-half_way\r\n")
            heard = b""
            while b"curve25519" not in heard:
                heard += link.recv(4096)
            if hangs_up:
                link.close()

        greeter = threading.Thread(target=greet)
        greeter.start()
        yield listener.getsockname()[1]
        greeter.join()
        for link in kept:
            link.close()


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port that drops what asks for more, as a firewall does: its backlog is full."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(3):
            link = waiting.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(("127.0.0.1", port))
        yield port


def test_a_good_one_is_logged_in(ssh_server: Sshd) -> None:
    assert dial(route_to(ssh_server)) == ssh_server.user


def test_a_name_that_nobody_has(ssh_server: Sshd) -> None:
    for name in ("nowhere.invalid", "a" * 64 + ".invalid", "two..dots"):
        problem = refused(route_to(ssh_server, host=name))
        assert problem.cause == "dns"
        assert name in str(problem)


def test_a_resolver_that_does_not_answer(
    ssh_server: Sshd, soon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def stuck(host: str, *_: object, **how: object) -> list[object]:
        if how.get("flags"):
            raise socket.gaierror(-2, "not a number")
        released.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    problem = refused(route_to(ssh_server, host="slow.example"))
    released.set()
    assert (problem.cause, str(problem)) == (
        "dns",
        "the name slow.example is not known: no answer within 0.5 s",
    )


def test_a_number_needs_no_resolver(ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def numbers_only(host: str, port: int, **how: Any) -> object:
        assert how["flags"] & socket.AI_NUMERICHOST
        return real(host, port, **how)

    monkeypatch.setattr(socket, "getaddrinfo", numbers_only)
    assert dial(route_to(ssh_server)) == ssh_server.user


def test_the_next_address_of_a_name_is_tried(ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that drops what comes, as a broken IPv6 does, has to leave time for the next."""
    monkeypatch.setattr(connection, "CONNECT_S", 3.0)
    waits: list[float] = []

    class Recorded(connection._Prompt):
        def settimeout(self, value: float | None) -> None:
            waits.append(value or 0.0)
            super().settimeout(value)

    with full_listener() as full, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        places = [("127.0.0.1", full), closed.getsockname(), ("127.0.0.1", ssh_server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(connection, "_Prompt", Recorded)
        assert dial(route_to(ssh_server)) == ssh_server.user
    assert 0.1 < waits[0] <= 1.0


def test_a_closed_port(ssh_server: Sshd) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        problem = refused(route_to(ssh_server, port=port))
    assert (problem.cause, str(problem)) == ("refused", f"127.0.0.1:{port}: Connection refused")


def test_a_network_without_a_way(ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(self: socket.socket, address: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert refused(route_to(ssh_server)).cause == "no-route"


def test_a_host_that_drops_what_comes(ssh_server: Sshd, soon: float) -> None:
    with full_listener() as port:
        problem = refused(route_to(ssh_server, port=port))
    assert (problem.cause, str(problem)) == ("timeout", f"127.0.0.1:{port} did not answer within 0.5 s")


def test_a_server_that_says_nothing(ssh_server: Sshd, soon: float) -> None:
    with silent_server() as silent:
        began = time.monotonic()
        problem = refused(route_to(ssh_server, port=silent.port))
    assert problem.cause == "timeout"
    assert "did not say that it is an SSH server within 0.5 s" in str(problem)
    assert time.monotonic() - began >= soon


def test_a_server_that_greets_and_says_nothing_more(ssh_server: Sshd, soon: float) -> None:
    with greeting_server(hangs_up=False) as port:
        problem = refused(route_to(ssh_server, port=port))
    assert problem.cause == "timeout"
    assert "did not finish the key exchange within 0.5 s" in str(problem)


def test_a_line_that_ends_in_the_key_exchange(ssh_server: Sshd) -> None:
    with greeting_server(hangs_up=True) as port:
        problem = refused(route_to(ssh_server, port=port))
    assert (problem.cause, str(problem)) == (
        "lost",
        f"127.0.0.1:{port}: the connection broke off in the key exchange",
    )


def test_a_server_of_another_kind(ssh_server: Sshd) -> None:
    for says in (
        b"\x15\x03\x01\x00\x02\x02\x46\x00\xff garbage\r\n",
        b"* OK IMAP\r\n" * 200,
        b"\xff" * 99 + b"\n",
    ):
        with garbage_server(says) as garbage:
            problem = refused(route_to(ssh_server, port=garbage.port))
        assert (problem.cause, str(problem)) == (
            "not-ssh",
            f"127.0.0.1:{garbage.port} answers, but not as an SSH server",
        )


def test_a_server_of_another_kind_that_never_ends_its_line(ssh_server: Sshd, soon: float) -> None:
    with garbage_server(b"x" * 5000) as garbage:
        assert refused(route_to(ssh_server, port=garbage.port)).cause == "timeout"


def test_a_server_that_hangs_up_at_once(ssh_server: Sshd) -> None:
    with closing_server() as closing:
        problem = refused(route_to(ssh_server, port=closing.port))
    assert problem.cause == "refused"
    assert "closed the connection before it said that it is an SSH server" in str(problem)


def test_an_older_protocol(ssh_server: Sshd) -> None:
    with garbage_server(b"SSH-1.5-old\r\n") as old:
        problem = refused(route_to(ssh_server, port=old.port))
    assert problem.cause == "failed"
    assert "1.5" in str(problem)


def test_nothing_in_common(tmp_path: Path) -> None:
    with start_sshd(tmp_path, options={"KexAlgorithms": "sntrup761x25519-sha512@openssh.com"}) as server:
        problem = refused(route_to(server))
    assert problem.cause == "failed"
    assert "no SSH connection" in str(problem)


def test_a_login_that_is_never_answered(ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stalls once the keys are exchanged; several keys do not make it several deadlines."""
    monkeypatch.setattr(connection, "CONNECT_S", 2.0)
    with Relay("127.0.0.1", ssh_server.port) as relay:
        ssh_server.known_at(relay.host, relay.port)
        real = paramiko.Transport.auth_publickey

        def stalled(self: paramiko.Transport, *args: object) -> object:
            relay.stall()
            return real(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(paramiko.Transport, "auth_publickey", stalled)
        problem = refused(route_to(ssh_server, port=relay.port))
    assert (problem.cause, str(problem)) == (
        "timeout",
        f"the login of {ssh_server.user} was not answered within 2 s",
    )


def test_the_login_has_one_deadline_for_all_its_keys(
    ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 1.5)
    left: list[float] = []

    def slow(self: paramiko.Transport, *_: object) -> list[str]:
        left.append(float(self.auth_timeout))
        time.sleep(0.6)
        raise paramiko.AuthenticationException("Authentication failed.")

    monkeypatch.setattr(paramiko.Transport, "auth_publickey", slow)
    keys = tuple(str(new_key(tmp_path / f"key{number}")) for number in range(5))
    problem = refused(route_to(ssh_server, identities=keys))
    assert problem.cause == "timeout"
    assert len(left) == 3
    assert 1.5 >= left[0] > left[1] > left[2]


def test_an_account_without_a_way_in(ssh_server: Sshd) -> None:
    problem = refused(route_to(ssh_server, user="nobody-of-this-name"))
    assert problem.cause == "authentication"
    assert "nobody-of-this-name was not let in with key ssh-ed25519 SHA256:" in str(problem)


def test_nothing_is_left_open_by_what_failed(ssh_server: Sshd) -> None:
    with garbage_server() as garbage, closing_server() as closing:
        for port in (garbage.port, closing.port):
            refused(route_to(ssh_server, port=port))
        refused(route_to(ssh_server, user="nobody-of-this-name"))
        eventually(lambda: not any(isinstance(each, paramiko.Transport) for each in threading.enumerate()))
        eventually(lambda: not garbage.ends)


def test_the_key_is_asked_for_without_a_login(ssh_server: Sshd) -> None:
    before = logins(ssh_server)
    dialer = Dialer(prepared(route_to(ssh_server)))
    assert " ".join(dialer.host_key(route_to(ssh_server))) == ssh_server.host_key()
    with silent_server() as silent, pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "CONNECT_S", 0.3)
        with pytest.raises(Unreachable):
            dialer.host_key(route_to(ssh_server, port=silent.port))
    assert logins(ssh_server) == before
