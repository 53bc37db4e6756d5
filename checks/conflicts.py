"""Where items demand different values of one thing at one target: found, settled as the profile says, told.

A settled conflict changes the effective parameters of the items concerned, at the targets concerned, and so
the plan's digest. A conflict that nobody settled stops nothing: it is said in the plan and in every report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from checks.contradiction import contradict, demand_of, differing, subject_of
from checks.matchers import Matcher
from checks.parameters import canonical
from checks.profile import Item, Profile
from checks.profile_source import BUILT_IN_FOLDER
from checks.settlement import Settlement
from checks.unit import Unit
from checks.units import parse_number


class Demand(msgspec.Struct, frozen=True):
    """What one item wants, in words, and where it says so: profile and ``file:line``."""

    wants: str
    item: str
    profile: str
    place: str

    def __str__(self) -> str:
        return f"{self.wants} ({self.profile}, {self.place})"


class Conflict(msgspec.Struct, frozen=True):
    """Several demands of one thing, and the targets where they meet.

    `rule` is the one that settled it, empty where none did; `kept` says what counts then.
    """

    thing: str
    demands: tuple[Demand, ...]
    targets: tuple[str, ...]
    rule: str = ""
    kept: str = ""
    reason: str = ""

    @property
    def caveat(self) -> bool:
        """Whether who reads a report has to know of it: what was settled by a value is none any more."""
        return self.rule in ("", "accept")

    def __str__(self) -> str:
        at = f" at {', '.join(self.targets)}"
        said = f"{self.thing}{at}: {' against '.join(str(each) for each in self.demands)}"
        if not self.rule:
            return said
        ending = "known to differ" if self.rule == "accept" else f"{self.kept} counts ({self.rule})"
        return f"{said}; {ending}" + (f", because {self.reason}" if self.reason else "")


class Settled(msgspec.Struct, frozen=True):
    """The units with their effective parameters, and what was in conflict."""

    units: tuple[Unit, ...]
    conflicts: tuple[Conflict, ...]


def settle(
    units: Sequence[Unit],
    profile: Profile,
    variants: Mapping[str, Profile],
    roles: Mapping[str, Sequence[str]],
) -> Settled:
    """Find the conflicts among the units of a plan, and settle those that the profile has a rule for.

    Raises `BadProfile` where a rule makes no sense for what it is to settle.
    """
    changed: dict[int, Item] = {}
    found: dict[Conflict, list[str]] = {}
    for target, sides in _meetings(units, profile, variants, roles):
        rule = profile.settlements.get(sides[-1].item.thing)
        winner = _winner(sides, rule) if rule is not None else None
        if winner is not None:
            for side in sides:
                changed |= {at: _like(units[at].item, winner) for at in side.places}
        elif (rule is None or rule.rule != "accept") and not _clash(sides):
            continue
        found.setdefault(_told([side.item for side in sides], rule, winner), []).append(target)
    settled = tuple(
        msgspec.structs.replace(unit, item=changed[at]) if at in changed else unit
        for at, unit in enumerate(units)
    )
    conflicts = (
        msgspec.structs.replace(conflict, targets=tuple(dict.fromkeys(targets)))
        for conflict, targets in found.items()
    )
    return Settled(settled, tuple(sorted(conflicts, key=lambda each: (bool(each.rule), each.thing))))


class Side(msgspec.Struct):
    """The items that demand the same of one thing at one target, for the same stages.

    `item` is the first of them, `places` are those in the plan: an item that a later base replaced has none.
    """

    item: Item
    places: list[int]
    ids: set[str]
    profiles: set[str]


def _meetings(
    units: Sequence[Unit],
    profile: Profile,
    variants: Mapping[str, Profile],
    roles: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, list[Side]]]:
    """Each target, and the sides that demand different things of one there, for a stage that they share."""
    lost = {name: _replaced(each) for name, each in (*variants.items(), ("", profile))}
    together: dict[tuple[str, str], list[int]] = {}
    for at, unit in enumerate(units):
        together.setdefault((unit.target, unit.item.thing), []).append(at)
    for (target, _), places in together.items():
        replaced = lost.get(target, lost[""])
        if len(places) == 1 and units[places[0]].item.id not in replaced:
            continue
        sides: dict[bytes, dict[tuple[bytes, tuple[str, ...]], Side]] = {}
        for at in places:
            item = units[at].item
            here = sides.setdefault(subject_of(item), {})
            for other in replaced.get(item.id, ()):
                if not other.roles or target.startswith(_ACROSS) or {*other.roles} & {*roles.get(target, ())}:
                    _join(here, other, None, other.parameters)
            _join(here, item, at, item.parameters if item.id in replaced else demand_of(item))
        for each in sides.values():
            if len(each) > 1:
                yield from ((target, part) for part in _at_one_stage([*each.values()]))


_ACROSS = "site/"
"""Begins the name of what stands for several targets."""


def _replaced(profile: Profile) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in profile.replaced:
        found.setdefault(item.id, []).append(item)
    return found


def _join(
    sides: dict[tuple[bytes, tuple[str, ...]], Side], item: Item, at: int | None, wants: Mapping[str, Any]
) -> None:
    demand = msgspec.json.encode(wants, order="deterministic")
    side = sides.setdefault((demand, item.stages), Side(item, [], set(), set()))
    side.places += [at] if at is not None else []
    side.ids.add(item.id)
    side.profiles.add(item.profile)


def _at_one_stage(sides: list[Side]) -> Iterator[list[Side]]:
    """The largest parts of the sides that share a stage and differ; `sides` are few."""
    told: list[set[int]] = []
    for number, first in enumerate(sides):
        part = [first, *(each for each in sides[number + 1 :] if _share(first.item, each.item))]
        names = {id(each) for each in part}
        if any(differing(first.item, each.item) for each in part) and not any(names <= seen for seen in told):
            told.append(names)
            yield part


def _share(one: Item, other: Item) -> bool:
    return not one.stages or not other.stages or bool({*one.stages} & {*other.stages})


def _clash(sides: Sequence[Side]) -> bool:
    """Whether two of them cannot both be met; what a later base replaced unasked cannot."""
    return any(
        differing(one.item, other.item) and (bool(one.ids & other.ids) or contradict(one.item, other.item))
        for one, other in combinations(sides, 2)
    )


def _winner(sides: Sequence[Side], rule: Settlement) -> Item | None:
    """An item whose demand counts; None where the rule names none of these, or not one of them alone."""
    if rule.rule == "accept":
        return None
    items = [side.item for side in sides]
    if rule.rule == "override":
        preferred = [side.item for side in sides if rule.prefer in side.ids | side.profiles]
        agreed = bool(preferred) and all(not differing(item, preferred[0]) for item in preferred)
        return preferred[0] if agreed else None
    names = dict.fromkeys(name for item in items[1:] for name in differing(items[0], item))
    if len(names) != 1:
        raise rule.node.wrong(
            f"{rule.rule} settles one value, and here differ {', '.join(names)}; take override or accept"
        )
    (name,) = names
    ranked = [(_rank(item.arguments[name], rule), item) for item in items]
    kind = ranked[0][0][0]
    if any(other != kind for (other, _), _ in ranked):
        raise rule.node.wrong(
            f"{rule.rule} makes no sense for {_against(items, name)}; take override or accept"
        )
    highest = (rule.rule == "max") is not kind.endswith(_UPPER)
    return (max if highest else min)(ranked, key=lambda each: each[0][1])[1]


_UPPER = ("at_most", "below")
"""Of these the lower bound is the stricter."""


def _rank(value: Any, rule: Settlement) -> tuple[str, Any]:
    """What kind of demand it is, and what those of a kind are ordered by."""
    kind, bound = "equals", value
    if isinstance(value, Matcher) and len(value.tests) == 1:
        ((kind, bound),) = value.tests
    if kind == "version" and len(bound.tests) == 1:
        from checks.versions import key

        ((relation, version),) = bound.tests
        return f"version {bound.scheme} {relation}", key(version, bound.scheme)
    number = getattr(bound, "number", bound)
    if isinstance(number, str):
        number = parse_number(number)
    if kind not in _ORDERED or isinstance(number, bool) or not isinstance(number, int | float):
        raise rule.node.wrong(f"{rule.rule} makes no sense for {value}; take override or accept")
    return kind, number


_ORDERED = ("equals", "at_least", "above", *_UPPER)


def _like(item: Item, winner: Item) -> Item:
    """The item with the demands of another."""
    arguments = item.arguments | {name: winner.arguments[name] for name in differing(item, winner)}
    return msgspec.structs.replace(item, arguments=arguments, parameters=canonical(arguments))


def _told(items: Sequence[Item], rule: Settlement | None, winner: Item | None) -> Conflict:
    names = list(dict.fromkeys(name for one in items for other in items for name in differing(one, other)))
    demands = tuple(dict.fromkeys(_demand(item, names) for item in items))
    done = rule if rule is not None and (winner is not None or rule.rule == "accept") else None
    return Conflict(
        items[-1].thing,
        demands,
        (),
        done.rule if done else "",
        _wants(winner, names) if winner is not None else "",
        done.reason if done else "",
    )


def _demand(item: Item, names: Sequence[str]) -> Demand:
    path = Path(item.where)
    where = path.name if path.parent == BUILT_IN_FOLDER else item.where
    place = f"{where}:{item.line}" if item.line is not None else where
    return Demand(_wants(item, names), item.id, item.profile, place)


def _wants(item: Item, names: Sequence[str]) -> str:
    """What the item demands: ``at least 10``, or with the names of the parameters where there are several."""
    shown = {name: item.show(name, item.arguments[name]) or "nothing" for name in names}
    if [*shown] == ["value"]:
        return shown["value"]
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _against(items: Sequence[Item], name: str) -> str:
    return " and ".join(dict.fromkeys(item.show(name, item.arguments[name]) or "nothing" for item in items))
