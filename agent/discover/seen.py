"""What discovery knows of a machine, and what it makes of that: entries for a profile, and notes.

All of it is data: which machine it came from, and how, does not show here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from checks.fact import Fact, Known, Reading, Redacted, Unavailable

NOT_THERE = frozenset({"absent", "unsupported"})
"""Causes that say that there is nothing of the kind, rather than that it could not be read."""


class Written(str):
    """A text that goes into the profile as it is, because it names variables: ``${address}:443``."""

    __slots__ = ()


class Entry(msgspec.Struct, frozen=True):
    """One item of the profile to be.

    `id` is unique within a target; `parameters` are plain values by name, and `why` says what was seen.
    `listed` names the parameter whose texts are judged each by itself, so that one can be taken out;
    `variables` are those that the parameters name. `scheme` is how versions in it are compared.
    """

    area: str
    id: str
    check: str
    parameters: dict[str, Any]
    why: str
    severity: str = ""
    listed: str = ""
    variables: dict[str, Any] = {}
    scheme: str = ""


class Note(msgspec.Struct, frozen=True):
    """Something that was seen, or could not be, and that the profile does not hold anybody to."""

    area: str
    text: str


class Extension(msgspec.Struct, frozen=True):
    """A role profile that fits a machine, because of what was seen there."""

    profile: str
    why: str


Finding = Entry | Note | Extension


class Seen(msgspec.Struct, frozen=True):
    """The readings of one machine, by fact."""

    readings: Mapping[Fact, Reading]

    def value(self, fact: Fact) -> Any:
        """The value, of the type that the fact declares; None where it was not read."""
        reading = self.readings.get(fact)
        return reading.value if isinstance(reading, Known) else None

    def failure(self, fact: Fact) -> Unavailable | None:
        """Why a fact that was asked for has no value."""
        reading = self.readings.get(fact)
        if isinstance(reading, Redacted):
            return Unavailable("it was redacted", "redacted")
        return reading if isinstance(reading, Unavailable) else None

    def unread(self, area: str, what: str, fact: Fact, *, quiet: frozenset[str] = frozenset()) -> list[Note]:
        """A note on what could not be read; none where it could, or where the cause is one of `quiet`."""
        problem = self.failure(fact)
        if problem is None or problem.cause in quiet:
            return []
        return [Note(area, f"could not be read: {what}: {problem.reason}")]


class Choices(msgspec.Struct, frozen=True):
    """What the user wants: `packages` all, or those of known products alone."""

    packages: str = "products"


class Area(msgspec.Struct, frozen=True):
    """One kind of thing to look for. `facts` are those that the readings so far make necessary, known ones
    among them or not; `findings` are made of all of them."""

    name: str
    title: str
    facts: Callable[[Seen], Iterable[Fact]]
    findings: Callable[[Seen, Choices], Iterable[Finding]]


def slug(text: str) -> str:
    """A text as part of an item's id: ``/var/lib`` is ``var-lib``."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._") else "-" for char in text)
    return "-".join(part for part in kept.split("-") if part).strip(".")[:80] or "root"
