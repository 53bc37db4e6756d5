"""Dates and times as people and programs write them, found in a text: 2026-12-31, 31.12.2026, 2026年12月31日.

A date that can be read in two ways is refused and never guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from checks.fact import NotReadable

if TYPE_CHECKING:
    from checks.facts.host import Host

TEXT_LIMIT: Final = 300
"""Characters of a text in which dates are looked for: bounds what a text full of them can cost."""

LOCALTIME: Final = "/etc/localtime"

_NAMES: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTH: Final = (
    rf"(?P<mon>{_NAMES})"
    r"(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\.?"
)
_CLOCK: Final = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d{1,9})?)?(?![\d:])"
_ZONE: Final = r"(?:\s?(?P<tz>Z|UTC|GMT|[+-]\d{2}:?\d{2})\b)?"
_TIME: Final = rf"(?:(?:T|,?\s{{1,4}}(?:at )?){_CLOCK}{_ZONE})?"
_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_TH: Final = r"(?:st|nd|rd|th)?"

_FORMS: Final = tuple(
    rf"(?<![\w.]){form}(?!\d)"
    for form in (
        rf"{_Y}年\s?{_M}月\s?{_D}日?(?:\s{{0,4}}{_CLOCK})?",
        rf"{_Y}(?P<s>[-/.]){_M}(?P=s){_D}{_TIME}",
        rf"{_D}\.\s?{_M}\.{_Y}{_TIME}",
        rf"(?P<a>\d{{1,2}})[/-](?P<b>\d{{1,2}})[/-]{_Y}{_TIME}",
        rf"{_D}{_TH}[-/ ]\s?{_MONTH},?[-/ ]{_Y}(?:[:T]|,?\s{{1,4}}|$)?(?:{_CLOCK}{_ZONE})?",
        rf"{_MONTH}\s{{1,4}}{_D}{_TH},?\s{{1,4}}{_Y}{_TIME}",
        rf"{_MONTH}\s{{1,4}}{_D}\s{{1,4}}{_CLOCK}(?:\s{{1,4}}(?P<tz1>UTC|GMT))?\s{{1,4}}{_Y}{_ZONE}",
        rf"{_MONTH}\s{{1,4}}{_D}\s{{1,4}}{_CLOCK}",
        r"(?P<y>(?:19|20)\d{2})(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])"
        r"(?:[T_-]?(?P<H>[01]\d|2[0-3])(?P<M>[0-5]\d)(?P<S>[0-5]\d)(?P<tz>Z)?)?",
    )
)
"""Regular expressions as texts, because compiling all of them would cost every run that imports this. The
month names come in any case. What stands first goes first where two begin at the same place."""


class Written(msgspec.Struct, frozen=True):
    """A moment as it was written. Without `year` it is the last such day, without `hour` a whole day, and
    without `offset` (seconds east of UTC) it is in local time."""

    text: str
    year: int | None
    month: int
    day: int
    hour: int | None = None
    minute: int = 0
    second: int = 0
    offset: int | None = None

    def moment(self, zone: tzinfo = UTC, before: datetime | None = None) -> datetime:
        """The moment, in UTC; of a whole day its begin. Raises `NotReadable` (parse) where there is none.

        `before` is what a moment without a year cannot be later than, but for a day.
        """
        where = zone if self.offset is None else timezone(timedelta(seconds=self.offset))
        newest = before or datetime.now(UTC)
        years = range(newest.year + 1, newest.year - 9, -1) if self.year is None else (self.year,)
        for year in years:
            try:
                at = datetime(year, self.month, self.day, self.hour or 0, self.minute, self.second)  # noqa: DTZ001
                made = at.replace(tzinfo=where).astimezone(UTC)
            except (ValueError, OverflowError):  # 29 February of most years
                continue
            if self.year is not None or made <= newest + timedelta(days=1):
                return made
        raise NotReadable(f"{self.text!r} is no date", "parse")

    def end(self, zone: tzinfo = UTC) -> datetime:
        """The moment at which it is over: of a whole day its end."""
        made = self.moment(zone)
        try:
            return made if self.hour is not None else made + timedelta(days=1)
        except OverflowError:
            return made


def moments_in(text: str) -> list[Written]:
    """The dates in a text (its first 300 characters), in order; a text that is one number counts seconds or
    milliseconds since 1970. Raises `NotReadable` (unsupported) for one
    such as 03/04/2026, that can be meant in two ways."""
    text = text[:TEXT_LIMIT]
    epoch = re.fullmatch(r"\s*(1\d{9})(?:\d{3})?(?:\.\d{1,9})?\s*", text)
    if epoch is not None:
        at = datetime.fromtimestamp(int(epoch[1]), UTC)
        return [Written(text.strip(), at.year, at.month, at.day, at.hour, at.minute, at.second, 0)]
    found: list[Written] = []
    begin = 0
    while begin < len(text):
        matches = [match for form in _FORMS if (match := re.compile(form, re.IGNORECASE).search(text, begin))]
        if not matches:
            break
        first = min(matches, key=lambda match: match.start())
        written = _written(first)
        if written is not None:
            found.append(written)
        begin = max(first.end(), begin + 1)
    return found


def by_format(text: str, form: str) -> Written:
    """The date that a whole text is in a form of strptime; raises `NotReadable` (parse) where it is none."""
    text = text.strip()[:200]
    try:
        at = datetime.strptime(text, form)  # noqa: DTZ007 - whether it has a zone is told from it
        offset = at.utcoffset()
    except (ValueError, TypeError, OverflowError, re.error):
        # What else the text holds is not for a report.
        raise NotReadable(f"what stands there is not of the form {form}", "parse") from None
    timed = any(code in form for code in ("%H", "%I", "%c", "%X"))
    dated = any(code in form for code in ("%Y", "%y", "%G", "%c", "%x"))
    return Written(
        text,
        at.year if dated else None,
        at.month,
        at.day,
        at.hour if timed else None,
        at.minute,
        at.second,
        None if offset is None else int(offset.total_seconds()),
    )


def zone_of(host: Host) -> tzinfo:
    """The time zone of the machine, by its /etc/localtime; UTC where it has none (tzset(3))."""
    import io
    import os
    from zoneinfo import ZoneInfo

    try:
        data = host.read_bytes(LOCALTIME, 256 * 1024)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        if os.name == "nt":
            host.only_here("the time zone of Windows")
            return datetime.now().astimezone().tzinfo or UTC
        return UTC
    try:
        return ZoneInfo.from_file(io.BytesIO(data), key=LOCALTIME)
    except Exception as problem:  # whatever the bytes are, they come from elsewhere
        raise NotReadable(f"{LOCALTIME} is not a time zone file", "parse") from problem


def _written(match: re.Match[str]) -> Written | None:
    """What a match says; None where no day has these numbers."""
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    text = match[0].strip()
    if "a" in parts:
        month, day = _month_and_day(int(parts["a"]), int(parts["b"]), text)
    else:
        day = int(parts["d"])
        month = _NAMES.split("|").index(parts["mon"].lower()) + 1 if "mon" in parts else int(parts["m"])
    year = int(parts["y"]) if "y" in parts else None
    hour = int(parts["H"]) if "H" in parts else None
    made = Written(
        text,
        year,
        month,
        day,
        hour,
        int(parts.get("M", 0)),
        int(parts.get("S", 0)),
        _offset(parts.get("tz") or parts.get("tz1")),
    )
    try:
        datetime(year or 2000, month, day, hour or 0, made.minute, made.second)  # noqa: DTZ001 - only tried
    except ValueError:
        return None
    return made


def _month_and_day(first: int, second: int, text: str) -> tuple[int, int]:
    if first <= 12 and second <= 12 and first != second:
        raise NotReadable(
            f"{text} can be read in two ways: set date_format to %d/%m/%Y or %m/%d/%Y", "unsupported"
        )
    return (second, first) if first > 12 else (first, second)


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone.upper() in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    if seconds >= 24 * 3600:
        return None
    return -seconds if zone.startswith("-") else seconds
