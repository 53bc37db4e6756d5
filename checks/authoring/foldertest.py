"""The tests of a folder of checks: every case of every check, and the contract, told one by one.

A check in YAML may hold its `cases` itself; those of a check in Python stand in ``cases/<id>.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from checks import registry
from checks.authoring.folder import load_folder
from checks.authoring.yamlcheck import WrittenCheck, load_check
from checks.errors import BadInput, BadProfile
from checks.registry import Check
from checks.testing import Case, CaseFailed, cases_in, contract, load_cases, run_case

CASES: Final = "cases"
"""The folder beside the checks that holds their cases."""

CONTRACT: Final = "keeps the contract"


class Told(msgspec.Struct, frozen=True):
    """One test: of which check, its sentence, and what is wrong, a sentence each; empty where it holds.

    `place` is ``file:line`` of the test.
    """

    check: str
    name: str
    problems: tuple[str, ...] = ()
    place: str = ""


def run_folder(folder: Path) -> Iterator[Told]:
    """Run all tests of a folder, check by check.

    Raises `BadInput` where it holds no checks, `BadProfile` where a check or its cases cannot be read.
    """
    made = sorted(load_folder(folder), key=lambda check: check.id)
    if not made:
        raise BadInput(f"{folder}: holds no checks; firstlight new-check makes one")
    for check in made:
        yield from _of_check(folder, check)
    ids = {check.id for check in made}
    for path in sorted((folder / CASES).glob("*.yaml")):
        if path.stem not in ids:
            yield Told(
                path.stem, "has a check", (f"{path} holds cases of a check that is not here",), str(path)
            )


def _of_check(folder: Path, check: Check) -> Iterator[Told]:
    cases = _cases(folder, check)
    failed = False
    for case in cases:
        told = _run(check, case)
        failed = failed or bool(told.problems)
        yield told
    problems = () if failed else tuple(_contract(check, cases))
    if not cases:
        problems = (*problems, f"its cases belong into {folder / CASES / check.id}.yaml")
    if not failed:
        yield Told(check.id, CONTRACT, problems, registry.origin_of(check.id))


def _cases(folder: Path, check: Check) -> list[Case]:
    cases: list[Case] = []
    if isinstance(check, WrittenCheck):
        written = load_check(Path(registry.origin_of(check.id)))
        cases += cases_in(written.cases) if written.cases is not None else []
    path = folder / CASES / f"{check.id}.yaml"
    return cases + load_cases(path) if path.exists() else cases


def _run(check: Check, case: Case) -> Told:
    place = f"{case.node.where}:{case.node.line}"
    try:
        run_case(check, case)
    except CaseFailed as failed:
        return Told(check.id, case.name, failed.problems, place)
    except BadProfile as wrong:
        return Told(check.id, case.name, (wrong.problem,), f"{wrong.where}:{wrong.line}")
    return Told(check.id, case.name, (), place)


def _contract(check: Check, cases: list[Case]) -> list[str]:
    try:
        return contract(check, cases)
    except (CaseFailed, BadProfile) as problem:
        return [str(problem)]
