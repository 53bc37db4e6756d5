"""Children as they are run on Windows, by threads and without groups: told here that this is Windows."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from checks.fact import NotReadable
from checks.facts import child
from checks.facts.asks import RunCommand
from checks.facts.child import Output, Overrun
from checks.facts.localhost import LocalHost


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "WINDOWS", True)
    monkeypatch.delattr(os, "killpg")
    monkeypatch.setenv("ACME_PASSWORD", "hunter2")


def python(script: str, timeout: float = 20.0, **given: str) -> Output:
    return LocalHost().execute(RunCommand((sys.executable, "-c", script), timeout, tuple(given.items())))


def runs(pid: int) -> bool:
    """A process that has ended and was not waited for runs no more."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_program_is_run_with_its_status_and_both_outputs() -> None:
    seen = python("import sys; print('fine'); print('but', file=sys.stderr); sys.exit(2)")
    assert (seen.status, seen.out.split(), seen.err.split()) == (2, [b"fine"], [b"but"])
    assert not seen.truncated


def test_it_is_found_on_the_path_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "acme-tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    with pytest.raises(NotReadable, match="acme-tool is not installed"):
        LocalHost().run(["acme-tool"])
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert LocalHost().run(["acme-tool"]).out == b"found\n"


def test_it_gets_what_is_given_and_nothing_else_of_the_environment() -> None:
    seen = python("import os; print(sorted(os.environ.items()))", COLOUR="blue").out.decode()
    assert "('COLOUR', 'blue')" in seen
    assert "('LC_ALL', 'C')" in seen
    assert "('PATH', " in seen
    assert "hunter2" not in seen


def test_its_input_is_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; print(len(sys.stdin.read()))"
    ask = RunCommand((sys.executable, "-c", script), 20.0, secret_stdin="env:ACME_PASSWORD")
    assert LocalHost().execute(ask).out.split() == [b"7"]
    nobody_reads = RunCommand((sys.executable, "-c", "print(1)"), 20.0, secret_stdin="env:ACME_PASSWORD")
    monkeypatch.setenv("ACME_PASSWORD", "x" * 10**6)
    assert LocalHost().execute(nobody_reads).out.split() == [b"1"]


def test_what_runs_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(Overrun, match=r"timed out after 2 s") as late:
        python(script, timeout=2.0)
    assert late.value.cause == "timeout"
    until = time.monotonic() + 20
    for pid in map(int, pids.read_text().split()):
        while runs(pid):
            assert time.monotonic() < until, "it outlives its deadline"
            time.sleep(0.02)


def test_what_says_too_much_is_cut_and_killed() -> None:
    seen = child.run([sys.executable, "-c", "while True: print('x' * 1000)"], 60, search="", limit=5000)
    assert (len(seen.out), seen.truncated) == (5000, True)
    assert seen.status != 0


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    with pytest.raises(NotReadable, match="cannot be started"):
        LocalHost().run([str(broken)])
