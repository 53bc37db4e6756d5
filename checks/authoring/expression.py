"""Expressions over readings, for checks in YAML: small, without side effects, bounded in time and memory.

Written like Python, of which `ast` parses it and nothing is ever executed: comparisons, ``and``, ``or``,
``not``, ``in``, ``+ - * / // %``, fields and items of readings, and those of `functions.py`. What
cannot be evaluated is an `Unfit`, whatever the text and the readings hold.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from checks.authoring.comparing import ARITHMETIC, ORDER, bounded, combined, compared, number
from checks.authoring.functions import FUNCTIONS, PATTERNS, Unfit, call, kind_of
from checks.nearest import did_you_mean
from checks.patterns import compile_pattern

MAX_LENGTH: Final = 1000
MAX_PARTS: Final = 200
MAX_DEPTH: Final = 30

WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "none": None}

_ALLOWED: Final = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, *ARITHMETIC,
    ast.Compare, *ORDER, ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.Call, ast.Attribute,
    ast.Subscript, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple,
)  # fmt: skip


class Expression(msgspec.Struct, frozen=True):
    """An expression that was read. `names` are the facts, parameters and ``now`` that it mentions."""

    text: str
    tree: ast.expr
    names: frozenset[str]

    def value(self, scope: Mapping[str, Any]) -> Any:
        """What it comes to; raises `Unfit` where the values do not suit it."""
        try:
            return _value(self.tree, scope)
        except (ArithmeticError, TypeError, ValueError) as problem:
            raise Unfit(f"{self.text}: {problem}") from problem

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Whether it is true; raises `Unfit` also where it comes to something that is neither."""
        value = self.value(scope)
        if not isinstance(value, bool):
            raise Unfit(f"{self.text}: is {kind_of(value)}, neither true nor false")
        return value


