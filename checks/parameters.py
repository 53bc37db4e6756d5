"""The parameters of checks: what their types accept from a profile, and the one form that means the same.

Supported: str, int, float, bool, Size, Percent, Span, Pattern, AbsolutePath, Matcher, Literal, ``list[X]``,
``tuple[X, ...]``, ``dict[str, X]`` and ``X | None``. A value is
read once; its canonical form (JSON shapes) enters the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from checks.errors import BadProfile
from checks.matchers import NESTED, Matcher, read_matcher
from checks.nearest import did_you_mean
from checks.paths import read_absolute
from checks.patterns import compile_pattern
from checks.units import percent_text, read_percent, read_size, read_span, size_text, span_text
from checks.yamlfile import Node, wrap


class Parameter(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One parameter: its declared type, and its default, which is meaningless if it is required."""

    name: str
    hint: Any
    required: bool
    default: Any = None

    def read(self, node: Node) -> Any:
        """The typed value; raises `BadProfile` with the place of the mistake."""
        return read_value(self.hint, node)

    @property
    def type(self) -> str:
        """The type in a user's words."""
        return type_text(self.hint)

    @cached_property
    def public(self) -> bool:
        """Whether every user of the machine sees the value: it becomes a program's arguments."""
        marks = (getattr(part, "__metadata__", ()) for part in (self.hint, *get_args(self.hint)))
        return any("argv" in each for each in marks)

    def show(self, value: Any) -> str:
        """A value of this parameter for people: ``8 GiB``, ``15 %``, ``at least 4``; empty for none."""
        return _show(self.hint, value)


def read_parameters(
    names: Sequence[str], hints: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Parameter]:
    """The parameters of a function; raises `TypeError` for a type or default that cannot be one."""
    parameters = {}
    for name in names:
        hint = hints.get(name)
        type_text(hint)  # raises for an unsupported one
        default = defaults.get(name)
        if name in defaults and default is not None and default != "":
            try:
                default = read_value(hint, wrap(default))
            except BadProfile as problem:
                raise TypeError(f"default of {name!r}: {problem.problem}") from None
        parameters[name] = Parameter(name, hint, name not in defaults, default)
    return parameters


def canonical(value: Any) -> Any:
    """JSON shapes of a value that was read, equal for equal meaning."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return None
    if isinstance(value, Matcher):
        return value.canonical()
    if isinstance(value, Mapping):
        return {str(key): canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(part) for part in value]
    return value


def read_value(hint: Any, node: Node) -> Any:
    """The value of a node as its declared type; raises `BadProfile` with the place of the mistake."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _one_of_several(get_args(hint), node)
    if origin in (list, tuple):
        return origin(read_value(get_args(hint)[0], part) for part in _parts(hint, node, list))
    if origin is dict:
        parts = _parts(hint, node, dict)
        return {key: read_value(get_args(hint)[1], part) for key, part in parts.items()}
    try:
        if origin is Literal:
            return _literal(get_args(hint), node)
        if origin is Annotated:
            return _MARKED[hint.__metadata__[0]](node.plain())
        return _PLAIN[hint](node)
    except ValueError as problem:
        raise node.wrong(str(problem)) from None


