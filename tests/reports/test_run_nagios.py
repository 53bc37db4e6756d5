"""The output of a monitoring plugin."""

from __future__ import annotations

import re

import pytest
from hostile_run import hostile
from hypothesis import given
from hypothesis import strategies as st
from sample_run import result, view

from checks.model import Status, Target
from reports.run import nagios
from reports.run.nagios import State


def lines(data: bytes) -> list[str]:
    return data.decode().splitlines()


def perfdata(data: bytes) -> list[tuple[str, str, str]]:
    """Label, value and unit, read as the guidelines say."""
    _, bar, text = lines(data)[0].partition(" | ")
    found = re.findall(r"'([^'=]+)'=(-?[0-9.]+)(%|ms|s|B|)(?: |$)", text)
    assert " ".join(f"'{label}'={value}{unit}" for label, value, unit in found) == text
    assert bool(bar) == bool(found)
    return found


def test_the_first_line_is_state_text_and_numbers() -> None:
    first = lines(nagios.render(view(), State.CRITICAL))[0]
    assert first.startswith(
        "CRITICAL - 2 checks fail, the worst P0 · 1 warning · 1 could not be told · 1 to look at by hand. "
        "P0 db.port db.internal:5432: db.internal:5432 refused the connection | "
        "'db.port db.internal:5432 latency_ms'=0.4ms 'disk.free /var/lib/postgresql free_percent'=3.2% "
    )


def test_what_is_to_do_follows_line_by_line() -> None:
    found = lines(nagios.render(view(), State.CRITICAL))[1:]
    assert [line.split(":")[0] for line in found] == [
        "FAIL P0 db.port db.internal",
        "FAIL P1 disk.free /var/lib/postgresql",
        "WARN P2 lim.nofile nginx",
        "ERROR P3 app.log-level /etc/erp/app.ini",
        "MANUAL P1 backup.restore-tested",
    ]


def test_booleans_and_texts_are_no_performance_data() -> None:
    labels = [label for label, _, _ in perfdata(nagios.render(view(), State.OK))]
    assert labels == [
        "db.port db.internal:5432 latency_ms",
        "disk.free /var/lib/postgresql free_percent",
        "disk.free /var/lib/postgresql free",
        "disk.free /var/lib/postgresql total",
        "lim.nofile nginx soft",
        "lim.nofile nginx hard",
        "lim.nofile nginx processes",
    ]


def test_targets_are_told_apart() -> None:
    found = [result("a", Status.PASS, target=name, evidence={"n": 1}) for name in ("db1", "db2")]
    data = nagios.render(view(*found, targets=(Target("db1"), Target("db2"))), State.OK)
    assert [label for label, _, _ in perfdata(data)] == ["db1 a n", "db2 a n"]


def test_a_number_has_digits_only() -> None:
    found = result("a", Status.PASS, evidence={"big": 1e21, "small": 1e-7, "nan": float("nan"), "no": -2.50})
    data = nagios.render(view(found), State.OK)
    assert [value for _, value, _ in perfdata(data)] == ["1000000000000000000000", "0", "-2.5"]


def test_of_a_long_label_the_place_is_cut_and_not_the_name() -> None:
    found = result("a", Status.PASS, object="/x" * 200, evidence={"used": 1, "free": 2})
    labels = [label for label, _, _ in perfdata(nagios.render(view(found), State.OK))]
    assert [label.split(" … ")[1] for label in labels] == ["used", "free"]
    assert max(map(len, labels)) == nagios.LABEL


def test_hostile_text_stays_within_its_line() -> None:
    data = nagios.render(hostile(), State.CRITICAL)
    assert len(data) <= nagios.MOST_BYTES
    assert data.decode().count("|") == 1
    assert perfdata(data)
    assert re.fullmatch(r"and \d+ more", lines(data)[-1])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", data.decode())


@given(st.lists(st.text(max_size=3000), max_size=30))
def test_it_is_never_longer_than_nagios_reads(texts: list[str]) -> None:
    found = [
        result(f"i{number}", Status.FAIL, object=text[:400], message=text, evidence={text[:99] + "n": 1})
        for number, text in enumerate(texts)
    ]
    data = nagios.render(view(results=tuple(found)), State.CRITICAL)
    assert len(data) <= nagios.MOST_BYTES
    assert len(nagios.unknown(texts[0] if texts else "")) <= nagios.MOST_BYTES


@pytest.mark.parametrize(("state", "code"), [("OK", 0), ("WARNING", 1), ("CRITICAL", 2), ("UNKNOWN", 3)])
def test_the_states_are_those_of_the_guidelines(state: str, code: int) -> None:
    assert State[state] == code
