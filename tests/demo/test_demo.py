"""The demo as a newcomer runs it, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
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
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "collector.db").stat().st_mode & 0o077 == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_told_to_end_the_demo_takes_its_collector_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "server", "demo", "--folder", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        lines = list(iter(process.stdout.readline, "The collector stays up; Ctrl-C ends it.\n"))
        url = next(word for line in lines for word in line.split() if word.startswith("http://"))
        assert urllib.request.urlopen(f"{url}/login", timeout=10).status == 200
    finally:
        process.terminate()
        assert process.wait(60) == 143
        process.stdout.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/login", timeout=10)


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("do not delete")
    done = demo(tmp_path, "--once")
    assert done.returncode == 2
    assert "not a folder of the demo" in done.stderr
    assert (tmp_path / "precious").read_text() == "do not delete"
