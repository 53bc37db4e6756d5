"""What monitoring plugins print: values, ``'label'=value[UOM];[warn];[crit];[min];[max]``, and ranges.

Source: Monitoring Plugins Development Guidelines, "Performance data" and "Threshold and Ranges".
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

Range = Annotated[str, "range"]
"""A range that alerts outside of itself: ``10``, ``10:``, ``~:10``, ``10:20``, and inside with ``@10:20``."""

VALUES_LIMIT: Final = 200
LABEL_LIMIT: Final = 100

_NUMBER: Final = r"[+-]?(?:\d{1,30}(?:[.,]\d{0,30})?|[.,]\d{1,30})(?:[eE][+-]?\d{1,3})?"
_RANGE: Final = re.compile(rf"(@?)(?:(~|{_NUMBER})?(:))?({_NUMBER})?")
_LABEL: Final = re.compile(r"'((?:[^']|''){1,200})'=|([^'=\s]{1,200})=")
_WORD: Final = re.compile(r"\S*")
_VALUE: Final = re.compile(rf"({_NUMBER}|U)([A-Za-z%°µ/*]{{0,10}})")
_MULTIPLES: Final = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4, "PB": 1024**5}
_SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Bounds(msgspec.Struct, frozen=True):
    """A range: from `start` to `end`, both included; None is no bound. `inside`: alert within it (``@``)."""

    start: float | None = 0.0
    end: float | None = None
    inside: bool = False

    def alerts(self, value: float) -> bool:
        """Whether a value is on the wrong side."""
        within = (self.start is None or value >= self.start) and (self.end is None or value <= self.end)
        return within is self.inside


class Measure(msgspec.Struct, frozen=True):
    """One value: its label, number (None where the plugin says U, it could not tell) and unit as printed.

    `warn`, `crit`, `least` and `most` are as the plugin printed them, for people.
    """

    label: str
    value: float | None
    unit: str = ""
    warn: str = ""
    crit: str = ""
    least: str = ""
    most: str = ""

    @property
    def base(self) -> float | None:
        """The number in the unit's base: seconds for times, bytes for sizes (multiples of 1024)."""
        if self.value is None:
            return None
        return self.value * _SECONDS.get(self.unit, _MULTIPLES.get(self.unit, 1))


def parse_range(text: str) -> Bounds:
    """The range that a text means; raises `ValueError` for one that means none."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or not (found[3] or found[4]):
        raise ValueError(f"{text!r:.60} is no range; write 10, 10:, ~:10, 10:20 or @10:20")
    start = 0.0 if found[2] is None else None if found[2] == "~" else _number(found[2])
    end = None if found[4] is None else _number(found[4])
    if start is not None and end is not None and start > end:
        raise ValueError(f"{text!r:.60} starts behind its end")
    return Bounds(start, end, bool(found[1]))


def read_range(given: object) -> str:
    """A range from a profile, as text; raises `ValueError`."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError("expected a range such as 10, 10:, ~:10, 10:20 or @10:20")
    text = str(given).strip()
    parse_range(text)
    return text


def parse_performance(text: str) -> tuple[Measure, ...]:
    """The values in performance data, at most `VALUES_LIMIT` and each label once; no others."""
    found: dict[str, Measure] = {}
    at = 0
    while at < len(text) and len(found) < VALUES_LIMIT:
        if text[at].isspace():
            at += 1
            continue
        label = _LABEL.match(text, at)
        start = label.end() if label else at
        end = _WORD.match(text, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        word, at = text[start:end], max(end, at + 1)
        if label is None:
            continue
        name = (label[1].replace("''", "'") if label[1] is not None else label[2]).strip()[:LABEL_LIMIT]
        measure = _measure(name, word)
        if name and measure is not None:
            found.setdefault(name, measure)
    return tuple(found.values())


def _measure(label: str, word: str) -> Measure | None:
    head, *rest = word.split(";")
    found = _VALUE.fullmatch(head)
    if found is None:
        return None
    bounds = [part[:40] for part in (*rest, "", "", "", "")][:4]
    number = None if found[1] == "U" else _number(found[1])
    finite = number if number is not None and abs(number) < float("inf") else None
    return Measure(label, finite, found[2], *bounds)


def _number(text: str) -> float:
    """A number, also one with a comma, as plugins print it in some languages."""
    return float(text.replace(",", "."))
