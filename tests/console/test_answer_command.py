"""`firstlight answer`: what only a person can tell, asked, kept and taken into the next run."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from machine import firstlight
from terminal import at_a_terminal

from agent.answers import Kept, keep, newest, read_day
from agent.paths import State
from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.memory import Answer

PROFILE = """\
profile: drill
version: "1"
title: Drill
items:
  - id: backup.restore
    check: manual.item
    severity: P1
    with: {ask: A restore was tried, how: Into a scratch database, evidence: required}
  - id: night.contact
    check: manual.item
    with: {ask: The customer knows whom to call at night}
"""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Desk:
    """A folder with the profile, and a state of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        (folder / "drill.yaml").write_text(PROFILE)
        (folder / "drill.pdf").write_bytes(b"what was seen")

    def answer(self, *args: str) -> subprocess.CompletedProcess[str]:
        return firstlight(
            "answer", *args, "--profile", str(self.folder / "drill.yaml"), state=self.state, cwd=self.folder
        )

    def results(self) -> dict[str, dict[str, Any]]:
        done = firstlight(
            "check", str(self.folder / "drill.yaml"), "--no-send", "--format", "json", state=self.state
        )
        return {each["item"]: each for each in json.loads(done.stdout)["results"]}

    def statuses(self) -> dict[str, str]:
        return {item: result["status"] for item, result in self.results().items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_answer_is_in_the_next_run_with_who_when_and_what_shows_it(desk: Desk) -> None:
    assert desk.statuses() == {"backup.restore": "manual", "night.contact": "manual"}
    done = desk.answer("backup.restore", "--yes", "--by", "Ann  Lee", "--note", "it took two hours",
                       "--evidence", "drill.pdf")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 answer kept; firstlight check takes them in\n"
    assert desk.statuses() == {"backup.restore": "pass", "night.contact": "manual"}
    evidence = desk.results()["backup.restore"]["evidence"]
    assert evidence["who"] == "Ann Lee" and evidence["evidence_name"] == "drill.pdf"
    assert evidence["evidence"] == hashlib.sha256(b"what was seen").hexdigest()


def test_an_answer_that_was_wrong_is_followed_by_another_and_stays_on_record(desk: Desk) -> None:
    desk.answer("night.contact", "--yes", "--by", "Ann")
    desk.answer("night.contact", "--no", "--by", "Bo")
    assert desk.statuses()["night.contact"] == "fail"
    desk.answer("night.contact", "--not-applicable", "--by", "Bo", "--note", "closed at night")
    assert desk.statuses()["night.contact"] == "skip"
    (kept,) = desk.state.glob("answers/*.json")
    assert [each["answer"]["by"] for each in json.loads(kept.read_text())] == ["Ann", "Bo", "Bo"]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_form_takes_what_many_people_know(desk: Desk) -> None:
    assert desk.answer("--write-form", "form.yaml").returncode == 0
    form = desk.folder / "form.yaml"
    text = form.read_text()
    assert "Into a scratch database" in text and text.count("- item:") == 2
    assert desk.answer("--from", "form.yaml").stderr == "nothing was answered\n"
    filled = text.replace("answer:\n    by:", "answer: yes\n    by: Zhang Wei", 1)
    form.write_text(filled.replace("evidence:\n", "evidence: drill.pdf\n    until: 2099-12-31\n", 1))
    assert desk.answer("--from", "form.yaml").stderr.startswith("1 answer kept")
    assert desk.statuses() == {"backup.restore": "pass", "night.contact": "manual"}
    assert desk.answer("--write-form", "form.yaml").returncode == 2


MISTAKES = {
    "answer: maybe\n    by: Ann": "form.yaml:4: 'maybe' is no answer; it is one of yes, no, n/a",
    "answer: no": "form.yaml:2: an answer names its item, and by whom it was given",
    "answer: no\n    by: Ann\n    at: 2099-01-01": "was answered on 2099-01-01, which is yet to come",
    "answer: no\n    by: Ann\n    at: gestern": "form.yaml:2: 'gestern' is no date; write it as 2026-12-31",
    "answer: yes\n    by: Ann\n    evidence: nowhere.pdf": "nowhere.pdf: No such file or directory",
    "answers: no\n    by: Ann": "form.yaml:4: an answer has no key 'answers'; did you mean answer?",
}


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistake_in_a_form_is_told_by_file_and_line_and_keeps_nothing(desk: Desk, entry: str) -> None:
    entry_text = f"answers:\n  - item: night.contact\n    note:\n    {entry}\n"
    (desk.folder / "form.yaml").write_text(entry_text)
    done = desk.answer("--from", "form.yaml")
    assert done.returncode == 2 and MISTAKES[entry] in done.stderr
    assert not list(desk.state.glob("answers/*.json"))


WRONG = {
    ("backup.restore", "--yes", "--by", "Ann"): "backup.restore needs a file that shows it: --evidence FILE",
    (
        "backup.retsore",
        "--yes",
        "--by",
        "Ann",
    ): "no manual item 'backup.retsore'; did you mean backup.restore?",
    ("--yes", "--by", "Ann"): "name the ITEM that is answered; --list shows them",
    ("night.contact", "--no", "--by", " "): "' ': give a person's name, at most 100 characters",
    ("night.contact", "--no", "--by", "Ann", "--until", "2020-01-01"): "--until 2020-01-01: that day is over",
    (): "there is no terminal to ask on; give ITEM with --yes, --no or --not-applicable",
}


@pytest.mark.parametrize("args", WRONG, ids=[" ".join(args) or "nothing" for args in WRONG])
def test_what_is_wrong_is_told_in_a_line(desk: Desk, args: tuple[str, ...]) -> None:
    done = desk.answer(*args)
    assert done.returncode == 2 and WRONG[args] in done.stderr and done.stderr.count("\n") == 1


def test_the_list_says_how_each_stands(desk: Desk) -> None:
    desk.answer("night.contact", "--yes", "--by", "Ann")
    lines = desk.answer("--list").stdout.splitlines()
    assert lines[0].startswith("manual P1  backup.restore") and lines[0].endswith("A restore was tried")
    assert lines[1].strip() == "nobody has answered yet: A restore was tried"
    assert lines[2].startswith("pass   P2  night.contact")


def test_at_a_terminal_all_that_is_open_is_asked(desk: Desk) -> None:
    place = cast("Any", SimpleNamespace(folder=desk.folder, state=desk.state, home=desk.folder))
    said, code = at_a_terminal(
        place,
        ["answer", "--profile", "drill.yaml"],
        {
            "Your name": "Ann Lee",
            "A restore was tried? (yes, no, n/a, later)": "yes",
            "Note": "fine",
            "File that shows it (needed)": "",
            "--evidence FILE": "drill.pdf",
            "call at night? (yes, no, n/a, later)": "later",
        },
    )
    assert code == 0 and "1/2" in said and "Into a scratch database" in said
    assert desk.statuses() == {"backup.restore": "pass", "night.contact": "manual"}


def test_those_who_answer_at_once_lose_nothing(tmp_path: Path) -> None:
    state = State(tmp_path / "state")

    def answer(name: str) -> None:
        for at in range(5):
            keep(state, "plant", [Kept("db1", f"{name}.{at}", Answer(True, name, NOW))])

    people = [threading.Thread(target=answer, args=(name,)) for name in "abcd"]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert all(newest(state, "plant", "db1", f"{name}.{at}") for name in "abcd" for at in range(5))
    assert newest(state, "plant", "db2", "a.0") is None and newest(state, "", "db1", "a.0") is None


def test_a_damaged_file_is_left_as_it_is(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    keep(state, "plant", [Kept("db1", "a", Answer(True, "Ann", NOW))])
    (path,) = state.answers.glob("*.json")
    path.write_text('[{"target":')
    with pytest.raises(NotReadable, match="damaged, and left as it is"):
        newest(state, "plant", "db1", "a")
    with pytest.raises(BadInput, match="damaged"):
        keep(state, "plant", [Kept("db1", "a", Answer(True, "Ann", NOW))])
    assert path.read_text() == '[{"target":'


def test_a_day_ends_at_its_end_and_a_moment_has_a_zone() -> None:
    assert read_day("2026-12-31", end=True) == datetime(2026, 12, 31, 23, 59, 59, 999999, UTC)
    assert read_day("2026-12-31") == datetime(2026, 12, 31, tzinfo=UTC)
    assert read_day("2026-12-31T08:00:00+08:00") == datetime(2026, 12, 31, tzinfo=UTC)
    with pytest.raises(BadInput):
        read_day("31.12.2026")
