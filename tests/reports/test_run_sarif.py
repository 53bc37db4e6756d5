"""The SARIF report: valid by the public schema, and what code scanning needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hostile_run import hostile
from sample_run import result, view

from checks.model import Severity, Status
from reports.run import sarif
from reports.run.view import RunView

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def run_of(shown: RunView) -> dict[str, Any]:
    (run,) = json.loads(sarif.render(shown))["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("shown", [view(), hostile(), view(results=())], ids=["sample", "hostile", "empty"])
def test_it_is_valid_by_the_public_schema(shown: RunView) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(sarif.render(shown)))] == []


def test_the_schema_would_refuse_what_is_wrong() -> None:
    log = json.loads(sarif.render(view()))
    log["runs"][0]["results"][0]["level"] = "bad"
    assert not VALIDATOR.is_valid(log)


def test_only_fails_and_warnings_open_an_alert() -> None:
    run = run_of(view())
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("db.port", "error"),
        ("disk.free", "error"),
        ("lim.nofile", "note"),
    ]
    said = run["invocations"][0]["toolExecutionNotifications"]
    assert [(each["associatedRule"]["id"], each["level"]) for each in said] == [
        ("app.log-level", "warning"),
        ("backup.restore-tested", "note"),
    ]


@pytest.mark.parametrize(
    ("status", "levels"),
    [
        (Status.FAIL, ["error", "error", "warning", "warning"]),
        (Status.WARN, ["warning", "warning", "note", "note"]),
    ],
)
def test_the_level_follows_status_and_severity(status: Status, levels: list[str]) -> None:
    assert [sarif.level(status, severity) for severity in Severity] == levels


def test_every_result_names_its_rule_by_index() -> None:
    run = run_of(hostile())
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_a_file_is_the_place_else_the_target_is() -> None:
    found = view(
        result("a", Status.FAIL, object="/etc/erp/my app.ini:log.level"),
        result("b", Status.FAIL, object="db:5432"),
    )
    first, second = (each["locations"][0] for each in run_of(found)["results"])
    assert first["physicalLocation"]["artifactLocation"]["uri"] == "erp-app-01/etc/erp/my%20app.ini"
    assert second["physicalLocation"]["artifactLocation"]["uri"] == "erp-app-01"
    assert [each["name"] for each in second["logicalLocations"]] == ["erp-app-01", "db:5432"]


def test_the_fingerprint_is_that_of_the_finding_and_not_of_what_was_measured() -> None:
    def name(**changes: Any) -> str:
        (found,) = run_of(view(result("a", Status.FAIL, key="f" * 32, **changes)))["results"]
        prints = found["partialFingerprints"]
        assert prints[sarif.FINGERPRINT] == prints[sarif.GITHUB_FINGERPRINT]
        return str(prints[sarif.FINGERPRINT])

    assert name(message="3 % free") == name(message="4 % free")
    assert name() != name(target="other")


def test_what_looks_like_a_link_or_an_argument_is_text() -> None:
    (found,) = run_of(view(result("a", Status.FAIL, message="see [x](http://evil.test) {0}")))["results"]
    assert found["message"]["text"] == "a at erp-app-01: see \\[x\\](http://evil.test) {{0}}"