def read_expression(text: str, known: Mapping[str, Any]) -> Expression:
    """Read an expression over the names of `known`; a name's value is its type where that is a Struct.

    Raises `ValueError` that says what is wrong, and what would be right.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression of more than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a ``\\d`` in quotes is what it looks like
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as problem:
        raise ValueError(f"{text.strip()!r:.200} is no expression: {problem.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise ValueError(f"{text.strip()!r:.80} is no expression: nested too deeply, or no text") from None
    _measure(tree)
    names: set[str] = set()
    _refuse(tree, known, names)
    return Expression(text.strip(), tree, frozenset(names))


def _measure(tree: ast.expr) -> None:
    """Refuse what is too large, without recursion."""
    count, level = 0, [tree]
    for _ in range(MAX_DEPTH):
        count += len(level)
        level = [child for node in level for child in ast.iter_child_nodes(node)]  # type: ignore[misc]
        if not level:
            break
    if level or count > MAX_PARTS:
        raise ValueError("too large an expression; make several rules of it")


def _refuse(tree: ast.AST, known: Mapping[str, Any], names: set[str]) -> None:
    """Raise `ValueError` for whatever is not of the language; collect the names."""
    if not isinstance(tree, _ALLOWED) or not isinstance(getattr(tree, "op", tree), _ALLOWED):
        raise ValueError(f"{_shown(tree)} is not possible here")
    if isinstance(tree, ast.Name):
        if tree.id not in known and tree.id not in WORDS:
            raise ValueError(f"nothing is named {tree.id!r:.60}{did_you_mean(tree.id, {*known, *WORDS})}")
        if tree.id in known:
            names.add(tree.id)
    elif isinstance(tree, ast.Constant):
        if not isinstance(tree.value, str | int | float | bool | None):
            raise ValueError(f"{_shown(tree)} is not possible here")
        bounded(tree.value)
    elif isinstance(tree, ast.Attribute):
        _refuse_field(tree, known)
    elif isinstance(tree, ast.Call):
        _refuse_call(tree)
        for part in tree.args:
            _refuse(part, known, names)
        return
    for child in ast.iter_child_nodes(tree):
        _refuse(child, known, names)


def _refuse_field(tree: ast.Attribute, known: Mapping[str, Any]) -> None:
    if tree.attr.startswith("_"):
        raise ValueError(f"the field {tree.attr!r:.60} is out of reach")
    kind = known.get(tree.value.id) if isinstance(tree.value, ast.Name) else None
    fields = getattr(kind, "__struct_fields__", None)
    if fields is not None and tree.attr not in fields:
        raise ValueError(
            f"{_shown(tree.value)} has no field {tree.attr!r:.60}{did_you_mean(tree.attr, fields)}"
        )


def _refuse_call(tree: ast.Call) -> None:
    if not isinstance(tree.func, ast.Name) or tree.func.id not in FUNCTIONS:
        wrong = _shown(tree.func)
        raise ValueError(f"no function {wrong}{did_you_mean(wrong, FUNCTIONS)}")
    least, most = FUNCTIONS[tree.func.id].counts
    if tree.keywords or not least <= len(tree.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ValueError(f"{tree.func.id} takes {wanted} values in brackets, without names")
    if tree.func.id in PATTERNS:
        pattern = tree.args[1]
        if isinstance(pattern, ast.Constant):
            compile_pattern(pattern.value)
            if any(char in str(pattern.value) for char in "\b\a\f\v"):
                raise ValueError(r"write a pattern with an r before the quotes: r'\bword\b'")
        elif not isinstance(pattern, ast.Name):
            raise ValueError(f"the pattern of {tree.func.id} is a text in quotes, or a parameter")


def _value(tree: ast.expr, scope: Mapping[str, Any]) -> Any:
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.Name):
        return scope[tree.id] if tree.id in scope else WORDS[tree.id]
    if isinstance(tree, ast.BoolOp):
        return _either(tree, scope)
    if isinstance(tree, ast.UnaryOp):
        return _unary(tree, scope)
    if isinstance(tree, ast.BinOp):
        return combined(tree.op, _value(tree.left, scope), _value(tree.right, scope))
    if isinstance(tree, ast.Compare):
        left = _value(tree.left, scope)
        for sign, part in zip(tree.ops, tree.comparators, strict=True):
            right = _value(part, scope)
            if not compared(sign, left, right):
                return False
            left = right
        return True
    if isinstance(tree, ast.Call):
        assert isinstance(tree.func, ast.Name)
        given = [_value(part, scope) for part in tree.args]
        return bounded(call(tree.func.id, given, scope.get("now")))
    if isinstance(tree, ast.Attribute):
        return _field(_value(tree.value, scope), tree)
    if isinstance(tree, ast.Subscript):
        return _item(_value(tree.value, scope), _value(tree.slice, scope), tree)
    assert isinstance(tree, ast.List | ast.Tuple)
    return [_value(part, scope) for part in tree.elts]


def _either(tree: ast.BoolOp, scope: Mapping[str, Any]) -> bool:
    wanted = isinstance(tree.op, ast.Or)
    for part in tree.values:
        value = _value(part, scope)
        if not isinstance(value, bool):
            raise Unfit(f"{_shown(part)} is {kind_of(value)}, neither true nor false")
        if value is wanted:
            return wanted
    return not wanted


def _unary(tree: ast.UnaryOp, scope: Mapping[str, Any]) -> Any:
    value = _value(tree.operand, scope)
    if isinstance(tree.op, ast.Not):
        if not isinstance(value, bool):
            raise Unfit(f"{_shown(tree.operand)} is {kind_of(value)}, neither true nor false")
        return not value
    found = number(value)
    return bounded(-found if isinstance(tree.op, ast.USub) else found)


def _field(value: Any, tree: ast.Attribute) -> Any:
    if isinstance(value, msgspec.Struct) and tree.attr in value.__struct_fields__:
        return getattr(value, tree.attr)
    if isinstance(value, Mapping) and tree.attr in value:
        return value[tree.attr]
    raise Unfit(f"{_shown(tree.value)} is {kind_of(value)} and has no field {tree.attr!r:.60}")


def _item(value: Any, at: Any, tree: ast.Subscript) -> Any:
    if isinstance(value, Mapping) and isinstance(at, str) and at in value:
        return value[at]
    if (
        isinstance(value, list | tuple | str)
        and isinstance(at, int)
        and not isinstance(at, bool)
        and -len(value) <= at < len(value)
    ):
        return value[at]
    raise Unfit(f"{_shown(tree.value)} is {kind_of(value)} and has no {at!r:.60}")


def _shown(tree: ast.AST) -> str:
    """A part of an expression for people, short."""
    return ast.unparse(tree)[:60]
