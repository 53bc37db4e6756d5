"""One item at one target: what it has to read, and the cases it judges.

Most items are one case. An item that enumerates (`each`) is one case per value, known only once the
enumerating fact was read; that is why facts are asked for in rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from checks.errors import BadInput, BadProfile
from checks.fact import Fact, Known, Reading, Redacted, Unavailable
from checks.model import PlanItem
from checks.placeholders import fill_fact, names_in
from checks.profile import Item
from checks.registry import Check, Conditional

ITEM = "item"
"""The placeholder in a fact that stands for the id of the item."""

UNREAD = Unavailable("it was not read in this run", "unread")


class Case(msgspec.Struct, frozen=True):
    """One call of a check's function: its arguments, and its facts (None where the arguments need none)."""

    arguments: dict[str, Any]
    facts: dict[str, Fact | None]


class Unit(msgspec.Struct, frozen=True, dict=True):
    """An item and what its results stand at.

    `sources` are the targets its facts are read from: the target itself, or for a check across targets all
    that take part, while `target` then is the pseudo-target ``site/<role>``.
    """

    item: Item
    target: str
    sources: tuple[str, ...]

    @cached_property
    def check(self) -> Check:
        return self.item.declared

    @cached_property
    def enumerator(self) -> Fact | None:
        """The fact that gives this item's objects, where the profile left them open."""
        each = self.check.each
        if each is None or self.item.arguments.get(each[0]):
            return None
        return self._filled(each[1], self.item.arguments)

    @cached_property
    def first_facts(self) -> tuple[Fact, ...]:
        """What can be asked for before anything was read."""
        if self.enumerator is None:
            return tuple(fact for fact in self._only_case.facts.values() if fact is not None)
        open_name = self.check.each[0] if self.check.each else ""
        facts = self._case({name: v for name, v in self.item.arguments.items() if name != open_name}).facts
        ready = (fact for fact in facts.values() if fact is not None and open_name not in names_in(fact))
        return (self.enumerator, *ready)

    @cached_property
    def templates(self) -> tuple[Fact, ...]:
        """The facts that wait for the enumeration, with ``<each name>`` where its values will stand."""
        if self.enumerator is None or self.check.each is None:
            return ()
        name = self.check.each[0]
        facts = self._case(self.item.arguments | {name: f"<each {name}>"}).facts.values()
        return tuple(fact for fact in facts if fact is not None and fact not in self.first_facts)

    def cases(self, values: Mapping[str, Reading]) -> tuple[Case, ...] | Unavailable | Redacted:
        """All cases, or why the enumeration is not known; `values` are the target's readings by fact id."""
        if self.enumerator is None or self.check.each is None:
            return (self._only_case,)
        reading = value_of(self.enumerator, values)
        if not isinstance(reading, Known):
            return reading
        if not isinstance(reading.value, list | tuple):
            return Unavailable(f"{self.enumerator.id()} gave no list", "parse")
        objects = dict.fromkeys(str(each) for each in reading.value)
        name = self.check.each[0]
        try:
            return tuple(self._case(self.item.arguments | {name: each}) for each in objects)
        except BadInput as problem:  # the machine named it, so nobody's input is wrong
            said = problem.problem if isinstance(problem, BadProfile) else problem
            return Unavailable(f"one of them cannot be asked for: {said}", "parse")

    @cached_property
    def _only_case(self) -> Case:
        """That of an item that enumerates nothing."""
        return self._case(self.item.arguments)

    def plan_item(self) -> PlanItem:
        """How the unit travels."""
        item = self.item
        return PlanItem(self.target, item.id, item.check, item.rule, item.severity, item.opens_on)

    def _case(self, arguments: dict[str, Any]) -> Case:
        facts: dict[str, Fact | None] = {}
        named = {ITEM: self.item.id} | arguments
        for name, declared in self.check.facts.items():
            if not isinstance(declared, Conditional):
                facts[name] = self._filled(declared, named)
            elif bool(arguments.get(declared.parameter)) is declared.wanted:
                facts[name] = self._filled(declared.fact, named)
            else:
                facts[name] = None
        return Case(arguments, facts)

    def _filled(self, fact: Fact, arguments: Mapping[str, Any]) -> Fact:
        """The fact with these arguments; what it refuses is refused where the item stands."""
        try:
            return fill_fact(fact, arguments)
        except BadProfile:
            raise
        except BadInput as problem:
            if not self.item.where:
                raise
            raise BadProfile(self.item.where, self.item.line, str(problem)) from None


def value_of(fact: Fact, values: Mapping[str, Reading]) -> Reading:
    """A fact's reading with its value in the declared type, which plain JSON shapes are converted to.

    A saved value that does not fit the type any more is `Unavailable`, as is one that was never read.
    """
    reading = values.get(fact.id(), UNREAD)
    wanted = type(fact).value_type
    if not isinstance(reading, Known) or wanted is None:
        return reading
    if isinstance(wanted, type) and type(reading.value) is wanted:
        return reading
    try:
        return Known(msgspec.convert(reading.value, wanted))
    except msgspec.ValidationError as problem:
        return Unavailable(f"the reading is not of the form this version knows: {problem}", "parse")
