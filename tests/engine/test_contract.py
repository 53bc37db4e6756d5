"""Every built-in check keeps the contract, and the index of them is true."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import checks.library
from checks import registry
from checks.index import BUILT_IN
from checks.testing import contract, load_cases

LIBRARY = Path(__file__).parents[1] / "library"


@pytest.mark.parametrize("id", registry.ids())
def test_a_check_is_documented_declared_and_has_a_pass_a_failure_and_an_error(id: str) -> None:
    assert contract(registry.get(id), load_cases(LIBRARY / f"{id}.yaml")) == []


@pytest.mark.parametrize("id", registry.ids())
def test_a_check_stands_in_a_module_of_its_area_as_the_index_says(id: str) -> None:
    module = registry.get(id).function.__module__
    assert module == f"checks.library.{BUILT_IN[id]}"
    assert BUILT_IN[id].split("_")[0] == id.split(".")[0]


def test_the_index_names_every_check_of_the_library_and_no_other() -> None:
    for module in iter_modules(checks.library.__path__):
        import_module(f"checks.library.{module.name}")
    declared = {
        id for id, check in registry.known().items() if check.function.__module__.startswith("checks.")
    }
    assert declared == {*registry.ids()}
    assert registry.ids() == sorted(registry.ids())


def test_the_index_is_read_without_importing_the_library() -> None:
    program = (
        "import sys; from checks import registry; registry.ids(); "
        "registry.get('mem.used'); print(*[m for m in sys.modules if m.startswith('checks.library.')])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["checks.library.mem"]
