"""Until when a licence holds, as a file says it. Of the file nothing is kept but that date."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.files import LINE_LIMIT, text_of
from checks.facts.moments import by_format, moments_in

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.moments import Written

DEFAULT_PATTERN: Final = (
    r"(?i)expir(?:es|y|ation)|valid[ _-]?(?:until|till|to|thru|through)|not[ _-]?after|end[ _-]?date"
    r"|\buntil\b|gültig bis|到期|有效期|截止|失效"
)
"""How licence files introduce the date until which they hold."""

LINES_READ: Final = 1000
"""Lines with such words that are looked at; a file with more is no licence."""

_NEVER: Final = r"(?i)\b(?:never|perpetual|permanent|unlimited|lifetime|unbefristet)\b|永久|无限期"


class Licence(msgspec.Struct, frozen=True):
    """`until` is the moment at which it ends (aware UTC), as `text` the file has it; None: it never does.

    `line` counts from 1, 0 where a key was looked up; not `found`: the file names no date.
    """

    found: bool
    until: datetime | None = None
    text: str = ""
    line: int = 0


@fact
class LicenceDate(Fact, frozen=True):
    """The end of a licence: what a `key` of the file holds, or the earliest date of the lines that `pattern`
    finds: in its first group, or behind it. `date_format` is strptime's, for what can be read in two ways."""

    value_type: ClassVar[type] = Licence
    path: str
    key: str = ""
    pattern: str = ""
    date_format: str = ""

    def describe(self) -> str:
        return f"read until when the licence in {self.path} holds"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> Licence:
        text = text_of(self.path, host.read_bytes(self.path))
        if self.key:
            return self._of_key(text)
        try:
            pattern = re.compile(self.pattern or DEFAULT_PATTERN)
        except re.error as error:
            raise NotReadable(
                f"{self.pattern!r} is not a regular expression: {error}", "unsupported"
            ) from error
        lines = (
            (line[:LINE_LIMIT], match, number)
            for number, line in enumerate(text.splitlines(), 1)
            if (match := pattern.search(line[:LINE_LIMIT])) is not None
        )
        found = [
            licence for each in islice(lines, LINES_READ) if (licence := self._of_line(*each)) is not None
        ]
        ending = [(licence.until, licence.line) for licence in found if licence.until is not None]
        if not ending:
            return found[0] if found else Licence(False)
        return next(licence for licence in found if (licence.until, licence.line) == min(ending))

    def _of_key(self, text: str) -> Licence:
        from checks.facts.formats import MISSING, format_of, look_up

        value = look_up(text, format_of(self.path), self.key, self.path)
        if value is MISSING:
            return Licence(False)
        made = self._read(str(value), 0, first=True)
        if made is None:
            raise NotReadable(f"{self.key} in {self.path} holds no date", "parse")
        return made

    def _of_line(self, line: str, match: re.Match[str], number: int) -> Licence | None:
        if match.re.groups and match[1] is not None:
            return self._read(match[1], number, first=True)
        # From … until …: the last date of what follows is the end.
        return self._read(line[match.end() :], number, first=False)

    def _read(self, text: str, line: int, *, first: bool) -> Licence | None:
        if re.search(_NEVER, text):
            return Licence(True, None, "", line)
        written = self._written(text, first=first)
        return None if written is None else Licence(True, written.end(), written.text[:60], line)

    def _written(self, text: str, *, first: bool) -> Written | None:
        if self.date_format:
            return by_format(text.strip().strip(":=\"'<>, \t"), self.date_format)
        found = moments_in(text)
        if not found:
            return None
        return found[0] if first else found[-1]
