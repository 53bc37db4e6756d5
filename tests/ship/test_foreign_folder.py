"""Root in the state folder of another account, as after `firstlight deploy`: it writes nothing there.

A key or an identity that is root's would lock the agent out of its own folder, for years and in silence.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.console import tree
from agent.lock import is_held, take
from agent.paths import State
from checks.errors import BadInput

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")

COMMANDS = [
    ["identity", "rotate"],
    ["identity", "export", "salt", "--new"],
    ["send"],
    ["spool", "retry", "--all"],
    ["spool", "redact", "--all"],
    ["export", "out.export", "--all"],
    ["export", "out.enrolment", "--enrolment"],
    ["agent", "--once"],
    ["approve", "--list"],
    ["agent", "--list"],
    ["doctor", "--offline"],
    ["spool", "list", "--all"],
]


@pytest.fixture
def theirs(machine: State) -> State:
    """The agent's folder, which belongs to the account nobody."""
    account = pwd.getpwnam("nobody").pw_uid
    for path in (machine.root, *machine.root.rglob("*")):
        os.chown(path, account, -1)
    return machine


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_root_leaves_nothing_of_its_own_in_it(
    theirs: State, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = seen(theirs.root)
    result = CliRunner().invoke(tree, words)
    assert seen(theirs.root) == before, f"{result.output}{result.exception}"


def test_it_is_told_whose_the_folder_is_and_what_to_type(theirs: State) -> None:
    result = CliRunner().invoke(tree, ["identity", "rotate"])
    assert isinstance(result.exception, BadInput)
    assert str(result.exception).endswith(
        f"not to you (0); type it as nobody: runuser -u nobody -- env FIRSTLIGHT_STATE={theirs.root} "
        "firstlight …"
    )


def test_looking_whether_a_lock_is_held_makes_and_keeps_none(machine: State) -> None:
    assert not is_held(machine.loop_lock)
    assert not machine.loop_lock.exists()
    lock = take(machine.loop_lock)
    assert lock is not None
    assert is_held(machine.loop_lock)
    os.close(lock)
    assert not is_held(machine.loop_lock)


def seen(folder: Path) -> set[tuple[str, int, int, int]]:
    found = [folder, *folder.rglob("*")]
    return {
        (str(path), path.stat().st_uid, stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns)
        for path in found
        if not path.is_dir()
    }
