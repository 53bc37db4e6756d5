"""What scheduled runs need to know of this agent: its configuration, its schedules, its machine."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from agent.config import Config, load_config
from agent.paths import State
from agent.schedules.known import Known, known_schedules
from checks.schedules.zones import LOCALTIME

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that may change while an agent stays, as it was read at one moment."""

    config: Config
    schedules: tuple[Known, ...]
    stamps: tuple[Stamp, ...]


def surroundings(state: State) -> Surroundings:
    """Read them; raises `BadInput` for a configuration that is wrong."""
    stamps = stamps_of(state)  # before the reading: what changes meanwhile is read again
    config = load_config(state)
    return Surroundings(config, tuple(known_schedules(state, config)), stamps)


def stamps_of(state: State) -> tuple[Stamp, ...]:
    """What differs when one of the files has changed that `surroundings` is read from: some calls of stat."""
    folder = state.root / "rules"
    places = [state.config, state.identity, folder, LOCALTIME]
    with suppress(OSError):
        places += sorted(folder.iterdir())[:100]
    found = []
    for place in places:
        try:
            seen = place.stat()
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


def machine() -> str:
    """A text that is this machine's own and stays: by it machines spread."""
    from agent.identity import fingerprint, host_name

    return fingerprint(host_name())


def child_environment(state: State) -> dict[str, str]:
    return os.environ | {"FIRSTLIGHT_STATE": str(state.root)}
