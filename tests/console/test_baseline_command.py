"""`firstlight baseline`, what a baseline says of later runs, and the last run that is remembered."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from machine import ROOT, environment, firstlight

from agent import last
from agent.baselines import Baseline, accept, changes_since, find, load, since_acceptance, stored
from agent.paths import State, file_of
from checks.errors import BadInput
from checks.evaluate import Basis
from checks.fact import Known, Reading, Unavailable
from checks.model import Message, Narrowing, Result, Severity, Status, Target
from checks.snapshot import Readings, Snapshot, save

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
FILE = "FileStat(path=/etc/app.ini)"
INI = {"exists": True, "type": "file", "owner": "erp", "group": "erp", "mode": "0640", "size": 12, "mtime": 0}


def result(
    item: str, status: Status = Status.PASS, severity: Severity = Severity.P2, **changes: Any
) -> Result:
    values: dict[str, Any] = {
        "key": f"{int.from_bytes((item + changes.get('object', '')).encode()) % 16**32:032x}",
        "target": "app-01", "item": item, "check": item, "check_version": 1, "object": "", "status": status,
        "severity": severity, "cause": "", "rule": "0" * 32, "title": "It holds",
        "message": Message("{item} is as it is", {"item": item}), "evidence": {}, "remedy": "",
        "owner": "vendor", "duration_ms": 1.0,
    }  # fmt: skip
    return Result(**values | changes)


def run(*results: Result, facts: dict[str, Reading] | None = None, **changes: Any) -> Snapshot:
    readings = Readings(Target("app-01"), {FILE: Known(INI)} if facts is None else facts, NOW)
    snapshot = Snapshot(
        NOW, (readings,), profile="here", recorded=results, profile_version="3", plan_digest="5f" * 32
    )
    return msgspec.structs.replace(snapshot, **changes)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    return State(tmp_path / "state")


def baseline(at: State, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return firstlight("baseline", *args, state=at.root, **options)


def file(folder: Path, snapshot: Snapshot, name: str = "run.json") -> str:
    save(snapshot, folder / name)
    return str(folder / name)


# ---- accept


def test_the_last_run_becomes_the_accepted_state_under_names(at: State) -> None:
    last.remember(run(result("a"), result("b", Status.WARN)))
    done = baseline(at, "accept", "--by", "Ann  Lee", "--by", "Bo")
    assert (done.returncode, done.stderr) == (0, "")
    assert " by Ann Lee, Bo: here 3, 2 results (1 warn, 1 pass)" in done.stdout
    assert "WARN P2  b  b is as it is" in done.stdout
    kept = find(at, None, None)
    assert (kept.head.by, kept.head.profile_version, kept.head.plan_digest) == (
        ("Ann Lee", "Bo"),
        "3",
        "5f" * 32,
    )
    assert kept.snapshot == run(result("a"), result("b", Status.WARN))


def test_a_real_run_can_be_accepted_and_compared(at: State, tmp_path: Path) -> None:
    saved = str(tmp_path / "s.json")
    firstlight("check", "linux-server", "--no-send", "--save", saved, state=tmp_path / "other")
    done = baseline(at, "accept", "--by", "Ann", "--by", "Bo", "--with-findings", saved)
    assert done.returncode == 0, done.stderr
    assert "linux-server" in baseline(at, "show").stdout
    assert firstlight("diff", "baseline", saved, state=at.root).returncode == 0


def test_from_check_to_acceptance_to_what_changed_since(at: State, tmp_path: Path) -> None:
    """The whole way through the real program, on a file that somebody changes."""
    ini, profile = tmp_path / "app.ini", tmp_path / "here.yaml"
    ini.write_text("[log]\nlevel = info\n")
    ini.chmod(0o640)
    profile.write_text(
        "profile: here\nversion: '7'\ntitle: Here\nitems:\n"
        f"  - {{id: it, check: file.stat, severity: P1, with: {{path: {ini}, mode: 0640}}}}\n"
        f"  - {{id: level, check: cfg.value, with: {{path: {ini}, key: log.level}}}}\n"
    )
    firstlight("check", str(profile), state=at.root)
    assert "here 7, 2 results (2 pass)" in baseline(at, "accept", "--by", "Ann", "--by", "Bo").stdout
    assert len(find(at, None, None).head.plan_digest) == 64
    quiet = json.loads(firstlight("check", str(profile), "--format", "json", state=at.root).stdout)
    assert {each["changed_since_acceptance"] for each in quiet["results"]} == {""}
    assert quiet["baseline"].endswith("by Ann, Bo")

    ini.write_text("[log]\nlevel = debug\n")
    ini.chmod(0o644)
    report = json.loads(firstlight("check", str(profile), "--format", "json", state=at.root).stdout)
    said = {each["item"]: each["changed_since_acceptance"] for each in report["results"]}
    assert said["it"].startswith("passed at acceptance; mode: 0640 → 0644, size: 19 → 20")
    assert said["level"].startswith("value: info → debug since acceptance (accepted ")
    assert firstlight("diff", "baseline", "last", state=at.root).returncode == 1
    found = last.recall("", "here")
    assert found is not None
    assert {item for _, item in last.failed_units(found)} == {"it"}


def test_a_baseline_is_for_its_owners_eyes_and_lies_where_the_agent_keeps_things(at: State) -> None:
    accept(at, run(result("a")), "plant-a", ("Ann",), NOW)
    path = at.root / "baselines" / "plant-a--here.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_one_name_is_enough_but_two_are_advised(at: State, tmp_path: Path) -> None:
    saved = file(tmp_path, run(result("a")))
    done = baseline(at, "accept", "--by", "Ann", saved)
    assert done.returncode == 0
    assert "accepted by Ann alone; advised are two, of the vendor and of the customer" in done.stderr
    assert "alone" not in baseline(at, "accept", "--by", "Ann", "--by", "Bo", saved).stderr
    assert "alone" in baseline(at, "accept", "--by", "Ann", "--by", " Ann ", saved).stderr


def test_without_a_name_nobody_has_accepted_anything(at: State, tmp_path: Path) -> None:
    saved = file(tmp_path, run(result("a")))
    for args in ([], ["--by", ""], ["--by", "  "], ["--by", "x" * 101], ["--by", "A\x1b[2J"]):
        done = baseline(at, "accept", *args, saved)
        assert (done.returncode, done.stdout) == (2, ""), args
        assert "--by" in done.stderr
    assert stored(at) == []


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (run(result("a"), partial=True), "was interrupted and does not know everything"),
        (run(result("a", Status.ERROR, cause="interrupted")), "was interrupted"),
        (run(result("a"), narrowing=Narrowing(only=("a",))), "looked at a part of the profile only"),
        (run(), "holds no results to accept"),
    ],
)
def test_a_run_that_does_not_know_everything_is_refused(
    at: State, tmp_path: Path, snapshot: Snapshot, words: str
) -> None:
    done = baseline(at, "accept", "--by", "Ann", "--by", "Bo", file(tmp_path, snapshot))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert stored(at) == []


def test_serious_findings_are_listed_and_accepted_only_when_they_are_known(at: State, tmp_path: Path) -> None:
    saved = file(
        tmp_path,
        run(
            result("b", Status.FAIL, Severity.P1),
            result("a", Status.FAIL, Severity.P0),
            result("c", Status.FAIL, Severity.P2),
            result("d", Status.WARN, Severity.P0),
        ),
    )
    refused = baseline(at, "accept", "--by", "Ann", "--by", "Bo", saved)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert [line.split()[:3] for line in refused.stderr.splitlines()[:-1]] == [
        ["FAIL", "P0", "a"],
        ["FAIL", "P1", "b"],
    ]
    assert "not accepted: 2 serious findings are open" in refused.stderr
    assert stored(at) == []
    done = baseline(at, "accept", "--by", "Ann", "--by", "Bo", "--with-findings", saved)
    assert done.returncode == 0
    assert [line.split()[2] for line in done.stdout.splitlines()[1:]] == ["a", "b", "c", "d"]


def test_what_is_accepted_with_reservations_says_so(at: State, tmp_path: Path) -> None:
    snapshot = run(
        result("a", Status.ERROR, cause="denied"),
        profile_version="3+set",
        narrowing=Narrowing(stage="go-live"),
    )
    done = baseline(at, "accept", "--by", "Ann", "--by", "Bo", file(tmp_path, snapshot))
    assert done.returncode == 0
    assert "1 result could not be told, and so not accepted" in done.stderr
    assert "changed with --set" in done.stderr
    assert "of stage go-live: of other stages nothing is accepted" in done.stderr


def test_what_there_is_to_accept_must_be_there(at: State, tmp_path: Path) -> None:
    saved = file(tmp_path, run(result("a")))
    for args, words in (
        ([], "no run is remembered here; run firstlight check first, or name a snapshot"),
        (["--profile", "there"], "no run of there is remembered here"),
        ([saved, "--profile", "there"], "a run of profile here, not of there"),
        (["/nowhere.json"], "/nowhere.json: No such file or directory"),
    ):
        done = baseline(at, "accept", "--by", "Ann", *args)
        assert (done.returncode, done.stdout) == (2, ""), args
        assert words in done.stderr


def test_a_later_acceptance_keeps_the_heads_of_those_before(at: State, tmp_path: Path) -> None:
    saved = file(tmp_path, run(result("a")))
    for names in (
        ["--by", "Ann", "--by", "Bo"],
        ["--by", "Cleo", "--by", "Bo"],
        ["--by", "Di", "--by", "Bo"],
    ):
        done = baseline(at, "accept", *names, saved)
        assert done.returncode == 0
    assert "it replaces the one accepted" in done.stderr
    assert [each.by for each in find(at, None, None).history] == [("Ann", "Bo"), ("Cleo", "Bo")]
    shown = baseline(at, "show").stdout
    assert [line.rpartition(" by ")[2] for line in shown.splitlines() if line.startswith("earlier")] == [
        "Cleo, Bo",
        "Ann, Bo",
    ]


def test_a_baseline_that_cannot_be_kept_is_loud(at: State, tmp_path: Path) -> None:
    at.prepare()
    at.baselines.symlink_to("/nowhere/at/all")
    done = baseline(at, "accept", "--by", "Ann", file(tmp_path, run(result("a"))))
    assert (done.returncode, done.stdout) == (3, "")
    assert "NOT kept" in done.stderr


# ---- show and clear


def test_show_says_who_when_what_and_with_which_findings(at: State) -> None:
    accept(at, run(result("a"), result("b", Status.FAIL, Severity.P1)), "plant-a", ("Ann", "Bo"), NOW)
    done = baseline(at, "show")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith(" "))
    assert lines["accepted"] == "2026-11-02 09:30 UTC by Ann, Bo"
    assert (lines["site"], lines["profile"], lines["plan"]) == ("plant-a", "here 3", "5f" * 32)
    assert (lines["targets"], lines["readings"], lines["results"]) == ("app-01", "1", "1 fail, 1 pass")
    assert lines["findings"] == "1"
    assert "  FAIL P1  b  b is as it is" in done.stdout


def test_show_without_a_choice_shows_all_there_are(at: State) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    accept(at, run(result("a"), profile="there"), "plant-a", ("Bo",), NOW)
    assert baseline(at, "show").stdout.count("accepted ") == 2
    assert "by Bo" not in baseline(at, "show", "--profile", "here").stdout
    none = baseline(at, "show", "--site", "plant-b")
    assert none.returncode == 2
    assert "no baseline at plant-b was accepted; there is one of" in none.stderr


def test_clear_keeps_nothing(at: State) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    accept(at, run(result("a")), "", ("Bo",), NOW)
    done = baseline(at, "clear", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "removed: here 3, 1 result (1 pass), accepted 2026-11-02 by Bo" in done.stdout
    assert list(at.baselines.iterdir()) == []
    assert baseline(at, "clear", "--yes").returncode == 2


def test_clear_never_guesses_which(at: State) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    accept(at, run(result("a"), profile="there"), "", ("Ann",), NOW)
    done = baseline(at, "clear", "--yes")
    assert done.returncode == 2
    assert (
        "there are 2 baselines (here at unenrolled, there at unenrolled); say --profile or --site"
        in done.stderr
    )
    assert len(stored(at)) == 2


def answered(at: State, answer: bytes) -> str:
    """`firstlight baseline clear` on a terminal, with that answer typed."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        args = [sys.executable, "-m", "agent", "baseline", "clear"]
        os.execve(sys.executable, args, environment(at.root) | {"TERM": "dumb"})
    os.write(screen, answer)
    seen = b""
    try:
        while part := os.read(screen, 65536):
            seen += part
    except OSError:
        pass
    os.close(screen)
    os.waitpid(pid, 0)
    return seen.decode()


