"""A plan: which items are evaluated at which targets, what they read, and the digest that names all that.

The plan is always that of the whole profile; `--only`, `--stage` and `--target` narrow what a run sets out
to do, never the plan or its digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final

import msgspec

from checks.conflicts import Conflict, settle
from checks.errors import BadInput
from checks.fact import Fact
from checks.facts.asks import Ask
from checks.model import Narrowing, PlanItem, Target
from checks.nearest import did_you_mean
from checks.profile import Item, Profile
from checks.unit import Unit

STAGES: Final = ("preflight", "deploy", "go-live", "hypercare", "periodic")
"""The stages every profile may be asked for; a profile can name more."""

NO_ROLES: Final[Mapping[str, Sequence[str]]] = {}
NO_VARIANTS: Final[Mapping[str, Profile]] = {}
HERE: Final = "this machine"
"""How a target is reached that needs no connection."""


class Line(msgspec.Struct, frozen=True):
    """One unit of a plan for people: what its item reads, each as a command, file, query or destination.

    What depends on an enumeration is shown with ``<each name>`` in place of what is not known yet.
    """

    target: str
    item: str
    check: str
    severity: str
    reads: tuple[str, ...]

    def __str__(self) -> str:
        named = self.item if self.item == self.check else f"{self.item} ({self.check})"
        return f"{self.target}  {self.severity}  {named}: {'; '.join(self.reads) or 'nothing'}"


class Plan(msgspec.Struct, frozen=True, dict=True):
    """What a run will do. `whole` are the units of the entire profile, `units` those in scope.

    `routes` says in words how each target is reached, where that is not simply here. `conflicts` are demands
    that contradict each other at a target, and those that the profile settled. `held` are the units (target
    and item) that nobody approved at this site: nothing is read for them; `approval` is what to type for it.
    """

    profile: Profile
    targets: tuple[Target, ...]
    narrowing: Narrowing
    whole: tuple[Unit, ...]
    units: tuple[Unit, ...]
    routes: dict[str, str] = {}
    roles: dict[str, tuple[str, ...]] = {}
    conflicts: tuple[Conflict, ...] = ()
    held: frozenset[tuple[str, str]] = frozenset()
    approval: str = ""

    def holds(self, unit: Unit) -> bool:
        """Whether a unit waits for an approval."""
        return bool(self.held) and (unit.target, unit.item.id) in self.held

    def items(self) -> tuple[PlanItem, ...]:
        """The whole plan as it travels, before narrowing."""
        return tuple(unit.plan_item() for unit in self.whole)

    @property
    def unplaced(self) -> tuple[str, ...]:
        """The items for roles that no target has, as ``item (role, role)``: nothing will be known of them."""
        placed = {unit.item.id for unit in self.whole}
        return tuple(
            f"{item.id} ({', '.join(item.roles)})" for item in self.profile.items if item.id not in placed
        )

    @cached_property
    def digest(self) -> str:
        """64 hex digits over the profile, how targets are reached, every unit, and all that it reads.

        In which order targets and items are written makes no difference.
        """
        shape = [
            [self.profile.id, self.profile.version],
            self.routes,
            [
                [
                    unit.plan_item(),
                    unit.item.stages,
                    sorted(unit.sources),
                    [[fact.id(), fact.asks()] for fact in (*unit.first_facts, *unit.templates)],
                ]
                for unit in sorted(self.whole, key=lambda unit: (unit.target, unit.item.id))
            ],
        ]
        return hashlib.sha256(msgspec.json.encode(shape, order="deterministic")).hexdigest()

    def facts(self, target: str) -> list[Fact]:
        """The facts to read from a target first, each once. `checks.evaluate.next_facts` gives the rest."""
        return list(dict.fromkeys(fact for unit in self.units_at(target) for fact in unit.first_facts))

    def units_at(self, target: str) -> list[Unit]:
        """The units in scope that read something from a target."""
        return self._at.get(target, [])

    @cached_property
    def _at(self) -> dict[str, list[Unit]]:
        found: dict[str, list[Unit]] = {}
        for unit in self.units:
            for source in () if self.holds(unit) else unit.sources:
                found.setdefault(source, []).append(unit)
        return found

    def permits(self, target: str, fact: Fact) -> bool:
        """Whether a fact stands in the plan of a target, itself or as the template it is made from."""
        if fact in self._planned(target):
            return True
        templates = (each for each in self._templates(target) if type(each) is type(fact))
        return any(_made_from(template, fact) for template in templates)

    def asks(self, target: str, *, whole: bool = False) -> tuple[Ask, ...]:
        """Everything that the units in scope (or all units) may ask of a target, each once and sorted."""
        facts = dict.fromkeys(
            fact
            for unit in (self.whole if whole else self.units)
            if target in unit.sources
            for fact in (*unit.first_facts, *unit.templates)
        )
        asks = dict.fromkeys(ask for fact in facts for ask in fact.asks())
        return tuple(sorted(asks, key=lambda ask: (type(ask).__name__, ask.describe())))

    def _planned(self, target: str) -> frozenset[Fact]:
        return self._by_target[0].get(target, frozenset())

    def _templates(self, target: str) -> frozenset[Fact]:
        return self._by_target[1].get(target, frozenset())

    @cached_property
    def _by_target(self) -> tuple[dict[str, frozenset[Fact]], dict[str, frozenset[Fact]]]:
        first: dict[str, set[Fact]] = {}
        later: dict[str, set[Fact]] = {}
        for unit in self.whole:
            for source in () if self.holds(unit) else unit.sources:
                first.setdefault(source, set()).update(unit.first_facts)
                later.setdefault(source, set()).update(unit.templates)
        return (
            {name: frozenset(facts) for name, facts in first.items()},
            {name: frozenset(facts) for name, facts in later.items()},
        )

    def lines(self) -> tuple[Line, ...]:
        """What is in scope, one line a unit, for printing."""
        return tuple(
            Line(
                unit.target,
                unit.item.id,
                unit.item.check,
                str(unit.item.severity),
                tuple(dict.fromkeys(fact.describe() for fact in (*unit.first_facts, *unit.templates))),
            )
            for unit in self.units
        )


def make_plan(
    profile: Profile,
    targets: Sequence[Target],
    *,
    only: Sequence[str] = (),
    stage: str = "",
    target: Sequence[str] = (),
    roles: Mapping[str, Sequence[str]] = NO_ROLES,
    variants: Mapping[str, Profile] = NO_VARIANTS,
    routes: Mapping[str, str] | None = None,
    pairs: Collection[tuple[str, str]] | None = None,
) -> Plan:
    """Lay a profile over targets; `roles` gives the roles of each target by name.

    `only` takes item ids, check ids and patterns of them (``disk.*``), `pairs` target and item of what alone
    is in scope; `variants` are the profile as read by a target with variables of its own, `routes` how
    targets are reached. Raises `BadInput` where a name fits nothing, or nothing is left to check.
    """
    own = {name: {item.id: item for item in variant.items} for name, variant in variants.items()}
    every = [unit for item in profile.items for unit in _units(item, targets, roles, own)]
    whole, conflicts = msgspec.structs.astuple(settle(every, profile, variants, roles))
    if not whole:
        wanted = ", ".join(sorted({role for item in profile.items for role in item.roles}))
        raise BadInput(f"profile {profile.id} has nothing for these targets; its items are for {wanted}")
    _refuse_unknown(profile, whole, only, stage, target)
    units = tuple(
        unit
        for unit in whole
        if (not only or any(_fits(pattern, unit.item) for pattern in only))
        and (not stage or not unit.item.stages or stage in unit.item.stages)
        and (not target or unit.target in target)
        and (pairs is None or (unit.target, unit.item.id) in pairs)
    )
    if not units:
        said = [f"--only {pattern}" for pattern in only] + ([f"--stage {stage}"] if stage else [])
        said += [f"--target {name}" for name in target] + (["--only-failed"] if pairs is not None else [])
        raise BadInput(f"nothing of profile {profile.id} is left to check with {' '.join(said)}")
    if pairs is not None:
        only, target = _narrowed(units, only, target)
    narrowing = Narrowing(tuple(only), stage, tuple(target))
    return Plan(
        profile,
        tuple(targets),
        narrowing,
        whole,
        units,
        dict(routes or {}),
        {name: tuple(each) for name, each in roles.items()},
        conflicts,
    )


def _narrowed(
    units: Sequence[Unit], only: Sequence[str], target: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """The options that say most nearly what a list of units leaves; the scope says it exactly."""
    return (
        only or tuple(dict.fromkeys(unit.item.id for unit in units)),
        target or tuple(dict.fromkeys(unit.target for unit in units)),
    )


def _made_from(template: Fact, fact: Fact) -> bool:
    """Whether a fact is a template with one value in the place of its ``<each …>``."""
    values = set()
    for name in template.__struct_fields__:
        wanted, given = getattr(template, name), getattr(fact, name)
        if isinstance(wanted, str) and (gap := _EACH.search(wanted)):
            before, after = wanted[: gap.start()], wanted[gap.end() :]
            text = str(given)
            if not (text.startswith(before) and text.endswith(after) and len(text) > len(before + after)):
                return False
            values.add(text[len(before) : len(text) - len(after)])
        elif wanted != given:
            return False
    return len(values) == 1


_EACH: Final = re.compile(r"<each [^<>]*>")


def _units(
    item: Item,
    targets: Sequence[Target],
    roles: Mapping[str, Sequence[str]],
    own: Mapping[str, Mapping[str, Item]],
) -> Iterable[Unit]:
    """The item at every target it is for; a check across targets once per role, or once for the site."""
    names = [each.name for each in targets if not item.roles or {*item.roles} & {*roles.get(each.name, ())}]
    across = item.declared.across
    if across is None:
        yield from (Unit(own.get(name, {}).get(item.id, item), name, (name,)) for name in names)
    elif across == "site":
        if names:
            yield Unit(item, "site/*", tuple(names))
    else:
        for role in item.roles or sorted({role for name in names for role in roles.get(name, ())}):
            members = tuple(name for name in names if role in roles.get(name, ()))
            if members:
                yield Unit(item, f"site/{role}", members)


def _fits(pattern: str, item: Item) -> bool:
    return fnmatchcase(item.id, pattern) or fnmatchcase(item.check, pattern)


def _refuse_unknown(
    profile: Profile, whole: Sequence[Unit], only: Sequence[str], stage: str, target: Sequence[str]
) -> None:
    for pattern in only:
        if not any(_fits(pattern, item) for item in profile.items):
            names = {item.id for item in profile.items} | {item.check for item in profile.items}
            raise BadInput(f"--only {pattern[:100]}: no such item or check{did_you_mean(pattern, names)}")
    stages = (*STAGES, *profile.stages)
    if stage and stage not in stages:
        raise BadInput(f"--stage {stage[:100]}: no such stage{did_you_mean(stage, stages)}")
    targets = {unit.target for unit in whole}
    for name in target:
        if name not in targets:
            raise BadInput(f"--target {name[:100]}: no such target{did_you_mean(name, targets)}")
