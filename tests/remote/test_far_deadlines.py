"""What hangs on the far side is ended there with all that it started, and costs nothing but itself.

What is only slow, because this machine is, may be ended too: it is asked again then, so readings stay right.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from far_machines import dead_mount, half_dead_mount, server_inside
from far_side import Asked, Command, cause, commands, read, read_at, target_at, value
from hanging import nobody_can_open
from ssh_accounts import Account
from sshd import Sshd

from checks.fact import Known, Unavailable
from checks.facts.asks import ReadFile, path_of
from checks.facts.digest import FileDigest
from checks.facts.files import FileMatch, FileStat
from checks.facts.host import MOUNT_TABLE

# It will not go by itself, its children neither, and one of them has no parent any more.
STUBBORN = "trap '' TERM HUP INT; (sleep 601 &); sleep 602 & exec sleep 603"


def test_a_command_that_never_ends_is_killed_with_all_it_started(
    ssh_server: Sshd, somebody: Account, rounds: list[Asked], short: int
) -> None:
    endless, stubborn = Command(("sleep", "600")), Command(("sh", "-c", STUBBORN))
    after, stat = Command(("echo", "after")), FileStat("/etc/passwd")
    with target_at(ssh_server, somebody.name) as target:
        readings = read(target, [endless, stubborn, after, stat])
        assert [cause(readings[fact]) for fact in (endless, stubborn)] == ["timeout", "timeout"]
        assert "sleep 600 did not answer within 4 s" in str(readings[endless])
        assert value(readings[after]).out == b"after\n"
        assert isinstance(readings[stat], Known)
        assert not [each for each in commands(somebody) if "sleep 60" in each]
        # The shell is as good as new.
        assert value(read(target, [Command(("echo", "again"))])[Command(("echo", "again"))]).out == b"again\n"
        assert len({round_.session for round_ in rounds}) == 1


def test_a_command_has_the_time_it_asks_for(ssh_server: Sshd, short: int) -> None:
    slow = Command(("sh", "-c", f"sleep {short + 1}; echo done"), short + 3.0)
    assert value(read_at(ssh_server, [slow])[slow]).out == b"done\n"


def test_a_file_that_can_not_be_opened_costs_itself_alone(
    ssh_server: Sshd, somebody: Account, open_folder: Path, short: int
) -> None:
    """All of them are read by one process, which hangs in the midst of them."""
    files = [open_folder / name for name in "abcd"]
    for file in files:
        file.write_text(f"this is {file.name}\n")
    facts = [FileMatch(str(file), r"this is (\w)") for file in files]
    stats = [FileStat(str(file)) for file in files]
    with nobody_can_open(files[2]):
        readings = read_at(ssh_server, [*facts, *stats], somebody.name)
        assert not [each for each in commands(somebody) if each.startswith("head ")]
    assert cause(readings[facts[2]]) == "timeout"
    assert f"{files[2]} did not answer within 3 s" in str(readings[facts[2]])
    caught = [value(readings[fact]).caught for fact in facts if fact is not facts[2]]
    assert caught == ["a", "b", "d"]
    assert all(isinstance(readings[stat], Known) for stat in stats)


def test_a_mount_that_is_dead_is_tried_once_and_spared_from_then_on(
    tmp_path: Path, rounds: list[Asked], short: int
) -> None:
    """A FUSE mount whose daemon never answers; even the name of a file on it cannot be looked up."""
    point = tmp_path / "dead"
    dead = [FileStat(f"{point}/{name}") for name in "abcdef"]
    local = [FileStat("/etc/passwd"), FileStat("/etc/hosts"), FileMatch("/etc/hosts", "localhost")]
    facts = [local[0], *dead[:3], local[1], *dead[3:], local[2]]
    with server_inside(tmp_path / "server", dead_mount(point)) as server:
        readings = read_at(server, facts)
    assert all(isinstance(readings[fact], Known) for fact in local)
    assert {cause(readings[fact]) for fact in dead} == {"timeout"}
    assert "did not answer within 3 s" in str(readings[dead[0]])
    assert all(f"{point} (fuse) did not answer" in str(readings[fact]) for fact in dead[1:])
    tried = [path_of(ask) for round_ in rounds for ask in round_.asks if round_.apart]
    assert not [path for path in tried if path.startswith(str(point))]
    assert ReadFile(MOUNT_TABLE) in rounds[1].asks


def test_what_can_not_even_be_killed_is_left_behind_by_name_and_the_rest_is_read(
    tmp_path: Path, rounds: list[Asked], short: int
) -> None:
    """Which of the files that one process reads it is stuck at nobody knows: one of them is asked apart, and
    when that is stuck as well its mount is left alone."""
    point = tmp_path / "half"
    dead = [FileMatch(f"{point}/{name}", "x") for name in "abcdef"]
    local = [FileMatch("/etc/hosts", "localhost"), FileStat("/etc/hosts")]
    with server_inside(tmp_path / "server", half_dead_mount(point)) as server:
        readings = read_at(server, [*dead, *local])
    assert all(isinstance(readings[fact], Known) for fact in local)
    assert {cause(readings[fact]) for fact in dead} == {"stuck"}
    assert re.search(
        r"/a did not answer within 3 s, and pid [0-9, ]+ is stuck with it", str(readings[dead[0]])
    )
    assert all(f"{point} (fuse) did not answer" in str(readings[fact]) for fact in dead[1:])
    tried = [path_of(ask) for round_ in rounds for ask in round_.asks if round_.apart]
    assert [path for path in tried if path.startswith(str(point))] == [f"{point}/a"]
    assert [bool(round_.done.told.stuck) for round_ in rounds if round_.done.reason] == [True, True]


def test_a_pipe_is_never_opened(ssh_server: Sshd, somebody: Account) -> None:
    pipe = somebody.home / "pipe"
    os.mkfifo(pipe, 0o666)
    link = somebody.home / "link"
    link.symlink_to(pipe)
    facts = [FileMatch(str(pipe), "x"), FileDigest(str(link)), FileMatch("/etc/hosts", "localhost")]
    readings = read_at(ssh_server, facts, somebody.name)
    for fact in facts[:2]:
        reading = readings[fact]
        assert isinstance(reading, Unavailable)
        assert reading.cause == "unsupported"
        assert "is a fifo, not a file" in reading.reason
    assert isinstance(readings[facts[2]], Known)
