"""Plans: items at targets, what they read, what narrows a run, and what the digest covers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from engine_samples import SampleLevel, SampleTanks, SampleText, full_tank, plan_of, profile_of

from checks import registry
from checks.errors import BadInput, BadProfile
from checks.evaluate import next_facts
from checks.fact import Known, Unavailable
from checks.model import Target
from checks.plan import make_plan
from checks.profile import load_profile

TWO = (
    "  - {id: a, check: sample.tank, stage: [deploy]}\n  - {id: b, check: sample.tolerant, with: {name: n}}\n"
)


def test_a_fact_asked_for_by_several_items_is_read_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tank}\n  - {id: b, check: sample.tank}\n")
    assert plan.facts("local") == [SampleTanks()]


def test_what_an_enumeration_makes_necessary_is_asked_for_once_it_is_known(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tank}\n")
    values = {"SampleTanks()": Known(["north", "south", "north"])}
    assert next_facts(plan, "local", {}) == []
    assert next_facts(plan, "local", values) == [SampleLevel("north"), SampleLevel("south")]
    values |= {fact.id(): Unavailable("gone") for fact in next_facts(plan, "local", values)}
    assert next_facts(plan, "local", values) == []


def test_an_object_that_the_profile_names_needs_no_enumeration(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tank, with: {tank: north}}\n")
    assert plan.facts("local") == [SampleLevel("north")]


def test_what_a_fact_refuses_is_refused_where_its_item_stands(tmp_path: Path) -> None:
    items = "  - {id: a, check: sample.tolerant}\n  - {id: b, check: sample.tank, with: {tank: north!}}\n"
    plan = plan_of(tmp_path, items)
    with pytest.raises(BadProfile) as refused:
        plan.facts("local")
    item = plan.profile.items[1]
    assert item.line is not None
    assert str(refused.value) == f"{item.where}:{item.line}: 'north!' is no tank; write its name"
    line = Path(item.where).read_text().splitlines()[item.line - 1]
    assert line.startswith("  - {id: b")


def test_an_object_that_cannot_be_asked_for_is_nobodys_mistake(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tank}\n")
    values = {"SampleTanks()": Known(["north", "south!"])}
    assert next_facts(plan, "local", values) == []
    cases = plan.units[0].cases(values)
    assert isinstance(cases, Unavailable)
    assert cases.cause == "parse"
    assert cases.reason.endswith("'south!' is no tank; write its name")


def test_a_conditional_fact_is_read_only_where_its_parameter_is_given(tmp_path: Path) -> None:
    item = "  - {{id: a, check: sample.either{}}}\n"
    assert [fact.id() for fact in plan_of(tmp_path, item.format("")).facts("local")] == ["SampleText(name=t)"]
    plan = plan_of(tmp_path, item.format(", with: {port: 80}"))
    assert [fact.id() for fact in plan.facts("local")] == ["SamplePort(port=80)"]
    assert plan.facts("local")[0].port == 80  # a whole placeholder keeps its type


def test_items_run_on_the_targets_that_have_their_role(tmp_path: Path) -> None:
    items = "  - {id: a, check: sample.tolerant, on: db}\n  - {id: b, check: sample.tolerant}\n"
    plan = plan_of(tmp_path, items, ["one", "two"], roles={"two": ["db"]})
    assert [(unit.item.id, unit.target) for unit in plan.units] == [("a", "two"), ("b", "one"), ("b", "two")]
    assert len(plan_of(tmp_path, items).units) == 1


def test_a_plan_without_any_target_for_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="its items are for db"):
        plan_of(tmp_path, "  - {id: a, check: sample.tolerant, on: db}\n")


@pytest.mark.parametrize(
    ("narrow", "left"),
    [
        ({}, ["a", "b"]),
        ({"only": ["a"]}, ["a"]),
        ({"only": ["sample.tol*"]}, ["b"]),
        ({"only": ["sample.*"]}, ["a", "b"]),
        ({"stage": "deploy"}, ["a", "b"]),
        ({"stage": "go-live"}, ["b"]),  # an item without stage is in every stage
        ({"target": ["local"]}, ["a", "b"]),
    ],
)
def test_narrowing_leaves_the_plan_and_its_digest_alone(
    tmp_path: Path, narrow: dict[str, object], left: list[str]
) -> None:
    plan, whole = plan_of(tmp_path, TWO, **narrow), plan_of(tmp_path, TWO)
    assert [unit.item.id for unit in plan.units] == left
    assert plan.items() == whole.items()
    assert plan.digest == whole.digest
    assert plan.narrowing.only == tuple(narrow.get("only", ()))


@pytest.mark.parametrize(
    ("narrow", "said"),
    [
        ({"only": ["sample.tnak"]}, "--only sample.tnak: no such item or check; did you mean sample.tank?"),
        ({"stage": "golive"}, "--stage golive: no such stage; did you mean go-live?"),
        ({"target": ["locl"]}, "--target locl: no such target; did you mean local?"),
        (
            {"only": ["a"], "stage": "go-live"},
            "nothing of profile mine is left to check with --only a --stage go-live",
        ),
    ],
)
def test_narrowing_to_nothing_is_refused(tmp_path: Path, narrow: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        plan_of(tmp_path, TWO, **narrow)
    assert said in str(refused.value)


def test_a_target_outside_the_narrowing_is_not_read(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TWO, ["one", "two"], target=["two"])
    assert plan.facts("one") == []
    assert plan.facts("two") == [SampleTanks(), SampleText("n")]


def test_the_digest_is_of_everything_that_decides_what_is_judged(tmp_path: Path) -> None:
    def digest(item: str, version: str = "1", targets: tuple[str, ...] = ("local",)) -> str:
        profile = profile_of(tmp_path, f"items: [{{id: a, check: sample.tank, {item}}}]")
        return make_plan(
            profile.__class__(profile.id, version, "", profile.items), [Target(n) for n in targets]
        ).digest

    base = digest("")
    assert len(base) == 64
    assert base == digest("with: {warn_below: 15 %}")
    different = [
        digest("with: {warn_below: 16 %}"),
        digest("with: {tank: north}"),
        digest("severity: P0"),
        digest("opens_on: warn"),
        digest("stage: deploy"),
        digest("", version="2"),
        digest("", targets=("other",)),
    ]
    assert len({base, *different}) == 8


def test_the_digest_is_of_what_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan_of(tmp_path, "  - {check: sample.tank}\n").digest
    other = msgspec.structs.replace(full_tank, facts={"level": SampleText("{tank}")})
    monkeypatch.setitem(registry._known, "sample.tank", other)
    assert plan_of(tmp_path, "  - {check: sample.tank}\n").digest != before


def test_the_plan_travels_with_rule_and_severity_of_every_item(tmp_path: Path) -> None:
    one, two = plan_of(tmp_path, TWO).items()
    assert (one.target, one.item, one.check, one.severity, one.opens_on) == (
        "local",
        "a",
        "sample.tank",
        "P1",
        "fail",
    )
    assert one.rule != two.rule


def test_a_plan_can_be_printed_with_what_is_not_yet_known_as_a_template(tmp_path: Path) -> None:
    assert [str(line) for line in plan_of(tmp_path, TWO).lines()] == [
        "local  P1  a (sample.tank): list the tanks; look into <each tank>",
        "local  P2  b (sample.tolerant): read n",
    ]


def test_items_for_roles_that_no_target_has_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "profile: mine\nitems:\n  - check: disk.free\n  - {id: db.memory, check: mem.used, on: db}\n"
    )
    profile = load_profile(str(file))
    assert make_plan(profile, [Target("a")]).unplaced == ("db.memory (db)",)
    assert make_plan(profile, [Target("a")], roles={"a": ["db"]}).unplaced == ()
