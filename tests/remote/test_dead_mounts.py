"""A mount whose server is gone is a finding and not a run that hangs: over SSH and on the machine itself."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from far_machines import dead_mount, half_dead_mount, inside, server_inside
from far_side import cause, read_at, value

from checks.facts.answering import MountAnswers, RemoteMounts
from checks.facts.openpaths import OpenPaths

_LOOK = """
import sys
from checks.facts.answering import MountAnswers, RemoteMounts
from checks.facts.localhost import LocalHost
host = LocalHost()
found = MountAnswers(sys.argv[1]).read(host)
print(sys.argv[1] in RemoteMounts().read(host), found.outcome, found.type, found.detail, sep="|")
"""


def test_a_dead_mount_is_told_over_ssh_and_nothing_walks_into_it(tmp_path: Path, short: int) -> None:
    point = tmp_path / "dead"
    facts = [RemoteMounts(), MountAnswers(str(point)), OpenPaths(str(point))]
    with server_inside(tmp_path / "server", dead_mount(point)) as server:
        readings = read_at(server, facts)
    assert str(point) in value(readings[facts[0]])
    found = value(readings[facts[1]])
    assert (found.outcome, found.type, found.source) == ("timeout", "fuse", "flt")
    assert "did not answer" in found.detail
    assert cause(readings[facts[2]]) == "timeout"


def test_a_dead_mount_is_told_on_the_machine_itself(tmp_path: Path) -> None:
    point = tmp_path / "dead"
    with inside(dead_mount(point)) as enter:
        said = subprocess.run(
            [*shlex.split(enter), sys.executable, "-c", _LOOK, str(point)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
    assert said.stdout == f"True|timeout|fuse|{point} (fuse) did not answer within 4 s\n"


def test_a_mount_that_answers_a_stat_passes(tmp_path: Path) -> None:
    point = tmp_path / "half"
    with server_inside(tmp_path / "server", half_dead_mount(point)) as server:
        (reading,) = read_at(server, [MountAnswers(str(point))]).values()
    assert (value(reading).outcome, value(reading).type) == ("answered", "fuse")
