"""Goss files for the tests: written into a folder, loaded, and run on this machine."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from checks.goss.suite import Suite, load_suite


def write(folder: Path, text: str, name: str = "goss.yaml") -> Path:
    """A file with this text, its common indentation taken off."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def suite_of(folder: Path, text: str, **variables: Any) -> Suite:
    """The suite of a text; variables are given inline."""
    import json

    return load_suite(write(folder, text), (), json.dumps(variables) if variables else "")


def items(suite: Suite) -> dict[str, tuple[str, dict[str, Any]]]:
    """Check and parameters by id without ``goss.``."""
    return {each.id.removeprefix("goss."): (each.check, each.parameters) for each in suite.pieces}


def reasons(suite: Suite) -> dict[str, str]:
    """Why items are unmapped, by id without ``goss.``."""
    return {each.id.removeprefix("goss."): each.unmapped for each in suite.pieces if each.unmapped}