def test_clear_asks_first_and_a_no_keeps_it(at: State) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    assert "Remove the baseline accepted 2026-11-02 by Ann" in answered(at, b"n\n")
    assert len(stored(at)) == 1
    assert "removed:" in answered(at, b"y\n")
    assert stored(at) == []


def test_clear_in_a_script_wants_the_yes(at: State) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    done = baseline(at, "clear", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert len(stored(at)) == 1


# ---- what a baseline says of later runs


def since(before: Snapshot, after: Snapshot, basis: dict[str, Basis] | None = None) -> dict[str, str]:
    """What is said by item."""
    kept = Baseline("", baseline_head(), before)
    items = {each.key: each.item for each in after.recorded}
    return {items[key]: said for key, said in changes_since(kept, after, basis).items()}


def baseline_head() -> Any:
    from agent.baselines import Head

    return Head(NOW, ("Ann", "Bo"), "3", "5f" * 32)


def with_ini(*results: Result, **changes: Any) -> Snapshot:
    return run(*results, facts={FILE: Known(INI | changes)})


def test_nothing_is_said_where_nothing_changed() -> None:
    accepted = run(result("a"), result("b", Status.FAIL, cause="low"))
    assert since(accepted, accepted, {each.key: (("app-01", FILE),) for each in accepted.recorded}) == {}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (Status.PASS, Status.FAIL, "passed at acceptance"),
        (Status.FAIL, Status.PASS, "failed at acceptance"),
        (Status.WARN, Status.FAIL, "warned at acceptance"),
        (Status.ERROR, Status.PASS, "could not be told at acceptance"),
        (Status.SKIP, Status.PASS, "did not apply at acceptance"),
        (Status.MANUAL, Status.PASS, "was to be looked at by hand at acceptance"),
    ],
)
def test_another_status_is_told(before: Status, after: Status, said: str) -> None:
    assert since(run(result("a", before)), run(result("a", after))) == {"a": said}


