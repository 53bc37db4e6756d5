"""What this site approved of published profiles: whole plans, by their digest, each with who and when.

An approval is a file that only this machine's own people can make. A plan that differs in anything has
another digest, and no approval.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from agent.approval import Shown
from agent.durable import make_folder, sync_folder, write_durably
from agent.paths import State
from checks.errors import BadInput
from checks.harmless import in_full
from checks.plan import HERE, Plan

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
SHORTEST: Final = 12
"""Digits of a digest that name it."""


class Approval(msgspec.Struct, frozen=True):
    """A plan that was approved, and all that was shown of it. `targets` are what it is for."""

    digest: str
    profile: str
    version: str
    targets: tuple[str, ...]
    by: str
    at: datetime
    shown: Shown


def is_approved(state: State, plan: Plan) -> bool:
    """Whether exactly this plan was approved here."""
    found = _read(state, plan.digest)
    return found is not None and found.profile == plan.profile.id


def approve(state: State, plan: Plan, by: str, now: datetime) -> Approval:
    """Approve a plan, durably. Raises `OSError`."""
    made = Approval(
        plan.digest, plan.profile.id, plan.profile.version, targets_of(plan), by, now, shown_in_full(plan)
    )
    state.prepare()
    make_folder(_folder(state))
    write_durably(_folder(state) / f"{plan.digest}.json", msgspec.json.encode(made))
    return made


def withdraw(state: State, digest: str) -> Approval:
    """Take an approval back, by its digest or the first 12 digits or more. Raises `BadInput`, `OSError`."""
    if not re.fullmatch(r"[0-9a-f]{12,64}", digest):
        raise BadInput(f"{digest[:70]!r} is no digest; firstlight approve --list shows them")
    found = [each for each in every(state) if each.digest.startswith(digest)]
    if not found:
        raise BadInput(f"no approval {digest[:12]}…; firstlight approve --list shows them")
    for each in found:
        (_folder(state) / f"{each.digest}.json").unlink(missing_ok=True)
    sync_folder(_folder(state))
    return found[0]


def every(state: State) -> list[Approval]:
    """All approvals, the newest first."""
    return sorted(_all(state), key=lambda each: each.at, reverse=True)


def last_of(state: State, plan: Plan) -> Approval | None:
    """The newest approval of the same profile for the same targets."""
    wanted = (plan.profile.id, targets_of(plan))
    return next((each for each in every(state) if (each.profile, each.targets) == wanted), None)


def targets_of(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted(target.name for target in plan.targets))


def shown_in_full(plan: Plan) -> Shown:
    """All of a plan that a person is shown before approving it: every field of all that is asked."""
    return Shown(
        plan.digest,
        f"{plan.profile.id} {plan.profile.version}",
        plan.routes or {target.name: HERE for target in plan.targets},
        {
            target.name: tuple(dict.fromkeys(map(in_full, plan.asks(target.name, whole=True))))
            for target in plan.targets
        },
        {
            f"{unit.target} {unit.item.id}": " ".join(
                (
                    unit.item.rule,
                    unit.item.severity,
                    unit.item.opens_on,
                    f"at:{','.join(unit.item.stages)}",
                    f"of:{','.join(unit.sources)}",
                )
            )
            for unit in plan.whole
        },
    )


def _all(state: State) -> Iterator[Approval]:
    with suppress(OSError):
        for path in _folder(state).glob("*.json"):
            found = _read(state, path.stem)
            if found is not None:
                yield found


def _read(state: State, digest: str) -> Approval | None:
    """The approval of a digest; a file that is damaged, or of another one, approves nothing."""
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        found = msgspec.json.decode((_folder(state) / f"{digest}.json").read_bytes(), type=Approval)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.digest == digest else None


def _folder(state: State) -> Path:
    return state.rules / "approved"
