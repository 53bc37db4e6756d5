"""A plan that waits for an approval, in words: what is different, and in full what needs a word and why.

What is shown came from elsewhere. Nothing of it may drive the terminal, and nothing of it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import msgspec

from agent.approval import differences
from agent.paths import State
from agent.rules.approvals import last_of, shown_in_full
from agent.rules.consent import Consent, in_question
from checks.harmless import Concern, in_full, shipped_reads
from checks.parameters import canonical
from checks.plan import Plan
from checks.unit import Unit


def page(state: State, plan: Plan, consent: Consent) -> Iterator[str]:
    """The lines of it. Each is safe to print."""
    return map(harmless, _page(state, plan, consent))


def harmless(text: str) -> str:
    """Text in which whatever could drive a terminal, or hide something, is written out."""
    return "".join(char if char.isprintable() else _written(char) for char in text)


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _page(state: State, plan: Plan, consent: Consent) -> Iterator[str]:
    named = f"{plan.profile.id} {plan.profile.version}"
    yield f"{named}, published by the collector, for {', '.join(target.name for target in plan.targets)}"
    yield ""
    yield from _difference(state, plan)
    concerns = in_question(plan, consent)
    units = {(unit.target, unit.item.id): unit for unit in plan.whole}
    yield "Needs the word of this site:"
    for concern in concerns:
        yield ""
        yield from _told(concern, units[concern.target, concern.item])
    yield ""
    rest = len(plan.whole) - len(concerns)
    if rest:
        items = "1 other item looks" if rest == 1 else f"{rest} other items look"
        yield f"{items} at what shipped profiles look at, and {'needs' if rest == 1 else 'need'} none."
    yield f"plan {plan.digest}"


def _difference(state: State, plan: Plan) -> Iterator[str]:
    now, before = shown_in_full(plan), last_of(state, plan)
    if before is not None:
        when = f"{before.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield f"Different from {before.profile} {before.version}, allowed by {before.by or '?'} on {when}:"
        lines = list(differences(before.shown, now))
    else:
        yield "Nothing of it was allowed here before. Beyond what shipped profiles touch:"
        known = shipped_reads()
        reads = ((target, read) for target, every in now.reads.items() for read in every)
        lines = [f"{target}: + {read}" for target, read in reads if read not in known]
    if not lines:
        lines = ["nothing but what some facts ask in detail" if before else "nothing"]
    yield from (f"  {line}" for line in lines)
    yield ""


def _told(concern: Concern, unit: Unit) -> Iterator[str]:
    item = unit.item
    kind = "" if item.check == item.id else f" ({item.check})"
    known = shipped_reads()
    shipped = bool(concern.asks) and all(in_full(ask) in known for ask in concern.asks)
    said = f"  {unit.target}  {item.id}{kind}, {item.severity}: {', '.join(concern.reasons)}"
    yield f"{said}, as shipped profiles do" if shipped else said
    for name, value in item.parameters.items():
        parameter = unit.check.parameters.get(name)
        if parameter is None or canonical(parameter.default) != value:
            yield f"      {name}: {msgspec.json.encode(value).decode()}"
    for ask in concern.asks:
        first, *more = in_full(ask).split("\n")
        yield f"      > {first}"
        yield from (f"        {line}" for line in more)
