"""The JUnit report: valid by Jenkins's schema, and what a consumer reads back."""

from __future__ import annotations

from pathlib import Path

import pytest
import xmlschema
from hostile_run import hostile
from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from sample_run import result, view

from checks.model import Status, Target
from reports.run import junit
from reports.run.view import RunView

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "schemas" / "junit-10.xsd")


def suites(shown: RunView) -> list[TestSuite]:
    return list(JUnitXml.fromstring(junit.render(shown)))


@pytest.mark.parametrize("shown", [view(), hostile(), view(results=())], ids=["sample", "hostile", "empty"])
def test_it_is_valid_by_the_schema_of_jenkins(shown: RunView) -> None:
    SCHEMA.validate(junit.render(shown).decode())
    assert sum(suite.tests for suite in suites(shown)) == len(shown.results)


def test_the_schema_would_refuse_what_is_wrong() -> None:
    broken = junit.render(view()).replace(b'errors="1"', b"")
    assert not SCHEMA.is_valid(broken.decode())


def test_each_status_has_its_place() -> None:
    (suite,) = suites(view())
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == (
        "erp-app-01",
        9,
        2,
        1,
        2,
    )
    assert suite.timestamp == "2026-11-23T12:00:00"
    kinds = {case.name: [type(each) for each in case.result] for case in suite}
    assert kinds["db.port db.internal:5432"] == [Failure]
    assert kinds["app.log-level /etc/erp/app.ini:log.level"] == [Error]
    assert kinds["time.sync"] == kinds["backup.restore-tested"] == [Skipped]
    assert kinds["mem.used"] == kinds["lim.nofile nginx"] == []


def test_a_failure_says_why_and_what_to_do() -> None:
    case = next(case for case in suites(view())[0] if case.name.startswith("db.port"))
    (failure,) = case.result
    assert (case.classname, case.time) == ("db.port", 0.002)
    assert (failure.message, failure.type) == ("db.internal:5432 refused the connection", "refused")
    assert failure.text.splitlines()[0] == "P0 db.port db.internal:5432 at erp-app-01"
    assert "remedy: Start the database" in failure.text


def test_a_warning_passes_and_says_so() -> None:
    case = next(case for case in suites(view())[0] if case.name == "lim.nofile nginx")
    assert case.is_passed
    assert case.system_out.startswith("WARNING P2 lim.nofile nginx")


def test_a_question_for_people_is_skipped_with_the_question() -> None:
    case = next(case for case in suites(view())[0] if case.name == "backup.restore-tested")
    assert case.result[0].message == "to check by hand: Was a restore tried in the last 90 days?"


def test_the_run_is_in_the_properties() -> None:
    properties = {each.name: each.value for each in suites(view())[0].properties()}
    assert properties["site"] == "Acme Stuttgart"
    assert properties["profile"] == "app-server 3"
    assert properties["plan_digest"] == "5f" * 32


def test_the_same_case_at_two_targets_has_two_names() -> None:
    found = [result("a.b", Status.FAIL, target=name) for name in ("db1", "db2")]
    read = suites(view(*found, targets=(Target("db1"), Target("db2"))))
    assert [[case.name for case in suite] for suite in read] == [["a.b (db1)"], ["a.b (db2)"]]


def test_no_character_is_left_that_xml_forbids() -> None:
    text = junit.render(hostile()).decode()
    assert not [char for char in text if ord(char) < 32 and char not in "\n\t"]
    assert "\ufffe" not in text
    assert "]]>" not in text
