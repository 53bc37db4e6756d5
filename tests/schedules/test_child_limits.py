"""A child under its limits: ended politely, then killed with all that it started; and always told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from machine import ROOT, environment
from stand_in import script, until

from agent.config import Limits
from agent.limits import Child, Ending, family, memory_of, watch
from agent.usage import used

HOG = "import time; kept = bytearray(150_000_000); print(len(kept), flush=True); time.sleep(60)"


def child(command: list[str], **limits: Any) -> Child:
    bounds: dict[str, Any] = {"run_s": 60.0, "memory_mb": 512.0, "grace_s": 0.5} | limits
    return Child(command, env=dict(os.environ), **bounds)


def test_what_ends_by_itself_gives_its_exit_code_and_its_last_line(tmp_path: Path):
    program = script(tmp_path, "echo report; echo one >&2; echo 'firstlight: two' >&2; exit 4")
    assert watch(child(program)) == Ending(4, "", "firstlight: two")


def test_what_writes_without_end_never_waits_for_a_reader(tmp_path: Path):
    program = script(tmp_path, "head -c 3000000 /dev/zero >&2; echo >&2; echo end >&2; exit 0")
    assert watch(child(program)) == Ending(0, "", "end")


def test_beyond_its_time_it_is_asked_to_end_as_with_ctrl_c(tmp_path: Path):
    ready, now = tmp_path / "ready", [0.0]
    program = script(
        tmp_path, f"trap 'echo interrupted >&2; exit 3' INT; touch {ready}; while :; do sleep 0.05; done"
    )
    started = child(program, run_s=0.3, clock=lambda: now[0])
    until(ready.exists)  # on a busy machine it may take longer than its time to begin
    now[0] = 1.0
    ending = watch(started)
    assert ending == Ending(3, "it took longer than 0.3 s (limits.run_s)", "interrupted")


def test_what_does_not_end_is_killed_with_all_that_it_started(tmp_path: Path):
    program = script(
        tmp_path, "trap '' INT TERM; sleep 300 & setsid sleep 300 & while :; do sleep 0.05; done"
    )
    started = child(program, run_s=0.5)
    until(lambda: sum(p.name() == "sleep" for p in psutil.Process(started.pid).children(recursive=True)) > 1)
    others = [psutil.Process(pid) for pid in family(started.pid)]
    ending = watch(started)
    # Whether the shell of the two still says that one of them was killed is its own matter.
    assert (ending.exit, ending.reason) == (128 + signal.SIGKILL, "it took longer than 0.5 s (limits.run_s)")
    _, alive = psutil.wait_procs([p for p in others if p.pid != started.pid], timeout=10)
    assert alive == []


def test_beyond_its_memory_it_is_ended():
    ending = watch(child([sys.executable, "-c", HOG], memory_mb=100.0))
    assert ending.reason.startswith("it used 1")
    assert ending.reason.endswith("MB of memory (limits.memory_mb = 100)")


def test_the_memory_of_what_it_started_counts():
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOG!r}])"
    started = child([sys.executable, "-c", parent], memory_mb=100.0)
    ending = watch(started)
    assert "MB of memory" in ending.reason
    assert family(started.pid) == [started.pid]  # nothing is left of it


def test_memory_is_what_the_kernel_says_it_is():
    process = subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        assert memory_of(process.pid) == pytest.approx(
            psutil.Process(process.pid).memory_info().rss, rel=0.05
        )
    finally:
        process.kill()
        process.communicate()
    assert memory_of(process.pid) == 0


def test_what_somebody_else_killed_is_told(tmp_path: Path):
    started = child(script(tmp_path, "exec sleep 60"))
    os.kill(started.pid, signal.SIGKILL)
    assert watch(started) == Ending(137, "signal 9 ended it", "")


def test_it_is_asked_to_end_when_its_watcher_is(tmp_path: Path):
    started = child(script(tmp_path, "exec sleep 60"))
    ending = watch(started, stopped=lambda: True)
    assert (ending.exit, ending.reason) == (128 + signal.SIGINT, "firstlight was asked to end")


def test_a_watched_child_leaves_no_descriptor_behind(tmp_path: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        watch(child(script(tmp_path, "echo x >&2")))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


GIVEN_WAY = """
import os, signal
from agent import limits
from agent.config import Limits
limits.UNWATCHED_S = 0.3
limits.give_way(Limits(run_s=0.5, nice=15))
import psutil
print(os.getpriority(os.PRIO_PROCESS, 0), *map(int, psutil.Process().ionice()), flush=True)
signal.pause()
"""


def test_a_scheduled_run_gives_way_and_ends_by_itself_where_nobody_watches(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_WAY],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("15 2 7\n", "")
    assert done.returncode == -signal.SIGALRM


def test_the_last_ceiling_of_time_is_a_minute_beyond_the_limit(monkeypatch: pytest.MonkeyPatch):
    from agent import limits

    asked: list[tuple[int, float]] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: asked.append((which, seconds)))
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    monkeypatch.setattr(psutil.Process, "ionice", lambda *_, **__: None)
    limits.give_way(Limits(run_s=100.0))
    assert asked == [(signal.ITIMER_REAL, 160.0)]


CHILD = "b = bytearray(90_000_000)\nfor _ in range(10**7): pass"


def test_what_a_run_reports_of_itself_counts_its_children(tmp_path: Path):
    before = used(0.0)
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    after = used(1.0)
    assert after.cpu_s - before.cpu_s > 0.1
    assert after.peak_rss >= 90_000_000
