"""What a bundle is made of, and how much of it there may be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

FORMAT: Final = "firstlight-bundle"
VERSION: Final = 1

INDEX: Final = "index.html"
MANIFEST: Final = "bundle.json"
SNAPSHOT: Final = "snapshot.json"
ACCEPTED: Final = "accepted.json"
PREVIOUS: Final = "previous.json"
"""The names of parts that programs look for. No name in a bundle comes from the machine that it is about."""

NAME: Final = re.compile(r"(?:[a-z]{1,20}/)?[a-z0-9][a-z0-9-]{0,60}\.(?:html|json|txt)")
MIB: Final = 1024 * 1024


class Part(msgspec.Struct, frozen=True):
    """One file of the bundle. `what` says for people what it holds, `cut` what was left out of it (empty:
    nothing); `weight` is how long it is kept where the bundle grows too large: the least go first.
    """

    name: str
    what: str
    data: bytes
    cut: str = ""
    weight: int = 5


class Listed(msgspec.Struct, frozen=True):
    """A part as the manifest names it; `size` in bytes."""

    name: str
    what: str
    size: int
    cut: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """`bundle.json`: what this file is, and all that is in it."""

    format: str
    version: int
    made: str
    by: str
    site: str
    profile: str
    parts: tuple[Listed, ...]


def within(parts: Iterable[Part], limit: int) -> list[Part]:
    """The parts in as many bytes: the lightest are cut at their front, the newest end of them stays.

    What is read by programs is never cut, only left out.
    """
    kept = list(parts)
    over = sum(len(part.data) for part in kept) - limit
    for part in sorted(kept, key=lambda part: (part.weight, -len(part.data))):
        if over <= 0:
            break
        at = kept.index(part)
        if part.name.endswith(".txt") and len(part.data) > over + 4096:
            shorter = ending(part.data, len(part.data) - over)
            over -= len(part.data) - len(shorter)
            kept[at] = msgspec.structs.replace(
                part, data=shorter, cut=_both(part.cut, "older lines left out: the bundle is full")
            )
        else:
            over -= len(part.data)
            kept[at] = msgspec.structs.replace(
                part, data=b"", cut=_both(part.cut, "left out: the bundle is full")
            )
    return kept


def ending(data: bytes, size: int) -> bytes:
    """The last `size` bytes, from the beginning of a line."""
    if len(data) <= size:
        return data
    tail = data[len(data) - size :]
    return tail[tail.find(b"\n") + 1 :]


def _both(one: str, other: str) -> str:
    return f"{one}; {other}" if one else other
