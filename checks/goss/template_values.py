"""Values as Go templates see them: how they print, what counts as empty, what functions take them for."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_SIZE: Final = 1 << 20
MAX_ENTRIES: Final = 10_000


class Refused(Exception):
    """What a function says of arguments it cannot work with."""


def truth(value: Any) -> bool:
    """What counts as true: anything but false, 0, nothing and what is empty."""
    return bool(value)


def printed(value: Any) -> str:
    """A value as Go prints it (``%v``)."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list):
        return bounded(f"[{' '.join(map(inner, value))}]")
    if isinstance(value, dict):
        return bounded(f"map[{' '.join(f'{key}:{inner(value[key])}' for key in sorted(value))}]")
    return str(value)


def inner(value: Any) -> str:
    return "<nil>" if value is None else printed(value)


def _float(value: float) -> str:
    """The shortest digits that read back the same; an exponent from 1e6 on and below 1e-4."""
    if math.isnan(value) or math.isinf(value):
        return {True: "NaN"}.get(math.isnan(value), "+Inf" if value > 0 else "-Inf")
    exact = Decimal(repr(value)).normalize()
    power = exact.adjusted()
    if not exact or -4 <= power < 6:
        return f"{exact:f}" if exact else "-0" if math.copysign(1, value) < 0 else "0"
    return f"{exact.scaleb(-power):f}e{'-' if power < 0 else '+'}{abs(power):02d}"


def bounded(value: T) -> T:
    """The same, refused where it is larger than anybody needs."""
    if isinstance(value, str) and len(value) > MAX_SIZE:
        raise Refused("the result is larger than 1 MiB")
    if isinstance(value, list | dict) and len(value) > MAX_ENTRIES:
        raise Refused(f"the result has more than {MAX_ENTRIES} entries")
    return value


def as_text(value: Any) -> str:
    """A text; anything else is refused, as Go's types do."""
    if not isinstance(value, str):
        raise Refused(f"expected a text, not {printed(value):.40}")
    return value


def as_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(f"expected a list, not {printed(value):.40}")
    return value


def as_mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"expected a mapping, not {printed(value):.40}")
    return value


def as_whole(value: Any) -> int:
    """A number as sprig's int64 makes it: a text that is none counts as 0."""
    if isinstance(value, str):
        try:
            value = int(value, 10) if len(value) < 40 else 0
        except ValueError:
            value = 0
    number = int(value or 0)
    if abs(number) >= 2**63:
        raise Refused("the number is too large")
    return number


def as_real(value: Any) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0


def kind_of(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "int", float: "float64", list: "slice", dict: "map"}
    return names.get(type(value), "invalid")


def quoted(text: str) -> str:
    """A text between double quotes as Go writes it (strconv.Quote)."""
    signs = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
    signs |= {"\f": "\\f", "\v": "\\v"}
    return (
        '"'
        + "".join(signs.get(each) or (each if each.isprintable() else _coded(each)) for each in text)
        + '"'
    )


def _coded(sign: str) -> str:
    number = ord(sign)
    return (
        f"\\x{number:02x}" if number < 128 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )
