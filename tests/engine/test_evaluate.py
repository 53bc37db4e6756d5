"""Evaluation: pure, never an exception, and nothing that could not be told passes for an answer."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engine_samples import NOW, SampleText, judge, only, plan_of, snapshot_of
from hypothesis import given
from hypothesis import strategies as st

from checks import snapshot
from checks.evaluate import evaluate
from checks.fact import Redacted, Unavailable
from checks.ids import finding_key
from checks.model import (
    Dropped,
    Narrowing,
    ProfileRef,
    Resources,
    RunReport,
    ScopeItem,
    Status,
    Target,
    Trigger,
    decode_report,
    encode_report,
)
from checks.snapshot import Readings, Snapshot

TANK = "  - {id: a, check: sample.tank, with: {tank: north}}\n"
ALL_TANKS = "  - {id: a, check: sample.tank}\n"
TEXT = "  - {id: a, check: sample.text, with: {name: n, expect: right}}\n"
MANY = "  - {check: sample.many}\n"


def level(free: int) -> dict[str, int]:
    """As a loaded snapshot holds it: plain JSON shapes."""
    return {"total": 100, "free": free}


def test_a_result_carries_everything_that_names_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TANK)
    result = only(judge(plan, local={"SampleLevel(tank=north)": level(3)}))
    assert (result.target, result.item, result.check, result.check_version) == (
        "local",
        "a",
        "sample.tank",
        1,
    )
    assert (result.object, result.status, result.cause, result.severity) == ("north", "fail", "low", "P1")
    assert (result.title, result.owner) == ("A tank is not empty", "vendor")
    assert result.key == finding_key("site", "local", "a", "north")
    assert result.rule == plan.items()[0].rule


def test_a_message_may_name_parameters_without_passing_them(tmp_path: Path) -> None:
    result = only(judge(plan_of(tmp_path, TANK), local={"SampleLevel(tank=north)": level(3)}))
    assert result.message.args == {"free": 3.0, "tank": "north"}
    assert str(result.message) == "3 % in north"


def test_the_remedy_is_filled_and_stands_only_where_there_is_something_to_do(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TANK)
    failing = only(judge(plan, local={"SampleLevel(tank=north)": level(3)}))
    assert failing.remedy == "fill it with `pump north` up to 15 %.\n\n- or take another"
    assert only(judge(plan, local={"SampleLevel(tank=north)": level(50)})).remedy == ""


def test_what_is_pasted_from_a_remedy_is_one_word_of_a_shell(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tank, with: {tank: 'a; rm -rf x'}}\n")
    result = only(judge(plan, local={"SampleLevel(tank=a; rm -rf x)": level(3)}))
    assert "`pump 'a; rm -rf x'`" in result.remedy


@pytest.mark.parametrize(
    ("free", "status"), [(50, "pass"), (15, "pass"), (14, "warn"), (5, "warn"), (4, "fail")]
)
def test_a_value_on_a_bound_is_still_on_its_good_side(tmp_path: Path, free: int, status: str) -> None:
    assert (
        only(judge(plan_of(tmp_path, TANK), local={"SampleLevel(tank=north)": level(free)})).status == status
    )


def test_an_unavailable_reading_is_an_error_with_its_cause_and_never_a_failure(tmp_path: Path) -> None:
    gone = Unavailable("timed out after 5 s", "timeout")
    result = only(judge(plan_of(tmp_path, TANK), local={"SampleLevel(tank=north)": gone}))
    assert (result.status, result.cause, result.object) == ("error", "timeout", "north")
    assert str(result.message) == "it could not be read: timed out after 5 s"


def test_a_reading_that_is_missing_is_an_error_too(tmp_path: Path) -> None:
    assert only(judge(plan_of(tmp_path, TANK), local={})).cause == "unread"
    assert only(judge(plan_of(tmp_path, TANK))).cause == "unread"


def test_a_reading_of_another_shape_is_an_error(tmp_path: Path) -> None:
    result = only(judge(plan_of(tmp_path, TANK), local={"SampleLevel(tank=north)": {"total": "much"}}))
    assert (result.status, result.cause) == ("error", "parse")


def test_a_check_that_wants_to_see_a_failed_reading_is_given_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tolerant}\n")
    result = only(judge(plan, local={"SampleText(name=t)": Unavailable("no such file", "absent")}))
    assert (result.status, result.cause) == ("fail", "absent")


def test_the_clock_of_an_evaluation_is_that_of_its_snapshot(tmp_path: Path) -> None:
    result = only(
        judge(plan_of(tmp_path, "  - {id: a, check: sample.tolerant}\n"), local={"SampleText(name=t)": "x"})
    )
    assert result.message.args["now"] == NOW.astimezone(UTC).isoformat()


def test_a_fact_that_is_not_needed_arrives_as_none(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.either, with: {port: 80}}\n")
    assert str(only(judge(plan, local={"SamplePort(port=80)": True})).message) == "None True"


def test_a_check_that_crashes_is_an_error_that_keeps_the_cause(tmp_path: Path) -> None:
    result = only(judge(plan_of(tmp_path, TEXT), local={"SampleText(name=n)": "crash"}))
    assert (result.status, result.cause) == ("error", "defect")
    assert result.evidence["problem"] == "KeyError: 'missing'"
    assert str(result.evidence["place"]).startswith("engine_samples.fitting_text:")


def test_a_check_that_returns_no_verdict_is_an_error(tmp_path: Path) -> None:
    result = only(judge(plan_of(tmp_path, TEXT), local={"SampleText(name=n)": "nonsense"}))
    assert (result.cause, result.evidence["problem"]) == ("defect", "returned str, not a verdict")


def test_every_enumerated_object_is_judged_by_itself(tmp_path: Path) -> None:
    readings = {
        "SampleTanks()": ["north", "south"],
        "SampleLevel(tank=north)": level(90),
        "SampleLevel(tank=south)": Unavailable("leaking"),
    }
    evaluation = judge(plan_of(tmp_path, ALL_TANKS), local=readings)
    assert [(each.object, each.status) for each in evaluation.results] == [
        ("north", "pass"),
        ("south", "error"),
    ]
    assert evaluation.scope == (ScopeItem("local", "a", complete=True),)
    assert len({each.rule for each in evaluation.results}) == 1


def test_an_enumeration_that_cannot_be_read_is_one_error_and_leaves_the_scope_open(tmp_path: Path) -> None:
    evaluation = judge(plan_of(tmp_path, ALL_TANKS), local={"SampleTanks()": Unavailable("denied", "denied")})
    assert (only(evaluation).object, only(evaluation).status, only(evaluation).cause) == (
        "*",
        "error",
        "denied",
    )
    assert evaluation.scope == (ScopeItem("local", "a", complete=False),)


def test_an_enumeration_that_finds_nothing_is_said_and_complete(tmp_path: Path) -> None:
    evaluation = judge(plan_of(tmp_path, ALL_TANKS), local={"SampleTanks()": []})
    assert (only(evaluation).object, only(evaluation).status) == ("*", "skip")
    assert evaluation.scope[0].complete


def test_a_function_may_find_its_objects_itself(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MANY)
    evaluation = judge(plan, local={"SampleText(name=many)": "good bad"})
    assert [(each.object, each.status) for each in evaluation.results] == [("good", "pass"), ("bad", "fail")]
    assert evaluation.scope[0].complete
    unread = judge(plan, local={"SampleText(name=many)": Unavailable("gone")})
    assert (only(unread).object, unread.scope[0].complete) == ("*", False)


def test_objects_found_in_spite_of_a_failed_reading_are_not_taken_for_all(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {check: sample.some}\n")
    assert judge(plan, local={"SampleText(name=some)": "a b"}).scope[0].complete
    evaluation = judge(plan, local={"SampleText(name=some)": Unavailable("partly")})
    assert (only(evaluation).object, evaluation.scope[0].complete) == ("known", False)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("pass fail warn", "fail"), ("pass error", "error"), ("error warn", "warn"), ("pass pass", "pass")],
)
def test_of_several_verdicts_about_one_object_the_worst_stands(tmp_path: Path, said: str, kept: str) -> None:
    plan = plan_of(tmp_path, "  - {check: sample.doubled}\n")
    assert only(judge(plan, local={"SampleText(name=doubled)": said})).status == kept


def test_where_a_network_check_looked_from_is_part_of_its_object(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: net.sample}\n")
    here = snapshot_of(local={"SampleText(name=far)": "x"})
    readings = msgspec.structs.replace(here.targets[0], target=Target("local", vantage="office"))
    there = msgspec.structs.replace(here, targets=(readings,))
    one, two = only(evaluate(plan, here, salt="s")), only(evaluate(plan, there, salt="s"))
    assert (one.object, two.object) == ("far", "far from office")
    assert one.key != two.key


def test_results_stand_in_the_order_of_the_plan_and_the_same_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MANY + TANK)
    readings = {"SampleText(name=many)": "b a", "SampleLevel(tank=north)": level(9)}
    first = judge(plan, local=readings)
    assert [each.object for each in first.results] == ["b", "a", "north"]
    assert judge(plan, local=dict(reversed(readings.items()))) == first


def test_duration_is_what_its_readings_took(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TANK)
    readings = Readings(Target("local"), {}, NOW, {"SampleLevel(tank=north)": 12.5, "Other()": 100.0})
    assert only(evaluate(plan, Snapshot(NOW, (readings,)), salt="s")).duration_ms == 12.5


# Redacted readings


def redacted(plan: Any, value: Any, id: str, salt: str = "site") -> Snapshot:
    """A snapshot as it is saved: evaluated first, then with the reading redacted."""
    whole = snapshot_of(local={id: value})
    recorded = evaluate(plan, whole, salt=salt).results
    hidden = snapshot_of(local={id: Redacted("t0")})
    return msgspec.structs.replace(hidden, recorded=recorded)


@pytest.mark.parametrize("salt", ["site", "unenrolled"])
def test_where_a_reading_was_redacted_the_recorded_result_stands_and_says_so(
    tmp_path: Path, salt: str
) -> None:
    plan = plan_of(tmp_path, TEXT)
    result = only(evaluate(plan, redacted(plan, "wrong", "SampleText(name=n)"), salt=salt))
    assert (result.status, result.cause, result.evidence["recorded"]) == ("fail", "differs", True)
    assert result.key == finding_key(salt, "local", "a", "n")


def test_a_recorded_result_does_not_stand_under_another_rule(tmp_path: Path) -> None:
    saved = redacted(plan_of(tmp_path, TEXT), "right", "SampleText(name=n)")
    other = plan_of(tmp_path, TEXT.replace("right", "wrong"))
    result = only(evaluate(other, saved, salt="site"))
    assert (result.status, result.cause) == ("error", "redacted")


def test_a_redacted_reading_without_a_recorded_result_is_an_error(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TEXT)
    assert only(judge(plan, local={"SampleText(name=n)": Redacted("t0")})).cause == "redacted"


@pytest.mark.parametrize(
    ("items", "id", "value"), [(MANY, "SampleText(name=many)", "good bad"), (ALL_TANKS, "SampleTanks()", [])]
)
def test_where_the_objects_themselves_were_redacted_all_that_was_recorded_stands(
    tmp_path: Path, items: str, id: str, value: Any
) -> None:
    plan = plan_of(tmp_path, items)
    saved = redacted(plan, value, id)
    evaluation = evaluate(plan, saved, salt="site")
    assert [each.object for each in evaluation.results] == [each.object for each in saved.recorded]
    assert not evaluation.scope[0].complete


def test_a_tolerant_check_is_not_shown_a_redacted_reading(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.tolerant}\n")
    assert only(judge(plan, local={"SampleText(name=t)": Redacted("t0")})).cause == "redacted"


def test_a_saved_snapshot_gives_the_same_results_elsewhere(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ALL_TANKS + TEXT.replace("id: a", "id: b"))
    taken = snapshot_of(
        local={
            "SampleTanks()": ["north"],
            "SampleLevel(tank=north)": level(10),
            SampleText("n").id(): Unavailable("gone", "absent"),
        }
    )
    snapshot.save(taken, tmp_path / "taken.json")
    assert evaluate(plan, snapshot.load(tmp_path / "taken.json"), salt="s") == evaluate(plan, taken, salt="s")


# Whatever a reading holds, the results can travel


def report_of(plan: Any, evaluation: Any) -> RunReport:
    return RunReport(
        wire=1,
        run="00000000-0000-7000-8000-000000000000",
        agent="a",
        agent_version="1",
        sequence=1,
        previous="0" * 64,
        install="i",
        boot="",
        fingerprint="",
        site="s",
        profile=ProfileRef(plan.profile.id, plan.profile.version),
        plan_digest=plan.digest,
        plan=plan.items(),
        scope=evaluation.scope,
        narrowing=Narrowing(),
        trigger=Trigger.MANUAL,
        stage="",
        operator="",
        started=NOW,
        ended=NOW,
        partial=False,
        targets=plan.targets,
        results=evaluation.results,
        dropped=Dropped(),
        resources=Resources(),
    )


@pytest.fixture(scope="module")
def any_plan(tmp_path_factory: pytest.TempPathFactory) -> Any:
    items = MANY + ALL_TANKS + "  - {id: n, check: net.sample}\n"
    return plan_of(tmp_path_factory.mktemp("plan"), items)


texts = st.one_of(st.text(max_size=30), st.text(alphabet="\ud800\udcff\n\t\u202e \x00é中", max_size=600))


@given(texts, st.lists(texts, max_size=3), texts)
def test_results_of_any_reading_are_valid_on_the_wire(
    any_plan: Any, many: str, tanks: list[str], far: str
) -> None:
    readings = {"SampleText(name=many)": many, "SampleTanks()": tanks, "SampleText(name=far)": far}
    evaluation = judge(any_plan, local=readings)
    report = report_of(any_plan, evaluation)
    assert decode_report(encode_report(report)) == report
    assert len({(each.target, each.key) for each in evaluation.results}) == len(evaluation.results)
    assert all(each.status in Status for each in evaluation.results)
    assert all(each.object.isprintable() for each in evaluation.results)
