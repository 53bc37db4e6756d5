"""What the signs of expressions do with values (`expression.py` beside this): every result stays bounded."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from checks.authoring.functions import Unfit, kind_of
from checks.units import parse_number

MAX_TEXT: Final = 10_000
MAX_NUMBER: Final = 2**63

ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
ORDER: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def combined(sign: ast.operator, left: Any, right: Any) -> Any:
    """Arithmetic with numbers (also as text); ``+`` joins texts. Raises `Unfit`."""
    if isinstance(sign, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return bounded(left + right)
    one, other = number(left), number(right)
    if other == 0 and isinstance(sign, ast.Div | ast.FloorDiv | ast.Mod):
        raise Unfit("division by zero")
    return bounded(ARITHMETIC[type(sign)](one, other))


def compared(sign: ast.cmpop, left: Any, right: Any) -> bool:
    """Whether the comparison holds: of moments, of two texts of which one is no number, else of numbers."""
    if isinstance(sign, ast.Eq | ast.Is):
        return equal(left, right)
    if isinstance(sign, ast.NotEq | ast.IsNot):
        return not equal(left, right)
    if isinstance(sign, ast.In | ast.NotIn):
        return within(left, right) is isinstance(sign, ast.In)
    holds = ORDER[type(sign)]
    if isinstance(left, datetime) and isinstance(right, datetime):
        return holds(left, right)
    if (
        isinstance(left, str)
        and isinstance(right, str)
        and (parse_number(left) is None or parse_number(right) is None)
    ):
        return holds(left, right)
    return holds(number(left), number(right))


def equal(left: Any, right: Any) -> bool:
    """Equal, where a text with a number in it is that number beside one: files hold texts."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, str) and isinstance(other, int | float) and not isinstance(other, bool):
            return parse_number(one) == other
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def within(value: Any, whole: Any) -> bool:
    """Whether a value is part of a text, a key of a table, or one of a list; raises `Unfit`."""
    if isinstance(whole, str):
        if not isinstance(value, str):
            raise Unfit(f"{kind_of(value)} cannot be part of a text")
        return value in whole
    if isinstance(whole, dict):
        return isinstance(value, str) and value in whole
    if isinstance(whole, list | tuple | set | frozenset):
        return any(equal(value, part) for part in whole)
    raise Unfit(f"nothing can be in {kind_of(whole)}")


def number(value: Any) -> float:
    """The number that a value or a whole text is; raises `Unfit` where it is none."""
    if isinstance(value, str):
        found = parse_number(value)
        if found is not None:
            return found
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Unfit(f"{kind_of(value)} where a number is needed")


def bounded(value: Any) -> Any:
    """The value, unless it is too large (numbers of 64 bits, texts of 10,000 characters): then `Unfit`."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise Unfit(f"a text of more than {MAX_TEXT} characters")
    if isinstance(value, int | float) and not abs(value) < MAX_NUMBER:
        raise Unfit("too large a number, or none")
    return value
