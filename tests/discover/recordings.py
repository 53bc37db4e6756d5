"""Machines out of files: readings by fact id, as snapshots have them; what was not recorded is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from agent.discover.areas.kernel import DEFAULTS
from agent.discover.discovery import Discovered, Place, discover
from agent.discover.seen import Choices
from agent.discover.survey import AREAS
from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.files import FileStat
from checks.facts.foundfiles import FoundFiles
from checks.facts.system import Sysctl
from checks.model import Target
from checks.plan import Plan, make_plan
from checks.profile import load_profile

RECORDED = Path(__file__).parent / "recorded"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Recording:
    """A machine with these values by fact id; ``{unavailable: …, cause: …}`` is a failed reading."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.rounds: list[list[str]] = []

    @property
    def lost(self) -> Unavailable | None:
        return None

    def read(self, facts: Sequence[Fact]) -> dict[Fact, Reading]:
        self.rounds.append([fact.id() for fact in facts])
        return {fact: self._reading(fact) for fact in facts}

    def abort(self) -> None:
        raise AssertionError("it was aborted")

    def _reading(self, fact: Fact) -> Reading:
        if fact.id() not in self._values:
            return _unrecorded(fact)
        value = self._values[fact.id()]
        if isinstance(value, dict) and "unavailable" in value:
            return Unavailable(value["unavailable"], value.get("cause", "failed"))
        return Known(msgspec.convert(value, type(fact).value_type))


def _unrecorded(fact: Fact) -> Reading:
    """Of what was not recorded nothing is there, and kernels have what they have by themselves."""
    if isinstance(fact, FoundFiles):
        return Known(())
    if isinstance(fact, Sysctl) and fact.name in DEFAULTS:
        return Known(DEFAULTS[fact.name][0])
    if isinstance(fact, FileStat):
        raise AssertionError(f"{fact.id()} was asked for, and nothing found it")
    return Unavailable(f"{fact.id()} was not recorded", "absent")


def recording(name: str) -> dict[str, Any]:
    """The values of a recorded machine, to be changed."""
    values: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return values


def discovered(
    machines: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, tuple[str, ...]] | None = None,
    *,
    only: Sequence[str] = (),
    packages: str = "products",
) -> Discovered:
    """What is discovered at recorded machines. Of the profiles that are extended no item is judged: what
    these hold a machine to is their tests' business."""
    roles = roles or {}
    places = [
        Place(Target(name), Recording(values), roles.get(name, ())) for name, values in machines.items()
    ]

    def plan_of(path: Path) -> Plan:
        profile = load_profile(str(path))
        own = [item.id for item in profile.items if item.profile == profile.id]
        return make_plan(profile, [place.target for place in places], only=own, roles=dict(roles))

    areas = [area for area in AREAS if not only or area.name in only]
    return discover("discovered-it", places, areas, Choices(packages), plan_of, lambda: NOW)
