"""docs/discover.md: its areas are those there are, each with the checks that hold it, and so its products."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from document_reader import ROOT, read, table

from agent.discover.known import PRODUCTS
from agent.discover.survey import AREAS
from checks.index import BUILT_IN
from checks.profile_source import profile_names

PAGE = read("discover.md")
GOLDEN = sorted((ROOT / "tests" / "discover" / "golden").glob("*.yaml"))


def test_the_table_has_every_area_in_its_order() -> None:
    rows = table(PAGE, "area", "seen", "held by")
    assert [row["area"].strip("`") for row in rows] == [area.name for area in AREAS]


def test_the_table_names_the_checks_that_are_written_and_no_other() -> None:
    column = " ".join(row["held by"] for row in table(PAGE, "area", "seen", "held by"))
    named = {*re.findall(r"\b[a-z]+[.][a-z0-9_]+\b", column)}
    assert named <= {*BUILT_IN}
    assert named == {check for path in GOLDEN for check in _checks(path)}


def _checks(path: Path) -> set[str]:
    return {item["check"] for item in yaml.safe_load(path.read_text())["items"]}


def test_every_product_is_named() -> None:
    text = " ".join(PAGE.split())
    for product in PRODUCTS:
        for word in re.findall(r"[A-Z][A-Za-z]+", product.name):
            assert word in text, product.name


def test_the_role_profiles_of_products_are_there() -> None:
    assert {product.profile for product in PRODUCTS} - {""} <= {*profile_names()}