def type_text(hint: Any) -> str:
    """A type in a user's words: ``list of text``; raises `TypeError` for one no parameter can have."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(type_text(part) for part in parts if part is not NoneType)
    if (origin is list and parts) or (origin is tuple and parts[1:] == (...,)):
        return f"list of {type_text(parts[0])}"
    if origin is dict and len(parts) == 2 and parts[0] is str:
        return f"names with {type_text(parts[1])} each"
    if origin is Literal:
        return "one of " + ", ".join(str(part) for part in parts)
    if origin is Annotated and hint.__metadata__[0] in _MARKED:
        return _NAMES[hint.__metadata__[0]]
    if hint in _PLAIN:
        return _NAMES[hint]
    raise TypeError(f"{hint!r} cannot be the type of a parameter")


def _show(hint: Any, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value  # a word that may stand for a size, too, such as unlimited
    if isinstance(value, list | tuple):
        return ", ".join(_show(None, part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_show(None, part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    for part in (hint, *get_args(hint)):
        marks = getattr(part, "__metadata__", ())
        if marks and marks[0] in _SHOW:
            return _SHOW[marks[0]](value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _parts(hint: Any, node: Node, kind: type) -> Any:
    if not isinstance(node.value, kind):
        raise node.wrong(f"expected a {type_text(hint)}, not {_what(node)}")
    return node.value


def _one_of_several(hints: Sequence[Any], node: Node) -> Any:
    """The first of several types that takes the value; text is tried last, because it takes everything."""
    if node.value is None and NoneType in hints:
        return None
    rest = sorted((hint for hint in hints if hint is not NoneType), key=lambda hint: hint is str)
    for hint in rest[:-1]:
        try:
            return read_value(hint, node)
        except BadProfile:
            continue
    return read_value(rest[-1], node)


def _literal(choices: Sequence[Any], node: Node) -> Any:
    for choice in choices:
        if choice == node.value or str(choice) == node.raw:
            return choice
    names = [str(choice) for choice in choices]
    raise ValueError(f"{_what(node)} is not right here{did_you_mean(str(node.value), names)}")


def _text(node: Node) -> str:
    if isinstance(node.value, str):
        return node.value
    if node.raw and node.value is not None:
        return node.raw
    raise ValueError(f"expected text, not {_what(node)}")


def _flag(node: Node) -> bool:
    if isinstance(node.value, bool):
        return node.value
    word = node.value.lower() if isinstance(node.value, str) else ""
    if word in ("yes", "on"):
        return True
    if word in ("no", "off"):
        return False
    raise ValueError(f"expected true or false, not {_what(node)}")


def _whole(node: Node) -> int:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        if abs(node.value) < 2**63:
            return node.value
        raise ValueError(f"{_what(node)} is too large a number")
    raise ValueError(f"expected a whole number, not {_what(node)}")


def _real(node: Node) -> float:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    raise ValueError(f"expected a number, not {_what(node)}")


def _matcher(node: Node) -> Matcher:
    try:
        return read_matcher(node.plain())
    except ValueError as problem:
        raise _place(node, str(problem)).wrong(str(problem)) from None


def _place(node: Node, problem: str) -> Node:
    """The innermost part of a condition that is itself refused for this reason."""
    if not isinstance(node.value, dict):
        return node
    part: Node
    for name, part in node.value.items():
        inner = part.value if name in ("all", "any") and isinstance(part.value, list) else [part]
        for each in inner if name in NESTED else ():
            if _refused(each.plain()) == problem:
                return _place(each, problem)
        if _refused({name: part.plain()}) == problem:
            return _bound_of_version(part, problem) if name == "version" else part
    return node


def _bound_of_version(node: Node, problem: str) -> Node:
    """The bound that is no version of its scheme, where it is one of them."""
    bounds = node.value if isinstance(node.value, dict) else {}
    scheme = {"scheme": bounds["scheme"].plain()} if "scheme" in bounds else {}
    part: Node
    for name, part in bounds.items():
        if name != "scheme" and _refused({"version": {name: part.plain()} | scheme}) == problem:
            return part
    return node


def _refused(given: object) -> str:
    try:
        read_matcher(given)
    except ValueError as problem:
        return str(problem)
    return ""


def _argv(value: object) -> tuple[str, ...]:
    from checks.argv import read_argv

    return read_argv(value)


def _range(value: object) -> str:
    from checks.perfdata import read_range

    return read_range(value)


def _what(node: Node) -> str:
    """The value in an error message, short; a mapping or list is only named."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    return "nothing" if node.value is None else repr(node.value)[:60]


def _checked_pattern(value: object) -> str:
    compile_pattern(value)
    return str(value)


_PLAIN: Final[dict[Any, Callable[[Node], Any]]] = {
    str: _text,
    bool: _flag,
    int: _whole,
    float: _real,
    Matcher: _matcher,
}
_MARKED: Final[dict[Any, Callable[[object], Any]]] = {
    "size": read_size,
    "percent": read_percent,
    "span": read_span,
    "pattern": _checked_pattern,
    "path": read_absolute,
    "argv": _argv,
    "range": _range,
}
_SHOW: Final[dict[Any, Callable[[float], str]]] = {
    "size": size_text,
    "percent": percent_text,
    "span": span_text,
}
_NAMES: Final[dict[Any, str]] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Matcher: "condition",
    "size": "size such as 8 GiB",
    "percent": "percentage such as 15 %",
    "span": "duration such as 30 d",
    "pattern": "regular expression",
    "path": "absolute path",
    "argv": "program and its arguments as a list",
    "range": "range such as 10, 10:20 or ~:10",
}
