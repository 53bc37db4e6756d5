"""Everything that can be wrong with an agent for years: made to happen, found, and told with what to type."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from chaos_disk import Disk
from click.testing import CliRunner, Result
from publishing import publish
from ship_authority import Authority
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one
from spoiling import SPOILS

from agent.build import Build
from agent.commands import doctor, send
from agent.config import Config, SpoolLimits
from agent.contact import Delivered, note_clock, note_delivered
from agent.examine import Symptom, examine
from agent.examine import collector as ways
from agent.examine.home import room
from agent.examine.installation import build
from agent.identity import load_identity, save_identity
from agent.install import cron, placing
from agent.paths import State
from agent.schedules.record import Record, write_record

NOW = datetime.now(UTC)


def run(*words: str) -> Result:
    return CliRunner().invoke(doctor.command, list(words))


def found(state: State, about: str, *, network: bool = False) -> list[Symptom]:
    return [each for each in examine(state, network=network) if each.about == about]


def only(state: State, about: str, *, network: bool = False) -> Symptom:
    every = found(state, about, network=network)
    assert len(every) == 1, every
    return every[0]


def changed(state: State, **changes: object) -> None:
    identity = load_identity(state)
    assert identity is not None
    save_identity(state, msgspec.structs.replace(identity, **changes))


def schedule(state: State, text: str = 'every = "1 h"', name: str = "hourly") -> None:
    state.config.write_text(f'[[schedules]]\nname = "{name}"\n{text}\n')


def send_all() -> Result:
    return CliRunner().invoke(send.command, [])


@contextmanager
def holding(path: Path) -> Iterator[int]:
    """Another process that holds a lock; its id."""
    code = (
        "import fcntl, os, sys, time\n"
        "handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)\n"
        "fcntl.flock(handle, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    held = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        yield held.pid
    finally:
        held.kill()
        held.wait()
        held.stdout.close()


# The program and its folder


def test_each_line_is_a_finding_and_below_it_what_to_type(machine: State) -> None:
    spool_one(machine)
    machine.root.chmod(0o755)
    result = run("--offline")
    assert result.exit_code == 3
    lines = result.output.splitlines()
    at = next(index for index, line in enumerate(lines) if "others can look into" in line)
    assert lines[at] == f"!!  state      others can look into {machine.root}"
    assert lines[at + 1] == f"               → chmod 700 {machine.root}"


def test_json_has_the_same(machine: State) -> None:
    result = run("--offline", "--format", "json")
    page = json.loads(result.stdout)
    assert [*page[0]] == ["about", "found", "remedy", "level"]
    assert {each["about"] for each in page} >= {"packages", "version", "state", "disk", "identity", "spool"}
    assert result.exit_code == 3
    assert [each["about"] for each in page if each["level"] in ("warn", "fail")] == ["schedules"]


def test_offline_asks_nobody(machine: State, collector: TinyCollector) -> None:
    collector.stop()
    assert found(machine, "collector") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else(machine: State) -> None:
    os.chown(machine.root, 65534, -1)
    assert only(machine, "state").found == f"{machine.root} belongs to user id 65534"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_in_the_folder_that_root_edited(machine: State) -> None:
    machine.config.write_text("keep_sent_days = 7\n")
    os.chown(machine.config, 65534, -1)
    told = [each for each in found(machine, "state") if each.level == "fail"]
    assert [(each.found, each.remedy) for each in told] == [
        (
            f"{machine.config}: not root's, who the agent runs as",
            f"as root: chown -R root: {machine.root}",
        )
    ]


def test_a_schedule_of_a_profile_that_is_not_there(machine: State) -> None:
    schedule(machine, 'every = "1 h"\nprofile = "nope"')
    told = only(machine, "schedule hourly")
    assert told.found == "no profile 'nope' is shipped, or published for this site yet"
    assert (told.remedy, told.level) == (f"mend {machine.config}", "fail")


def test_a_folder_that_leads_nowhere_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    assert only(State(tmp_path / "link"), "state").remedy == f"rm {tmp_path / 'link'}"
    assert only(State(tmp_path / "file"), "state").found == f"{tmp_path / 'file'} is not a folder"


def test_a_configuration_that_is_wrong_is_named_once_and_the_rest_is_looked_at(machine: State) -> None:
    machine.config.write_text("connect_timeout_s = 'soon'\n")
    told = only(machine, "config")
    assert (told.level, "$.connect_timeout_s" in told.found) == ("fail", True)
    assert only(machine, "disk").about == "disk"
    assert only(machine, "schedules").remedy == f"mend {machine.config}"


def test_a_disk_that_is_nearly_full_and_a_spool_that_is(machine: State) -> None:
    free = os.statvfs(machine.root)
    megabytes = free.f_bavail * free.f_frsize / 1_000_000
    keep = min(megabytes * 2, 1_000_000)
    if keep > megabytes:
        told = room(machine, Config(spool=SpoolLimits(keep_free_mb=keep)))
        assert (told.level, "old runs are given up" in told.found) == ("fail", True)
    (machine.spool / "pending").mkdir(parents=True, exist_ok=True)
    (machine.spool / "pending" / "large").write_bytes(b"x" * 950_000)
    told = room(machine, Config(spool=SpoolLimits(max_mb=1, keep_free_mb=0)))
    assert (told.level, told.remedy) == ("warn", "firstlight spool list")
    told = room(machine, Config(spool=SpoolLimits(max_mb=1_000_000, keep_free_mb=megabytes * 0.9)))
    assert (told.level, "for which there is no room" in told.found) == ("note", True)


def test_a_log_that_is_not_turned_over_and_a_file_set_aside(machine: State) -> None:
    machine.log.parent.mkdir()
    machine.log.write_bytes(b"x" * 4_000_000)
    (machine.root / "losses.damaged").write_text("{")
    assert only(machine, "log").level == "warn"
    assert "losses.damaged was found damaged" in found(machine, "state")[1].found


def test_a_full_disk_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    try:
        state = State(disk.folder / "state")
        state.prepare()
        if not disk.fill(random.Random(1)):
            pytest.skip("no disk of its own can be mounted here")
        (state.root / "more").touch()
        with suppress(OSError), (state.root / "more").open("wb", buffering=0) as rest:
            while True:
                rest.write(b"x" * 64)
        told = only(state, "state")
        assert (told.level, told.found) == ("fail", f"{state.root}: No space left on device")
        assert told.remedy.endswith(f"df -h {state.root}")
        assert only(state, "disk").level == "fail"
        disk.mend()
        assert only(state, "state").level == "ok"
        assert disk.freeze()
        assert only(state, "state").found == f"{state.root}: Read-only file system"
    finally:
        disk.close()


def test_a_standalone_build_says_how_old_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Build(
        "0.1.0", "standalone", "", "2024-01-01T00:00:00+00:00", "3.11", "linux", "2.36", "debian", ()
    )
    (tmp_path / "BUILD.json").write_bytes(msgspec.json.encode(made))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "firstlight"))
    told = build(datetime(2026, 11, 25, tzinfo=UTC))
    assert (told.level, told.found) == ("note", "0.1.0, standalone, made 1059 days ago")
    assert build(datetime(2024, 2, 1, tzinfo=UTC)).found == "0.1.0, standalone, made 2024-01-01"
    (tmp_path / "BUILD.json").unlink()
    assert build().level == "warn"


# Who it is


def test_a_damaged_identity(machine: State) -> None:
    machine.identity.write_text("{")
    told = only(machine, "identity")
    assert (told.level, told.remedy) == ("fail", "firstlight enrol URL --token -")
    assert found(machine, "spool") == []


def test_a_key_that_is_gone_or_that_others_can_read(machine: State) -> None:
    identity = load_identity(machine)
    assert identity is not None
    key = machine.root / identity.key_file
    key.chmod(0o644)
    assert only(machine, "identity").remedy == f"chmod 600 {key}"
    key.unlink()
    assert "No such file" in only(machine, "identity").found


def test_a_copy_of_the_machine_that_was_enrolled(machine: State) -> None:
    changed(machine, fingerprint="0" * 32)
    told = only(machine, "machine")
    assert told.level == "fail"
    assert told.found == "this machine is not the one that was enrolled as agent-1"
    assert "--fresh" in told.remedy


def test_the_authority_of_the_collector_is_gone(machine: State) -> None:
    changed(machine, ca_file="ca.pem")
    assert "authority" in found(machine, "identity")[1].found


def test_damaged_rules_and_newer_ones(machine: State) -> None:
    machine.rules.mkdir()
    machine.rules_file.write_bytes(b"no rules")
    told = only(machine, "rules")
    assert (told.level, told.remedy) == ("warn", "firstlight send")
    machine.rules_file.unlink()
    changed(machine, sign_key="A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=")
    machine.rules_announced.write_text('{"key":"A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=","version":7}')
    assert only(machine, "rules").found == "the collector has version 7, none is held"


def test_a_published_profile_that_waits_for_somebody_here(machine: State) -> None:
    publish(
        machine,
        "profile: acme\nversion: '1'\nitems:\n  - check: mem.used\n"
        "  - {id: acme.id, check: cmd.output, with: {command: [id], stdout: root}}\n",
    )
    assert only(machine, "rules").found == "version 1 of the collector: 1 profiles"
    told = only(machine, "approval")
    assert (told.level, told.remedy) == ("warn", "firstlight approve acme")
    assert told.found == "1 of 2 items of acme 1 wait for somebody here to allow them"


def test_a_key_that_is_not_confirmed_and_a_damaged_salt(machine: State) -> None:
    machine.renewal.write_text("{}")
    assert found(machine, "identity")[-1].found == "a new key waits to be confirmed by the collector"
    machine.salts.write_text("{")
    assert only(machine, "salts").level == "fail"


# The way to the collector


def test_each_way_not_to_reach_a_collector_is_told_apart(machine: State, collector: TinyCollector) -> None:
    assert only(machine, "collector", network=True).found == f"{collector.url} answers"
    collector.stop()
    told = only(machine, "collector", network=True)
    assert "refused" in told.found
    assert "firewall" in told.remedy
    changed(machine, url="https://no-such-name.invalid")
    told = only(machine, "collector", network=True)
    assert "is not known here" in told.found
    assert told.remedy.startswith("getent hosts no-such-name.invalid")


def test_a_collector_that_never_answers(machine: State) -> None:
    machine.config.write_text("connect_timeout_s = 0.2\nread_timeout_s = 0.2\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        changed(machine, url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "did not answer in time" in only(machine, "collector", network=True).found


def test_certificates_that_are_not_trusted_or_another_s(machine: State, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    served = TinyCollector(authority.context("127.0.0.1"))
    try:
        changed(machine, url=served.url)
        told = only(machine, "collector", network=True)
        assert "is not trusted" in told.found
        assert "--ca FILE" in told.remedy
        (machine.root / "ca.pem").write_bytes(authority.pem.read_bytes())
        changed(machine, ca_file="ca.pem")
        assert only(machine, "collector", network=True).found == f"{served.url} answers"
        changed(machine, url=served.url.replace("127.0.0.1", "localhost"))
        assert "not for localhost" in only(machine, "collector", network=True).found
    finally:
        served.stop()


def test_a_proxy_that_is_not_there(machine: State) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    machine.config.write_text(f'[network]\nproxy = "http://127.0.0.1:{port}"\n')
    changed(machine, url="https://collector.example")
    told = only(machine, "collector", network=True)
    assert "proxy" in told.found
    assert 'proxy = "none"' in told.remedy


def test_every_cause_of_not_reaching_it_has_something_to_type(machine: State) -> None:
    from agent import unreached

    causes = {word.strip("`") for word in (unreached.__doc__ or "").replace(",", " ").split() if "``" in word}
    causes = {cause.strip("`.,") for cause in causes} - {""}
    assert causes - {"cut"} == set(ways.REMEDIES)
    for cause in causes:
        told = ways.remedy(machine, "https://collector.example:8443/x", cause)
        assert "{" not in told


# The clock


def test_a_clock_that_is_off_was_set_back_or_is_long_past(machine: State) -> None:
    note_clock(machine, 900)
    told = only(machine, "clock")
    assert (told.level, told.found.startswith("the collector's was 900 s ahead of this one")) == (
        "warn",
        True,
    )
    note_clock(machine, 1)
    assert only(machine, "clock").found.startswith("the collector's was that of this machine at")
    note_delivered(machine, Delivered("agent-1", "e", 1, 1, "0" * 64, datetime.now(UTC) + timedelta(days=3)))
    assert "the clock was set back" in only(machine, "clock").found
    past = [*ways.clock(machine, datetime(1970, 1, 2, tzinfo=UTC))]
    assert past[0].found == "it is set to 1970-01-02, which is long past"


# What arrived, and what waits


def test_the_last_upload_and_why_there_is_none(machine: State, collector: TinyCollector) -> None:
    spool_one(machine)
    assert send_all().exit_code == 0
    assert only(machine, "upload").found == "the last run arrived 0 s ago"
    delivered = msgspec.json.decode(machine.delivered.read_bytes(), type=Delivered)
    old = msgspec.structs.replace(delivered, at=delivered.at - timedelta(days=3))
    note_delivered(machine, old)
    told = only(machine, "upload")
    assert (told.level, told.found) == ("warn", "the last run arrived 3 d ago")
    spool_one(machine)
    collector.stop()
    send_all()
    note_delivered(machine, msgspec.structs.replace(delivered, at=delivered.at - timedelta(days=9)))
    told = only(machine, "upload")
    assert (told.level, told.remedy) == ("fail", "firstlight send")
    assert told.found.startswith("the last run arrived 9 d ago: http://127.0.0.1:")
    waits = only(machine, "spool")
    assert waits.level == "warn"
    assert "1 run is waiting; next attempt" in waits.found


def test_runs_that_are_held_or_were_refused(machine: State, collector: TinyCollector) -> None:
    spool_one(machine)
    spool_one(machine)
    collector.script.extend([Scripted(409), Scripted(403)])
    send_all()
    assert "1 run is held: Scripted" in only(machine, "spool").found
    told = only(machine, "quarantine")
    assert told.found.startswith("1 run is refused for good, or damaged: Scripted")
    assert "spool retry --all" in told.remedy


def test_runs_that_were_given_up(machine: State) -> None:
    from agent.losses import Losses, lost, save_losses

    save_losses(machine, Losses(open=lost(7, datetime(2026, 3, 1, tzinfo=UTC))))
    told = only(machine, "dropped")
    assert (
        told.found
        == "1 run is given up for want of room, the oldest of 2026-03-01; the next run tells the collector"
    )
    machine.losses.write_text("{")
    assert "damaged" in only(machine, "dropped").found


# What wakes it


def test_an_enrolled_machine_that_nothing_checks(machine: State) -> None:
    told = only(machine, "schedules")
    assert (told.level, told.remedy) == ("warn", "firstlight install")


def test_a_schedule_that_nothing_wakes_for(
    machine: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron, "FOLDER", tmp_path)
    monkeypatch.setattr(cron, "crontab", lambda: "")
    monkeypatch.setattr(placing, "runs_systemd", lambda: False)
    schedule(machine)
    assert only(machine, "schedules").found == "nothing wakes for hourly"
    (tmp_path / cron.FILE).write_text("* * * * * root FIRSTLIGHT_STATE=/another firstlight agent --once\n")
    assert only(machine, "schedules").level == "fail"
    with holding(machine.loop_lock) as pid:
        assert only(machine, "schedules").found == f"firstlight agent wakes for them, process {pid}"
    line = f"* * * * * root FIRSTLIGHT_STATE={machine.root} firstlight agent --once\n"
    (tmp_path / cron.FILE).write_text(line)
    monkeypatch.setattr(cron, "warning", lambda: ["no cron daemon"])
    assert "no cron daemon runs" in only(machine, "schedules").found
    monkeypatch.setattr(cron, "warning", list)
    assert only(machine, "schedules").found == "cron wakes for them"


def test_a_timer_that_systemd_does_not_wait_for(
    machine: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`systemctl` is one that knows a single active timer: systemd itself runs where it is PID 1 only."""
    schedule(machine)
    units, bin = tmp_path / "units", tmp_path / "bin"
    units.mkdir()
    bin.mkdir()
    for name in ("firstlight-tick.timer", "firstlight-check@hourly.timer"):
        (units / name).write_text("[Timer]\n")
    (units / "firstlight-check@.service").write_text(f"Environment=FIRSTLIGHT_STATE={machine.root}\n")
    program = bin / "systemctl"
    program.write_text('#!/bin/sh\nfor word; do last=$word; done\n[ "$last" = firstlight-tick.timer ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    monkeypatch.setattr(placing, "runs_systemd", lambda: True)
    monkeypatch.setattr(placing, "unit_folder", lambda *, system: units)
    told = only(machine, "schedules")
    assert told.found == "firstlight-check@hourly.timer: written, but systemd does not wait for it"
    assert told.remedy.endswith("enable --now firstlight-check@hourly.timer")
    program.write_text("#!/bin/sh\nexit 0\n")
    assert only(machine, "schedules").found == "systemd wakes for them (2 timers)"


def test_how_the_last_run_of_a_schedule_went(machine: State) -> None:
    schedule(machine)
    assert only(machine, "schedule hourly").found == "has not run yet"
    began, ended = NOW - timedelta(minutes=20), NOW - timedelta(minutes=19)
    write_record(machine, "hourly", Record(began, began, began, ended, 0, "fine"))
    assert only(machine, "schedule hourly").level == "ok"
    write_record(machine, "hourly", Record(began, began, began, ended, 3, "made to end: memory"))
    told = only(machine, "schedule hourly")
    assert (told.level, told.found) == ("warn", "its last run ended with 3: made to end: memory")
    assert told.remedy == "firstlight agent --schedule hourly runs it now"
    could_not = "something could not be done (exit 3)"
    write_record(machine, "hourly", Record(began, began, began, ended, 3, could_not))
    assert "shows which checks could not tell" in only(machine, "schedule hourly").remedy
    write_record(machine, "hourly", Record(began, began, began, ended, 2, "wrong input (exit 2): x"))
    assert only(machine, "schedule hourly").remedy.startswith(f"mend what it names ({machine.config}); then")
    write_record(machine, "hourly", Record(began, began, began))
    assert "was killed before it could say" in only(machine, "schedule hourly").found
    long_ago = NOW - timedelta(days=3)
    write_record(machine, "hourly", Record(long_ago, long_ago, long_ago, long_ago, 0, "fine"))
    told = only(machine, "schedule hourly")
    # Less by up to an hour, by when in the hour this machine comes.
    assert (told.level, told.found.startswith(("is overdue by 2.9", "is overdue by 3 d"))) == ("fail", True)
    assert told.remedy == "firstlight agent --once runs what is due"


# Who holds what


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the kernel tells of locks in /proc")
def test_a_lock_that_a_stopped_process_holds(machine: State) -> None:
    with holding(machine.delivery_lock) as pid:
        assert only(machine, "lock").level == "ok"
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while only(machine, "lock").level == "ok" and time.monotonic() < deadline:
            time.sleep(0.02)
        told = only(machine, "lock")
        assert told.level == "fail"
        assert told.found.endswith("is stopped and holds it")
        assert told.remedy.startswith(f"kill -CONT {pid}")
    assert found(machine, "lock") == []


def test_a_lock_that_is_held_for_longer_than_a_run_may_take(machine: State) -> None:
    machine.config.write_text("[limits]\nrun_s = 1\n")
    with holding(machine.delivery_lock) as pid:
        from agent.examine import locks

        # The kernel's own word, of a machine that has been up for a day longer.
        proc = machine.root / "proc"
        (proc / str(pid)).mkdir(parents=True)
        up = float(Path("/proc/uptime").read_text().split()[0]) + 86400
        (proc / "uptime").write_text(f"{up} 0\n")
        (proc / "locks").write_text(Path("/proc/locks").read_text())
        (proc / str(pid) / "stat").write_text(Path(f"/proc/{pid}/stat").read_text())
        told = [*locks.look(machine, proc)]
    assert [each.level for each in told] == ["warn"]
    assert told[0].remedy == f"kill {pid}; what it has spooled stays"


def test_nothing_is_changed_by_looking(machine: State) -> None:
    spool_one(machine)
    schedule(machine)
    before = {path: path.stat().st_mtime_ns for path in machine.root.rglob("*") if path.is_file()}
    [*examine(machine)]
    after = {path: path.stat().st_mtime_ns for path in machine.root.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("how", SPOILS)
def test_no_spoilt_file_keeps_doctor_from_looking_at_the_rest(machine: State, how: str) -> None:
    spool_one(machine)
    send_all()
    spool_one(machine)
    schedule(machine)
    write_record(machine, "hourly", Record(NOW))
    note_clock(machine, 1)
    for path in sorted(each for each in machine.root.rglob("*") if each.is_file()):
        kept = path.read_bytes()
        SPOILS[how](path)
        told = [*examine(machine, network=False)]
        assert {each.about for each in told} >= {"packages", "version", "state", "identity", "schedules"}, (
            path
        )
        assert [each.found for each in told if "could not be told" in each.found] == [], path
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
        path.write_bytes(kept)
        path.chmod(0o600)


def test_an_area_that_breaks_costs_no_other(machine: State, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.examine import home

    def broken(state: State) -> Iterator[Symptom]:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(home, "look", broken)
    assert only(machine, "state").found == "could not be told: ZeroDivisionError: by zero"
    assert only(machine, "identity").level == "ok"


def test_locks_are_only_looked_at(machine: State) -> None:
    """A doctor that took a lock would make a run that begins just then wait, or give up."""
    with machine.delivery_lock.open("w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        assert found(machine, "lock") == []
