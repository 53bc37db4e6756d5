"""The version of a published profile that this site allows: its texts, kept until it allows a newer one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from agent.durable import make_folder, write_durably
from agent.paths import State
from agent.rules.approvals import targets_of
from checks.plan import Plan


class Usable(msgspec.Struct, frozen=True):
    """A profile with all published texts that it is made of, as it was allowed for these targets."""

    profile: str
    version: str
    targets: tuple[str, ...]
    texts: dict[str, str]


def remember(state: State, plan: Plan, texts: Mapping[str, str]) -> None:
    """Keep what a plan was made of that is allowed. Without it nothing is lost but the way back."""
    made = Usable(plan.profile.id, plan.profile.version, targets_of(plan), dict(texts))
    if recall(state, plan) == made:
        return
    with suppress(OSError):
        path = _place(state, plan)
        make_folder(path.parent)
        write_durably(path, msgspec.json.encode(made))


def recall(state: State, plan: Plan) -> Usable | None:
    """What was last allowed of the plan's profile for the plan's targets."""
    try:
        found = msgspec.json.decode(_place(state, plan).read_bytes(), type=Usable)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if (found.profile, found.targets) == (plan.profile.id, targets_of(plan)) else None


def _place(state: State, plan: Plan) -> Path:
    """No part of the name comes from elsewhere."""
    parts = msgspec.json.encode([plan.profile.id, targets_of(plan)])
    return state.rules / "usable" / f"{hashlib.sha256(parts).hexdigest()[:32]}.json"
