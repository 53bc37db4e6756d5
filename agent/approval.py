"""Plans that were shown, kept so that a run can be held to one of them and say how it differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

from agent.durable import make_folder, write_quickly
from agent.paths import state
from checks.errors import BadInput
from checks.plan import HERE, Plan
from checks.unit import Unit

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
SHOWN: Final = 12
"""Differences that an error names; the rest is counted."""


class Shown(msgspec.Struct, frozen=True):
    """What a person saw of a plan: how each target is reached, all that is touched there, and the rules."""

    digest: str
    profile: str
    routes: dict[str, str]
    reads: dict[str, tuple[str, ...]]
    rules: dict[str, str]


def shown(plan: Plan) -> Shown:
    """The whole plan, whatever part of it is in scope."""
    return Shown(
        plan.digest,
        f"{plan.profile.id} {plan.profile.version}",
        plan.routes or {target.name: HERE for target in plan.targets},
        {
            target.name: tuple(ask.describe() for ask in plan.asks(target.name, whole=True))
            for target in plan.targets
        },
        {f"{unit.target} {unit.item.id}": _rule(unit) for unit in plan.whole},
    )


def _rule(unit: Unit) -> str:
    """All of an item that the digest covers and that is not seen among the reads."""
    stages, sources = ",".join(unit.item.stages), ",".join(unit.sources)
    return " ".join((unit.item.rule, unit.item.severity, unit.item.opens_on, f"at:{stages}", f"of:{sources}"))


def keep(plan: Plan) -> None:
    """Remember a plan that is being shown, as far as the state folder can be written."""
    folder = state().root / "plans"
    with suppress(OSError, BadInput):
        state().prepare()
        make_folder(folder)
        write_quickly(folder / f"{plan.digest}.json", msgspec.json.encode(shown(plan)))


def refuse_other(plan: Plan, approved: str) -> None:
    """Raise `BadInput` unless this is the approved plan, by its whole digest.

    Two plans that begin alike in 12 digits are found in minutes by whoever writes both of them.
    """
    if not _DIGEST.fullmatch(approved):
        raise BadInput(
            f"--approved {approved[:70]}: not a digest; firstlight plan prints it as its last word, and all "
            "its 64 digits are needed"
        )
    if plan.digest == approved:
        return
    kept = _recall(approved)
    if kept is None:
        raise BadInput(
            f"--approved {approved[:12]}…: the plan is {plan.digest} now, and the approved one was not "
            "printed on this machine, so the difference cannot be shown; look with firstlight plan, then "
            "approve that"
        )
    found = list(differences(kept, shown(plan))) or ["what some facts ask, in details that are not shown"]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise BadInput(
        f"--approved {approved[:12]}…: the plan differs now: {'; '.join(found[:SHOWN])}{more}; "
        f"look with firstlight plan, then approve {plan.digest}"
    )


def differences(before: Shown, now: Shown) -> Iterator[str]:
    """How one plan differs from another, in words, what is touched first."""
    for target in sorted({*before.routes, *now.routes}):
        old, new = before.routes.get(target), now.routes.get(target)
        if old is None:
            yield f"target {target} is new ({new})"
        elif new is None:
            yield f"target {target} is gone"
        elif old != new:
            yield f"{target} is reached by {new}, was {old}"
    for target in sorted({*before.reads, *now.reads}):
        was, are = before.reads.get(target, ()), now.reads.get(target, ())
        yield from (f"{target}: + {read}" for read in are if read not in was)
        yield from (f"{target}: - {read}" for read in was if read not in are)
    for name in sorted({*before.rules, *now.rules}):
        if name not in before.rules:
            yield f"{name} is a new item"
        elif name not in now.rules:
            yield f"{name} is no item any more"
        elif before.rules[name] != now.rules[name]:
            yield f"{name} has {_changed(before.rules[name], now.rules[name])}"
    if before.profile != now.profile:
        yield f"the profile is {now.profile}, was {before.profile}"


def _changed(before: str, now: str) -> str:
    """What of an item's rule has changed, in words."""
    names = ("other parameters", "another severity", "another opens_on", "other stages", "other targets")
    pairs = zip(names, before.split(), now.split(), strict=False)
    return ", ".join(name for name, was, is_now in pairs if was != is_now) or "other parameters"


def _recall(digest: str) -> Shown | None:
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((state().root / "plans" / f"{digest}.json").read_bytes(), type=Shown)
    return None
