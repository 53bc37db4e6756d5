"""Declaring checks, and finding them."""

from __future__ import annotations

from typing import Literal

import pytest
from engine_samples import SampleText, either, fitting_text, full_tank, several_words, tolerant

from checks import registry
from checks.errors import BadInput
from checks.matchers import Matcher
from checks.model import Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check, when
from checks.units import percent_text
from checks.verdicts import grade, msg, passed


def test_documentation_gives_title_page_remedy_and_source() -> None:
    assert full_tank.title == "A tank is not empty"
    assert full_tank.doc == "Explained at length."
    assert full_tank.remedy == "fill it with `pump {tank}` up to {warn_below}.\n\n- or take another"
    assert full_tank.source == "a book."


def test_parameters_are_what_is_neither_fact_nor_clock() -> None:
    assert [*full_tank.parameters] == ["tank", "warn_below", "fail_below"]
    assert [*tolerant.parameters] == ["name"]
    assert [*either.parameters] == ["name", "port", "wait"]
    assert fitting_text.parameters["name"].required
    assert not fitting_text.parameters["expect"].required
    assert [p.type for p in fitting_text.parameters.values()] == ["text", "condition", "size such as 8 GiB"]


def test_the_object_is_labelled_by_the_parameter_that_the_check_is_about() -> None:
    assert full_tank.object == "{tank}"
    assert several_words.object == ""


def test_what_a_check_is_follows_from_its_signature() -> None:
    assert (fitting_text.generic, full_tank.generic) == (True, False)
    assert (several_words.enumerates, full_tank.enumerates) == (True, False)
    assert (tolerant.tolerant, full_tank.tolerant) == ({"text"}, frozenset())
    assert (tolerant.wants_now, full_tank.wants_now) == (True, False)


def test_a_check_can_be_called_like_its_function() -> None:
    assert several_words("good bad")[1].cause == "bad"  # type: ignore[index]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "Disk"}, "not of the form area.thing"),
        ({"owner": "somebody"}, "owner 'somebody' is not one of"),
        ({"other": SampleText("x")}, "takes no 'other'"),
        ({"each": ("nothing", SampleText("x"))}, "`each` names a parameter"),
        ({"text": when("nothing", SampleText("x"))}, "depends on an unknown parameter"),
        ({"id": "sample.tank"}, "is declared twice"),
    ],
)
def test_a_wrong_declaration_is_refused_where_it_stands(wrong: dict[str, object], said: str) -> None:
    good = {"id": "sample.wrong", "owner": "vendor", "text": SampleText("x")}
    declare = check(**{**good, **wrong}, severity=Severity.P1, about="x")  # type: ignore[arg-type]

    def function(text: str) -> Verdict:
        return passed(text)

    with pytest.raises(ValueError, match=said):
        declare(function)


def test_parameters_may_be_choices_patterns_lists_and_tables() -> None:
    @check("sample.types", severity=Severity.P3, about="x", owner="vendor")
    def typed(
        choice: Literal["a", "b"] = "a",
        pattern: Pattern = "x+",
        names: tuple[str, ...] = ("a",),
        sizes: list[int] | None = None,
        table: dict[str, Matcher] | None = None,
    ) -> Verdict:
        """Types."""
        return passed("x")

    assert [parameter.type for parameter in typed.parameters.values()] == [
        "one of a, b",
        "regular expression",
        "list of text",
        "list of whole number",
        "names with condition each",
    ]


@pytest.mark.parametrize(
    ("id", "hint", "default"),
    [("sample.set", set[str], ()), ("sample.object", object, 1), ("sample.wrong_default", int, "many")],
)
def test_a_parameter_of_another_type_is_the_authors_mistake(id: str, hint: object, default: object) -> None:
    def function(odd: object = default) -> Verdict:
        return passed("x")

    function.__annotations__["odd"] = hint
    made = check(id, severity=Severity.P3, about="x", owner="vendor")(function)
    with pytest.raises(TypeError):
        _ = made.parameters


def test_an_unknown_check_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"unknown check 'disk.fre'; did you mean disk.free\?"):
        registry.get("disk.fre")


@pytest.mark.parametrize(
    ("value", "low", "high", "status", "cause"),
    [
        (50, (15, 5), None, "pass", ""),
        (15, (15, 5), None, "pass", ""),
        (14.9, (15, 5), None, "warn", "low"),
        (4.9, (15, 5), None, "fail", "low"),
        (90, None, (90, 95), "pass", ""),
        (91, None, (90, 95), "warn", "high"),
        (96, None, (90, 95), "fail", "high"),
        (96, None, (90, None), "warn", "high"),
        (99, (10, 5), (50, 60), "fail", "high"),
        (float("nan"), (15, 5), None, "error", "parse"),
    ],
)
def test_a_grade_is_the_worse_side_of_the_bounds(
    value: float,
    low: tuple[float | None, float | None] | None,
    high: tuple[float | None, float | None] | None,
    status: str,
    cause: str,
) -> None:
    verdict = grade(value, low=low, high=high, say="x")
    assert (verdict.status, verdict.cause) == (status, cause)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (20, "20 % free"),
        (14, "14 % free; wanted: at least 15 %"),
        (4, "4 % free; wanted: at least 5 %"),
        (92, "92 % free; wanted: at most 90 %"),
        (96, "96 % free; wanted: at most 95 %"),
        (float("nan"), "nan % free"),
    ],
)
def test_a_grade_says_what_was_wanted_where_it_is_told_how(value: float, said: str) -> None:
    say = msg("{free} % free", free=value)
    assert str(grade(value, low=(15, 5), high=(90, 95), show=percent_text, say=say).message) == said
    assert str(grade(value, low=(15, 5), high=(90, 95), say=say).message) == f"{value} % free"
