"""What can be wrong with an agent's own installation, looked at one thing after the other.

Every module here is one area; each of its functions says in one line what it found and what to type. Nothing
is changed by looking, and nothing that is missing or damaged ends the examination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agent.examine.installation import build, packages
from agent.examine.symptom import Level, Symptom
from agent.paths import State

__all__ = ["Level", "Symptom", "examine", "packages"]


def examine(state: State, *, network: bool = True) -> Iterator[Symptom]:
    """Look at everything, never stopping at the first trouble. Without `network` nobody is asked anything."""
    from agent.examine import collector, delivery, home, identity, locks, waking

    yield packages(Path(__file__).parents[2])
    yield from _each("version", lambda: [build()])
    yield from _each("state", lambda: home.look(state))
    who = list(_each("identity", lambda: identity.look(state)))
    yield from who
    yield from _each("clock", lambda: collector.clock(state))
    enrolled = identity.known(state)
    if enrolled is not None:
        if network:
            yield from _each("collector", lambda: collector.look(state, enrolled))
        yield from _each("upload", lambda: delivery.uploads(state))
        yield from _each("spool", lambda: delivery.spool(state))
        yield from _each("rules", lambda: identity.rules(state, enrolled))
    yield from _each("schedules", lambda: waking.look(state, enrolled))
    yield from _each("locks", lambda: locks.look(state))


def _each(about: str, look: Callable[[], Iterable[Symptom]]) -> Iterator[Symptom]:
    """What an area finds. What it stumbles over is a finding, too: a doctor who falls ill helps nobody."""
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - the border: one area must not cost the others
        text = " ".join(str(error).split())[:300]
        yield Symptom(
            about,
            f"could not be told: {type(error).__name__}: {text}",
            "FIRSTLIGHT_DEBUG=1 firstlight doctor",
            "note",
        )
