"""The metrics: read by Prometheus's own parsers."""

from __future__ import annotations

import subprocess

import pytest
from hostile_run import hostile
from prometheus_client.parser import text_string_to_metric_families
from sample_run import result, view
from services import program

from checks.model import Severity, Status
from reports.run import prometheus
from reports.run.view import RunView


def samples(shown: RunView) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by name and labels; a series that comes twice is an error here."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(prometheus.render(shown).decode()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            name = (sample.name, frozenset(sample.labels.items()))
            assert name not in found
            found[name] = sample.value
    return found


def value(shown: RunView, name: str, **labels: str) -> float:
    (found,) = [
        value
        for (each, said), value in samples(shown).items()
        if each == name and labels.items() <= dict(said).items()
    ]
    return found


@pytest.mark.parametrize("shown", [view(), hostile(), view(results=())], ids=["sample", "hostile", "empty"])
def test_promtool_finds_nothing_to_say(shown: RunView) -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "metrics"],
        input=prometheus.render(shown),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_each_status_has_its_number() -> None:
    name = "firstlight_check_status"
    assert value(view(), name, item="mem.used", severity="P2", site="Acme Stuttgart") == 0
    assert value(view(), name, item="lim.nofile", object="nginx") == 1
    assert value(view(), name, item="db.port", target="erp-app-01", check="db.port", severity="P0") == 2
    assert value(view(), name, item="app.log-level") == 3
    assert value(view(), name, item="time.sync") == 4
    assert value(view(), name, item="backup.restore-tested") == 5


def test_results_are_counted_those_that_did_not_occur_too() -> None:
    assert value(view(), "firstlight_results", status="pass") == 3
    assert value(view(), "firstlight_results", status="fail") == 2
    assert value(view(), "firstlight_failing_checks", severity="P0") == 1
    assert value(view(), "firstlight_failing_checks", severity="P3") == 0
    assert value(view(results=()), "firstlight_results", status="fail") == 0


def test_the_run_itself_is_there() -> None:
    assert value(view(), "firstlight_run_timestamp_seconds", profile="app-server") == 1795435200
    assert value(view(), "firstlight_run_duration_seconds") == 1.4
    assert value(view(), "firstlight_run_partial") == 0
    assert value(view(partial=True), "firstlight_run_partial") == 1
    assert value(view(), "firstlight_run_info", profile_version="3", version="0.1.0") == 1


def test_of_two_results_with_the_same_name_the_more_urgent_one_stands() -> None:
    shown = view(
        result("a", Status.PASS, Severity.P1, object="x\x01"),
        result("a", Status.FAIL, Severity.P1, object="x\x02"),
    )
    assert value(shown, "firstlight_check_status") == 2


def test_labels_come_back_as_they_were() -> None:
    said = 'C:\\new "x"\nline'
    assert value(view(result("a", Status.FAIL, object=said)), "firstlight_check_status", object=said) == 2


def test_there_is_a_series_for_every_result() -> None:
    found = [name for name, _ in samples(hostile()) if name == "firstlight_check_status"]
    assert len(found) == len(hostile().results)
