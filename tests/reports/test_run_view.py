"""What comes first in a report, and what a report says in one sentence."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from sample_run import NOON, result, results, view

from checks.model import Narrowing, Severity, Status, Trigger
from reports.run.view import by_urgency, caveats, counts, quiet_part, readable, to_do, verdict


def test_fails_come_before_warnings_and_those_before_what_could_not_be_told() -> None:
    order = [found.status for found in by_urgency(results())]
    assert order == ["fail", "fail", "warn", "error", "manual", "skip", "pass", "pass", "pass"]


def test_the_worst_severity_comes_first() -> None:
    found = [result(f"item{level}", Status.FAIL, level) for level in reversed(Severity)]
    assert [each.severity for each in by_urgency(found)] == list(Severity)


def test_the_order_does_not_depend_on_the_order_of_the_results() -> None:
    assert by_urgency(results()) == by_urgency(reversed(results()))


def test_only_what_asks_something_of_the_reader_is_to_do() -> None:
    assert {found.status for found in to_do(view())} == {"fail", "warn", "error", "manual"}


def test_every_status_is_counted_also_those_that_did_not_occur() -> None:
    assert counts([result("a", Status.PASS)]) == {
        Status.FAIL: 0, Status.WARN: 0, Status.ERROR: 0, Status.MANUAL: 0, Status.SKIP: 0, Status.PASS: 1,
    }  # fmt: skip


def test_one_sentence_says_how_it_stands() -> None:
    assert verdict(view()).startswith("2 checks fail, the worst P0 · 1 warning · 1 could not be told")
    assert verdict(view(result("a", Status.FAIL, Severity.P1))) == "1 check fails (P1)."
    assert verdict(view(result("a", Status.PASS))) == "All is well."
    partly = msgspec.structs.replace(view(result("a", Status.PASS)), unplaced=("b (db)",))
    assert verdict(partly) == "All that was checked is well."
    at_odds = msgspec.structs.replace(view(result("a", Status.PASS)), conflicts=tuple("1234567"))
    assert verdict(at_odds) == "All that was checked is well."
    assert caveats(at_odds)[-2:] == [
        "Demands that contradict each other: 5",
        "2 more things with demands that contradict each other.",
    ]
    assert verdict(view(result("a", Status.SKIP))) == "Nothing here applies to this machine."


def test_many_items_for_a_role_that_nobody_has_are_told_as_a_number() -> None:
    few, many = ("a (db)", "b (app, web)"), tuple(f"c{number} (cache)" for number in range(4))
    partly = msgspec.structs.replace(view(result("a", Status.PASS)), unplaced=few + many)
    assert caveats(partly)[-1].endswith("has the role: a (db), b (app, web), 4 items (cache)")


def test_a_run_without_results_is_not_called_well() -> None:
    assert verdict(view(results=())) == "Nothing was checked."


def test_what_could_not_be_told_is_not_called_well() -> None:
    assert verdict(view(result("a", Status.ERROR), result("b", Status.PASS))) == "1 could not be told."


def test_the_quiet_part_is_counted() -> None:
    assert quiet_part(view()) == "3 passed · 1 does not apply"


def test_a_reader_is_warned_of_partial_narrowed_changed_and_saved_runs() -> None:
    found = caveats(
        view(
            partial=True,
            adhoc=True,
            trigger=Trigger.SNAPSHOT,
            captured=NOON - timedelta(days=1),
            narrowing=Narrowing(only=("disk.*",), stage="golive"),
        )
    )
    assert len(found) == 4
    assert "2026-11-22 12:00 UTC" in found[1]
    assert found[3].endswith("--only disk.* --stage golive")
    assert caveats(view()) == []


@given(st.text())
def test_nothing_that_could_drive_a_terminal_is_readable(text: str) -> None:
    assert not set(readable(text)) & {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\u2066", "\x00"}


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("3 % free on /data\n\tsee there", "磁盘空间不足", "Größe – „gut“"):
        assert readable(text) == text
