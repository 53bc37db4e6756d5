"""`firstlight agent` for real, and its turns with a clock that jumps."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from machine import ROOT, environment, firstlight
from stand_in import overdue, script, until

from agent.log import Log
from agent.paths import State
from agent.schedules.loop import LONGEST_SLEEP_S, Loop
from agent.schedules.record import Record, read_record, write_record

RARE = '[[schedules]]\nname = "s"\nevery = "300d"\nprofile = "linux-server"\n'
EVERY_HOUR = '[[schedules]]\nname = "s"\nevery = "1h"\nprofile = "linux-server"\n'
SLOW = (
    "profile: slow\nversion: 1\ntitle: Slow\nitems:\n"
    "  - {id: one, check: cmd.output, with: {command: [sleep, '40'], timeout: 50 s}}\n"
)

PROGRAM = """
import atexit, sys
atexit.register(lambda: print("\\n".join(sorted(sys.modules))))
from agent.cli import main
main(["agent"])
"""


class Started:
    """A real loop in a process of its own."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=environment(state.root),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hears(self, name: str) -> None:
        self.process.send_signal(getattr(signal, name))

    def says(self, words: str) -> str:
        return until(lambda: [line for line in self.lines() if words in line])[-1]

    def lines(self) -> list[str]:
        try:
            return [line.partition(" ")[2] for line in self.state.log.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def ends(self) -> tuple[int, str, str]:
        self.hears("SIGTERM")
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def loop(state: State) -> Iterator[Started]:
    state.config.write_text(RARE)
    overdue(state)
    started = Started(state)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


def memory(pid: int) -> float:
    """Megabytes in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError("the kernel tells no memory")


HEAVY = {
    "psutil", "requests", "urllib3", "ssl", "cryptography", "paramiko", "yaml", "jinja2", "rich", "asyncio",
    "http", "email", "logging", "importlib.metadata", "sqlalchemy", "checks.evaluate", "agent.delivery",
}  # fmt: skip


def test_it_runs_what_is_due_stays_small_and_ends_politely(loop: Started, state: State):
    loop.says("schedule s: the run that was due")
    record = read_record(state, "s")
    assert record is not None and record.exit in (0, 1, 3) and record.ended is not None
    assert memory(loop.process.pid) <= 40.0
    code, modules, said = loop.ends()
    assert code == 0
    assert loop.lines()[-1] == "ended, as it was asked to"
    assert said.splitlines()[-1].endswith("ended, as it was asked to"), "a container's log shows the same"
    assert set(modules.split()) & HEAVY == set()


def test_a_changed_configuration_is_taken_and_a_wrong_one_told_once(loop: Started, state: State):
    loop.says("schedules in force: s")
    state.config.write_text(RARE + '[[schedules]]\nname = "t"\nevery = "300d"\nprofile = "no-such"\n')
    overdue(state, "t")
    loop.hears("SIGHUP")
    assert "wrong input (exit 2): " in loop.says("schedule t: the run")
    first = read_record(state, "t")
    assert first is not None and first.exit == 2
    state.config.write_text(RARE + '[[schedules]]\nname = "t"\nevery = "often"\n')
    loop.hears("SIGHUP")
    told = loop.says("the configuration stays as it was")
    assert told.endswith(
        f"{state.config}: schedule t: every 'often' is no span of time; write one such as 30 min, 6h or 1d"
    )
    overdue(state, "t")
    loop.hears("SIGHUP")

    def ran_again() -> bool:
        record = read_record(state, "t")
        return record is not None and record.ended is not None and record.ended != first.ended

    until(ran_again)  # the schedules of before are kept to
    assert sum("stays as it was" in line for line in loop.lines()) == 1
    assert loop.ends()[0] == 0


def test_asked_to_end_it_ends_its_run_within_ten_seconds(state: State):
    (state.root / "slow.yaml").write_text(SLOW)
    state.config.write_text(RARE.replace("linux-server", "slow.yaml"))
    overdue(state)
    started = Started(state)
    try:
        started.says("schedule s: begun")
        code, _, _ = started.ends()
    finally:
        started.process.kill()
    assert code == 0
    record = read_record(state, "s")
    assert record is not None
    assert record.outcome == "ended before its time: the agent was asked to end (exit 3)"


def test_one_loop_for_a_state_is_enough(loop: Started, state: State):
    loop.says("schedules in force")
    second = firstlight("agent", state=state.root)
    assert second.returncode == 3
    told = f"another firstlight agent stays with {state.root} already; one is enough"
    assert second.stderr == f"firstlight: {told}\n"


def test_a_wrong_configuration_is_told_before_it_stays(state: State):
    state.config.write_text("schedules = 1")
    done = firstlight("agent", state=state.root)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"firstlight: {state.config}: ")


class World:
    """A loop whose clocks a test moves; its program is a shell script."""

    def __init__(self, state: State, program: list[str], text: str = EVERY_HOUR) -> None:
        state.config.write_text(text)
        self.state = state
        self.wall = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self.beat = 1000.0
        write_record(state, "s", Record(self.wall))
        self.loop = Loop(state, Log(state.log), "m", program, now=lambda: self.wall, clock=lambda: self.beat)

    def passes(self, seconds: float, jump: timedelta = timedelta(0)) -> float:
        self.wall += timedelta(seconds=seconds) + jump
        self.beat += seconds
        return self.loop.turn()

    def runs(self, minutes: int) -> int:
        """How many runs begin while these minutes pass, each at its end."""
        begun = 0
        for _ in range(minutes):
            self.passes(60.0)
            begun += len(self.loop.running)
            until(self.nothing_runs)
        return begun

    def nothing_runs(self) -> bool:
        self.loop._look()
        return not self.loop.running

    def lines(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.state.log.read_text().splitlines()]


def test_it_sleeps_until_the_next_time_and_never_longer_than_a_minute(state: State):
    world = World(state, ["/bin/true"])
    slept = [world.loop.turn()]
    while not world.loop.running:
        slept.append(world.passes(slept[-1]))
    assert set(slept[:-2]) == {LONGEST_SLEEP_S}
    assert 0 < slept[-2] <= LONGEST_SLEEP_S
    until(world.nothing_runs)
    record = read_record(state, "s")
    assert record is not None and record.due is not None and record.began is not None
    assert record.began - record.due < timedelta(seconds=1)


def test_a_laptop_that_slept_runs_once_when_it_wakes(state: State):
    world = World(state, ["/bin/true"])
    world.passes(60.0, timedelta(days=3))
    assert len(world.loop.running) == 1
    until(world.nothing_runs)
    assert any("the clock went forward by 259200 s, or this machine slept" in line for line in world.lines())
    assert world.runs(61) == 1


def test_a_clock_that_is_set_back_a_year_goes_on_with_an_hourly_run(state: State):
    world = World(state, ["/bin/true"])
    world.passes(60.0, -timedelta(days=365))
    assert any(line.startswith("the clock went back by 31536000 s") for line in world.lines())
    assert world.runs(121) in (2, 3)


def test_a_run_that_cannot_begin_is_tried_again_in_a_minute_and_told_once(state: State):
    world = World(state, ["/nowhere/firstlight"])
    world.passes(60.0, timedelta(days=1))
    for _ in range(5):
        world.passes(60.0)
    told = [line for line in world.lines() if "not begun" in line]
    assert told == ["schedule s: not begun: /nowhere/firstlight: No such file or directory"]
    world.loop.program = ["/bin/true"]
    world.passes(60.0)
    assert len(world.loop.running) == 1, "it has been due all the time"
    until(world.nothing_runs)


def test_two_runs_at_a_time_and_the_third_waits(state: State, tmp_path: Path):
    text = "".join(f'[[schedules]]\nname = "{name}"\nevery = "1h"\n' for name in "stu")
    program = script(tmp_path, f'while [ ! -e "{tmp_path}/end" ]; do sleep 0.02; done')
    world = World(state, program, text)
    for name in "tu":
        write_record(state, name, Record(world.wall))
    world.passes(60.0, timedelta(hours=2))
    assert sorted(world.loop.running) == ["s", "t"]
    (tmp_path / "end").touch()
    until(world.nothing_runs)
    world.passes(1.0)
    assert sorted(world.loop.running) == ["u"]
    until(world.nothing_runs)


def test_what_waits_is_delivered_when_its_time_has_come(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from agent import retry

    world = World(state, script(tmp_path, f'echo "$*" >>"{tmp_path}/said"; exit 4'))
    state.identity.write_text("{}")  # enrolled, as far as that is looked at
    moment = world.wall + timedelta(minutes=3)
    monkeypatch.setattr(retry, "next_attempt", lambda *_: moment)
    for _ in range(2):
        world.passes(60.0)
        assert world.loop.sending is None
    world.passes(60.0)
    assert world.loop.sending is not None

    def sent() -> bool:
        world.loop._look()
        return world.loop.sending is None

    until(sent)
    assert (tmp_path / "said").read_text() == "send --if-due\n"
    assert world.lines()[-1] == "delivery: refused (exit 4)"
    world.passes(1.0)
    assert world.loop.sending is None, "not again within a minute, whatever the spool says"
