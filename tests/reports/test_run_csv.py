"""The CSV report: what a spreadsheet opens."""

from __future__ import annotations

import csv as stdlib_csv
import io
from pathlib import Path

import pytest
from hostile_run import hostile
from hypothesis import given
from hypothesis import strategies as st
from sample_run import result, view

from checks.model import Status
from reports.run import csv
from reports.run.view import RunView


def rows(shown: RunView) -> list[dict[str, str]]:
    text = csv.render(shown).decode("utf-8-sig")
    return list(stdlib_csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_it_begins_with_the_mark_and_the_columns_and_ends_lines_as_the_rfc_wants() -> None:
    data = csv.render(view())
    assert data.startswith(b"\xef\xbb\xbfcaptured,site,profile,")
    assert data.endswith(b"\r\n")
    assert data.count(b"\xef\xbb\xbf") == 1


def test_every_result_is_a_row_most_urgent_first() -> None:
    read = rows(view())
    assert [row["item"] for row in read[:3]] == ["db.port", "disk.free", "lim.nofile"]
    assert len(read) == 9
    first = read[1]
    assert (first["status"], first["severity"], first["object"]) == ("fail", "P1", "/var/lib/postgresql")
    assert first["message"] == "3.2 % free on /var/lib/postgresql"
    assert first["captured"] == "2026-11-23T12:00:00+00:00"
    assert first["evidence"] == "free_percent=3.2; free=5153960755; total=161061273600; read_only=no"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1"])
def test_no_cell_is_calculated(text: str) -> None:
    (row,) = rows(view(result("a", Status.FAIL, message=text)))
    assert row["message"].startswith("'")


def test_a_cell_that_is_harmless_stays_as_it_is() -> None:
    (row,) = rows(view(result("a", Status.FAIL, message='say "a, b"\nand c')))
    assert row["message"] == 'say "a, b"\nand c'


def test_hostile_text_makes_neither_rows_nor_columns() -> None:
    read = rows(hostile())
    assert len(read) == len(hostile().results)
    assert all(set(row) == set(csv.COLUMNS) and None not in row.values() for row in read)
    assert not [cell for row in read for cell in row.values() if cell.startswith(csv.FORMULA)]


@given(st.text())
def test_whatever_is_said_is_one_cell_that_nobody_calculates(text: str) -> None:
    (row,) = rows(view(result("a", Status.FAIL, message=text)))
    assert not row["message"].lstrip().startswith(csv.FORMULA)


def test_a_cell_is_no_longer_than_excel_holds() -> None:
    (row,) = rows(view(result("a", Status.FAIL, message="x" * 50_000)))
    assert len(row["message"]) == csv.CELL


def test_the_documentation_names_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "report-formats.md").read_text()
    for name in csv.COLUMNS:
        assert f"`{name}`" in page, name