def test_a_reading_that_changed_is_told_beside_every_result_that_rests_on_it() -> None:
    a, b, c = result("a"), result("b", Status.FAIL), result("c")
    basis: dict[str, Basis] = {a.key: (("app-01", FILE),), b.key: (("app-01", FILE),), c.key: ()}
    said = "mode: 0640 → 0644 since acceptance (accepted 2026-11-02 by Ann, Bo)"
    assert since(with_ini(a, b, c), with_ini(a, b, c, mode="0644"), basis) == {"a": said, "b": said}
    worse = with_ini(result("a", Status.FAIL), mode="0644")
    assert since(with_ini(a), worse, basis) == {"a": f"passed at acceptance; {said}"}


def test_noise_and_what_cannot_be_read_say_nothing_of_their_own() -> None:
    a = result("a")
    basis: dict[str, Basis] = {a.key: (("app-01", "DiskUsage(mount=/)"), ("app-01", FILE))}
    before = run(a, facts={"DiskUsage(mount=/)": Known({"total": 9, "free": 8}), FILE: Known(INI)})
    after = run(
        a, facts={"DiskUsage(mount=/)": Known({"total": 9, "free": 1}), FILE: Unavailable("denied", "denied")}
    )
    assert since(before, after, basis) == {}


def test_new_results_other_rules_and_other_causes_are_told() -> None:
    before = run(result("a"), result("b", Status.FAIL, cause="low"))
    after = run(
        result("a", rule="1" * 32),
        result("b", Status.FAIL, cause="refused"),
        result("c"),
        result("a", object="/x"),
    )
    found = changes_since(Baseline("", baseline_head(), before), after)
    assert [found[each.key] for each in after.recorded] == [
        "held to another rule since acceptance",
        "at acceptance the cause was low",
        "new since acceptance",
        "new since acceptance",
    ]


