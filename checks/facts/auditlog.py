"""Keys that a log file tells of: what an application wrote down that it did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFrom, StatPath
from checks.facts.host import FILE_LIMIT

if TYPE_CHECKING:
    from checks.facts.host import Host

KEYS_LIMIT: Final = 10_000
LINE_LIMIT: Final = 4096


class LoggedKeys(msgspec.Struct, frozen=True):
    """The keys in a log, in its order, each once. `cut`: its beginning, or more than 10000 keys, were not
    looked at."""

    keys: tuple[str, ...]
    cut: bool = False


@fact
class LogKeys(Fact, frozen=True):
    """What a pattern's first group catches (or all of it, without one) in the last 4 MiB of a log."""

    value_type: ClassVar[type] = LoggedKeys
    path: str
    pattern: str

    def describe(self) -> str:
        return f"look for {self.pattern} in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (StatPath(self.path), ReadFrom(self.path, "<its last 4 MiB>"))

    def read(self, host: Host) -> LoggedKeys:
        size = host.stat(self.path).size
        offset = max(0, size - FILE_LIMIT)
        text = host.read_from(self.path, offset).decode("utf-8", errors="replace")
        return keys_in(text, self.pattern, offset > 0)

    @classmethod
    def settled(cls, value: LoggedKeys) -> dict[str, Any]:
        """Nothing: it grows with every operation."""
        del value
        return {}


def keys_in(text: str, pattern: str, cut: bool = False) -> LoggedKeys:
    """The keys in a text, of which the first line is left out where it was `cut`."""
    try:
        sought = re.compile(pattern)
    except re.error as error:
        raise NotReadable(f"{pattern!r} is not a regular expression: {error}", "unsupported") from error
    lines = text.splitlines()[1 if cut else 0 :]
    found: dict[str, None] = {}
    for line in lines:
        for match in sought.finditer(line[:LINE_LIMIT]):
            key = match[1] if sought.groups else match[0]
            if key:
                found[key[:200]] = None
    # The last ones: what was sampled is recent.
    keys = tuple(found)
    return LoggedKeys(keys[-KEYS_LIMIT:], cut or len(keys) > KEYS_LIMIT)
