"""After a run nothing of it is left over there: no file, no history, no process; nor after an aborted one."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_side import Command, commands, eventually, read, running, somebody_at, target_at
from parity_samples import World, make_world, samples
from ssh_accounts import SHELLS, Account, account
from sshd import Sshd

from agent.targets.remote import RemoteTarget
from checks.fact import Fact

PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run/user", "/run/lock", "/var/spool/cron", "/var/mail")
STUBBORN = Command(("sh", "-c", "trap '' TERM HUP; (sleep 601 &); sleep 602 & sleep 603"))

Traces = dict[str, tuple[int, int, int, int]]


def traces(somebody: Account) -> Traces:
    """Every file in the home of an account, and every one of its own where anybody may write."""
    found: Traces = {}
    for place in (str(somebody.home), *PLACES):
        for folder, folders, files in os.walk(place):
            for name in [*folders, *files]:
                path = Path(folder, name)
                try:
                    seen = path.lstat()
                except OSError:
                    continue
                if place == str(somebody.home) or seen.st_uid == somebody.uid:
                    found[str(path)] = (seen.st_ino, seen.st_size, seen.st_mode, seen.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with account() as owner, make_world(owner) as made:
        yield made


def everything(world: World) -> list[Fact]:
    """All that the product can ask, and commands that it cannot yet; one of them has to be killed."""
    return [*samples(world).values(), Command(("env",)), Command(("head", "-c", "2000000", "/dev/zero"))]


@pytest.mark.parametrize("shell", [name for name in SHELLS if name not in ("sh", "nologin")])
def test_a_run_leaves_nothing(ssh_server: Sshd, world: World, shell: str) -> None:
    with somebody_at(ssh_server, shell) as somebody:
        # What the login itself leaves (fish has folders for its variables) is not of the run.
        subprocess.run([*ssh_server.ssh(user=somebody.name), "true"], check=True, capture_output=True)
        before = traces(somebody)
        with target_at(ssh_server, somebody.name) as target:
            read(target, everything(world))
        eventually("its processes end with the connection", lambda: running(somebody) == [])
        assert traces(somebody) == before


def test_a_run_with_something_to_kill_leaves_nothing(
    ssh_server: Sshd, somebody: Account, world: World
) -> None:
    before = traces(somebody)
    with target_at(ssh_server, somebody.name) as target:
        read(target, [*everything(world), STUBBORN])
        assert not [each for each in commands(somebody) if each.startswith("sleep 60")]
    eventually("its processes end with the connection", lambda: running(somebody) == [])
    assert traces(somebody) == before


def test_an_aborted_run_leaves_nothing(ssh_server: Sshd, somebody: Account, world: World) -> None:
    before = traces(somebody)
    with target_at(ssh_server, somebody.name) as target:
        abort_in_mid_script(target, somebody)
    eventually("its processes end with the connection", lambda: running(somebody) == [])
    assert traces(somebody) == before


def abort_in_mid_script(target: RemoteTarget, somebody: Account) -> None:
    reader = threading.Thread(target=read, args=(target, [STUBBORN]))
    reader.start()
    eventually(
        "it is under way", lambda: sum(each.startswith("sleep 60") for each in commands(somebody)) == 3
    )
    target.abort()
    reader.join()


def test_between_two_rounds_one_shell_waits_and_nothing_else(ssh_server: Sshd, somebody: Account) -> None:
    """The watchdogs go with the round that they watched."""
    with target_at(ssh_server, somebody.name) as target:
        read(target, [Command(("true",))])
        eventually(
            "all but the shell has ended",
            lambda: sorted(commands(somebody)) == ["sh -s", f"sshd: {somebody.name}@notty"],
        )
