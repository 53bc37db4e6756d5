"""The time zone of Windows as a POSIX rule, which is what other systems' zones are compared by.

Windows keeps the rule of this year alone. Where it follows dates and no weekdays there is none to tell.
"""

from __future__ import annotations

import ctypes
from typing import Final

import msgspec

from checks.fact import NotReadable

_FAILED: Final = 0xFFFFFFFF
_NAME_LENGTH: Final = 32
_KEY_LENGTH: Final = 128


class Change(msgspec.Struct, frozen=True):
    """When local time changes, as the SYSTEMTIME of a zone tells it: month 0 for never; `week` 1 to 4, or 5
    for the last; `weekday` 0 for Sunday; a year only where it is that one day."""

    year: int = 0
    month: int = 0
    weekday: int = 0
    week: int = 0
    hour: int = 0
    minute: int = 0
    second: int = 0
    milliseconds: int = 0


class ZoneInformation(msgspec.Struct, frozen=True):
    """Minutes that are added to local time to get UTC, and by what winter and summer differ from that."""

    bias: int
    standard_bias: int
    daylight_bias: int
    standard: Change
    daylight: Change
    name: str


class _SystemTime(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint16) for name in ("y", "mo", "wd", "d", "h", "mi", "s", "ms"))


class _Information(ctypes.Structure):
    """DYNAMIC_TIME_ZONE_INFORMATION of timezoneapi.h; its characters are of 16 bits."""

    _fields_ = (
        ("bias", ctypes.c_int32),
        ("standard_name", ctypes.c_uint16 * _NAME_LENGTH),
        ("standard", _SystemTime),
        ("standard_bias", ctypes.c_int32),
        ("daylight_name", ctypes.c_uint16 * _NAME_LENGTH),
        ("daylight", _SystemTime),
        ("daylight_bias", ctypes.c_int32),
        ("key", ctypes.c_uint16 * _KEY_LENGTH),
        ("fixed", ctypes.c_uint8),
    )


def zone_information() -> ZoneInformation:
    """What Windows says; the one door to it. Raises `NotReadable` where it says nothing."""
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        raise NotReadable("this system is no Windows", "unsupported")
    seen = _Information()
    if windll.kernel32.GetDynamicTimeZoneInformation(ctypes.byref(seen)) & _FAILED == _FAILED:
        raise NotReadable("Windows does not tell its time zone", "failed")
    name = bytes(seen.key).decode("utf-16-le", errors="replace").partition("\0")[0]
    standard, daylight = _change(seen.standard), _change(seen.daylight)
    return ZoneInformation(seen.bias, seen.standard_bias, seen.daylight_bias, standard, daylight, name)


def rule_of(zone: ZoneInformation) -> str:
    """The rule; raises `NotReadable` (unsupported) where it is that of one year only."""
    winter = zone.bias + zone.standard_bias
    if not zone.standard.month or not zone.daylight.month:
        return f"<WIN>{_offset(zone.bias)}"
    if zone.standard.year or zone.daylight.year:
        raise NotReadable("Windows gives no rule for the time to come", "unsupported")
    summer = zone.bias + zone.daylight_bias
    starts, ends = _day(zone.daylight), _day(zone.standard)
    return f"<WIN>{_offset(winter)}<WINS>{_offset(summer)},{starts},{ends}"


def _change(seen: _SystemTime) -> Change:
    return Change(*(int(getattr(seen, name)) for name in ("y", "mo", "wd", "d", "h", "mi", "s", "ms")))


def _day(at: Change) -> str:
    """Some zones change at 23:59:59.999, which means midnight."""
    seconds = at.hour * 3600 + at.minute * 60 + at.second + (at.milliseconds >= 500)
    hours, rest = divmod(seconds, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}" if rest else f"{hours}"
    return f"M{at.month}.{at.week}.{at.weekday}/{clock}"


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}{hours}:{rest:02}" if rest else f"{sign}{hours}"
