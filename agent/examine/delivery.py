"""Whether what was found here arrived, and what still waits, is held, was refused or was given up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from agent import retry
from agent.examine.symptom import Symptom
from agent.losses import Damaged, load_losses, total
from agent.paths import State
from agent.spool import Spool
from agent.uploads import deliveries
from checks.errors import BadInput
from checks.fact import NotReadable
from checks.units import span_text


def uploads(state: State, now: datetime | None = None) -> Iterator[Symptom]:
    """How old the newest acknowledgement is, judged as the check ``agent.upload`` does by itself."""
    from checks.library.agent import bounds

    try:
        sent = deliveries(state)
    except NotReadable as problem:
        yield Symptom("upload", problem.reason, f"ls -ld {state.root} {state.spool}/*", "fail")
        return
    begun = sent.newest or sent.since
    if begun is None:
        yield Symptom("upload", "no run has arrived yet", "firstlight check", "note")
        return
    age = ((now or datetime.now(UTC)) - begun).total_seconds()
    first, last = bounds(sent, None, None)
    ago = span_text(max(0.0, float(round(age))))
    said = f"the last run arrived {ago} ago" if sent.newest else f"enrolled {ago} ago, and no run has arrived"
    if age <= first:
        yield Symptom("upload", said)
        return
    why = f": {sent.reason}" if sent.reason else ""
    todo = "firstlight send" if sent.waiting else "firstlight check"
    yield Symptom("upload", said + why, todo, "fail" if age > last else "warn")


def spool(state: State, now: float | None = None) -> Iterator[Symptom]:
    """What is in the spool, and when it is tried again."""
    found = Spool(state.spool)
    moment = time.time() if now is None else now
    try:
        waiting, refused, strangers = found.pending(), found.quarantined(), found.strangers()
    except BadInput as error:
        yield Symptom("spool", str(error), f"ls -ld {state.spool}/*", "fail")
        return
    held = [entry for entry in waiting if entry.note()]
    failed = retry.load_retry(state)
    if held:
        yield Symptom("spool", f"{_runs(len(held))} held: {held[0].note()}", "firstlight spool list", "fail")
    if len(waiting) > len(held):
        when = f"; {retry.in_words(failed, moment)}" if failed is not None and failed.failures else ""
        said = f"{_runs(len(waiting) - len(held))} waiting{when}"
        yield Symptom("spool", said, "firstlight send tries at once", "warn" if when else "note")
    if not waiting:
        yield Symptom("spool", "nothing waits")
    if refused:
        why = f": {refused[-1].note()}" if refused[-1].note() else ""
        said = f"{_runs(len(refused))} refused for good, or damaged{why}"
        yield Symptom(
            "quarantine",
            said,
            "firstlight spool list; when it is mended: firstlight spool retry --all",
            "warn",
        )
    if strangers:
        yield Symptom(
            "spool",
            f"{len(strangers)} files in {found.waiting} are none of the spool's",
            "firstlight send",
            "note",
        )
    yield from _given_up(state)


def _given_up(state: State) -> Iterator[Symptom]:
    try:
        losses = load_losses(state)
    except Damaged as error:
        yield Symptom("dropped", str(error), "firstlight send sets it aside and goes on", "warn")
        return
    lost = total([losses.open, *losses.leaving.values(), *losses.carried.values()])
    if lost.runs:
        oldest = f", the oldest of {lost.oldest:%Y-%m-%d}" if lost.oldest is not None else ""
        yield Symptom(
            "dropped",
            f"{_runs(lost.runs)} given up for want of room{oldest}; the next run tells the collector",
            f"make room: df -h {state.root}; or raise max_mb under [spool] in {state.config}",
            "warn",
        )


def _runs(count: int) -> str:
    return f"{count} run is" if count == 1 else f"{count} runs are"
