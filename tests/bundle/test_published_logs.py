"""A collector may publish a profile, but not choose which logs of a machine are read for a bundle."""

from __future__ import annotations

import zipfile
from pathlib import Path

from machine import firstlight
from publishing import publish

from agent.paths import State


def test_only_what_shipped_profiles_name_is_read_of_a_published_one(machine: State, tmp_path: Path) -> None:
    private = tmp_path / "private.log"
    private.write_text("nobody's business\n")
    publish(
        machine,
        "profile: acme\nversion: '1'\nitems: [{check: mem.used}]\n"
        f"logs:\n  - {{file: {private}}}\n  - {{file: /var/log/nginx/error.log, lines: 1000}}\n",
    )
    plan = firstlight("bundle", "acme", "--plan", state=machine.root)
    assert plan.returncode == 0, plan.stderr
    assert str(private) not in plan.stdout
    assert "log  /var/log/nginx/error.log: read the end of" in plan.stdout
    done = firstlight("bundle", "acme", "--yes", "-o", "b.zip", state=machine.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(private) not in done.stdout
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert all(b"business" not in archive.read(name) for name in archive.namelist())
    own = tmp_path / "own.yaml"
    own.write_text(f"profile: own\nitems: [{{check: mem.used}}]\nlogs: [{{file: {private}}}]\n")
    done = firstlight("bundle", str(own), "--yes", "-o", "own.zip", state=machine.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "own.zip") as archive:
        assert archive.read("logs/001.txt") == b"nobody's business\n"
