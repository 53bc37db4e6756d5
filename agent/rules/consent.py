"""What of a published profile's plan this site has not allowed."""

from __future__ import annotations

from typing import Literal

from agent.paths import State
from agent.rules.approvals import is_approved
from checks.harmless import Concern, concerns
from checks.plan import Plan

Consent = Literal["executing", "all"]
"""What has to be approved: what is not harmless, or everything."""


def in_question(plan: Plan, consent: Consent) -> list[Concern]:
    """The units that need an approval, whether there is one or not."""
    found = concerns(plan)
    if consent != "all":
        return found
    told = {(each.target, each.item): each for each in found}
    return [
        told.get((unit.target, unit.item.id))
        or Concern(unit.target, unit.item.id, ("this site approves every item",))
        for unit in plan.whole
    ]


def not_allowed(state: State, plan: Plan, consent: Consent) -> list[Concern]:
    """The units that wait for an approval; none where the plan as a whole has one."""
    return [] if is_approved(state, plan) else in_question(plan, consent)
