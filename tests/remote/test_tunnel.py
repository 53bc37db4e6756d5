"""Connects from a target's side: through the SSH connection, and each with the answer that it got."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from far_side import Asked, cause, eventually, read_at, target_at, value
from ssh_accounts import Account
from sshd import Sshd, start_sshd

from agent.targets.channels import open_forward, open_session
from checks.fact import Fact, NotReadable, Unavailable
from checks.facts.asks import Ask, Talk
from checks.facts.dial import Dialer, LocalDialer, NotConnected
from checks.facts.files import FileStat
from checks.facts.host import Host
from checks.facts.network import TcpConnect
from checks.facts.reach import Reachability


@pytest.fixture
def closed_ports() -> Iterator[list[int]]:
    """Ports that are taken, and that nobody listens at."""
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(socket.socket()) for _ in range(20)]
        for link in links:
            link.bind(("127.0.0.1", 0))
        yield [link.getsockname()[1] for link in links]


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port where a connect is neither taken nor refused: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_an_open_port_a_closed_one_and_a_name_that_nobody_has(
    ssh_server: Sshd, closed_ports: list[int]
) -> None:
    opened, closed = TcpConnect("127.0.0.1", ssh_server.port), TcpConnect("127.0.0.1", closed_ports[0])
    by_name, nameless = TcpConnect("localhost", ssh_server.port), TcpConnect("nowhere.invalid", 80)
    readings = read_at(ssh_server, [opened, closed, by_name, nameless])
    outcomes = [value(readings[fact]).outcome for fact in (opened, closed, by_name, nameless)]
    assert outcomes == ["connected", "refused", "connected", "dns"]
    assert value(readings[closed]).detail == "Connection refused"
    assert value(readings[opened]).latency_ms > 0


def test_many_at_once_do_not_mix_up_their_answers(ssh_server: Sshd, closed_ports: list[int]) -> None:
    """Those that fail at the same moment are told apart, and none is taken for a lost connection."""
    open_ = [f"127.0.0.{at}:{ssh_server.port}" for at in (1,)]
    closed = [f"127.0.0.1:{port}" for port in closed_ports]
    nameless = [f"nowhere-{at}.invalid:80" for at in range(10)]
    mixed = [place for trio in zip(closed, nameless * 2, strict=True) for place in trio]
    fact = Reachability(tuple(dict.fromkeys([*mixed, *open_])))
    reach = value(read_at(ssh_server, [fact])[fact])
    assert reach.unread == {}
    assert {reach.links[place].outcome for place in closed} == {"refused"}
    assert {reach.links[place].outcome for place in nameless} == {"dns"}
    assert {reach.links[place].outcome for place in open_} == {"connected"}


def test_a_port_that_says_nothing_times_out_and_holds_nobody_up(ssh_server: Sshd, mute_port: int) -> None:
    mute = TcpConnect("127.0.0.1", mute_port, 0.5)
    opened = TcpConnect("127.0.0.1", ssh_server.port)
    readings = read_at(ssh_server, [mute, opened, FileStat("/etc/passwd")])
    assert value(readings[mute]).outcome == "timeout"
    assert value(readings[mute]).detail == "no answer within 0.5 s"
    assert value(readings[opened]).outcome == "connected"
    assert value(readings[FileStat("/etc/passwd")]).exists


def test_connects_need_no_shell_and_no_script(ssh_server: Sshd, rounds: list[Asked]) -> None:
    opened = TcpConnect("127.0.0.1", ssh_server.port)
    assert value(read_at(ssh_server, [opened])[opened]).outcome == "connected"
    assert rounds == []


@pytest.mark.parametrize(
    "options",
    [{"AllowTcpForwarding": "no"}, {"PermitOpen": "127.0.0.1:1"}, {"DisableForwarding": "yes"}],
    ids=lambda options: next(iter(options)),
)
def test_a_server_that_forwards_nothing_says_what_it_would_take(
    tmp_path: Path, options: dict[str, str | int | list[str]]
) -> None:
    with start_sshd(tmp_path, options=options) as server:
        connect, stat = TcpConnect("127.0.0.1", server.port), FileStat("/etc/passwd")
        readings = read_at(server, [connect, stat])
    reading = readings[connect]
    assert isinstance(reading, Unavailable)
    assert reading.cause == "denied"
    assert reading.reason.startswith("needs: ")
    assert "AllowTcpForwarding" in reading.reason
    assert value(readings[stat]).exists


def test_what_is_no_port_is_not_connected_to(ssh_server: Sshd, rounds: list[Asked]) -> None:
    facts = [TcpConnect("127.0.0.1", port) for port in (0, 65536, "http", -1)]
    readings = read_at(ssh_server, facts)
    assert {cause(readings[fact]) for fact in facts} == {"unsupported"}


def test_the_words_of_the_server_are_kept_and_not_printed(
    ssh_server: Sshd, somebody: Account, closed_ports: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """paramiko would log them as an error, which without any logging set up is printed for people to see."""
    import paramiko

    with target_at(ssh_server, somebody.name) as target:
        transport = target._connected()
        with pytest.raises(paramiko.ChannelException, match="Connection refused") as refused:
            open_forward(transport, "127.0.0.1", closed_ports[0], 5.0)
        assert refused.value.code == 2
        open_session(transport, 5.0).close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert logging.getLogger("paramiko").handlers


class Echo(Talk, frozen=True, tag="echo"):
    """Says something to a port and hears the answer; `by_address` dials as a library would."""

    port: int
    say: bytes = b"hello"
    by_address: bool = False
    timeout: float = 5.0

    @property
    def destination(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def describe(self) -> str:
        return f"talk to 127.0.0.1:{self.port}"

    def talk(self, dialer: Dialer) -> bytes:
        if not self.by_address:
            with dialer.connect("127.0.0.1", self.port, self.timeout) as link:
                return self._heard(link)
        with (
            dialer.address("127.0.0.1", self.port, self.timeout) as place,
            socket.create_connection(place, self.timeout) as link,
        ):
            with contextlib.suppress(OSError):
                socket.create_connection(place, 0.2).close()
            return self._heard(link)

    def _heard(self, link: socket.socket) -> bytes:
        link.sendall(self.say)
        link.shutdown(socket.SHUT_WR)
        heard = b""
        while part := link.recv(65536):
            heard += part
        return heard


class Heard(Fact, frozen=True):
    value_type: ClassVar[type] = bytes
    ask: Echo

    def describe(self) -> str:
        return self.ask.describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self.ask,)

    def read(self, host: Host) -> bytes:
        heard: bytes = host.talk(self.ask)
        return heard


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A port that answers with what it was told, once it was told all of it, in capitals."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                threading.Thread(target=answer, args=(link,), daemon=True).start()

    def answer(link: socket.socket) -> None:
        with link:
            told = b""
            while part := link.recv(65536):
                told += part
            link.sendall(told.upper())

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("by_address", [False, True], ids=["socket", "address"])
def test_a_conversation_is_the_same_here_and_through_the_tunnel(
    ssh_server: Sshd, echo_port: int, by_address: bool
) -> None:
    said = b"a long story " * 50_000
    asks = [Echo(echo_port, b"hello"), Echo(echo_port, said, by_address), Echo(echo_port, b"", by_address)]
    readings = read_at(ssh_server, [Heard(ask) for ask in asks])
    for ask in asks:
        assert value(readings[Heard(ask)]) == ask.say.upper() == ask.talk(LocalDialer())


def test_why_no_conversation_came_about_is_told_apart(
    ssh_server: Sshd, closed_ports: list[int], mute_port: int
) -> None:
    refused, mute, none = Echo(closed_ports[0]), Echo(mute_port, timeout=0.5), Echo(0)
    by_address = Echo(closed_ports[1], by_address=True)
    readings = read_at(ssh_server, [Heard(ask) for ask in (refused, mute, none, by_address)])
    assert [cause(readings[Heard(ask)]) for ask in (refused, mute, none, by_address)] == [
        *("refused", "timeout", "unsupported", "refused")
    ]
    with pytest.raises(NotConnected) as told:
        refused.talk(LocalDialer())
    assert told.value.cause == told.value.connection.outcome == "refused"


def test_a_conversation_that_goes_wrong_costs_only_itself(ssh_server: Sshd, echo_port: int) -> None:
    class Broken(Echo, frozen=True, tag="broken"):
        def talk(self, dialer: Dialer) -> bytes:
            raise ZeroDivisionError("a defect")

    class Refusing(Echo, frozen=True, tag="refusing"):
        def talk(self, dialer: Dialer) -> bytes:
            raise NotReadable("the door is shut", "denied")

    facts = [Heard(Broken(echo_port)), Heard(Refusing(echo_port)), Heard(Echo(echo_port))]
    readings = read_at(ssh_server, facts)
    assert readings[facts[0]] == Unavailable("ZeroDivisionError: a defect", "failed")
    assert readings[facts[1]] == Unavailable("the door is shut", "denied")
    assert value(readings[facts[2]]) == b"HELLO"


class Abandoning(Echo, frozen=True, tag="abandoning"):
    """Leaves a conversation in its midst, as one does who has heard enough."""

    def talk(self, dialer: Dialer) -> bytes:
        link = dialer.connect("127.0.0.1", self.port, self.timeout)
        link.sendall(b"x" * 200_000)
        link.close()
        return b"left"


def test_who_leaves_in_the_midst_and_hangs_up_disturbs_nobody(ssh_server: Sshd, echo_port: int) -> None:
    """What carries the bytes ends by itself, whatever it is doing when the connection goes."""
    for at in range(20):
        fact = Heard(Abandoning(echo_port, timeout=5.0 + at))
        assert value(read_at(ssh_server, [fact])[fact]) == b"left"
    eventually("no thread is left", lambda: not [t for t in threading.enumerate() if "tunnel" in t.name])
