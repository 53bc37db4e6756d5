"""`firstlight check` on the real machine: reports, files, snapshots, exit codes."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from machine import ROOT, environment, firstlight

from agent.outcome import outcome
from agent.ship import Shipment
from checks.model import Message, PlanItem, Result, Severity, Status

TIMES = ("started", "ended", "captured", "resources", "trigger", "operator", "delivery")


def profile(folder: Path, *items: str) -> str:
    path = folder / "here.yaml"
    lines = ["profile: here", "version: 1", "title: Here", "items:", *(f"  - {item}" for item in items)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def exists(path: Path | str, id: str = "it", severity: str = "P2") -> str:
    return f"{{id: {id}, check: file.stat, severity: {severity}, with: {{path: {path}}}}}"


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


# --- reports


def test_it_says_something_sensible_of_any_linux_host(tmp_path: Path) -> None:
    done = firstlight("check", "--no-send", "--format", "json", state=tmp_path)
    report = as_json(done)
    assert done.stderr == ""
    assert report["profile"]["id"] == "linux-server"
    assert {"mem.used", "disk.free", "os.supported"} <= {each["item"] for each in report["results"]}
    assert report["summary"]["counts"]["pass"] > 0
    assert not [each for each in report["results"] if each["cause"] == "defect"]
    assert not list(tmp_path.iterdir())


def test_standard_output_holds_the_report_and_nothing_else(tmp_path: Path) -> None:
    done = firstlight("check", "linux-server", "--format", "json", state=tmp_path)
    as_json(done)
    assert done.stderr.count("\n") == 1
    assert "not enrolled" in done.stderr


def test_a_pipe_gets_a_table_without_colour_or_progress(tmp_path: Path) -> None:
    done = firstlight("check", profile(tmp_path, exists("/nowhere/at/all")), "--no-send", state=tmp_path)
    assert "FAIL" in done.stdout
    assert "/nowhere/at/all" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_the_files_name_chooses_the_format(tmp_path: Path) -> None:
    where = profile(tmp_path, exists("/etc/passwd"))
    for name, start in (("r.html", "<!doctype html>"), ("r.json", "{"), ("r.txt", "here 1")):
        done = firstlight("check", where, "--no-send", "-o", str(tmp_path / name), state=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert (tmp_path / name).read_text().startswith(start)
        assert f"report: {tmp_path / name}" in done.stderr


def test_a_report_that_cannot_be_written_is_loud(tmp_path: Path) -> None:
    done = firstlight(
        "check", profile(tmp_path, exists("/etc/passwd")), "--no-send", "-o", "/dev/full", state=tmp_path
    )
    assert done.returncode == 3
    assert "/dev/full: not written: No space left on device" in done.stderr


def test_narrowing_and_changes_show_in_the_report(tmp_path: Path) -> None:
    done = firstlight(
        "check", "linux-server", "--no-send", "--format", "json", "--only", "disk.free",
        "--set", "disk.free.warn_below=2 %", "--set", "disk.free.fail_below=1 %", state=tmp_path,
    )  # fmt: skip
    report = as_json(done)
    assert {each["item"] for each in report["results"]} == {"disk.free"}
    assert (report["adhoc"], report["narrowing"]["only"]) == (True, ["disk.free"])


# --- a terminal


def on_terminal(args: list[str], state: Path, **env: str) -> str:
    """Everything the program writes with a terminal on both outputs."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(
            sys.executable,
            [sys.executable, "-m", "agent", *args],
            environment(state) | {"TERM": "xterm"} | env,
        )
    seen = b""
    while select.select([screen], [], [], 30)[0]:
        try:
            part = os.read(screen, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(screen)
    os.waitpid(pid, 0)
    return seen.decode()


def test_progress_moves_on_a_terminal_and_is_gone_in_the_end(tmp_path: Path) -> None:
    seen = on_terminal(["check", profile(tmp_path, exists("/nowhere")), "--no-send"], tmp_path)
    assert "reading" in seen
    assert "\x1b[" in seen
    assert "reading" not in seen[seen.index("FAIL") :]


def test_no_color_is_respected(tmp_path: Path) -> None:
    args = ["check", profile(tmp_path, exists("/nowhere")), "--no-send"]
    assert "\x1b[1;31m" in on_terminal(args, tmp_path)
    assert "\x1b[1;31m" not in on_terminal(args, tmp_path, NO_COLOR="1")


# --- what hangs


def test_a_pipe_that_nobody_writes_to_costs_only_its_own_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    where = profile(
        tmp_path,
        f"{{id: hangs, check: file.content, with: {{path: {tmp_path / 'pipe'}, pattern: x}}}}",
        exists("/etc/passwd"),
    )
    report = as_json(firstlight("check", where, "--no-send", "--format", "json", state=tmp_path))
    assert {each["item"]: each["status"] for each in report["results"]} == {"hangs": "error", "it": "pass"}


def test_ctrl_c_reports_what_there_is_and_marks_it_partial(tmp_path: Path) -> None:
    # A port of a blackhole address would leave this machine; a listener with a full backlog does not answer.
    import socket

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        where = profile(
            tmp_path,
            exists("/etc/passwd"),
            f"{{id: port, check: net.port_reach, with: {{host: 127.0.0.1, port: {port}}}}}",
        )
        program = subprocess.Popen(
            [sys.executable, "-m", "agent", "check", where, "--no-send", "--format", "json"],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        time.sleep(1.5)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    report = json.loads(out)
    assert report["partial"] is True, err
    assert {each["item"]: each["status"] for each in report["results"]} == {"it": "pass", "port": "error"}
    assert program.returncode == 3


# --- snapshots


def test_a_saved_snapshot_gives_the_same_results_elsewhere(tmp_path: Path) -> None:
    saved = tmp_path / "here.snapshot"
    first = as_json(
        firstlight(
            "check", "linux-server", "--no-send", "--format", "json", "--save", str(saved), state=tmp_path
        )
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = as_json(
        firstlight("check", "--no-send", "--format", "json", "--from", str(saved), state=elsewhere)
    )
    assert again["trigger"] == "snapshot"
    assert again["captured"] == first["captured"]
    assert again["results"] == first["results"]
    assert {k: v for k, v in again.items() if k not in TIMES} == {
        k: v for k, v in first.items() if k not in TIMES
    }


def test_a_snapshot_is_for_its_owners_eyes(tmp_path: Path) -> None:
    saved = tmp_path / "s"
    firstlight(
        "check", profile(tmp_path, exists("/etc/passwd")), "--no-send", "--save", str(saved), state=tmp_path
    )
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_a_snapshot_is_evaluated_with_other_parameters_too(tmp_path: Path) -> None:
    saved = tmp_path / "s"
    firstlight("check", "linux-server", "--no-send", "--save", str(saved), state=tmp_path)
    done = firstlight(
        "check", "--from", str(saved), "--no-send", "--format", "json", "--only", "disk.free",
        "--set", "disk.free.warn_below=100 %", "--set", "disk.free.fail_below=99.9 %", state=tmp_path,
    )  # fmt: skip
    assert {each["status"] for each in as_json(done)["results"]} <= {"fail", "skip"}


def test_no_secret_reaches_a_snapshot_or_a_report(tmp_path: Path) -> None:
    canary = "canary-Zx9hunter2"
    config = tmp_path / "app.ini"
    config.write_text(f"[db]\npassword = {canary}\nurl = postgres://app:{canary}@db/erp\n")
    where = profile(
        tmp_path,
        f"{{id: pw, check: cfg.value, with: {{path: {config}, key: db.password, value: {{equals: other}}}}}}",
        f"{{id: url, check: cfg.value, with: {{path: {config}, key: db.url, value: {{equals: other}}}}}}",
        f"{{id: line, check: file.content, with: {{path: {config}, pattern: 'password.*'}}}}",
    )
    saved = tmp_path / "s"
    args = ["check", where, "--no-send", "--all", "--save", str(saved)]
    for form in ("json", "html", "table"):
        done = firstlight(*args, "--format", form, state=tmp_path)
        assert canary not in done.stdout + done.stderr
        assert canary not in saved.read_text()


def test_a_redacted_reading_shows_the_recorded_result(tmp_path: Path) -> None:
    config = tmp_path / "app.ini"
    config.write_text("[db]\nuser = AKIAIOSFODNN7EXAMPLE\n")
    where = profile(
        tmp_path,
        f"{{id: user, check: cfg.value, with: {{path: {config}, key: db.user, value: {{equals: other}}}}}}",
    )
    saved = tmp_path / "s"
    first = as_json(
        firstlight("check", where, "--no-send", "--format", "json", "--save", str(saved), state=tmp_path)
    )
    again = as_json(
        firstlight("check", where, "--no-send", "--format", "json", "--from", str(saved), state=tmp_path)
    )
    assert again["results"][0]["status"] == first["results"][0]["status"] == "fail"
    assert again["results"][0]["evidence"]["recorded"] is True
    assert again["results"][0]["message"] == first["results"][0]["message"]


# --- exit codes


def found(status: Status, severity: Severity = Severity.P2, item: str = "a") -> Result:
    return Result(
        "a" * 32, "t", item, "x.y", 1, "", status, severity, "", "b" * 32, "T", Message("m"), {}, "", "", 0.0
    )  # fmt: skip


def code(
    *results: Result, fail_on: str = "P3", partial: bool = False, sent: str = "", opens_on: str = "fail"
) -> int:
    plan = [PlanItem("t", "a", "x.y", "b" * 32, Severity.P2, opens_on)]
    shipment = Shipment(sent, "") if sent else None  # type: ignore[arg-type]  # one of the literals
    return outcome(results, plan, fail_on=fail_on, partial=partial, shipment=shipment)


def test_a_failing_check_ends_with_1() -> None:
    assert code(found(Status.FAIL)) == 1
    assert code(found(Status.PASS), found(Status.SKIP), found(Status.MANUAL), found(Status.WARN)) == 0


def test_fail_on_says_from_which_severity() -> None:
    assert code(found(Status.FAIL, Severity.P2), fail_on="P1") == 0
    assert code(found(Status.FAIL, Severity.P1), fail_on="P1") == 1
    assert code(found(Status.FAIL, Severity.P0), fail_on="P1") == 1
    assert code(found(Status.FAIL, Severity.P0), fail_on="never") == 0


def test_a_warning_counts_where_the_item_says_that_it_opens_a_finding() -> None:
    assert code(found(Status.WARN), opens_on="warn") == 1
    assert code(found(Status.WARN, item="other"), opens_on="warn") == 0


def test_what_could_not_be_checked_or_stored_ends_with_3() -> None:
    assert code(found(Status.ERROR)) == 3
    assert code(found(Status.ERROR), fail_on="never") == 3
    assert code(found(Status.PASS), partial=True) == 3
    assert code(found(Status.PASS), sent="failed") == 3


def test_a_refusing_collector_ends_with_4_and_an_unreachable_one_with_0() -> None:
    assert code(found(Status.PASS), sent="refused") == 4
    for fine in ("sent", "spooled", "not-enrolled"):
        assert code(found(Status.PASS), sent=fine) == 0


def test_the_first_that_applies_wins() -> None:
    assert code(found(Status.FAIL), found(Status.ERROR), sent="refused") == 1
    assert code(found(Status.ERROR), sent="refused") == 3


@pytest.mark.parametrize(("path", "expected"), [("/etc/passwd", 0), ("/nowhere", 1)])
def test_the_program_ends_with_it(path: str, expected: int, tmp_path: Path) -> None:
    assert (
        firstlight("check", profile(tmp_path, exists(path)), "--no-send", state=tmp_path).returncode
        == expected
    )
