"""`firstlight diff`, the real program: snapshots, runs in the spool, the accepted baseline, the last run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from machine import firstlight

from agent import baselines, last
from agent.identity import Identity, new_key, save_identity
from agent.paths import State
from agent.spool import Spool
from checks.fact import Redacted, Unavailable
from checks.snapshot import Snapshot, load, save


class Machine:
    """A machine with a configuration file, and the program that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, State(folder / "state")
        self.ini = folder / "app.ini"
        self.write(level="info", mode=0o640)
        self.profile = folder / "here.yaml"
        self.profile.write_text(
            "profile: here\nversion: '1'\ntitle: Here\nitems:\n"
            f"  - {{id: it, check: file.stat, severity: P1, with: {{path: {self.ini}, mode: 0640}}}}\n"
            f"  - {{id: level, check: cfg.value, with: {{path: {self.ini}, key: log.level}}}}\n"
        )

    def write(self, level: str, mode: int) -> None:
        self.ini.write_text(f"[log]\nlevel = {level}\n")
        self.ini.chmod(mode)

    def check(self, *args: str, state: Path | None = None) -> None:
        done = firstlight("check", str(self.profile), *args, state=state or self.folder / "other")
        assert done.returncode in (0, 1), done.stderr

    def snapshot(self, name: str, *args: str) -> Path:
        """What a check saves; it is made by an agent with a state of its own."""
        path = self.folder / name
        self.check("--no-send", "--save", str(path), *args)
        return path

    def diff(self, a: object, b: object, *args: str) -> subprocess.CompletedProcess[str]:
        return firstlight("diff", str(a), str(b), *args, state=self.state.root)

    def changed(self, a: object, b: object, *args: str) -> dict[str, Any]:
        done = self.diff(a, b, "--format", "json", *args)
        page = json.loads(done.stdout)
        assert isinstance(page, dict)
        assert done.returncode == (1 if page["changed"] else 0)
        return page


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    return Machine(tmp_path)


@pytest.fixture
def before(machine: Machine) -> Path:
    return machine.snapshot("before.json")


@pytest.fixture
def after(machine: Machine, before: Path) -> Path:
    """The mode and one key were changed since."""
    machine.write(level="debug", mode=0o644)
    return machine.snapshot("after.json")


def altered(path: Path, name: str, **changes: Any) -> Path:
    """The same snapshot with other fields, in a file of its own."""
    made = path.with_name(name)
    save(msgspec.structs.replace(load(path), **changes), made)
    return made


def enrol(at: State, sites: tuple[str, ...] = ("plant-a", "plant-b")) -> None:
    """An agent whose collector cannot be reached: nothing listens on port 1."""
    at.prepare()
    key_file, _ = new_key(at)
    save_identity(
        at, Identity("agent-1", "i", sites, "app-01", "http://127.0.0.1:1", "e", "f" * 32, key_file)
    )


# ---- two snapshots


def test_what_changed_is_named_with_its_inner_field_and_ends_with_1(
    machine: Machine, before: Path, after: Path
) -> None:
    done = machine.diff(before, after)
    assert done.returncode == 1, done.stderr
    assert "mode: 0640 → 0644" in done.stdout
    assert "value: info → debug" in done.stdout
    assert "pass → fail" in done.stdout
    assert f"FileStat(path={machine.ini})" in done.stdout
    assert done.stdout.splitlines()[-1] == "Changed: 1 of 2 results and 2 of 2 readings."
    assert done.stderr == ""


def test_nothing_changed_ends_with_0_and_says_what_was_looked_at(machine: Machine, before: Path) -> None:
    again = machine.snapshot("again.json")
    done = machine.diff(before, again)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Nothing changed: 2 results and 2 readings."


