"""What this agent delivered, and what still waits, read from its state folder without touching it.

`firstlight doctor`, the check `agent.upload` and the diagnostic bundle say the same of it, from here.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.contact import last_delivered
from agent.identity import Identity, load_identity
from agent.paths import State
from agent.retry import load_retry
from agent.spool import Spool, Spooled
from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.memory import Deliveries

REASON_LIMIT: Final = 300


def deliveries(at: State) -> Deliveries:
    """What a check may recall of it. Raises `NotReadable` where the state cannot be read or is damaged."""
    try:
        identity = load_identity(at)
        if identity is None:
            return Deliveries(False)
        spool = Spool(at.spool)
        waiting, refused = spool.pending(), spool.quarantined()
        held = [entry for entry in waiting if entry.note()]
        return Deliveries(
            True,
            enrolled_at(at, identity),
            last_upload(at, identity),
            identity.interval_s,
            len(waiting),
            len(held),
            len(refused),
            last_reason(at, held, refused),
        )
    except BadInput as problem:
        raise NotReadable(str(problem), "denied" if "not readable" in str(problem) else "failed") from problem


def last_upload(at: State, identity: Identity) -> datetime | None:
    """When the newest acknowledgement came; None where none is known.

    It is noted when it comes. Where the note is lost, the files tell: a run is moved and touched then.
    """
    noted = last_delivered(at)
    if noted is not None and noted.agent == identity.agent:
        return noted.at
    moments = [moment for entry in Spool(at.spool).kept() if (moment := _touched(entry.path)) is not None]
    return max(moments, default=None)


def enrolled_at(at: State, identity: Identity) -> datetime | None:
    """When this machine was enrolled: its key was made then, and is written only once."""
    return _touched(at.root / identity.key_file)


def last_reason(at: State, held: list[Spooled], refused: list[Spooled]) -> str:
    """Why the last delivery did not go well, in one line; empty where it did."""
    failed = load_retry(at)
    newest = max([*held, *refused], default=None)
    reason = failed.reason if failed is not None else newest.note() if newest is not None else ""
    return " ".join(reason.split())[:REASON_LIMIT]


def _touched(path: Path) -> datetime | None:
    with suppress(OSError, OverflowError, ValueError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return None
