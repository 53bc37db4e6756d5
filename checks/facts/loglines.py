"""What was added to a log since the last look: how many lines match a pattern, and one of them.

Where the last look ended is recalled by numbers alone (`Fact.series`): the byte, and a checksum of the few
bytes before it, by which the same file is known again. Where they are not there any more, the log was
rotated, by renaming or by copying and truncating: the rest of the file before is looked for beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from zlib import crc32

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFrom, Recall, StatPath
from checks.facts.files import LINE_LIMIT, TEXT_LIMIT
from checks.facts.host import FILE_LIMIT
from checks.facts.newest import split
from checks.facts.secrets import holds_a_secret, masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.host import Host

MARK: Final = 64
"""Bytes before the place where a look ended, by which the file is known again."""

LOOKS_KEPT: Final = 200
OLDER_FILES: Final = 3
_GIVEN: Final = r"([A-Za-z][\w.-]{0,100})[\"']?\s*[=:](?=\s*[\"']?\S)"
"""A name that is given a value, wherever in a line it stands."""

WITHHELD: Final = "(not shown: the line looks like it holds a secret)"


class Look(msgspec.Struct, frozen=True, array_like=True):
    """An earlier look at the log: when (aware UTC), and how many lines matched since the one before."""

    at: datetime
    matches: int


class LogGrowth(msgspec.Struct, frozen=True):
    """Lines since the last look, those that match, and the last of them, without what looks secret.

    `looks` are earlier ones, the oldest first; without any this was the first, which counts nothing.
    `skipped` bytes were too many for one look; `rotated` since the last one, and what was written before that
    is `lost` where it was not found. `size` is the file's, `offset` and `mark` are where this look ended.
    """

    size: int
    lines: int = 0
    matches: int = 0
    sample: str = ""
    looks: tuple[Look, ...] = ()
    skipped: int = 0
    rotated: bool = False
    lost: bool = False
    offset: int = 0
    mark: int = 0


class Place(msgspec.Struct, frozen=True):
    """Where a look ended: the byte, and the checksum of up to `MARK` bytes before it."""

    offset: int
    mark: int


class Text(msgspec.Struct, frozen=True):
    """What was read of a log from a place on; `begins` is the byte that it begins at, `back` what stands
    before that, as far as it was read."""

    data: bytes
    begins: int
    skipped: int = 0
    back: bytes = b""


@fact
class NewLogLines(Fact, frozen=True):
    """What was added to a log since the last look at it, of more than 4 MiB the last 4 MiB."""

    value_type: ClassVar[type] = LogGrowth
    deadline_s: ClassVar[float] = 15.0
    path: str
    pattern: str
    ignore: tuple[str, ...] | str = ()

    def describe(self) -> str:
        return f"read what was added to {self.path} since the last look"

    def asks(self) -> tuple[Ask, ...]:
        folder, name = split(self.path)
        older = f"{folder.rstrip('/')}/{name}<of an older one>"
        ended = "<where it ended last time>"
        return (
            Recall(self.id()),
            StatPath(self.path),
            ReadFrom(self.path, ended),
            # A template, so that it is asked only after a rotation.
            ListFolder(f"{folder.rstrip('/')}/<. after a rotation>"),
            StatPath(older),
            ReadFrom(older, ended),
        )

    def read(self, host: Host) -> LogGrowth:
        wanted, ignored = _compiled(self.pattern), [_compiled(pattern) for pattern in self.ignore]
        host.want((Recall(self.id()), StatPath(self.path)))
        samples = host.recall(self.id())
        size = host.stat(self.path).size
        if not samples:
            begins = max(0, size - MARK)
            tail = host.read_from(self.path, begins)[: size - begins]
            return LogGrowth(size, offset=begins + len(tail), mark=crc32(tail))
        last = samples[-1].values
        place = Place(int(last.get("offset", 0)), int(last.get("mark", 0)))
        looks = tuple(Look(each.at, int(each.values.get("matches", 0))) for each in samples[-LOOKS_KEPT:])
        text = _from(host, self.path, place, size)
        rotated = text is None
        before = _older(host, self.path, place) if rotated else Text(b"", 0)
        if text is None:
            text = _from(host, self.path, Place(0, 0), size) or Text(b"", 0)
        end = _whole_lines(text.data)
        lines = [*(before.data if before else b"").splitlines(), *text.data[:end].splitlines()]
        found = _matching(lines, wanted, ignored)
        return LogGrowth(
            size,
            len(lines),
            len(found),
            _shown(found[-1]) if found else "",
            looks,
            text.skipped + (before.skipped if before else 0),
            rotated,
            before is None,
            text.begins + end,
            crc32((text.back + text.data[:end])[-MARK:]),
        )

    @classmethod
    def settled(cls, value: LogGrowth) -> dict[str, Any]:
        """Nothing: a log is there to grow."""
        del value
        return {}

    @classmethod
    def series(cls, value: LogGrowth) -> Mapping[str, float]:
        """Where the look ended, and what it counted."""
        return {"offset": value.offset, "mark": value.mark, "matches": value.matches}


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise NotReadable(f"{pattern!r} is not a regular expression: {error}", "unsupported") from error


def _from(host: Host, path: str, place: Place, size: int) -> Text | None:
    """What a file holds from a place on, at most its last `FILE_LIMIT` bytes; None where the place is not
    in it, because it is another file."""
    if size < place.offset:
        return None
    skipped = max(0, size - place.offset - (FILE_LIMIT - MARK))
    if skipped:
        # Too much to look back as well: that it is the same file is taken for granted.
        return Text(host.read_from(path, place.offset + skipped), place.offset + skipped, skipped)
    back = min(MARK, place.offset)
    data = host.read_from(path, place.offset - back)
    if back and crc32(data[:back]) != place.mark:
        return None
    return Text(data[back:], place.offset, back=data[:back])


def _older(host: Host, path: str, place: Place) -> Text | None:
    """What the file before holds from a place on, None where it is not found: removed, or compressed."""
    folder, name = split(path)
    try:
        names = [entry.name for entry in host.list_folder(f"{folder.rstrip('/')}/.") if entry.type == "file"]
        # app.log.1, app.log-20261125, app.log.2026-11-25
        form = re.escape(name) + r"[.-]\d{1,8}(?:[-_.]?\d{1,8}){0,4}"
        paths = [f"{folder.rstrip('/')}/{each}" for each in names if re.fullmatch(form, each)]
        host.want(StatPath(each) for each in paths)
        seen = {each: host.stat(each) for each in paths}
        for each in sorted(paths, key=lambda each: seen[each].mtime, reverse=True)[:OLDER_FILES]:
            text = _from(host, each, place, seen[each].size)
            if text is not None:
                return text
    except NotReadable:
        return None
    return None


def _whole_lines(data: bytes) -> int:
    """Bytes up to the end of the last whole line; a line without an end is left for the next look."""
    end = data.rfind(b"\n") + 1
    return end if end or len(data) < FILE_LIMIT // 2 else len(data)


def _matching(
    lines: Sequence[bytes], wanted: re.Pattern[str], ignored: Sequence[re.Pattern[str]]
) -> list[str]:
    found = []
    for line in lines:
        # Without the zero bytes that UTF-16 has between letters.
        text = line[:LINE_LIMIT].replace(b"\0", b"").decode(errors="replace")
        if wanted.search(text) and not any(pattern.search(text) for pattern in ignored):
            found.append(text)
    return found


def _shown(line: str) -> str:
    given = any(names_a_secret(found[1]) for found in re.finditer(_GIVEN, line))
    return WITHHELD if given or holds_a_secret(line) else masked(line.strip())[:TEXT_LIMIT]
