"""Quantities people write with a unit, and back: ``8 GiB`` is bytes, ``15 %`` percent, ``30 d`` seconds.

Profiles are read strictly (``8G`` is refused with the two things it could mean); texts found in configuration
files are read leniently by `checks.matchers`, the way the programs that own those files do.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NamedTuple

KiB: Final = 1024
MiB: Final = 1024 * KiB
GiB: Final = 1024 * MiB
TiB: Final = 1024 * GiB

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0

Size = Annotated[int, "size"]
"""Bytes; in a profile a whole number of bytes or text such as ``8 GiB``."""

Percent = Annotated[float, "percent"]
"""0 to 100; in a profile a number or text such as ``15 %``."""

Span = Annotated[float, "span"]
"""Seconds; in a profile a number of seconds or text such as ``5 min``, ``26 h``, ``30 d``."""

SIZES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15} | {
    "kib": KiB,
    "mib": MiB,
    "gib": GiB,
    "tib": TiB,
    "pib": 1024 * TiB,
}
SPANS: Final = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
BARE_SIZES: Final = {"k": KiB, "m": MiB, "g": GiB, "t": TiB}
BARE_SPANS: Final = {"m": MINUTE}

MAX_SIZE: Final = 2**63 - 1
MAX_SPAN: Final = 1000 * 366 * DAY

_QUANTITY = re.compile(r"\s*([+-]?\d{1,30}(?:\.\d{1,30})?)\s*([A-Za-z]{1,4}|%)\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)


class Quantity(NamedTuple):
    """A number in the base unit of its dimension (bytes, percent, seconds)."""

    number: float
    dimension: str


def parse_number(text: str) -> float | None:
    """The plain decimal number that a whole text is, integers as `int`; None for anything else."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return number if abs(number) < float("inf") else None


def parse_quantity(text: str, *, bare: str = "") -> Quantity | None:
    """The number and unit that a whole text is, or None.

    `bare` names the dimension (``size`` or ``span``) for which one-letter units are understood too:
    ``512M`` as MiB, ``30m`` as minutes.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    digits, unit = found[1], found[2].lower()
    if unit == "%":
        return Quantity(float(digits), "percent")
    if unit in SIZES or (bare == "size" and unit in BARE_SIZES):
        return Quantity(_times(digits, SIZES.get(unit) or BARE_SIZES[unit]), "size")
    if unit in SPANS or (bare == "span" and unit in BARE_SPANS):
        return Quantity(float(digits) * (SPANS.get(unit) or BARE_SPANS[unit]), "span")
    return None


def read_size(value: object) -> int:
    """Bytes from a number or text; raises `ValueError` that says what would be right."""
    number = _read(value, "size", "a size such as 8 GiB")
    if number != int(number):
        raise ValueError(f"{value} is not a whole number of bytes; write a size such as 8 GiB")
    if not 0 <= number <= MAX_SIZE:
        raise ValueError(f"{value} is not a size that a computer can have; write a size such as 8 GiB")
    return int(number)


def read_percent(value: object) -> float:
    """Percent from a number or text; raises `ValueError` outside 0 to 100."""
    number = float(_read(value, "percent", "a percentage such as 15 %"))
    if not 0 <= number <= 100:
        raise ValueError(f"{value} is outside 0 to 100 percent")
    return number


def read_span(value: object) -> float:
    """Seconds from a number or text; raises `ValueError` that says what would be right."""
    number = float(_read(value, "span", "a duration such as 5 min, 26 h or 30 d"))
    if not 0 <= number <= MAX_SPAN:
        raise ValueError(f"{value} is not a sensible duration; write one such as 5 min, 26 h or 30 d")
    return number


def size_text(size: float) -> str:
    """A size for people, in binary units: ``8 GiB``, ``1.5 MiB``, ``512 B``."""
    for unit, factor in (("PiB", 1024 * TiB), ("TiB", TiB), ("GiB", GiB), ("MiB", MiB), ("KiB", KiB)):
        if abs(size) >= factor:
            return f"{_short(size / factor)} {unit}"
    return f"{_short(size)} B"


def span_text(seconds: float) -> str:
    """A duration for people, in its largest fitting unit: ``30 d``, ``1.5 h``, ``12 ms``."""
    for unit, factor in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1.0)):
        if abs(seconds) >= factor:
            return f"{_short(seconds / factor)} {unit}"
    return f"{_short(seconds * 1000)} ms" if seconds else "0 s"


def percent_text(percent: float) -> str:
    """A percentage for people: ``15 %``, ``3.2 %``."""
    return f"{_short(percent)} %"


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _times(digits: str, factor: int) -> float:
    """Exact for whole numbers of any length; a fraction is rounded to the nearest byte."""
    return int(digits) * factor if "." not in digits else round(float(digits) * factor)


def _read(value: object, dimension: str, wanted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected {wanted}")
    if isinstance(value, str):
        number = parse_number(value)
        if number is not None:
            return number
        quantity = parse_quantity(value)
        if quantity is not None and quantity.dimension == dimension:
            return quantity.number
        raise ValueError(f"{value!r:.60} is not {wanted}{_hint(value, dimension)}")
    if value != value or abs(value) == float("inf"):
        raise ValueError(f"{value} is not {wanted}")
    return value


def _hint(text: str, dimension: str) -> str:
    """What a one-letter unit could have meant."""
    number, unit = text.strip()[:-1].strip(), text.strip()[-1:].lower()
    if parse_number(number) is None:
        return ""
    if dimension == "size" and unit in BARE_SIZES:
        return f"; did you mean {number} {unit.upper()}iB or {number} {unit.upper()}B?"
    if dimension == "span" and unit in BARE_SPANS:
        return f"; did you mean {number} min?"
    return ""
