"""The page about comparing: what it calls noise is what the facts call noise."""

from __future__ import annotations

import pytest
from document_reader import read, table

from agent.baselines import AT_ACCEPTANCE
from checks.fact import FACTS
from checks.index import BUILT_IN
from checks.model import Status
from checks.registry import get


def test_the_table_names_exactly_the_facts_that_leave_something_out() -> None:
    for id in BUILT_IN:
        get(id)
    own = {
        name
        for name, cls in FACTS.items()
        if cls.__module__.startswith("checks.facts.") and "settled" in vars(cls)
    }
    assert {row["fact"] for row in table(read("compare.md"), "fact", "compared")} == own | {"all others"}


@pytest.mark.parametrize("status", [Status.FAIL, Status.WARN, Status.ERROR, Status.SKIP])
def test_the_words_of_acceptance_stand_on_the_page(status: Status) -> None:
    assert AT_ACCEPTANCE[status] in read("compare.md")
