"""Java's properties files, by the rules of java.util.Properties.load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import all_or_last, wants_all

_BLANK: Final = " \t\f"
_ENDS: Final = re.compile(r"\r\n|\r|\n")
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def look_up(text: str, key: str, path: str) -> Any:
    """The last value of a key; ``key[]`` gives all. A dot in a key is part of its name."""
    pairs = list(_pairs(text, path))
    whole = [value for name, value in pairs if name == key]
    if whole:
        return whole[-1]
    bare, everything = wants_all(key)
    return all_or_last([value for name, value in pairs if name == bare], everything)


def _pairs(text: str, path: str) -> Iterator[tuple[str, str]]:
    for number, line in _logical_lines(text):
        at, escaped = 0, False
        while at < len(line) and (escaped or line[at] not in _BLANK + "=:"):
            escaped = line[at] == "\\" and not escaped
            at += 1
        rest = line[at:].lstrip(_BLANK)
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(_BLANK)
        yield _plain(line[:at], path, number), _plain(rest, path, number)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those joined that a backslash continues, and the number of their first line."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(_ENDS.split(text), 1):
        bare = line.lstrip(_BLANK)
        if not parts:
            if not bare or bare[0] in "#!":
                continue
            first = number
        slashes = len(bare) - len(bare.rstrip("\\"))
        if slashes % 2:
            # A backslash alone begins nothing: what follows is a line of its own.
            if parts or len(bare) > 1:
                parts.append(bare[:-1])
            continue
        yield first, "".join([*parts, bare])
        parts = []
    if parts:
        yield first, "".join(parts)


def _plain(text: str, path: str, number: int) -> str:
    if "\\" not in text:
        return text

    def sign(found: re.Match[str]) -> str:
        if found[1] is not None:
            return chr(int(found[1], 16))
        if found[2] == "u":
            raise NotReadable(f"{path}:{number}: \\u without four hex digits", "parse")
        return _ESCAPES.get(found[2], found[2])

    made = re.sub(
        r"\\(?:u([0-9A-Fa-f]{4})|(.)|$)", lambda found: sign(found) if found[0] != "\\" else "", text
    )
    # Java writes a sign beyond 16 bits as two: put together, and half of one is told as unreadable.
    return made.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
