"""A schedule in systemd's words and in cron's, put in place once and taken away whole."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import services
from click.testing import CliRunner

from agent import install as place
from agent.commands.install import command
from agent.install import Wakeup, units, write_cron_file, write_units
from agent.paths import State
from agent.schedule import MARK, cron_line, parse_every
from checks.errors import BadInput, FirstlightError

EVERY = [
    "5min",
    "10 min",
    "15 min",
    "20 min",
    "30 min",
    "1h",
    "2 h",
    "3h",
    "4h",
    "6h",
    "8h",
    "12h",
    "1d",
    "24h",
    "7d",
    "1w",
]


def wakeup(every: str = "1d", *words: str) -> Wakeup:
    return Wakeup(
        [sys.executable, "check", "linux-server", *words], "/var/lib/firstlight", parse_every(every, "web-1")
    )


def has_systemd_analyze() -> None:
    services.program("systemd-analyze", "systemd")


@pytest.mark.parametrize("system", [True, False], ids=["root", "user"])
def test_systemd_accepts_the_units(tmp_path: Path, system: bool):
    has_systemd_analyze()
    written = write_units(wakeup("6h", "--site", "Halle 7 $HOME 100%"), tmp_path, system=system)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("every", EVERY)
def test_systemd_wakes_at_even_distances(every: str):
    has_systemd_analyze()
    schedule = parse_every(every, "web-1")
    done = subprocess.run(
        [
            "systemd-analyze",
            "calendar",
            "--iterations=30",
            "--base-time=2026-03-02 00:00:00 UTC",
            schedule.calendar(),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    stamps = [
        line.split(": ", 1)[1]
        for line in done.stdout.splitlines()
        if "UTC" in line and "(in UTC)" not in line
    ]
    times = [datetime.strptime(stamp, "%a %Y-%m-%d %H:%M:%S %Z") for stamp in stamps if stamp.count(":") == 2]  # noqa: DTZ007
    steps = {(later - earlier).total_seconds() / 60 for earlier, later in pairwise(times)}
    assert len(times) > 20
    assert steps == {schedule.minutes}


@pytest.mark.parametrize("every", EVERY)
def test_cron_wakes_as_often_as_the_interval_says(every: str):
    schedule = parse_every(every, "web-1")
    minutes, hours, _, _, days = schedule.crontab().split()
    a_day = len(minutes.split(",")) * (24 if hours == "*" else len(hours.split(",")))
    assert a_day * (7 if days == "*" else 1) == 10080 // schedule.minutes


def test_machines_wake_at_different_minutes_and_always_at_the_same():
    lines = {parse_every("1d", f"machine-{n}").crontab() for n in range(50)}
    assert len(lines) > 40
    assert parse_every("1d", "web-1") == parse_every("24 h", "web-1")


@pytest.mark.parametrize("every", ["", "7h", "0d", "90 min", "1y", "daily", "-1d", "45s", "1.5h", "8 GiB"])
def test_an_interval_that_cannot_be_kept_evenly_is_refused(every: str):
    with pytest.raises(BadInput, match="accepted are 5, 10"):
        parse_every(every, "web-1")


def test_the_service_is_confined_without_changing_its_view_of_the_machine():
    text = units(wakeup(), system=True)[place.SERVICE]
    assert "NoNewPrivileges=yes" in text
    assert "SuccessExitStatus=1" in text
    for option in ("ProtectSystem", "PrivateTmp", "ProtectHome", "PrivateDevices", "ReadOnlyPaths"):
        assert option not in text, "it would give the service a mount table of its own"


def test_the_timer_makes_up_for_what_was_missed():
    text = units(wakeup(), system=True)[place.TIMER]
    assert "Persistent=true" in text
    assert "RandomizedDelaySec=900" in text


def test_the_system_gets_one_cron_line_however_often_it_is_installed(tmp_path: Path):
    write_cron_file(wakeup("1d"), tmp_path)
    path = write_cron_file(wakeup("6h"), tmp_path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    assert lines[0].split()[5] == "root"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_cron_line_means_to_the_shell_what_was_meant(tmp_path: Path):
    show = tmp_path / "a program"
    show.write_text('#!/bin/sh\nprintf "%s|" "$FIRSTLIGHT_STATE" "$@" >"$0.out"\n')
    show.chmod(0o755)
    line = cron_line(parse_every("1d", "x"), [str(show), "check", "it's 100%", "$HOME"], "/var/my state")
    said = line.split(" ", 5)[5].replace(r"\%", "%")  # what cron hands to the shell
    subprocess.run(["/bin/sh", "-c", said], check=True)
    assert (tmp_path / "a program.out").read_text() == "/var/my state|check|it's 100%|$HOME|"


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `crontab` program that keeps its table in a file, for a user on a machine without systemd."""
    table, program = tmp_path / "table", tmp_path / "bin/crontab"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then cat "{table}" 2>/dev/null; else cat >"{table}"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(place, "is_root", lambda: False)
    monkeypatch.setattr(place, "runs_systemd", lambda: False)
    return table


def test_a_users_crontab_keeps_its_other_lines(crontab: Path, state: State):
    mine = "MAILTO=ada\n0 5 * * * /usr/local/bin/backup"
    crontab.write_text(mine)
    for every in ("1d", "6h"):
        result = CliRunner().invoke(command, ["--every", every])
        assert result.exit_code == 0, result.output
    lines = crontab.read_text().splitlines()
    assert lines[:2] == mine.splitlines()
    assert len(lines) == 3
    assert MARK in lines[2]
    assert "firstlight install --remove" in result.output
    result = CliRunner().invoke(command, ["--remove"])
    assert crontab.read_text().splitlines() == mine.splitlines(), result.output
    assert "nothing was installed" in CliRunner().invoke(command, ["--remove"]).output


def test_a_machine_without_any_scheduler_is_told_what_to_run(
    state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(place, "runs_systemd", lambda: False)
    monkeypatch.setattr(place, "CRON_FOLDER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FirstlightError, match=r"let your own scheduler run: .* check linux-server"):
        place.install(wakeup())


@pytest.mark.parametrize("form", ["systemd", "cron"])
def test_a_dry_run_prints_and_writes_nothing(state: State, form: str):
    result = CliRunner().invoke(command, ["--print", form, "--every", "30 min"])
    assert result.exit_code == 0
    assert "check linux-server --trigger schedule" in result.output
    assert not state.root.exists()


def test_files_can_be_written_for_a_package(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(place, "runs_systemd", lambda: True)
    result = CliRunner().invoke(command, ["--into", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["firstlight.service", "firstlight.timer"]


def test_a_site_and_a_profile_must_exist(machine: State, tmp_path: Path):
    result = CliRunner().invoke(command, ["--site", "elsewhere", "--dry-run"])
    assert "plant-a, plant-b" in str(result.exception)
    result = CliRunner().invoke(command, ["--profile", str(tmp_path / "no.yaml"), "--dry-run"])
    assert "no such file" in str(result.exception)


@pytest.mark.skipif(not place.runs_systemd(), reason="systemd is not PID 1 here")
def test_the_timer_starts_where_systemd_runs(state: State):
    try:
        assert any("started firstlight.timer" in line for line in place.install(wakeup()))
        done = subprocess.run(
            ["systemctl", "is-active", place.TIMER], capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == "active"
    finally:
        place.remove()
