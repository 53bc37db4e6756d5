"""sudo is used for what was refused and for nothing else; without it a reading says what it would take."""

from __future__ import annotations

import contextlib
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import services
from far_machines import inside
from far_side import (
    Asked,
    Sessions,
    cause,
    eventually,
    read,
    read_at,
    somebody_at,
    target_at,
    tool_folder,
    value,
)
from hanging import nobody_can_open
from local_reader import read_as
from parity_samples import LISTENERS, World, make_world
from ssh_accounts import Account, account
from sshd import Sshd, start_sshd

from agent.targets.remote import SUDOERS
from checks.fact import Known, Unavailable
from checks.facts.asks import ListListeners, ListProcesses
from checks.facts.config import ConfigValue
from checks.facts.digest import FileDigest
from checks.facts.files import FileMatch, FileStat
from checks.facts.process import Processes, ProcessLimits

RIGHTS = "{name} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s"


@pytest.fixture(scope="module")
def owner() -> Iterator[tuple[Account, World]]:
    with account() as made, make_world(made) as world:
        yield made, world


@contextmanager
def operator(server: Sshd, sudo: str = "", password: str = "") -> Iterator[Account]:
    services.program("sudo", "sudo")
    with somebody_at(server, sudo=sudo, password=password) as made:
        yield made


def secret(world: World) -> FileMatch:
    return FileMatch(f"{world.folder}/secret", "open (.*)")


def closed(world: World) -> FileStat:
    return FileStat(f"{world.folder}/closed/file")


def test_what_is_refused_is_read_through_sudo(ssh_server: Sshd, owner: tuple[Account, World]) -> None:
    file = secret(owner[1]).path
    facts = [secret(owner[1]), closed(owner[1]), FileDigest(file), ConfigValue(file, "ini", "word")]
    shadow = FileStat("/etc/shadow")
    with operator(ssh_server, RIGHTS) as somebody:
        readings = read_at(ssh_server, [*facts, shadow], somebody.name, sudo=True)
    mode = value(readings.pop(shadow)).mode
    assert mode == f"{stat.S_IMODE(Path('/etc/shadow').stat().st_mode):04o}"
    assert readings == read_as("root", facts)
    assert value(readings[facts[0]]).caught == "sesame"


def test_the_holders_of_all_listeners_are_seen_through_sudo(
    ssh_server: Sshd, owner: tuple[Account, World]
) -> None:
    limits = ProcessLimits()
    names = {name[:15] for name in LISTENERS}
    with operator(ssh_server, RIGHTS) as somebody:
        alone = value(read_at(ssh_server, [limits], somebody.name)[limits])
        with_sudo = value(read_at(ssh_server, [limits], somebody.name, sudo=True)[limits])
    assert not {limit.name for limit in alone.processes} & names
    assert alone.hidden >= 2
    assert {limit.name for limit in with_sudo.processes} >= names
    assert with_sudo.hidden < alone.hidden


def test_sudo_is_asked_once_and_for_what_was_refused_alone(
    ssh_server: Sshd, owner: tuple[Account, World], rounds: list[Asked]
) -> None:
    """The log of the server counts: two sessions, though three rounds had something to refuse."""
    facts = [secret(owner[1]), closed(owner[1]), FileStat("/etc/passwd"), FileMatch("/etc/hosts", "x")]
    with operator(ssh_server, RIGHTS) as somebody, target_at(ssh_server, somebody.name, sudo=True) as target:
        sessions = Sessions(ssh_server, somebody)
        read(target, [*facts, ProcessLimits()])
        read(target, [FileDigest("/etc/shadow"), FileDigest("/etc/passwd")])
        assert sessions.count == 2
    as_root = [ask for round_ in rounds if round_.root for ask in round_.asks]
    assert set(as_root) == {
        *secret(owner[1]).asks(),
        *closed(owner[1]).asks(),
        ListListeners(),
        ListProcesses(),  # the holders are told by the pids of this list, so both are of one moment
        *FileDigest("/etc/shadow").asks(),
    }
    assert len(as_root) == len(set(as_root))


