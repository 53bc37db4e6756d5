"""What service managers say: recorded from systemd 252, OpenRC's and LSB's documented forms, Windows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from answering import command, files, read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.answered import Failed
from checks.facts.asks import Ask, ListFolder, Recall, StatPath
from checks.facts.localhost import LocalHost
from checks.facts.memory import Sample
from checks.facts.pathinfo import Entry, Stat
from checks.facts.units import FailedUnits, Units
from checks.facts.unitstates import Unit, parse_failed, parse_script_status, parse_show, with_history

THERE = Stat(0o040755, 0, 0, 0, 0)
SYSTEMD = {StatPath("/run/systemd/system"): THERE}
OPENRC = {StatPath("/run/openrc"): THERE}
NAMES = ("ok", "breaks", "loops", "once", "masked", "nosuch", "default.target")
SHOW = recorded("systemctl/show").decode()


def show(names: tuple[str, ...]) -> Ask:
    return next(ask for ask in Units(names).asks() if getattr(ask, "argv", ("",))[0] == "systemctl")


def test_each_state_of_systemd_is_told_apart() -> None:
    answers = (
        SYSTEMD
        | files(proc__uptime="16040.5 1.0\n")
        | {show(NAMES): said(SHOW), Recall(Units(NAMES).id()): ()}
    )
    table = read(Units(NAMES), answers)
    seen = {
        unit.name: (unit.known, unit.active, unit.enabled, unit.detail, unit.result, unit.restarts)
        for unit in table.units
    }
    assert table.manager == "systemd"
    assert seen == {
        "ok": (True, "running", "yes", "active (running)", "", 0),
        "breaks": (True, "failed", "static", "failed (failed)", "exit-code", 0),
        "loops": (True, "starting", "static", "activating (auto-restart)", "exit-code", 5),
        "once": (True, "running", "static", "active (exited)", "", 0),
        "masked": (True, "stopped", "masked", "masked", "", 0),
        "nosuch": (False, "stopped", "unknown", "not-found", "", 0),
        "default.target": (True, "running", "static", "active (active)", "", None),
    }
    assert table.units[0].active_s == pytest.approx(16040.5 - 16027.2, abs=0.1)
    assert table.units[5].active_s is None


def test_restarts_are_counted_since_the_newest_run_that_is_a_whole_window_ago() -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    samples = tuple(
        Sample(now - timedelta(seconds=ago), {"a": float(count)})
        for ago, count in ((7200, 1), (400, 4), (60, 5))
    )
    (unit,) = with_history([Unit("a", True, restarts=9)], samples)
    assert unit.restarted == 5
    assert unit.since_s == pytest.approx(400, abs=5)
    (near,) = with_history([Unit("a", True, restarts=9)], samples[2:])
    assert near.restarted == 4
    (anew,) = with_history([Unit("a", True, restarts=2)], samples)
    assert anew.restarted == 2
    assert with_history([Unit("b", True, restarts=2)], samples) == (Unit("b", True, restarts=2),)


def test_a_unit_is_read_with_what_earlier_runs_saw_of_it() -> None:
    long_ago = Sample(datetime.fromtimestamp(time.time() - 1000, UTC), {"loops": 2.0, "ok": 0.0})
    answers = SYSTEMD | {show(NAMES): said(SHOW), Recall(Units(NAMES).id()): (long_ago,)}
    units = {unit.name: unit for unit in read(Units(NAMES), answers).units}
    assert (units["loops"].restarted, units["ok"].restarted, units["breaks"].restarted) == (3, 0, None)
    assert units["loops"].since_s == pytest.approx(1000, abs=60)


def test_the_numbers_of_restarts_are_what_later_runs_recall() -> None:
    table = read(Units(NAMES), SYSTEMD | {show(NAMES): said(SHOW), Recall(Units(NAMES).id()): ()})
    assert Units.series(table) == {"ok": 0, "breaks": 0, "loops": 5, "once": 0, "masked": 0, "nosuch": 0}


def test_a_manager_that_does_not_answer_is_no_state() -> None:
    text = recorded("systemctl/not-booted")
    answers = SYSTEMD | {show(("nginx",)): said(b"", 1, text), Recall("x"): ()}
    with pytest.raises(NotReadable, match="systemctl: Failed to connect to bus: Host is down"):
        read(Units(("nginx",)), answers)
    with pytest.raises(NotReadable, match="told of 1 units, asked for 2"):
        parse_show("Id=a.service\n", ("a", "b"), None)


@pytest.mark.parametrize(
    ("name", "status", "active"),
    [("started", 0, "running"), ("stopped", 3, "stopped"), ("crashed", 32, "failed")],
)
def test_openrc_says_how_a_service_is(name: str, status: int, active: str) -> None:
    answers = OPENRC | {
        command("rc-service", "nginx", "status"): said(recorded(f"openrc/{name}"), status),
        StatPath("/etc/runlevels/default/nginx"): THERE,
    }
    table = read(Units("nginx"), answers)
    assert table.manager == "openrc"
    assert (table.units[0].known, table.units[0].active, table.units[0].enabled) == (True, active, "yes")


def test_openrc_does_not_know_every_service() -> None:
    answers = OPENRC | {command("rc-service", "nosuch", "status"): said(recorded("openrc/missing"), 1)}
    (unit,) = read(Units("nosuch"), answers).units
    assert (unit.known, unit.active, unit.enabled) == (False, "unknown", "unknown")


def test_a_script_of_init_says_how_its_service_is() -> None:
    answers: dict[Ask, Any] = files(proc__1__comm="init\n") | {
        StatPath("/etc/init.d/ssh"): THERE,
        command("/etc/init.d/ssh", "status"): said(recorded("lsb/stopped"), 3),
        ListFolder("/etc/rc3.d"): (Entry("K01nginx", "file"), Entry("S01ssh", "file")),
    }
    table = read(Units(("ssh", "gone")), answers)
    assert table.manager == "sysv"
    assert [(unit.known, unit.active, unit.enabled) for unit in table.units] == [
        (True, "stopped", "yes"),
        (False, "unknown", "unknown"),
    ]


def test_the_script_of_a_removed_package_does_not_pass_for_a_service_that_runs(tmp_path: Path) -> None:
    script = tmp_path / "nginx"
    script.write_text("#!/bin/sh\ntest -x /usr/sbin/no-such-daemon || exit 0\necho running\n")
    script.chmod(0o755)
    left = parse_script_status("nginx", LocalHost().run([str(script), "status"]))
    assert (left.active, left.known) == ("unknown", True)
    assert left.detail == "its script ends with 0 and says nothing; perhaps its program was removed"
    assert parse_script_status("ssh", said("sshd is running.\n")).active == "running"


def test_where_no_manager_runs_a_service_without_a_script_cannot_be_told() -> None:
    with pytest.raises(NotReadable, match="neither systemd, OpenRC nor init") as problem:
        read(Units("nginx"), files(proc__1__comm="tini\n"))
    assert problem.value.cause == "unsupported"


@pytest.mark.parametrize("names", [(), ("-p",), ("a b",), ("a;b",), ("x",) * 101])
def test_what_is_no_name_never_reaches_a_command(names: tuple[str, ...]) -> None:
    with pytest.raises(NotReadable) as problem:
        read(Units(names), SYSTEMD)
    assert problem.value.cause == "unsupported"


def test_windows_is_asked_through_psutil(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    class Service:
        def as_dict(self) -> dict[str, str]:
            return {"status": "running", "start_type": "automatic"}

    def get(name: str) -> Service:
        if name != "Spooler":
            raise psutil.NoSuchProcess(0, name)
        return Service()

    monkeypatch.setattr(psutil, "win_service_get", get, raising=False)
    table = Units(("Spooler", "gone")).read(LocalHost(str(tmp_path)))
    assert table.manager == "windows"
    assert table.units[0] == Unit("Spooler", True, "running", "yes", "running (automatic)")
    assert not table.units[1].known


def test_failed_units_are_named() -> None:
    (command_,) = [ask for ask in FailedUnits().asks() if hasattr(ask, "argv")]
    assert read(FailedUnits(), SYSTEMD | {command_: said(recorded("systemctl/failed"))}) == (
        "breaks.service",
    )
    # systemd before 241 marks them although it was told to be plain.
    assert parse_failed("● data.mount loaded failed failed /data\n\n") == ("data.mount",)
    assert read(
        FailedUnits(),
        OPENRC | {ListFolder("/run/openrc/failed"): (Entry("nginx", "file"), Entry("caf\udce9", "file"))},
    ) == (
        "nginx",
        "caf?",
    )
    with pytest.raises(NotReadable) as problem:
        read(FailedUnits(), {})
    assert problem.value.cause == "unsupported"
    with pytest.raises(NotReadable, match="Host is down"):
        read(FailedUnits(), SYSTEMD | {command_: said(b"", 1, recorded("systemctl/not-booted"))})


def test_a_folder_that_may_not_be_looked_into_is_no_absence() -> None:
    with pytest.raises(NotReadable) as problem:
        read(Units("nginx"), {StatPath("/run/systemd/system"): Failed("denied", "denied")})
    assert problem.value.cause == "denied"


@given(st.text(max_size=2000))
def test_whatever_systemctl_says_is_read_or_refused(text: str) -> None:
    parse_failed(text)
    try:
        (unit,) = parse_show(text, ("a",), 100.0)
    except NotReadable:
        return
    assert unit.name == "a"
