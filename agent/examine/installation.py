"""Whether this program is whole and its own, and how old it is."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from agent import __version__
from agent.examine.symptom import Symptom
from checks.errors import FirstlightError

PACKAGES: Final = ("agent", "checks", "reports", "server")
OLD_DAYS: Final = 730
"""Days from which on a build is called old: two years of releases of operating systems it does not know."""


def packages(home: Path) -> Symptom:
    """Whether our packages come from one place: their names are common, and another project may bear one."""
    if getattr(sys, "frozen", False):
        return Symptom("packages", f"all inside {sys.executable}")
    strangers = []
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        where = Path(spec.origin).parent if spec and spec.origin else None
        if spec and (where is None or where.resolve() != (home / name).resolve()):
            place = where or next(iter(spec.submodule_search_locations or []), "an unknown place")
            strangers.append(f"{name} comes from {place}")
    if strangers:
        return Symptom(
            "packages",
            "; ".join(strangers) + f", and not from {home}",
            "install Firstlight into an environment of its own: pipx install firstlight; "
            "unset PYTHONPATH, and start it outside that folder",
            "fail",
        )
    return Symptom("packages", f"all from {home}")


def build(now: datetime | None = None) -> Symptom:
    """Which version runs here; an old one does not know what came after it."""
    from agent.build import FILE, this_build

    if not getattr(sys, "frozen", False):
        return Symptom("version", f"{__version__}, in an environment of Python {sys.version.split()[0]}")
    try:
        made = this_build()
    except FirstlightError as error:
        return Symptom("version", str(error), "unpack the archive of this version again", "warn")
    try:
        built = datetime.fromisoformat(made.built)
    except ValueError:
        return Symptom("version", f"{made.version}, standalone; {FILE} does not say when it was made")
    if built.tzinfo is None:
        built = built.replace(tzinfo=UTC)
    days = ((now or datetime.now(UTC)) - built).days
    if days > OLD_DAYS:
        return Symptom(
            "version",
            f"{made.version}, standalone, made {days} days ago",
            "ask the vendor for a newer archive; the state folder stays as it is",
            "note",
        )
    return Symptom("version", f"{made.version}, standalone, made {built:%Y-%m-%d}")
