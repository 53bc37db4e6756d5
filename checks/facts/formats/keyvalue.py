"""A name and a value a line: ``key = value``, ``key: value`` or ``key value``, with ``#`` for comments.

That is how sysctl.conf, redis.conf, rabbitmq.conf and many others are written.
"""

from __future__ import annotations

import re
from typing import Any, Final

from checks.facts.formats.found import all_or_last, wants_all

_LINE: Final = re.compile(r"([^\s=:]+)\s*[=:]?\s*(.*)")


def look_up(text: str, key: str, path: str) -> Any:
    """The last value of a key, by its very name or else in any case; ``key[]`` gives all."""
    del path
    key, everything = wants_all(key)
    exact: list[str] = []
    alike: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        found = _LINE.match(bare)
        if found is None:
            continue
        # A minus before a name tells sysctl to go on where it cannot be set.
        name, value = found[1].removeprefix("-"), _unquoted(found[2])
        if name == key:
            exact.append(value)
        elif name.lower() == key.lower():
            alike.append(value)
    return all_or_last(exact or alike, everything)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
