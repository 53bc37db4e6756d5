"""The demo as a newcomer runs it, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def demo(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "server", "demo", "--folder", str(folder), "--port", "0", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_checks_this_machine_and_shows_where_to_look(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):  # a second start makes everything anew
        done = demo(folder, "--once")
        assert done.returncode == 0, done.stderr
    out = done.stdout
    for line in (
        "example data",
        "linux-server",
        "Where to look",
        "/sites/this-machine",
        "password",
        "/runs/",
    ):
        assert line in out
    assert "install --every 1d" in out
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077 & 0o022]
    assert (folder / "collector.db").stat().st_mode & 0o077 == 0


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("do not delete")
    done = demo(tmp_path, "--once")
    assert done.returncode == 2
    assert "not a folder of the demo" in done.stderr
    assert (tmp_path / "precious").read_text() == "do not delete"
