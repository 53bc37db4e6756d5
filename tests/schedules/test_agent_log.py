"""The agent's log: bounded whatever happens, a line an event, and heard somewhere in any case."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from machine import ROOT, environment

from agent.log import FOLDED_S, LARGEST, LONGEST, Log, append, as_line, heard

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Log:
    return Log(tmp_path / "log/agent.log", clock=clock, wall=lambda: NOW)


def test_a_line_has_its_time_and_the_file_is_private(log: Log):
    log.say("schedule s: begun")
    assert lines(log.file) == ["2026-03-02T12:00:00Z schedule s: begun"]
    assert log.file.stat().st_mode & 0o777 == 0o600
    assert log.file.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_said_again_and_again_is_counted(log: Log, clock: Clock):
    for _ in range(1000):
        log.say("one")
        log.say("two")
    clock.now += FOLDED_S
    log.say("one")
    log.close()
    assert [line.partition(" ")[2] for line in lines(log.file)] == [
        "one",
        "two",
        "one (999 times more since it was last written)",
        "two (999 times more since it was last written)",
    ]


def test_a_storm_of_different_lines_stays_within_the_cap(log: Log):
    for number in range(12_000):
        log.say(f"{number} " + "x" * 300)
    older = log.file.with_name("agent.log.1")
    assert 0 < log.file.stat().st_size <= LARGEST
    assert LARGEST - LONGEST < older.stat().st_size <= LARGEST
    assert {path.name for path in log.file.parent.iterdir()} == {"agent.log", "agent.log.1", "agent.lock"}
    assert lines(log.file)[-1].partition(" ")[2].startswith("11999 ")
    assert older.stat().st_mode & 0o777 == 0o600


def test_no_line_is_torn_where_several_processes_write(tmp_path: Path):
    file = tmp_path / "agent.log"
    program = (
        "import sys; from pathlib import Path; import agent.log as l; from agent.lock import exclusive\n"
        "for n in range(300):\n"
        "    with exclusive(Path(sys.argv[1] + '.lock')):\n"
        "        l.append(Path(sys.argv[1]), (sys.argv[2] * 99 + '\\n').encode(), 50_000)\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(file), word], cwd=ROOT, env=environment(tmp_path)
        )
        for word in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    whole = lines(file) + lines(file.with_name("agent.log.1"))
    assert set(whole) == {"a" * 99, "b" * 99, "c" * 99}
    assert len(whole) == 900
    assert max(file.stat().st_size, file.with_name("agent.log.1").stat().st_size) <= 50_000


def test_a_line_is_one_line_whatever_it_holds():
    assert as_line("a\nb\x1b[31mred\r\n\tc\0") == "a b\ufffd[31mred c\ufffd"
    assert len(as_line("x" * 10_000)) == LONGEST


def test_what_cannot_be_kept_is_heard_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "log").write_text("a file where the folder should be")
    Log(tmp_path / "log/agent.log", wall=lambda: NOW).say("no room")
    assert capfd.readouterr().err == "2026-03-02T12:00:00Z no room\n"


def test_with_echo_standard_error_hears_it_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    Log(tmp_path / "log/agent.log", echo=True, wall=lambda: NOW).say("begun")
    assert capfd.readouterr().err == "2026-03-02T12:00:00Z begun\n"
    assert lines(tmp_path / "log/agent.log") == ["2026-03-02T12:00:00Z begun"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path):
    (tmp_path / "other").write_text("other\n")
    (tmp_path / "agent.log").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        append(tmp_path / "agent.log", b"line\n")
    assert (tmp_path / "other").read_text() == "other\n"


def test_the_journal_is_known_by_its_stream(monkeypatch: pytest.MonkeyPatch):
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    assert heard()
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert heard() is os.isatty(2)
