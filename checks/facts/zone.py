"""The time zone of a machine: the rule for its local time from now on, as RFC 8536 files end with it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

LOCALTIME: Final = "/etc/localtime"
TIMEZONE: Final = "/etc/timezone"
UTC: Final = "UTC0"

_LIMIT: Final = 256 * 1024
_NAME_LIMIT: Final = 100

_ABBREVIATION: Final = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_TIME: Final = r"[+-]?\d{1,3}(?::\d{1,2}){0,2}"
_DAY: Final = r"(?:J?\d{1,3}|M\d{1,2}\.[1-5]\.[0-6])"
_RULE: Final = (
    rf"{_ABBREVIATION}(?P<standard>{_TIME})"
    rf"(?:{_ABBREVIATION}(?P<summer>{_TIME})?"
    rf",(?P<starts>{_DAY})(?:/(?P<starts_at>{_TIME}))?,(?P<ends>{_DAY})(?:/(?P<ends_at>{_TIME}))?)?"
)
"""A text, because compiling it would cost every run that looks at a clock."""

LocalTime = tuple[tuple[int, str, int], ...]
"""Offsets in seconds east of UTC; each with the day and the second of it at which it begins, if it ends."""


class Zone(msgspec.Struct, frozen=True):
    """`rule` as POSIX writes it (``CET-1CEST,M3.5.0,M10.5.0/3``); `name` is empty where no file tells it."""

    rule: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.rule})" if self.name else self.rule


@fact
class TimeZone(Fact, frozen=True):
    """The machine's time zone; a program whose TZ is set may have another.

    Without a file it is UTC, as the C library has it (tzset(3)); Windows is asked itself.
    """

    value_type: ClassVar[type] = Zone

    def describe(self) -> str:
        return f"read {LOCALTIME} and {TIMEZONE}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(LOCALTIME), ReadFile(TIMEZONE))

    def read(self, host: Host) -> Zone:
        try:
            rule = rule_in(host.read_bytes(LOCALTIME, _LIMIT))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            windows = _of_windows(host)
            if windows is not None:
                return windows
            rule = UTC
        return Zone(rule, _name(host))


def rule_in(data: bytes) -> str:
    """The rule that ends a TZif file, between its last two line ends (RFC 8536 3.3).

    Raises `NotReadable` (parse) for what is no such file, (unsupported) for one that holds no rule: those of
    version 1, which tzdata does not make any more, and those of zones that follow none.
    """
    if not data.startswith(b"TZif"):
        raise NotReadable(f"{LOCALTIME} is not a time zone file", "parse")
    if data[4:5] < b"2":
        raise NotReadable(
            f"{LOCALTIME} is of version 1, which holds no rule for the time to come", "unsupported"
        )
    body, ended, _ = data.rpartition(b"\n")
    rule = body.rpartition(b"\n")[2].decode("ascii", errors="replace")
    if ended and not rule:
        raise NotReadable(f"{LOCALTIME} gives no rule for the time to come", "unsupported")
    if not data.endswith(b"\n") or not re.fullmatch(_RULE, rule, re.ASCII):
        raise NotReadable(f"{LOCALTIME} does not end with a rule", "parse")
    return rule


def local_time(rule: str) -> LocalTime:
    """What a rule means, the same for two that give the same local time.

    Abbreviations say nothing of it and change with the release of tzdata; Irish time is written with winter
    or with summer as the exception. Raises `NotReadable` (parse) for what is no rule.
    """
    found = re.fullmatch(_RULE, rule, re.ASCII)
    if found is None:
        raise NotReadable(f"{rule!r} is not the rule of a time zone", "parse")
    standard = -_seconds(found["standard"])
    if not found["starts"]:
        return ((standard, "", 0),)
    summer = -_seconds(found["summer"]) if found["summer"] else standard + 3600
    starts = (summer, found["starts"], _seconds(found["starts_at"] or "2"))
    ends = (standard, found["ends"], _seconds(found["ends_at"] or "2"))
    return tuple(sorted((starts, ends)))


def _seconds(time: str) -> int:
    hours, minutes, seconds = ([int(part) for part in time.lstrip("+-").split(":")] + [0, 0])[:3]
    total = hours * 3600 + minutes * 60 + seconds
    return -total if time.startswith("-") else total


def _name(host: Host) -> str:
    """The zone's name where a file tells it (Debian): it is only shown, so its lack is none."""
    try:
        lines = host.read_text(TIMEZONE, 4096).split("\n")
    except NotReadable:
        return ""
    return lines[0].strip()[:_NAME_LIMIT]


def _of_windows(host: Host) -> Zone | None:
    """Where this machine runs Windows the lack of the file says nothing; None for any other machine."""
    if os.name != "nt":
        return None
    try:
        host.only_here("the time zone of Windows")
    except NotReadable:
        return None
    from checks.facts.windowszone import rule_of, zone_information

    seen = zone_information()
    return Zone(rule_of(seen), seen.name)
