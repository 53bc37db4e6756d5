"""The tools that authors of checks test with are themselves held to finding what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_samples import SampleText, full_tank, role_agrees, several_words, tolerant

from checks.errors import BadProfile
from checks.fact import Fact, Unavailable
from checks.model import Severity, Verdict
from checks.registry import Check, check
from checks.testing import CaseFailed, contract, load_cases, run_case
from checks.verdicts import passed

GOOD = """
plenty passes:
  with: {tank: north}
  readings: {"SampleLevel(tank=north)": {total: 100, free: 90}}
  expect: [{object: north, status: pass, message: 90 % in north}]
little fails:
  readings: {"SampleTanks()": [north], "SampleLevel(tank=north)": {total: 100, free: 1}}
  expect: [{object: north, status: fail, cause: low}]
unreadable is an error:
  with: {tank: north}
  readings: {"SampleLevel(tank=north)": {unavailable: leaking, cause: timeout}}
  expect: [{object: north, status: error, cause: timeout}]
"""


def run(check: Check, folder: Path, text: str) -> None:
    file = folder / "cases.yaml"
    file.write_text(text, encoding="utf-8")
    for case in load_cases(file):
        run_case(check, case)


def test_good_cases_run_and_fulfil_the_contract(tmp_path: Path) -> None:
    run(full_tank, tmp_path, GOOD)
    assert contract(full_tank, load_cases(tmp_path / "cases.yaml")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("status: pass", "status: fail", "status 'fail' was expected, not 'pass'; it said pass at 'north'"),
        ("cause: low", "cause: high", "cause 'high' was expected"),
        ("message: 90 %", "message: 91 %", "message '91 % in north' was expected"),
        ("[{object: north, status: fail, cause: low}]", "[]", "expected 0 results, not 1"),
    ],
)
def test_a_case_that_expects_something_else_fails(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    with pytest.raises(CaseFailed) as failed:
        run(full_tank, tmp_path, GOOD.replace(right, wrong))
    assert said in str(failed.value)
    assert "cases.yaml:" in str(failed.value)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("with: {tank: north}", "with: {tnak: north}", "has no parameter 'tnak'; did you mean tank?"),
        ('"SampleTanks()": [north], ', "", "little fails: gives no reading for SampleTanks()"),
        ("[north]", "[north, south]", "gives no reading for SampleLevel(tank=south)"),
        ("[north]", "north", "SampleTanks(): Expected `array`"),
        (
            'readings: {"SampleTanks()": [north],',
            'with: {tank: north}\n  readings: {"SampleTanks()": [north],',
            "SampleTanks() is not needed",
        ),
        (
            "expect: [{object: north, status: pass,",
            "expect: [{objekt: x,",
            "no key 'objekt'; did you mean object?",
        ),
        ("expect: [{object: north, status: error", "expected: [{object: north", "no key 'expected'"),
    ],
)
def test_a_case_that_is_wrong_itself_is_refused_with_its_line(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    with pytest.raises(BadProfile) as refused:
        run(full_tank, tmp_path, GOOD.replace(right, wrong))
    assert said in str(refused.value)
    assert refused.value.line is not None


REFUSED = """
a tank that is none is refused:
  with: {tank: north!}
  refused: is no tank
"""


def test_a_case_may_expect_that_its_parameters_are_refused(tmp_path: Path) -> None:
    run(full_tank, tmp_path, REFUSED)
    with pytest.raises(CaseFailed) as failed:
        run(full_tank, tmp_path, REFUSED.replace("is no tank", "is no ship"))
    assert "refused 'is no ship' was expected, not " in str(failed.value)
    assert "is no tank; write its name" in str(failed.value)
    with pytest.raises(CaseFailed, match="were expected to be refused, and are not"):
        run(full_tank, tmp_path, REFUSED.replace("north!", "north"))
    with pytest.raises(BadProfile, match="give no results to expect"):
        run(full_tank, tmp_path, REFUSED + "  expect: []\n")


def test_a_case_of_a_check_across_targets_names_them(tmp_path: Path) -> None:
    text = """
different versions fail:
  targets:
    one: {"SampleText(name=version)": "1"}
    two: {"SampleText(name=version)": "2"}
  expect: [{target: site/role, status: fail}]
"""
    run(role_agrees, tmp_path, text)


def test_a_case_may_set_the_clock_and_redact(tmp_path: Path) -> None:
    text = """
the clock is the case's:
  now: 2026-05-01T00:00:00+00:00
  readings: {"SampleText(name=t)": x}
  expect: [{status: pass, message: "2026-05-01"}]
redacted is an error:
  readings: {"SampleText(name=t)": {redacted: t0}}
  expect: [{status: error, cause: redacted}]
"""
    run(tolerant, tmp_path, text)


def test_the_contract_misses_documentation_and_cases(tmp_path: Path) -> None:
    assert contract(several_words, []) == [
        "its documentation lacks doc",
        "its documentation lacks remedy",
        "its documentation lacks source",
    ]
    assert contract(full_tank, []) == [
        "it has no case that ends in pass",
        "it has no case that ends in fail or warn",
        "it has no case that ends in error",
    ]


def test_the_contract_misses_an_error_where_the_reading_is_gone(tmp_path: Path) -> None:
    """A check that passes although nothing could be read is what the whole engine exists to prevent."""

    @check("sample.blind", severity=Severity.P3, about="system", owner="vendor", text=SampleText("x"))
    def blind(text: str | Unavailable) -> Verdict:
        """It passes whatever happens.

        And says so.

        Remedy: none.
        Source: none.
        """
        return passed("fine")

    file = tmp_path / "cases.yaml"
    file.write_text('passes:\n  readings: {"SampleText(name=x)": a}\n  expect: [{status: pass}]\n')
    assert "'passes' without its readings says pass, not error" in contract(blind, load_cases(file))


class Undecorated(Fact, frozen=True):
    name: str


def test_the_contract_misses_what_does_not_fit_together() -> None:
    @check(
        "sample.misfit",
        severity=Severity.P3,
        about="thing",
        owner="vendor",
        object="{nowhere}",
        each=("name", SampleText("x")),
        text=Undecorated("{nowhere}"),
    )
    def misfit(text: str, name: str = "") -> Verdict:
        """It does not fit.

        At all.

        Remedy: none.
        Source: none.
        """
        return passed(text)

    assert contract(misfit, []) == [
        "its object names nowhere, which are no parameters",
        "its enumeration SampleText(name=x) does not give a list of text",
        "the fact text (Undecorated) lacks the decorator @fact",
        "the fact text names nowhere, which are no parameters",
    ]
