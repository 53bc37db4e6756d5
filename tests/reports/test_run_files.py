"""The formats as a user asks for them: files, their endings, and the real program as a monitoring plugin."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from machine import ROOT, environment, firstlight
from sample_run import result, view
from services import program

from agent.outcome import service_state
from agent.present import FORMS, form_of, present
from checks.errors import FirstlightError
from checks.model import PlanItem, Result, Severity, Status
from reports.run.nagios import State


def profile(folder: Path, *items: str) -> str:
    path = folder / "here.yaml"
    path.write_text("\n".join(["profile: here", "version: 1", "title: Here", "items:", *items]) + "\n")
    return str(path)


def exists(path: str, severity: str = "P2") -> str:
    return f"  - {{id: it, check: file.stat, severity: {severity}, with: {{path: {path}}}}}"


# --- files


@pytest.mark.parametrize(
    ("name", "form", "start"),
    [
        ("r.XML", "junit", b"<?xml"),
        ("r.sarif", "sarif", b'{\n  "$schema"'),
        ("r.md", "markdown", b"# 2 checks fail"),
        ("r.csv", "csv", b"\xef\xbb\xbfcaptured"),
        ("r.prom", "prometheus", b"# HELP firstlight_check_status"),
        ("r.htm", "html", b"<!doctype html>"),
        ("r.txt", "table", b"app-server 3"),
    ],
)
def test_the_files_name_chooses_the_form(tmp_path: Path, name: str, form: str, start: bytes) -> None:
    path = tmp_path / name
    assert form_of(None, path) == form
    assert form_of("csv", path) == "csv"
    present(view(), form_of(None, path), path, everything=False)
    assert path.read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_reader_who_is_in_the_middle_of_a_file_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "r.prom"
    present(view(), "prometheus", path, everything=False)
    before = path.read_bytes()
    with path.open("rb") as reader:
        head = reader.read(100)
        present(view(results=()), "prometheus", path, everything=False)
        assert head + reader.read() == before
    assert path.read_bytes() != before


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.csv"
    path.write_text("before")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FirstlightError, match="not written: No space left"):
        present(view(), "csv", path, everything=False)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["r.csv"]


def test_a_files_mode_stays_and_a_new_one_follows_the_mask(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.touch(0o600)
    mask = os.umask(0o027)
    try:
        for path in (old, new):
            present(view(), "csv", path, everything=False)
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o600, 0o640]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    present(view(), "csv", tmp_path / "link.csv", everything=False)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").stat().st_size > 0


def test_standard_output_may_be_named_as_a_file(tmp_path: Path) -> None:
    where = profile(tmp_path, exists("/etc/passwd"))
    done = firstlight("check", where, "--no-send", "--format", "csv", "-o", "/dev/stdout", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("\ufeffcaptured,")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_made_by_the_real_program(tmp_path: Path, form: str) -> None:
    where = profile(tmp_path, exists("/nowhere/at/all"))
    done = firstlight("check", where, "--no-send", "--format", form, state=tmp_path)
    assert done.returncode == (2 if form == "nagios" else 1), done.stderr
    assert "/nowhere/at/all" in done.stdout
    assert done.stderr == ""


# --- the state of a service


def state(*found: Result, fail_on: str = "P1", partial: bool = False, opens: str = "fail") -> State:
    plan = [PlanItem(each.target, each.item, each.check, each.rule, each.severity, opens) for each in found]
    return service_state(found, plan, fail_on=fail_on, partial=partial)


@pytest.mark.parametrize(
    ("status", "severity", "fail_on", "said"),
    [
        (Status.PASS, Severity.P0, "P3", State.OK),
        (Status.SKIP, Severity.P0, "P3", State.OK),
        (Status.MANUAL, Severity.P0, "P3", State.OK),
        (Status.WARN, Severity.P0, "P3", State.WARNING),
        (Status.FAIL, Severity.P1, "P1", State.CRITICAL),
        (Status.FAIL, Severity.P2, "P1", State.WARNING),
        (Status.FAIL, Severity.P0, "never", State.WARNING),
        (Status.ERROR, Severity.P3, "P1", State.UNKNOWN),
    ],
)
def test_one_result_makes_the_state(status: Status, severity: Severity, fail_on: str, said: State) -> None:
    assert state(result("a", status, severity), fail_on=fail_on) is said


def test_critical_outweighs_unknown_and_unknown_a_warning() -> None:
    error, fail = result("a", Status.ERROR), result("b", Status.FAIL, Severity.P0)
    assert state(error, fail) is State.CRITICAL
    assert state(error, result("b", Status.WARN)) is State.UNKNOWN
    assert state(result("b", Status.WARN), partial=True) is State.UNKNOWN
    assert state() is State.UNKNOWN


def test_a_warning_that_opens_a_finding_is_critical_as_it_is_for_the_exit_code() -> None:
    assert state(result("a", Status.WARN, Severity.P1), opens="warn") is State.CRITICAL


def test_a_cause_has_the_severity_of_what_stands_under_it() -> None:
    found = result("a", Status.FAIL, Severity.P3)
    said = service_state([found], [], fail_on="P1", partial=False, severities={found.key: Severity.P0})
    assert said is State.CRITICAL


# --- a real wrapper of monitoring plugins


def plugin(folder: Path, *words: str) -> Path:
    """The command line as a program without arguments, which wrappers of plugins want."""
    path = folder / "plugin"
    line = " ".join(f"'{word}'" for word in (sys.executable, "-m", "agent", "check", *words))
    path.write_text(f"#!/bin/sh\ncd '{ROOT}'\nexec {line} --format nagios\n")
    path.chmod(0o755)
    return path


def negated(folder: Path, *words: str) -> tuple[int, str]:
    """What `negate` makes of it: it permutes OK and CRITICAL, and puts the other word in the text."""
    path = Path("/usr/lib/nagios/plugins/negate")
    negate = str(path) if path.exists() else program("negate", "monitoring-plugins-common")
    done = subprocess.run(
        [negate, "-t", "50", "--substitute", str(plugin(folder, *words))],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("path", "options", "code", "start"),
    [
        ("/etc/passwd", (), 2, "CRITICAL - All is well"),  # it was OK
        ("/nowhere", (), 0, "OK - 1 check fails (P2). P2 it /nowhere: "),  # it was CRITICAL
        ("/nowhere", ("--fail-on", "P1"), 1, "WARNING - 1 check fails (P2)"),
    ],
)
def test_a_wrapper_of_plugins_understands_it(
    tmp_path: Path, path: str, options: tuple[str, ...], code: int, start: str
) -> None:
    ended, text = negated(tmp_path, profile(tmp_path, exists(path)), "--no-send", *options)
    assert (ended, text.startswith(start)) == (code, True), text


def test_wrong_input_is_unknown_and_never_critical(tmp_path: Path) -> None:
    ended, text = negated(tmp_path, str(tmp_path / "none.yaml"), "--no-send")
    assert ended == 3
    assert text.startswith("UNKNOWN - ")
    assert "none.yaml" in text


def test_wrong_input_keeps_its_code_in_other_forms(tmp_path: Path) -> None:
    done = firstlight("check", str(tmp_path / "none.yaml"), "--no-send", "--format", "csv", state=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


def test_what_became_of_the_run_is_said_beside_and_not_in_the_state(tmp_path: Path) -> None:
    done = firstlight("check", profile(tmp_path, exists("/etc/passwd")), "--format", "nagios", state=tmp_path)
    assert (done.returncode, done.stdout.split(" - ")[0]) == (0, "OK")
    assert done.stderr.count("\n") == 1
    assert "not enrolled" in done.stderr
