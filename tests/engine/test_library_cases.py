"""Every data file in tests/library: readings in, results out."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import registry
from checks.testing import Case, load_cases, run_case

LIBRARY = Path(__file__).parents[1] / "library"
CASES = [(path.stem, case) for path in sorted(LIBRARY.glob("*.yaml")) for case in load_cases(path)]


@pytest.mark.parametrize(("check", "case"), CASES, ids=[f"{check}: {case}" for check, case in CASES])
def test_the_check_says_what_its_case_expects(check: str, case: Case) -> None:
    run_case(registry.get(check), case)


def test_every_file_of_cases_is_of_a_check_that_exists() -> None:
    assert {path.stem for path in LIBRARY.glob("*.yaml")} <= {*registry.ids()}