def test_the_program_itself_makes_no_changes_on_a_machine_at_rest(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a", "b")]
    for file in files:
        firstlight("check", "linux-server", "--no-send", "--save", file, state=tmp_path / "s")
    page = json.loads(firstlight("diff", *files, "--format", "json", state=tmp_path / "s").stdout)
    # The machine that runs the tests is hardly at rest: other tests fill disks and listen on ports.
    moving = {"disk.free", "mem.used", "lim.nofile"}
    assert [each for each in page["results"] if each["item"] not in moving] == []
    assert [
        each["text"] for each in page["readings"] if each["fact"].startswith(("Disk", "Mem", "Time"))
    ] == []


def test_other_programs_get_both_sides_and_every_change(machine: Machine, before: Path, after: Path) -> None:
    page = machine.changed(before, after)
    assert (page["format"], page["version"], page["changed"]) == ("firstlight-diff", 1, True)
    assert page["a"]["name"] == str(before)
    assert page["b"]["profile"] == "here"
    (result,) = page["results"]
    assert (result["item"], result["before"], result["after"]) == ("it", "pass", "fail")
    mode = next(each for each in page["readings"] if each["fact"].startswith("FileStat"))
    assert (mode["kind"], mode["before"].split(",")[0]) == ("changed", "mode: 0640")
    assert mode["after"].split(",")[0] == "mode: 0644"
    assert page["notes"] == []


def test_only_the_direction_differs_when_the_two_change_places(
    machine: Machine, before: Path, after: Path
) -> None:
    forth, back = machine.changed(before, after), machine.changed(after, before)
    assert [each["fact"] for each in forth["readings"]] == [each["fact"] for each in back["readings"]]
    assert [each["before"] for each in forth["readings"]] == [each["after"] for each in back["readings"]]


def test_a_part_of_a_profile_says_nothing_of_the_rest(machine: Machine, before: Path) -> None:
    part = machine.snapshot("part.json", "--only", "it")
    page = machine.changed(before, part)
    assert page["changed"] is False
    assert page["notes"] == ["B looked at a part of its profile only: what is missing there is not shown"]
    assert machine.changed(part, before)["changed"] is False


def test_two_machines_are_compared_where_each_side_is_one(
    machine: Machine, before: Path, after: Path
) -> None:
    snapshot = load(after)
    (readings,) = snapshot.targets
    target = msgspec.structs.replace(readings.target, name="elsewhere")
    moved = altered(
        after,
        "moved.json",
        targets=(msgspec.structs.replace(readings, target=target),),
        recorded=tuple(
            msgspec.structs.replace(each, target="elsewhere", key=f"{at:032x}")
            for at, each in enumerate(snapshot.recorded)
        ),
    )
    page = machine.changed(before, moved)
    assert len(page["readings"]) == 2
    assert [each["item"] for each in page["results"]] == ["it"]
    assert page["notes"] == [
        f"A is of {load(before).targets[0].target.name} and B of elsewhere: these two are compared"
    ]


def test_a_lost_target_is_one_line_and_not_one_for_each_of_its_results(
    machine: Machine, before: Path
) -> None:
    snapshot = load(before)
    gone = Unavailable("10.0.0.5:22: Connection refused", "refused")
    (readings,) = snapshot.targets
    lost = msgspec.structs.replace(readings, values=dict.fromkeys(readings.values, gone), lost=gone)
    results = [msgspec.structs.replace(each, status="error", cause="refused") for each in snapshot.recorded]
    text = msgspec.json.encode(msgspec.structs.replace(snapshot, targets=(lost,), recorded=tuple(results)))
    (machine.folder / "lost.json").write_bytes(text)
    page = machine.changed(before, machine.folder / "lost.json")
    assert page["results"] == []
    assert [each["text"] for each in page["readings"]] == [
        "the target was lost: 10.0.0.5:22: Connection refused"
    ]
    assert machine.changed(machine.folder / "lost.json", before)["results"] == []


def test_secrets_of_different_sites_are_left_out_and_that_is_said(machine: Machine, before: Path) -> None:
    def hidden(site: str, token: str) -> Path:
        (readings,) = load(before).targets
        values = dict.fromkeys(readings.values, Redacted(token))
        targets = (msgspec.structs.replace(readings, values=values),)
        return altered(before, f"{site}.json", site=site, targets=targets)

    page = machine.changed(hidden("a", "[redacted:00000001]"), hidden("b", "[redacted:00000002]"))
    assert page["readings"] == []
    assert page["notes"] == ["redacted values were not compared: their tokens are those of different sites"]


def test_a_value_cannot_drive_the_terminal(machine: Machine, before: Path) -> None:
    machine.write(level="\x1b[2J\u202egnp", mode=0o640)
    done = machine.diff(before, machine.snapshot("nasty.json"))
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


# ---- wrong input


def test_wrong_input_is_one_clear_line(machine: Machine, before: Path) -> None:
    broken, future = machine.folder / "broken.json", machine.folder / "future.json"
    broken.write_text("{}")
    future.write_bytes(before.read_bytes().replace(b'"version": 1', b'"version": 99'))
    for name, words in {
        "missing.json": "missing.json: no such file; name a snapshot",
        str(machine.folder): "not a file; name a snapshot",
        str(broken): "not a snapshot",
        str(future): "snapshot version 99 is newer",
        "nonsense": "neither a file nor a run in the spool, nor one of baseline, baseline:SITE, last",
        "baseline": "no baseline of here was accepted; firstlight baseline accept --by NAME makes one",
        "baseline:plant-z": "no baseline of here at plant-z was accepted",
        "last": "no run of here is remembered here; run firstlight check first",
        "x" * 5000: "File name too long",
    }.items():
        for pair in ((before, name), (name, before)):
            done = machine.diff(*pair)
            assert (done.returncode, done.stdout) == (2, ""), name
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
            assert "defect" not in done.stderr
    assert machine.diff("a", "b").returncode == 2
    assert firstlight("diff", str(before), state=machine.state.root).returncode == 2


def test_a_damaged_baseline_is_named_with_what_to_do(machine: Machine, before: Path) -> None:
    machine.state.prepare()
    machine.state.baselines.mkdir()
    (machine.state.baselines / "unenrolled--here.json").write_text("{")
    done = machine.diff("baseline", before)
    assert (done.returncode, done.stdout) == (2, "")
    assert "unenrolled--here.json: damaged" in done.stderr
    assert "remove the file and accept a run anew" in done.stderr


# ---- runs in the spool


def test_runs_in_the_spool_are_compared_by_their_results(machine: Machine) -> None:
    enrol(machine.state)
    machine.check(state=machine.state.root)
    machine.write(level="debug", mode=0o644)
    machine.check(state=machine.state.root)
    first, second = Spool(machine.state.spool).pending()
    page = machine.changed(first.sequence, second.run)
    assert [(each["item"], each["before"], each["after"]) for each in page["results"]] == [
        ("it", "pass", "fail")
    ]
    assert page["readings"] == []
    assert [
        note.startswith(f"{side} is a run in the spool")
        for side, note in zip("AB", page["notes"], strict=True)
    ]
    assert machine.diff(first.run, first.run).stdout.splitlines()[-1] == "Nothing changed: 2 results."


def test_a_run_in_the_spool_is_compared_with_a_snapshot_too(machine: Machine, before: Path) -> None:
    """The snapshot was made before the enrolment: its keys are others, and the target's name."""
    enrol(machine.state)
    machine.check(state=machine.state.root)
    assert machine.changed(before, 1)["changed"] is False
    (entry,) = Spool(machine.state.spool).pending()
    assert machine.diff(before, entry.run[:4]).returncode == 0


# ---- baseline and last


def accepted(at: State, snapshot: Snapshot, site: str = "") -> None:
    from datetime import UTC, datetime

    baselines.accept(at, snapshot, site, ("Ann", "Bo"), datetime(2026, 11, 2, tzinfo=UTC))


def test_the_baseline_is_compared_with_the_last_run(machine: Machine, before: Path, after: Path) -> None:
    accepted(machine.state, load(before))
    last.remember(load(after))
    done = machine.diff("baseline", "last")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("A  the baseline accepted 2026-11-02 by Ann, Bo: here")
    assert second.startswith("B  the last run: here")
    assert "mode: 0640 → 0644" in done.stdout


def test_the_baseline_meant_is_that_of_the_other_sides_profile(machine: Machine, before: Path) -> None:
    accepted(machine.state, load(before))
    accepted(machine.state, msgspec.structs.replace(load(before), profile="another"))
    assert machine.diff("baseline", before).returncode == 0
    assert "A is a run of profile another" in machine.diff("baseline", before, "--profile", "another").stdout
    done = machine.diff("baseline", "baseline")
    assert done.returncode == 2
    assert (
        "there are 2 baselines (another at unenrolled, here at unenrolled); say --profile or --site"
        in done.stderr
    )


def test_the_baseline_of_another_site_is_named_with_it(machine: Machine, before: Path, after: Path) -> None:
    enrol(machine.state)
    accepted(machine.state, load(before), "plant-a")
    accepted(machine.state, load(after), "plant-b")
    assert machine.diff("baseline", before).returncode == 0
    assert machine.diff("baseline:plant-a", before).returncode == 0
    assert machine.diff("baseline:plant-b", before).returncode == 1
    assert machine.diff("baseline:plant-b", "baseline").returncode == 1


def test_the_last_run_meant_is_that_of_the_other_sides_profile(machine: Machine, before: Path) -> None:
    last.remember(load(before))
    last.remember(msgspec.structs.replace(load(before), profile="another"))
    assert machine.changed(before, "last")["b"]["profile"] == "here"
    assert machine.changed("last", "last")["b"]["profile"] == "another"


def test_an_enrolment_meanwhile_changes_the_keys_but_not_what_was_accepted(
    machine: Machine, before: Path
) -> None:
    accepted(machine.state, load(before), "plant-a")
    enrol(machine.state)
    assert machine.changed("baseline", before)["changed"] is False