def test_of_items_that_an_accepted_stage_left_out_nothing_is_said() -> None:
    before = run(result("a"), narrowing=Narrowing(stage="go-live"))
    after = run(result("a", object="/new"), result("b"))
    assert since(before, after) == {"a": "new since acceptance"}


def test_what_an_interrupted_run_did_not_see_says_nothing() -> None:
    assert since(run(result("a")), run(result("a", Status.ERROR, cause="interrupted"))) == {}


def test_a_check_across_targets_names_the_one_that_changed() -> None:
    def site(version: str) -> Snapshot:
        readings = tuple(
            Readings(Target(name), {"Sysctl(name=v)": Known(version if name == "b" else "1")}, NOW)
            for name in ("a", "b")
        )
        return run(result("v", target="site/*"), targets=readings)

    basis: dict[str, Basis] = {result("v").key: (("a", "Sysctl(name=v)"), ("b", "Sysctl(name=v)"))}
    said = since(site("1"), site("2"), basis)
    assert said == {"v": "b: 1 → 2 since acceptance (accepted 2026-11-02 by Ann, Bo)"}


def test_a_baseline_of_other_targets_says_nothing_and_that_is_said(at: State) -> None:
    two = tuple(Readings(Target(name), {}, NOW) for name in ("x", "y"))
    accept(at, run(result("a"), targets=two), "", ("Ann", "Bo"), NOW)
    assert since_acceptance(at, run(result("a")), {}) == ({}, "accepted 2026-11-02 by Ann, Bo, for x, y")


