"""Root causes: a lost target and a failing item that others need explain what stands under them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from engine_samples import plan_of, profile_of, snapshot_of

from checks.causes import Root, roots_of
from checks.errors import BadProfile
from checks.evaluate import evaluate
from checks.fact import Unavailable
from checks.plan import Plan
from checks.snapshot import Snapshot

BASE = "  - {id: base, check: sample.text, severity: P3, with: {name: base, expect: yes}}\n"
ABOVE = "  - {id: above, check: sample.text, severity: P1, needs: base, with: {name: above, expect: yes}}\n"
TOP = "  - {id: top, check: sample.text, severity: P0, needs: [above], with: {name: top, expect: yes}}\n"
BASE_FACT, ABOVE_FACT, TOP_FACT = (f"SampleText(name={name})" for name in ("base", "above", "top"))
DOWN = Unavailable("10.0.0.5:22: Connection refused", "refused")


def roots(plan: Plan, snapshot: Snapshot) -> tuple[Root, ...]:
    return roots_of(plan, snapshot, evaluate(plan, snapshot, salt="site"))


def explained(plan: Plan, snapshot: Snapshot) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Cause → what stands under it, both as target and item."""
    evaluation = evaluate(plan, snapshot, salt="site")
    names = {result.key: (result.target, result.item) for result in evaluation.results}
    found = roots_of(plan, snapshot, evaluation)
    return {(root.target, root.item): {names[key] for key in root.under} for root in found}


def lost(snapshot: Snapshot, name: str, why: Unavailable) -> Snapshot:
    targets = tuple(
        msgspec.structs.replace(each, lost=why) if each.target.name == name else each
        for each in snapshot.targets
    )
    return msgspec.structs.replace(snapshot, targets=targets)


def test_what_needs_a_failing_item_stands_under_it_to_the_first_cause(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE + TOP)
    snapshot = snapshot_of(local={BASE_FACT: "no", ABOVE_FACT: "no", TOP_FACT: DOWN})
    assert explained(plan, snapshot) == {("local", "base"): {("local", "above"), ("local", "top")}}


def test_a_cause_takes_the_worst_severity_of_what_it_explains(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE + TOP)
    (root,) = roots(plan, snapshot_of(local={BASE_FACT: "no", ABOVE_FACT: "no", TOP_FACT: "no"}))
    assert root.severity == "P0"


def test_what_is_well_all_the_same_stands_under_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE)
    assert roots(plan, snapshot_of(local={BASE_FACT: "no", ABOVE_FACT: "yes"})) == ()


def test_an_item_that_could_not_be_told_explains_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE)
    assert roots(plan, snapshot_of(local={BASE_FACT: DOWN, ABOVE_FACT: "no"})) == ()


def test_what_is_needed_is_looked_for_at_the_same_target_first(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE, ("one", "two"))
    snapshot = snapshot_of(one={BASE_FACT: "no", ABOVE_FACT: "no"}, two={BASE_FACT: "yes", ABOVE_FACT: "no"})
    assert explained(plan, snapshot) == {("one", "base"): {("one", "above")}}


def test_what_is_placed_elsewhere_only_explains_from_there(tmp_path: Path) -> None:
    items = BASE.replace("check:", "on: db, check:") + ABOVE.replace("check:", "on: app, check:")
    plan = plan_of(tmp_path, items, ("one", "two"), roles={"one": ["app"], "two": ["db"]})
    snapshot = snapshot_of(one={ABOVE_FACT: "no"}, two={BASE_FACT: "no"})
    assert explained(plan, snapshot) == {("two", "base"): {("one", "above")}}


def test_a_lost_target_explains_the_errors_of_what_was_to_be_read_there(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE, ("one", "two"))
    snapshot = snapshot_of(one={BASE_FACT: DOWN, ABOVE_FACT: DOWN}, two={BASE_FACT: "no", ABOVE_FACT: "yes"})
    (root,) = roots(plan, lost(snapshot, "one", DOWN))
    assert (root.target, root.item, root.cause, root.severity) == ("one", "", "refused", "P1")
    assert len(root.under) == 2
    assert "Connection refused" in root.reason


def test_an_error_of_its_own_at_a_target_lost_later_is_not_explained_by_that(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BASE + ABOVE)
    denied = Unavailable("/etc/x: Permission denied", "denied")
    snapshot = lost(snapshot_of(local={BASE_FACT: denied, ABOVE_FACT: DOWN}), "local", DOWN)
    assert explained(plan, snapshot) == {("local", ""): {("local", "above")}}


def test_a_check_across_targets_stands_under_the_one_that_was_lost(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: same, check: sample.site_agrees}\n", ("one", "two"))
    fact = "SampleText(name=version)"
    snapshot = lost(snapshot_of(one={fact: "1"}, two={fact: DOWN}), "two", DOWN)
    assert explained(plan, snapshot) == {("two", ""): {("site/*", "same")}}


def test_what_an_across_check_says_of_another_target_does_not_stand_under_the_lost_one(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, "  - {id: all, check: net.matrix, with: {to: [db:1]}}\n", ("one", "two"))
    fact = "Reachability(destinations=('db:1',), timeout=5.0)"
    own = {
        "links": {},
        "unread": {"db:1": {"reason": "no forwarding", "cause": "denied", "state": "unavailable"}},
    }
    snapshot = lost(snapshot_of(one={fact: DOWN}, two={fact: own}), "one", DOWN)
    evaluation = evaluate(plan, snapshot, salt="site")
    (root,) = roots_of(plan, snapshot, evaluation)
    under = [result.object for result in evaluation.results if result.key in root.under]
    assert under == ["one → db:1"]
    assert {result.status for result in evaluation.results} == {"error"}


def test_results_and_keys_are_the_same_with_and_without_needs(tmp_path: Path) -> None:
    readings = {BASE_FACT: "no", ABOVE_FACT: "no"}
    with_needs = evaluate(plan_of(tmp_path, BASE + ABOVE), snapshot_of(local=readings), salt="site")
    without = plan_of(tmp_path, BASE + ABOVE.replace("needs: base, ", ""))
    assert evaluate(without, snapshot_of(local=readings), salt="site").results == with_needs.results


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("bas", "needs the item 'bas', unknown"),
        ("above", "leads back to above"),
        ("top", "leads back to above"),
        ("{a: b}", "expected a word or a list of words"),
    ],
)
def test_a_need_that_leads_nowhere_is_refused_with_its_line(tmp_path: Path, needs: str, said: str) -> None:
    items = BASE + ABOVE.replace("needs: base", f"needs: {needs}") + TOP
    with pytest.raises(BadProfile, match=said) as refused:
        profile_of(tmp_path, f"items:\n{items}")
    assert refused.value.line == 5
