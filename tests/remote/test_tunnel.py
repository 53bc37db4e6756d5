"""Connects from a target's side: through the SSH connection, and each with the answer that it got."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_side import Asked, cause, read_at, target_at, value
from ssh_accounts import Account
from sshd import Sshd, start_sshd

from agent.targets.channels import open_forward, open_session
from checks.fact import Unavailable
from checks.facts.files import FileStat
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
