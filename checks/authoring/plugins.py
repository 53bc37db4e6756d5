"""Checks from elsewhere: installed distributions (entry points of the group ``firstlight.checks``), folders.

An installed distribution is asked only where an id is neither built-in nor known, or where everything is
listed; what fails in one of them costs its own checks. A folder is one that somebody named, so a mistake in
it is theirs to hear of: `BadProfile` with file and line. Folders themselves are `folder.py`'s business.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from checks import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from checks.registry import Check

GROUP: Final = "firstlight.checks"


class EntryPoint(msgspec.Struct, frozen=True):
    """A module that an installed distribution names: importing it declares checks."""

    distribution: str
    name: str
    module: str

    def __str__(self) -> str:
        return f"plugin {self.distribution} ({self.module})"


_imported: dict[EntryPoint, list[str]] = {}
"""The entry points that were tried so far, each with what was wrong, as sentences."""


def find(id: str) -> Check | None:
    """The check of that id, from the installed distributions; None where none of them has it.

    An entry point that bears the name of the check's area is tried first, the others only after it.
    """
    area = id.partition(".")[0]
    for entry in sorted(entry_points(), key=lambda each: (each.name != area, _order(each))):
        _import(entry)
        if id in registry.known():
            break
    return registry.known().get(id)


def load_all() -> None:
    """Import what every installed distribution names."""
    for entry in entry_points():
        _import(entry)


def problems() -> list[str]:
    """What was wrong with the plugins tried so far, one line each, naming the distribution."""
    return [problem for told in _imported.values() for problem in told]


def entry_points(paths: Sequence[str] | None = None) -> list[EntryPoint]:
    """What installed distributions offer, in the order of their names; the first on the path counts.

    `importlib.metadata` says the same and costs 50 ms, most of it for importing a mail parser; reading the
    few files that it would read costs 2 ms for a hundred distributions.
    """
    found: dict[str, list[EntryPoint]] = {}
    for path in sys.path if paths is None else paths:
        for distribution, text in _described(path or "."):
            found.setdefault(distribution.partition(" ")[0], list(_entries(distribution, text)))
    return sorted((entry for entries in found.values() for entry in entries), key=_order)


def _order(entry: EntryPoint) -> tuple[str, ...]:
    return entry.distribution, entry.name, entry.module


def _described(path: str) -> Iterator[tuple[str, str]]:
    """Name with version, and entry_points.txt, of the distributions in one folder of the path."""
    try:
        with os.scandir(path) as listed:
            folders = sorted(each.name for each in listed if each.name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return  # a zip file, or a folder that is no more
    for folder in folders:
        try:
            data = Path(path, folder, "entry_points.txt").read_bytes()
        except OSError:
            continue
        if GROUP.encode() in data:
            name, _, version = folder.rpartition(".")[0].partition("-")
            yield f"{name.lower().replace('_', '-')} {version}".rstrip(), data.decode("utf-8", "replace")


def _entries(distribution: str, text: str) -> Iterator[EntryPoint]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == GROUP and "=" in line and not line.startswith("#"):
            name, _, module = line.partition("=")
            yield EntryPoint(distribution, name.strip(), module.partition(":")[0].partition("[")[0].strip())


def _import(entry: EntryPoint) -> None:
    if entry in _imported:
        return
    _imported[entry] = told = []
    try:
        with registry.declaring(entry.distribution) as declared:
            import_module(entry.module)
    except (Exception, SystemExit) as problem:  # noqa: BLE001  # the border: others' code, whatever it does
        what = " ".join(f"{type(problem).__name__}: {problem}".split())
        told.append(f"{entry} cannot be loaded: {what:.300}")
    else:
        unusable = {made.id: what for made in declared.checks if (what := registry.unusable(made))}
        registry.forget([made for made in declared.checks if made.id in unusable])
        told += [f"{entry}: {what}" for what in (*declared.refused, *unusable.values())]


def use(folders: Iterable[Path]) -> list[Check]:
    """Declare every check of these folders; gives them in the order of their ids.

    Using a folder again reads it anew. Raises `BadProfile` with file and line for what is wrong in it.
    """
    from checks.authoring.folder import load_folder

    made = [check for folder in folders for check in load_folder(folder)]
    return sorted(made, key=lambda check: check.id)