def test_a_report_learns_the_changes_and_one_line_about_the_baseline(at: State) -> None:
    now = run(result("a", Status.FAIL))
    assert since_acceptance(at, now, {}) == ({}, "")
    accept(at, run(result("a")), "", ("Ann", "Bo"), NOW)
    assert since_acceptance(at, now, {}) == (
        {result("a").key: "passed at acceptance"},
        "accepted 2026-11-02 by Ann, Bo",
    )
    assert since_acceptance(at, msgspec.structs.replace(now, profile="there"), {}) == ({}, "")


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"version": 99}', b"\xff"])
def test_a_damaged_baseline_costs_no_check_and_is_told(at: State, damage: bytes) -> None:
    accept(at, run(result("a")), "", ("Ann",), NOW)
    (at.baselines / "unenrolled--here.json").write_bytes(damage)
    changes, line = since_acceptance(at, run(result("a")), {})
    assert changes == {}
    assert line.startswith("the baseline cannot be used: ")
    with pytest.raises(BadInput):
        load(at, "", "here")


# ---- the last run


def test_the_last_run_is_remembered_by_site_and_profile(at: State) -> None:
    here, there = run(result("a")), run(result("a"), profile="there", site="plant-a", partial=True)
    last.remember(here)
    last.remember(there)
    assert last.recall("", "here") == last.Last(here)
    found = last.recall("plant-a", "there")
    assert found is not None
    assert found.snapshot.partial is True
    assert last.recall("plant-a", "here") is None
    assert last.newest() == last.Last(there)
    assert last.newest(profile="here") == last.Last(here)
    path = at.last / "unenrolled--here.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"\n" not in path.read_bytes()


def test_what_failed_warned_or_could_not_be_told_is_to_be_repeated(at: State) -> None:
    last.remember(run(*(result(status.value, status) for status in Status)))
    found = last.recall("", "here")
    assert found is not None
    assert last.failed_units(found) == {("app-01", "fail"), ("app-01", "warn"), ("app-01", "error")}


def test_a_narrowed_run_updates_what_failed_and_keeps_the_whole_run(at: State) -> None:
    whole = run(result("a", Status.FAIL), result("b", Status.FAIL), result("c"))
    last.remember(whole)
    last.remember(run(result("a"), result("c", Status.WARN), narrowing=Narrowing(only=("a", "c"))))
    found = last.recall("", "here")
    assert found is not None
    assert last.failed_units(found) == {("app-01", "b"), ("app-01", "c")}
    assert found.snapshot == whole


def test_a_narrowed_run_is_remembered_where_there_is_no_whole_one(at: State) -> None:
    for item in ("a", "b"):
        last.remember(run(result(item, Status.FAIL), narrowing=Narrowing(target=("app-01",))))
    found = last.recall("", "here")
    assert found is not None
    assert found.snapshot.recorded[0].item == "b"
    assert last.failed_units(found) == {("app-01", "a"), ("app-01", "b")}


def test_a_run_of_a_stage_is_a_whole_run(at: State) -> None:
    last.remember(run(result("a", Status.FAIL), result("b", Status.FAIL)))
    staged = run(result("b"), narrowing=Narrowing(stage="periodic"))
    last.remember(staged)
    found = last.recall("", "here")
    assert found is not None
    assert (found.snapshot, last.failed_units(found)) == (staged, {("app-01", "a")})


def test_a_state_that_cannot_be_written_or_read_is_no_error(at: State) -> None:
    at.root.write_text("a file where the folder should be")
    last.remember(run(result("a")))
    assert last.recall("", "here") is None
    assert last.newest() is None
    at.root.unlink()
    last.remember(run(result("a")))
    (at.last / "unenrolled--here.json").write_text("{")
    assert last.recall("", "here") is None
    last.remember(run(result("a", Status.FAIL), narrowing=Narrowing(only=("a",))))
    assert last.recall("", "here") is not None


# ---- names of files


def test_no_two_sites_and_profiles_share_a_file_and_no_name_leads_elsewhere() -> None:
    pairs = [
        ("a", "b"), ("a--b", "c"), ("a", "b--c"), ("a-", "b"), ("a", "-b"), ("", "b"), ("unenrolled", "b"),
        ("A", "b"), ("../../etc", "passwd"), ("a/b", "c"), ("a", "b/c"), (".", ".."), ("", ""),
        ("总部", "erp"), ("总店", "erp"),
        ("x" * 200, "y" * 200), ("x" * 200, "z" * 200), ("a\0b", "c"), ("a b", "c"),
    ]  # fmt: skip
    names = [file_of(site, profile) for site, profile in pairs]
    assert len({name.lower() for name in names}) == len(pairs)
    for name in names:
        assert Path(name).name == name
        assert not name.startswith(".")
        assert len(name.encode()) < 200
    assert names[0] == "a--b.json"
    assert json.dumps(names).isascii()