def test_sudo_is_not_asked_where_nothing_is_refused(ssh_server: Sshd, rounds: list[Asked]) -> None:
    facts = [FileStat("/etc/shadow"), FileStat("/no/such/file"), FileMatch("/etc/hosts", "x")]
    with operator(ssh_server, RIGHTS) as somebody:
        read_at(ssh_server, facts, somebody.name, sudo=True)
    assert [round_.root for round_ in rounds] == [False]


def test_without_sudo_a_reading_says_what_it_would_take(
    ssh_server: Sshd, owner: tuple[Account, World], rounds: list[Asked]
) -> None:
    with operator(ssh_server) as somebody:
        line = SUDOERS.format(user=somebody.name)
        facts = [secret(owner[1]), closed(owner[1])]
        readings = read_at(ssh_server, facts, somebody.name, name="db1")
    for fact, path in zip(facts, (secret(owner[1]).path, closed(owner[1]).path), strict=True):
        reading = readings[fact]
        assert isinstance(reading, Unavailable)
        assert reading.cause == "denied"
        assert reading.reason.startswith(f"needs: root ({path}: Permission denied); set `sudo: true` for db1")
        assert reading.reason.endswith(line)
    assert not any(round_.root for round_ in rounds)


def test_the_line_that_is_told_is_the_one_that_helps(ssh_server: Sshd, owner: tuple[Account, World]) -> None:
    fact = secret(owner[1])
    with operator(ssh_server) as somebody:
        said = read_at(ssh_server, [fact], somebody.name)[fact]
    assert isinstance(said, Unavailable)
    told = said.reason.rpartition("sudoers line: ")[2].replace(somebody.name, "{name}")
    with operator(ssh_server, told) as somebody:
        assert value(read_at(ssh_server, [fact], somebody.name, sudo=True)[fact]).caught == "sesame"


@pytest.mark.parametrize(
    ("sudo", "password", "words"),
    [
        ("{name} ALL=(root) /usr/bin/sh -s, /bin/sh -s", "sesame", "a password is required"),
        ("{name} ALL=(root) NOPASSWD: /bin/true", "sesame", "sudo"),
        ("", "sesame", "a password is required"),
    ],
    ids=["it asks for a password", "it allows something else", "it does not know the user"],
)
def test_a_sudo_that_refuses_is_cited(
    ssh_server: Sshd, owner: tuple[Account, World], sudo: str, password: str, words: str, rounds: list[Asked]
) -> None:
    facts = [secret(owner[1]), closed(owner[1]), FileMatch("/etc/hosts", "localhost")]
    with operator(ssh_server, sudo, password) as somebody:
        sessions = Sessions(ssh_server, somebody)
        with target_at(ssh_server, somebody.name, sudo=True) as target:
            readings = read(target, facts)
            again = read(target, [FileDigest("/etc/shadow")])[FileDigest("/etc/shadow")]
        assert sessions.count == 2, "a sudo that has refused is not asked again"
        line = SUDOERS.format(user=somebody.name)
    for reading in (*[readings[fact] for fact in facts[:2]], again):
        assert isinstance(reading, Unavailable)
        assert reading.cause == "denied"
        assert reading.reason.startswith("needs: root (")
        assert "sudo refused: " in reading.reason
        assert words in reading.reason
        assert reading.reason.endswith(line)
    assert isinstance(readings[facts[2]], Known)


def test_a_machine_without_sudo(tmp_path: Path, open_folder: Path, owner: tuple[Account, World]) -> None:
    tools = tool_folder(open_folder / "tools", sh=services.program("sh", "dash"))
    with (
        start_sshd(tmp_path, options={"SetEnv": f"PATH={tools}"}) as server,
        operator(server, RIGHTS) as somebody,
    ):
        reading = read_at(server, [secret(owner[1])], somebody.name, sudo=True)[secret(owner[1])]
    assert isinstance(reading, Unavailable)
    assert reading.cause == "denied"
    assert "sudo refused: " in reading.reason
    assert "not found" in reading.reason


def test_what_even_root_may_not_is_not_blamed_on_sudo(ssh_server: Sshd) -> None:
    """The kernel refuses this parameter to everybody, whoever asks."""
    fact = FileMatch("/proc/sys/vm/compact_memory", "x")
    with operator(ssh_server, RIGHTS) as somebody:
        reading = read_at(ssh_server, [fact], somebody.name, sudo=True)[fact]
    assert cause(reading) == "denied"
    assert "needs" not in str(reading)


