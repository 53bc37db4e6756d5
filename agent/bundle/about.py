"""What the agent says of itself: what doctor finds, its version, its schedules, its spool. Never a key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from agent.bundle.parts import ending
from agent.examine import Symptom
from agent.paths import State
from checks.errors import BadInput, FirstlightError

LOG_BYTES: Final = 256 * 1024


def agent_text(at: State, symptoms: Sequence[Symptom], now: datetime) -> str:
    """The whole of it as text; not redacted yet."""
    blocks = [
        ["What firstlight doctor finds", "", *_examined(symptoms)],
        ["Schedules", "", *_schedules(at, now)],
        ["Spool", "", *_spool(at)],
        ["Version", "", *_version()],
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def own_log(at: State) -> str:
    """The end of the agent's own log, the older file first; empty where there is none."""
    data = b""
    for path in (at.log.with_name(at.log.name + ".1"), at.log):
        try:
            with path.open("rb") as file:
                data += file.read(4 * 1024 * 1024)
        except OSError:
            continue
    return ending(data, LOG_BYTES).decode(errors="replace")


def _examined(symptoms: Sequence[Symptom]) -> list[str]:
    lines = []
    for each in symptoms:
        lines.append(f"{each.level:<5} {each.about}: {each.found}")
        if each.remedy:
            lines.append(f"      → {each.remedy}")
    return lines


def _schedules(at: State, now: datetime) -> list[str]:
    from agent.schedules.listing import listing
    from agent.schedules.surroundings import machine, surroundings

    try:
        return list(listing(at, surroundings(at).schedules, machine(), now)) or ["none"]
    except (BadInput, OSError) as error:
        return [str(error)]


def _spool(at: State) -> list[str]:
    from agent.spool import Spool

    spool = Spool(at.spool)
    try:
        waiting, kept, refused = spool.pending(), spool.kept(), spool.quarantined()
    except BadInput as error:
        return [str(error)]
    held = [entry for entry in waiting if entry.note()]
    lines = [
        f"{len(waiting)} to be sent, {len(held)} of them held; {len(kept)} delivered and kept; "
        f"{len(refused)} in quarantine"
    ]
    lines += [f"run {entry.sequence}: {entry.note()}" for entry in [*held, *refused][-20:]]
    return lines


def _version() -> list[str]:
    from agent.build import described, this_build

    try:
        return described(this_build()).splitlines()
    except FirstlightError as error:
        return [str(error)]
