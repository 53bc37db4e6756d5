"""A connection that dies in the midst of a script costs its target, and leaves nothing running over there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from far_side import Asked, Command, cause, commands, eventually, read, running, target_at, value
from relays import Relay
from ssh_accounts import Account
from sshd import Sshd

from agent.targets import session
from agent.targets.remote import RemoteTarget
from checks.fact import Fact, Reading, Unavailable
from checks.facts.files import FileStat
from checks.facts.network import TcpConnect
from checks.facts.process import ProcessLimits

# What a script started has children that closed everything, ignore everything, or have lost their parent.
FAMILY = "trap '' TERM HUP INT PIPE; (sleep 601 &); sleep 602 </dev/null >/dev/null 2>&1 & sleep 603"
LONG = Command(("sh", "-c", FAMILY), 60.0)
STAT = FileStat("/etc/passwd")


@contextmanager
def in_mid_script(
    server: Sshd, somebody: Account, facts: list[Fact], port: int = 0
) -> Iterator[tuple[RemoteTarget, Callable[[], dict[Fact, Reading]]]]:
    """A target of which the script is running now, and a call that waits for its readings."""
    with target_at(server, somebody.name, port=port or server.port) as target:
        found: list[dict[Fact, Reading]] = []
        reader = threading.Thread(target=lambda: found.append(read(target, facts)))
        reader.start()

        def readings() -> dict[Fact, Reading]:
            reader.join(60)
            return found[0]

        try:
            eventually("the family runs", lambda: sum(" 60" in each for each in commands(somebody)) >= 3)
            yield target, readings
        finally:
            target.abort()
            reader.join()


def nothing_runs(somebody: Account) -> None:
    eventually("all of the script has died", lambda: running(somebody) == [])


@pytest.fixture
def relay(ssh_server: Sshd) -> Iterator[Relay]:
    with Relay("127.0.0.1", ssh_server.port) as made:
        ssh_server.known_at(made.host, made.port)
        yield made


def test_a_line_that_is_cut(ssh_server: Sshd, somebody: Account, relay: Relay) -> None:
    with in_mid_script(ssh_server, somebody, [LONG, STAT], relay.port) as (target, readings):
        relay.cut()
        found = readings()
        assert cause(found[LONG]) == "lost"
        assert target.lost is not None
        assert target.lost.cause == "lost"
        nothing_runs(somebody)


def test_a_server_whose_session_is_killed(ssh_server: Sshd, somebody: Account) -> None:
    with in_mid_script(ssh_server, somebody, [LONG, STAT]) as (_, readings):
        before = {process.pid for process in running(somebody)}
        (mine,) = set(ssh_server.sessions()) & before
        os.kill(mine, signal.SIGKILL)
        assert cause(readings()[LONG]) == "lost"
        nothing_runs(somebody)


def test_a_shell_that_is_killed_takes_all_that_it_started_with_it(
    ssh_server: Sshd, somebody: Account
) -> None:
    """As the kernel may do for want of memory: its watchdog notices, for the connection is as it was."""
    with in_mid_script(ssh_server, somebody, [LONG]) as (_, readings):
        (shell,) = (each for each in running(somebody) if each.cmdline() == ["sh", "-s"] and leads(each))
        shell.kill()
        assert cause(readings()[LONG]) == "lost"
        eventually("the rest has died", lambda: commands(somebody) == [f"sshd: {somebody.name}@notty"])


def leads(process: psutil.Process) -> bool:
    return os.getsid(process.pid) == process.pid


def test_a_line_on_which_nothing_comes_any_more(
    ssh_server: Sshd, somebody: Account, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up for silence, whatever the operating system believes of the connection."""
    monkeypatch.setattr(session, "GRACE_S", 0.5)
    monkeypatch.setattr(session, "CONNECT_S", 0.5)
    short = Command(("sh", "-c", FAMILY))
    with in_mid_script(ssh_server, somebody, [short], relay.port) as (target, readings):
        relay.stall()
        found = readings()
        assert cause(found[short]) == "timeout"
        assert "nothing more came back for 5.5 s" in str(found[short])
        assert target.lost is not None
        relay.cut()
        nothing_runs(somebody)


def test_what_was_read_before_the_line_was_cut_stays_read(
    ssh_server: Sshd, somebody: Account, relay: Relay
) -> None:
    """`STAT` stands before the command in the script, the listeners' limits need a round after it."""
    limits = ProcessLimits()
    with in_mid_script(ssh_server, somebody, [STAT, LONG, limits], relay.port) as (_, readings):
        relay.cut()
        found = readings()
    assert value(found[STAT]).exists
    assert cause(found[LONG]) == cause(found[limits]) == "lost"


def test_a_line_that_is_cut_between_two_batches_is_lost_and_no_lack_of_a_shell(
    ssh_server: Sshd, somebody: Account, relay: Relay
) -> None:
    with target_at(ssh_server, somebody.name, port=relay.port) as target:
        assert value(read(target, [STAT])[STAT]).exists
        relay.cut()
        eventually("the client notices", lambda: not target._connected().is_active())
        other, connect = FileStat("/etc/hosts"), TcpConnect("127.0.0.1", ssh_server.port)
        found = read(target, [STAT, other, connect])
        assert value(found[STAT]).exists
        assert cause(found[other]) == cause(found[connect]) == "lost"


def test_a_line_that_is_cut_before_the_shell_has_greeted_is_lost_too(
    ssh_server: Sshd, somebody: Account, relay: Relay
) -> None:
    (somebody.home / ".ssh/rc").write_text("sleep 602 & sleep 603 & exec sleep 601\n")
    with in_mid_script(ssh_server, somebody, [STAT], relay.port) as (_, readings):
        relay.cut()
        assert cause(readings()[STAT]) == "lost"


def test_an_abort_ends_the_far_side_at_once(ssh_server: Sshd, somebody: Account) -> None:
    """What Ctrl-C does, while a command of a minute runs there."""
    with in_mid_script(ssh_server, somebody, [LONG, STAT]) as (target, readings):
        target.abort()
        assert isinstance(readings()[LONG], Unavailable)
        nothing_runs(somebody)


def test_an_abort_before_the_connection_is_made_makes_none(
    ssh_server: Sshd, somebody: Account, rounds: list[Asked]
) -> None:
    with target_at(ssh_server, somebody.name) as target:
        target.abort()
        assert cause(read(target, [STAT])[STAT]) == "interrupted"
    assert rounds == []


def test_a_lost_target_is_not_connected_to_again(ssh_server: Sshd, somebody: Account, relay: Relay) -> None:
    with target_at(ssh_server, somebody.name, port=relay.port) as target:
        read(target, [STAT])
        relay.cut()
        for path in ("/etc/hosts", "/etc/group"):
            assert cause(read(target, [FileStat(path)])[FileStat(path)]) == "lost"
    assert relay.count == 1