def test_what_root_has_answered_before_its_shell_died_is_not_asked_for_again(
    ssh_server: Sshd, owner: tuple[Account, World]
) -> None:
    """The hash comes last in the script, and hangs until somebody kills root's shell."""
    folder = Path(owner[1].folder)
    absent, hanging = FileMatch(f"{folder}/closed/nowhere", "x"), FileDigest(f"{folder}/secret")
    with operator(ssh_server, RIGHTS) as somebody, nobody_can_open(folder / "secret"):
        killer = threading.Thread(target=kill_parent_of, args=(f"{folder}/secret",))
        killer.start()
        readings = read_at(ssh_server, [absent, hanging], somebody.name, sudo=True)
        killer.join()
    assert readings[absent] == Unavailable(f"{absent.path}: No such file or directory", "absent")
    assert cause(readings[hanging]) == "denied"
    assert "the shell ended before it had answered" in str(readings[hanging])


def kill_parent_of(path: str) -> None:
    """Kill root's program that reads this file, and before that the shell which waits for it.

    Before root, the login itself has tried in vain to read it, with a program of the same name.
    """
    found: list[psutil.Process] = []

    def runs() -> bool:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, IndexError):
                reads = process.name() == "sha256sum" and process.cmdline()[-1].endswith(path)
                if reads and process.uids().effective == 0 and (parent := process.parent()) is not None:
                    found.extend((parent, process))
        return bool(found)

    eventually("it is being read", runs)
    for process in found[:2]:
        with contextlib.suppress(psutil.NoSuchProcess):  # it dies of its parent's death, sometimes at once
            process.kill()


def test_processes_that_are_hidden_are_seen_through_sudo(tmp_path: Path, open_folder: Path) -> None:
    """A machine whose /proc shows nobody the processes of others (hidepid), as many are hardened."""
    looked_for = Processes("sshd")
    command = ["/bin/sh", "-c", "mount -t proc -o hidepid=invisible proc /proc && echo ready && exec cat"]
    with inside(command) as enter, account(sudo=f"{RIGHTS}, {open_folder}/enter") as somebody:
        script = open_folder / "enter"
        script.write_text(
            f"#!/bin/sh\nread -r asked\nexec {enter} setpriv --reuid {somebody.uid} --regid {somebody.gid} "
            '--clear-groups /bin/sh -c "$asked"\n'
        )
        script.chmod(0o755)
        forced = f'{{ echo "$SSH_ORIGINAL_COMMAND"; cat; }} | sudo -n {script}'
        with start_sshd(tmp_path, options={"ForceCommand": forced}) as server:
            somebody.authorize(server.public_key)
            alone = read_at(server, [looked_for], somebody.name)[looked_for]
            with_sudo = read_at(server, [looked_for], somebody.name, sudo=True)[looked_for]
    assert cause(alone) == "denied"
    assert "hidepid" in str(alone)
    assert value(with_sudo).count > 0


@pytest.mark.parametrize("sudo", [True, False], ids=["with sudo", "without sudo"])
def test_a_server_that_has_room_for_one_session_is_enough(
    tmp_path: Path, owner: tuple[Account, World], sudo: bool
) -> None:
    """The plain shell makes room for root's, and root's for the next round's: nothing but time is lost."""
    facts = [secret(owner[1]), FileStat("/etc/passwd"), ProcessLimits(), Processes("sshd")]
    later = [FileDigest(secret(owner[1]).path), FileStat("/etc/hosts")]
    with start_sshd(tmp_path, options={"MaxSessions": 1}) as server, operator(server, RIGHTS) as somebody:
        sessions = Sessions(server, somebody)
        with target_at(server, somebody.name, sudo=sudo) as target:
            readings = read(target, facts) | read(target, later)
        assert sessions.count == (4 if sudo else 1)
    known = {fact for fact, reading in readings.items() if isinstance(reading, Known)}
    assert known == set(readings) - ({facts[0], later[0]} if not sudo else set())


def test_the_rights_that_are_told_are_those_of_these_tests() -> None:
    assert SUDOERS.format(user="{name}") == RIGHTS
