"""Reading what discovery asks for: round after round, each with all that the answers before made necessary.

A machine is this one or one over SSH; both give readings by fact, and none of them ever raises for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from agent.discover.seen import Area, Seen
from agent.discover.side_by_side import side_by_side
from agent.reading import reading_of
from checks.facts.permitted import Permitted

if TYPE_CHECKING:
    from agent.targets.remote import RemoteTarget
    from checks.fact import Fact, Reading, Unavailable
    from checks.facts.host import Host

ROUNDS: Final = 12
AT_ONCE: Final = 8

OnRead = Callable[[str, "Fact"], None]
"""Called with the target's name after each reading."""


class Machine(Protocol):
    """Where facts are read; `lost` says why it could not be had, if it could not."""

    @property
    def lost(self) -> Unavailable | None: ...

    def read(self, facts: Sequence[Fact]) -> Mapping[Fact, Reading]: ...

    def abort(self) -> None: ...


class Here:
    """This machine. Its host never hangs, so nothing here keeps deadlines."""

    def __init__(self, name: str, host: Host, on_read: OnRead) -> None:
        self._name, self._host, self._on_read = name, host, on_read

    @property
    def lost(self) -> Unavailable | None:
        return None

    def read(self, facts: Sequence[Fact]) -> Mapping[Fact, Reading]:
        return dict(zip(facts, side_by_side(self._reading, facts, AT_ONCE), strict=True))

    def abort(self) -> None:
        """Nothing is ended here: every read ends by itself, and soon."""

    def _reading(self, fact: Fact) -> Reading:
        reading = reading_of(fact, Permitted(self._host, fact))
        self._on_read(self._name, fact)
        return reading


class Far:
    """A machine over SSH."""

    def __init__(self, name: str, remote: RemoteTarget, on_read: OnRead) -> None:
        self._name, self._remote, self._on_read = name, remote, on_read

    @property
    def lost(self) -> Unavailable | None:
        return self._remote.lost

    def read(self, facts: Sequence[Fact]) -> Mapping[Fact, Reading]:
        found: dict[Fact, Reading] = {}

        def deliver(fact: Fact, reading: Reading, seconds: float) -> None:
            del seconds
            found[fact] = reading
            self._on_read(self._name, fact)

        self._remote.read(facts, deliver)
        return found

    def abort(self) -> None:
        self._remote.abort()


def look(machine: Machine, areas: Iterable[Area]) -> dict[Fact, Reading]:
    """The readings of everything that these areas ask for, as far as the machine can be had."""
    areas = tuple(areas)
    readings: dict[Fact, Reading] = {}
    for _ in range(ROUNDS):
        seen = Seen(readings)
        wanted = dict.fromkeys(fact for area in areas for fact in area.facts(seen))
        missing = [fact for fact in wanted if fact not in readings]
        if not missing:
            break
        readings |= machine.read(missing)
        if machine.lost is not None:
            break
    return readings
