"""One run of a schedule: recorded, never twice at a time, never silent when it was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import services
from machine import ROOT, environment, firstlight
from stand_in import LIMITS, overdue, rare, script, until

from agent.config import Limits, load_config, read_config
from agent.identity import Identity, save_identity
from agent.lock import take
from agent.log import Log
from agent.paths import State
from agent.schedules import known as known_module
from agent.schedules.known import Known, check_words, find, known_schedules
from agent.schedules.listing import listing, next_times
from agent.schedules.once import run_due, run_now
from agent.schedules.record import GRACE, Record, lock_of, read_record, recalled, write_record
from agent.schedules.running import Running, begin
from agent.schedules.surroundings import Surroundings, stamps_of
from checks.errors import BadInput, FirstlightError
from checks.rules import ScheduleEntry
from checks.schedules.timing import read_timing


def ended(running: Running | None) -> int:
    assert running is not None
    return until(lambda: [code] if (code := running.look()) is not None else [])[0]


def logged(state: State) -> list[str]:
    return [line.partition(" ")[2] for line in state.log.read_text().splitlines()]


def around(*schedules: Known, limits: Limits = LIMITS) -> Surroundings:
    return Surroundings(read_config(b"", ""), schedules, ())


@pytest.fixture
def log(state: State) -> Log:
    return Log(state.log)


def test_a_run_is_recorded_when_it_begins_and_when_it_has_ended(state: State, log: Log, tmp_path: Path):
    program = script(tmp_path, f'cp "{state.schedules}/s.json" "{tmp_path}/seen"; exit 1')
    overdue(state)
    before = datetime.now(UTC)
    assert ended(begin(state, rare(), LIMITS, log, "m", program=program)) == 1
    import msgspec

    during = msgspec.json.decode((tmp_path / "seen").read_bytes(), type=Record)
    assert during.began is not None and during.began >= before
    assert (during.ended, during.exit, during.outcome) == (None, None, "")
    after = read_record(state, "s")
    assert after is not None and after.ended is not None and after.due is not None
    assert (after.counted, after.began, after.exit) == (during.began, during.began, 1)
    assert after.outcome == "findings (exit 1)"
    assert after.due < before
    begun, told = logged(state)
    assert begun == f"schedule s: begun, the run that was due {after.due:%Y-%m-%d %H:%M:%SZ}"
    assert told.endswith("s: findings (exit 1)")


def test_what_is_not_due_is_not_run_and_a_new_schedule_waits_for_its_time(state: State, log: Log):
    for _ in range(2):
        assert begin(state, rare(), LIMITS, log, "m", program=["/bin/false"]) is None
        record = read_record(state, "s")
        assert record is not None and record.began is None
    assert not state.log.exists()


def test_a_timer_that_woke_for_a_schedule_never_seen_before_is_served(state: State, log: Log):
    now = datetime(2026, 3, 2, 2, 30, 1, tzinfo=UTC)
    nightly = Known(ScheduleEntry("s", cron="30 2 * * *", timezone="UTC"), "config")
    running = begin(state, nightly, LIMITS, log, "m", program=["/bin/true"], now=lambda: now)
    assert ended(running) == 0
    assert begin(state, nightly, LIMITS, log, "m", program=["/bin/true"], now=lambda: now) is None


def test_two_runs_of_one_schedule_never_overlap(state: State, log: Log, tmp_path: Path):
    program = script(tmp_path, f'while [ ! -e "{tmp_path}/end" ]; do sleep 0.02; done')
    overdue(state)
    first = begin(state, rare(), LIMITS, log, "m", program=program)
    assert first is not None
    assert begin(state, rare(), LIMITS, log, "m", program=program) is None
    assert run_now(state, around(rare()), "s", "m", log, program=program) == 0
    assert "its run of" in logged(state)[-1] and logged(state)[-1].endswith("is still going on")
    overdue(state, "other")
    second = begin(state, rare("other"), LIMITS, log, "m", program=program)
    assert second is not None, "another schedule is another matter"
    (tmp_path / "end").touch()
    assert (ended(first), ended(second)) == (0, 0)


def test_a_second_run_that_waited_behind_the_first_is_not_made(state: State, log: Log):
    """The timer and the tick wake for the same time: the one that comes second finds it done."""
    overdue(state)
    assert ended(begin(state, rare(), LIMITS, log, "m", program=["/bin/true"])) == 0
    assert begin(state, rare(), LIMITS, log, "m", program=["/bin/true"]) is None


def test_a_run_outlives_its_killed_watcher_and_keeps_its_lock(state: State, log: Log, tmp_path: Path):
    (state.root / "slow.yaml").write_text(
        "profile: slow\nversion: 1\ntitle: Slow\nitems:\n"
        "  - {id: one, check: cmd.output, with: {command: [sleep, '40'], timeout: 50 s}}\n"
    )
    state.config.write_text('[[schedules]]\nname = "s"\nevery = "300d"\nprofile = "slow.yaml"\n')
    watcher = subprocess.Popen(
        [sys.executable, "-m", "agent", "agent", "--schedule", "s"],
        cwd=ROOT, env=environment(state.root), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        child = until(lambda: children_of(watcher.pid))[0]
        until(lambda: children_of(child))  # the command of its check
    finally:
        watcher.kill()
        watcher.wait()
    assert begin(state, rare(), LIMITS, log, "m", program=["/bin/true"], asked=True) is None
    assert "running now" in "".join(listing(state, (rare(),), "m", datetime.now(UTC)))
    for pid in [*children_of(child), child]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: [lock] if (lock := take(lock_of(state, "s"))) is not None and not os.close(lock) else [])
    assert "nobody saw how it ended" in "".join(listing(state, (rare(),), "m", datetime.now(UTC)))
    assert ended(begin(state, rare(), LIMITS, log, "m", program=["/bin/true"], asked=True)) == 0
    assert any("nobody saw how its run of" in line for line in logged(state))


def children_of(pid: int) -> list[int]:
    import psutil

    try:
        return [each.pid for each in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def test_a_run_that_takes_too_long_is_ended_and_told_everywhere(state: State, log: Log, tmp_path: Path):
    overdue(state)
    limits = Limits(run_s=0.2, memory_mb=512.0)
    program = script(tmp_path, "exec sleep 60")
    assert ended(begin(state, rare(), limits, log, "m", program=program)) == 3
    record = read_record(state, "s")
    assert record is not None and record.exit == 3
    assert record.outcome == "ended before its time: it took longer than 0.2 s (limits.run_s) (exit 3)"
    assert logged(state)[-1].endswith(record.outcome)


def test_why_a_run_could_not_be_made_is_told_without_its_secrets(state: State, log: Log, tmp_path: Path):
    overdue(state)
    program = script(tmp_path, "echo 'firstlight: x.yaml:3: password=hunter2hunter2 is none' >&2; exit 2")
    assert ended(begin(state, rare(), LIMITS, log, "m", program=program)) == 2
    assert "x.yaml:3: password=[redacted:" in logged(state)[-1]
    assert "hunter2" not in state.log.read_text() + (state.schedules / "s.json").read_text()


def test_of_what_a_run_found_nothing_is_logged(state: State, log: Log, tmp_path: Path):
    overdue(state)
    program = script(tmp_path, "echo 'disk.free /data full' >&2; exit 3")
    assert ended(begin(state, rare(), LIMITS, log, "m", program=program)) == 3
    assert logged(state)[-1].endswith("something could not be done (exit 3)")


def test_a_full_disk_begins_no_run_says_so_and_is_over_when_there_is_room(tmp_path: Path):
    place = tmp_path / "small"
    place.mkdir()
    mount = services.program("mount", "mount")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=128k", "none", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        state = State(place / "state")
        state.prepare()
        overdue(state)
        kept = (state.schedules / "s.json").read_bytes()
        with pytest.raises(OSError, match="No space left"), (place / "full").open("wb", buffering=0) as full:
            while True:
                full.write(b"\0" * 4096)
        begun = tmp_path / "begun"
        program = script(tmp_path, f'touch "{begun}"')
        log = Log(state.log)
        with pytest.raises(FirstlightError, match=r"schedule s: not begun: .*: No space left on device"):
            begin(state, rare(), LIMITS, log, "m", program=program)
        assert run_due(state, around(rare()), "m", log, program=program) == 3
        assert not begun.exists()
        assert (state.schedules / "s.json").read_bytes() == kept
        (place / "full").unlink()
        assert run_due(state, around(rare()), "m", log, program=program) == 0
        assert begun.exists()
    finally:
        subprocess.run([services.program("umount", "mount"), str(place)], check=True)


def test_once_runs_what_is_due_one_after_the_other_and_gives_the_gravest_code(
    state: State, log: Log, tmp_path: Path
):
    program = script(
        tmp_path,
        f'echo "begin $*" >>"{tmp_path}/ran"; sleep 0.1; echo end >>"{tmp_path}/ran"\n'
        'case "$*" in *broken*) exit 2;; *found*) exit 1;; *) exit 0;; esac',
    )
    names = ("found", "later", "broken")
    for name in ("found", "broken"):
        overdue(state, name)
    schedules = [rare(name, profile=name) for name in names]
    assert run_due(state, around(*schedules), "m", log, program=program) == 2
    assert (tmp_path / "ran").read_text().splitlines() == [
        "begin check --trigger schedule -- found",
        "end",
        "begin check --trigger schedule -- broken",
        "end",
    ]
    assert run_due(state, around(*schedules), "m", log, program=program) == 0


def test_a_timer_of_a_schedule_that_is_no_more_does_nothing(state: State, log: Log):
    assert run_due(state, around(rare()), "m", log, program=["/bin/false"], only="gone") == 0
    assert logged(state) == ["schedule gone: no longer there; firstlight install takes its timer away"]


def test_a_schedule_that_is_asked_for_runs_at_once_but_never_in_quiet_hours(state: State, log: Log):
    quiet = Known(ScheduleEntry("s", every="1h", timezone="UTC", quiet=("22:00-06:00",)), "config")
    night, day = datetime(2026, 3, 2, 23, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
    told = {"program": ["/bin/false"]}
    assert run_now(state, around(quiet), "s", "m", log, now=lambda: night, **told) == 0
    assert logged(state) == ["schedule s: not begun, for these hours are quiet (22:00-06:00)"]
    assert run_now(state, around(quiet), "s", "m", log, now=lambda: day, **told) == 1
    assert logged(state)[-2] == "schedule s: begun, the run that was asked for"
    with pytest.raises(BadInput, match="--schedule nightly: no such schedule; there are s"):
        run_now(state, around(quiet), "nightly", "m", log, **told)


def test_no_word_of_a_schedule_can_become_an_option(state: State):
    entry = ScheduleEntry("s", every="1h", profile="--help", stage="--set=a", site="-x", site_file="--from")
    words = check_words(state, entry)
    assert words == [
        "check", "--trigger", "schedule", "--stage=--set=a", "--site=-x",
        f"--site-file={state.root}/--from", "--", "--help",
    ]  # fmt: skip
    done = firstlight(*check_words(state, ScheduleEntry("s", every="1h", profile="--help")), state=state.root)
    assert done.returncode == 2
    assert "--help" in done.stderr


def test_files_of_a_schedule_are_looked_for_beside_the_configuration(state: State):
    words = check_words(state, ScheduleEntry("s", every="1h", profile="own.yaml", site_file="site.yaml"))
    assert words[-3:] == [f"--site-file={state.root}/site.yaml", "--", f"{state.root}/own.yaml"]
    absolute = check_words(state, ScheduleEntry("s", every="1h", profile="/etc/own.yaml"))
    assert absolute[-1] == "/etc/own.yaml"


def test_a_local_schedule_wins_over_a_published_one_of_its_name(
    state: State, monkeypatch: pytest.MonkeyPatch
):
    theirs = (
        ScheduleEntry("nightly", every="1h"),
        ScheduleEntry("theirs", every="2h", profile="acme-erp"),
        ScheduleEntry("path", every="2h", profile="/etc/passwd"),
        ScheduleEntry("up", every="2h", profile="../own.yaml"),
        ScheduleEntry("hosts", every="2h", site_file="site.yaml"),
        ScheduleEntry("bad", cron="never"),
        ScheduleEntry("odd", every="2h", stage="a\x1bb"),
    )
    monkeypatch.setattr(known_module, "published", lambda _: theirs)
    state.config.write_text('[[schedules]]\nname = "nightly"\nevery = "1d"\n')
    every = known_schedules(state, load_config(state))
    assert {each.entry.name: (each.origin, bool(each.refused)) for each in every} == {
        "nightly": ("config", False),
        "theirs": ("collector", False),
        "path": ("collector", True),
        "up": ("collector", True),
        "hosts": ("collector", True),
        "bad": ("collector", True),
        "odd": ("collector", True),
    }
    assert find(every, "nightly").entry.every == "1d"
    with pytest.raises(BadInput, match="of the collector is not kept to: it names the file '/etc/passwd'"):
        find(every, "path")


def test_a_schedule_that_the_collector_published_takes_effect(state: State):
    from base64 import b64encode

    import msgspec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from agent.identity import public_key
    from agent.rules.intake import take as take_rules
    from checks.rules import Rules
    from checks.signed import sign

    key = Ed25519PrivateKey.generate()
    pinned = b64encode(public_key(key)).decode()
    identity = Identity("a", "i", ("plant-a",), "web-1", "http://x", "e", "f", "key.pem", sign_key=pinned)
    save_identity(state, identity)
    entry = ScheduleEntry("weekly", cron="0 6 * * MON", timezone="Asia/Shanghai", profile="linux-server")
    rules = Rules(1, "plant-a", datetime.now(UTC), schedules=(entry,))
    before = stamps_of(state)
    take_rules(state, sign("rules", "e", msgspec.json.encode(rules), key).to_bytes())
    assert stamps_of(state) != before, "an agent that stays reads it without being told"
    assert known_schedules(state, load_config(state)) == [Known(entry, "collector")]
    done = firstlight("agent", "--list", state=state.root)
    assert done.stdout.startswith("weekly  from the collector: 0 6 * * MON, Asia/Shanghai; linux-server\n")


def test_an_enrolled_machine_without_schedules_runs_as_often_as_the_collector_expects(state: State):
    assert known_schedules(state, load_config(state)) == []
    identity = Identity("a", "i", ("plant-a",), "web-1", "http://x", "e", "f", "key.pem", interval_s=7200)
    save_identity(state, identity)
    assert known_schedules(state, load_config(state)) == [
        Known(ScheduleEntry("default", every="2h"), "enrolment")
    ]
    state.config.write_text('[[schedules]]\nname = "own"\nevery = "5h"\n')
    assert [each.origin for each in known_schedules(state, load_config(state))] == ["config"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[schedules]]\nname = "n"\nevery = "often"', "schedule n: every 'often' is no span of time"),
        ('[[schedules]]\nname = "n"\nevry = "1h"', "schedule n: Object contains unknown field `evry`"),
        ('[[schedules]]\nname = "N"\nevery = "1h"', "schedule N: small letters, digits and dashes are right"),
        ('[[schedules]]\nevery = "1h"', "schedule 1: Object missing required field `name`"),
        ('[[schedules]]\nname = "n"\nevery = "1h"\n' * 2, "schedule n is there twice"),
        ('[[schedules]]\nname = "n"\nevery = "1h"\nsite = "a\\u0007"', "schedule n: site holds characters"),
        ("schedules = 3", "Expected `array`, got `int`"),
        ("[[schedules", "Expected"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("#" * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_a_configuration_that_is_wrong_is_told_with_file_schedule_and_what_is_right(
    state: State, text: str, problem: str
):
    state.config.write_text(text)
    with pytest.raises(BadInput) as refused:
        load_config(state)
    assert str(refused.value).startswith(f"{state.config}: ")
    assert problem in str(refused.value)
    done = firstlight("agent", "--once", state=state.root)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_the_list_shows_where_from_when_next_and_how_it_went(state: State):
    state.config.write_text(
        '[[schedules]]\nname = "nightly"\ncron = "30 2 * * *"\ntimezone = "Asia/Shanghai"\n'
        'quiet = ["22:00-02:00"]\nprofile = "linux-server"\nstage = "handover"\n'
    )
    began = datetime.now(UTC) - timedelta(minutes=5)
    record = Record(began, began, began, began + timedelta(seconds=3), 1, "findings (exit 1)")
    write_record(state, "nightly", record)
    done = firstlight("agent", "--list", state=state.root)
    assert done.returncode == 0
    first, times, last = done.stdout.splitlines()
    assert first == (
        "nightly  from config.toml: 30 2 * * *, Asia/Shanghai, quiet 22:00-02:00; linux-server stage handover"
    )
    assert times.startswith("  next  ") and times.count(" 02:30:00 +0800") == 3
    assert last.endswith(" +0800, took 3.0 s, findings (exit 1)")
    assert firstlight("agent", "--list", "--once", state=state.root).returncode == 2


@pytest.mark.parametrize(
    ("settings", "lack"),
    [
        ('profile = "nope"', "no profile 'nope' is shipped, or published for this site yet"),
        ('profile = "own.yaml"', "there is no file {state}/own.yaml"),
        ('site_file = "site.yaml"', "there is no file {state}/site.yaml"),
    ],
)
def test_a_schedule_that_names_what_is_not_there_is_told_before_it_runs(
    state: State, settings: str, lack: str
):
    state.config.write_text(f'[[schedules]]\nname = "nightly"\nevery = "1d"\n{settings}\n')
    done = firstlight("agent", "--list", state=state.root)
    assert done.stdout.splitlines()[-1] == f"  but   {lack.format(state=state.root)}: its runs end with 2"


def test_what_is_no_toml_or_no_name_is_told_in_plain_words(state: State):
    for text, problem in (
        ("[[schedules]\n", "Expected ']]' at the end of an array declaration (at line 1, column 12)"),
        (
            '[[schedules]]\nname = "Bad Name"\nevery = "1d"\n',
            "schedule Bad Name: small letters, digits and dashes are right at `$.schedules[0].name`; "
            "a schedule may set name, every",
        ),
    ):
        state.config.write_text(text)
        with pytest.raises(BadInput) as refused:
            load_config(state)
        assert str(refused.value).startswith(f"{state.config}: {problem}"), refused.value
    state.config.write_text("[[schedules]\n")
    with pytest.raises(BadInput, match=r"\)$"):
        load_config(state)


def test_of_all_that_was_missed_the_list_names_one_run(state: State):
    now = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    timing = read_timing(ScheduleEntry("s", cron="0 * * * *", timezone="UTC"))
    times = next_times(timing, Record(now - timedelta(days=9)), now, "m")
    assert times == [
        datetime(2026, 2, 21, 13, tzinfo=UTC),
        datetime(2026, 3, 2, 13, tzinfo=UTC),
        datetime(2026, 3, 2, 14, tzinfo=UTC),
    ]


def test_asked_to_end_it_ends_its_run_first(state: State, tmp_path: Path):
    (state.root / "slow.yaml").write_text(
        "profile: slow\nversion: 1\ntitle: Slow\nitems:\n"
        "  - {id: one, check: cmd.output, with: {command: [sleep, '40'], timeout: 50 s}}\n"
    )
    state.config.write_text('[[schedules]]\nname = "s"\nevery = "300d"\nprofile = "slow.yaml"\n')
    overdue(state)
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "agent", "--once"],
        cwd=ROOT, env=environment(state.root), stderr=subprocess.PIPE,
    )  # fmt: skip
    child = until(lambda: children_of(process.pid))[0]
    until(lambda: children_of(child))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert not Path(f"/proc/{child}").exists()
    record = read_record(state, "s")
    assert record is not None
    assert record.outcome == "ended before its time: the agent was asked to end (exit 3)"


def test_a_schedule_that_is_new_here_counts_from_two_minutes_ago(state: State):
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert recalled(state, "s", now) == Record(now - GRACE)
    assert (state.schedules / "s.json").stat().st_mode & 0o777 == 0o600
