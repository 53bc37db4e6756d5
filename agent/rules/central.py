"""Plans of published profiles, held to what this site allows.

A version that the site allows is used as it is. Of one that it does not, the version before goes on, if that
was allowed; else its harmless items run and the others are held: nothing is read for them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from agent.config import load_config
from agent.identity import local_target
from agent.rules import usable
from agent.rules.consent import Consent, not_allowed
from agent.rules.fetching import refresh
from agent.rules.held import in_force
from checks.errors import BadInput
from checks.harmless import Concern, shipped_logs
from checks.nearest import did_you_mean
from checks.plan import Plan, make_plan
from checks.profile_source import Source, profile_names
from checks.published import closure, load_published, read_published, texts_of

if TYPE_CHECKING:
    from agent.paths import State
    from agent.planning import Planned
    from checks.rules import Rules

Lay = Callable[[Source, bool], "Planned"]
"""Lays a profile over its targets; False leaves out what was typed with --set."""


def plan_central(
    state: State, name: str, lay: Lay, *, approval: str, reads: bool = True, whole: bool = False
) -> Planned:
    """The plan of a published profile. `approval` is what to type for what is held; without `reads` nothing
    is going to be read, and with `whole` somebody wants to see it, so nothing is held.

    Raises `BadInput` for a name that is neither shipped nor published.
    """
    texts = texts_of(in_force(state))
    said = ""
    if name not in texts and reads:
        # It may have come with the enrolment, or from somebody who knows of it, before a delivery told of it.
        said = refresh(state, ask=True)
        texts = texts_of(in_force(state))
    if name not in texts:
        near = did_you_mean(name, [*texts, *profile_names()])
        raise BadInput(
            f"no profile {name!r:.100}, neither shipped nor published for this site{near} "
            f"(a file is named with its path, such as ./mine.yaml){f'; {said}' if said else ''}"
        )
    newest = _own_logs_out(lay(load_published(name, texts), True))
    if whole or not reads:
        return newest
    consent = load_config(state).consent
    # What is typed with --set is the word of who types it; what the collector wrote is looked at without it.
    plain = lay(load_published(name, texts), False).plan
    waiting = not_allowed(state, plain, consent)
    if not waiting:
        usable.remember(state, plain, closure(name, texts))
        return newest
    earlier = _earlier(state, plain, lay, consent)
    said = f"the collector's {name} {plain.profile.version} waits for an approval ({approval})"
    if earlier is not None:
        note = f"{said}; {name} {earlier.plan.profile.version} goes on meanwhile"
        return msgspec.structs.replace(earlier, note=note)
    return msgspec.structs.replace(
        newest,
        plan=hold(newest.plan, waiting, approval),
        note=f"{said}; {len(waiting)} of its {len(plain.whole)} items are not checked meanwhile",
    )


def hold(plan: Plan, waiting: list[Concern], approval: str) -> Plan:
    """The plan with these units held."""
    held = frozenset((each.target, each.item) for each in waiting)
    return msgspec.structs.replace(plan, held=held, approval=approval)


def _own_logs_out(planned: Planned) -> Planned:
    """The plan without logs for the bundle that no shipped profile names: those are files of this site."""
    plan = planned.plan
    shipped = shipped_logs()
    logs = tuple(each for each in plan.profile.logs if msgspec.structs.replace(each, roles=()) in shipped)
    if logs == plan.profile.logs:
        return planned
    profile = msgspec.structs.replace(plan.profile, logs=logs)
    return msgspec.structs.replace(planned, plan=msgspec.structs.replace(plan, profile=profile))


def _earlier(state: State, newest: Plan, lay: Lay, consent: Consent) -> Planned | None:
    """The plan of the version that was allowed before, if it still is what was allowed."""
    kept = usable.recall(state, newest)
    if kept is None:
        return None
    try:
        if not_allowed(state, lay(load_published(kept.profile, kept.texts), False).plan, consent):
            return None
        return _own_logs_out(lay(load_published(kept.profile, kept.texts), True))
    except BadInput:  # kept by another version of this program
        return None


def remember_allowed(state: State, rules: Rules) -> None:
    """Keep the profiles that this machine was allowed so far, before newer rules take their place."""
    texts = texts_of(rules)
    for name in texts:
        with suppress(BadInput):
            plan = make_plan(read_published(name, texts), [local_target(state)])
            if not not_allowed(state, plan, load_config(state).consent):
                usable.remember(state, plan, closure(name, texts))


def waiting_profiles(state: State) -> list[tuple[Plan, list[Concern]]]:
    """The published profiles that wait for an approval at this machine, with what of them waits."""
    texts = texts_of(in_force(state))
    consent = load_config(state).consent
    found = []
    for name in sorted(texts):
        with suppress(BadInput):
            plan = make_plan(read_published(name, texts), [local_target(state)])
            if waiting := not_allowed(state, plan, consent):
                found.append((plan, waiting))
    return found
