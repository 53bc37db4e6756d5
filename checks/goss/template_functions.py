"""What goss templates may call: the functions of text/template, those of goss, and the commonest of sprig.

Sources: golang.org/pkg/text/template (functions), Goss manual (templates), Sprig function documentation.
Left out on purpose is what reads files, asks the clock or the network, or makes random values: a profile
made from a file has to be the same tomorrow. Arguments come as Python values; what a call cannot do raises
`Refused`, or any error that a wrong type causes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from checks.goss.template_values import (
    Refused,
    as_list,
    as_text,
    bounded,
    inner,
    kind_of,
    printed,
    quoted,
    truth,
)


def _equal(one: Any, *others: Any) -> bool:
    if not others:
        raise Refused("it compares two values")
    for other in others:
        if one is not None and other is not None and kind_of(one) != kind_of(other):
            raise Refused("values of different kinds are never compared")
    return any(type(one) is type(other) and one == other for other in others)


def _order(one: Any, other: Any) -> int:
    if kind_of(one) != kind_of(other) or not isinstance(one, str | int | float) or isinstance(one, bool):
        raise Refused("these values have no order")
    return int(one > other) - int(one < other)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(as_text(key))
        elif isinstance(value, list | str) and isinstance(key, int) and not isinstance(key, bool):
            if not 0 <= key < len(value):
                raise Refused(f"there is no entry {key}")
            value = value[key]
        else:
            raise Refused(f"{printed(value):.40} has no entry {printed(key):.40}")
    return value


def _slice(value: Any, *ends: Any) -> Any:
    """Of a list; sprig's replaces the one of text/template, which takes texts as well."""
    as_list(value)
    first, last = (ends[0] if ends else 0), (ends[1] if len(ends) > 1 else len(value))
    if not 0 <= first <= last <= len(value):
        raise Refused("the ends lie outside")
    return value[first:last]


def _length(value: Any) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value)


def _print(*values: Any) -> str:
    """Blanks stand between two values of which neither is a text."""
    said = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            said += " "
        said += inner(value)
    return str(bounded(said))


def _printf(form: Any, *values: Any) -> str:
    import re

    left = list(values)

    def shown(found: re.Match[str]) -> str:
        flags, width, digits, verb = found.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        if int(width or 0) > 1000 or int(digits or 0) > 100:
            raise Refused("the width is too large")
        value = left.pop(0)
        wide = flags + width
        if verb == "q" and isinstance(value, str):
            return _wide(quoted(value), flags, width)
        if verb in "vs":
            said = inner(value) if verb == "v" else _as_string(value)
            return _wide(said if digits is None or verb == "v" else said[: int(digits or 0)], flags, width)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if verb in "dxXo" and whole:
            return str(f"%{wide}{verb}" % value)
        if verb in "feg" and isinstance(value, float):
            return str(f"%{wide}{'' if digits is None else f'.{digits}'}{verb}" % value)
        if verb == "t" and isinstance(value, bool):
            return printed(value)
        if verb == "T":
            return {"slice": "[]interface {}", "map": "map[string]interface {}"}.get(
                kind_of(value), kind_of(value)
            )
        return f"%!{verb}({kind_of(value)}={inner(value)})"

    said = re.sub(r"%([-+ 0#]*)(\d*)(?:\.(\d*))?([a-zA-Z%])", shown, as_text(form))
    extra = f"%!(EXTRA {', '.join(f'{kind_of(each)}={inner(each)}' for each in left)})" if left else ""
    return str(bounded(said + extra))


def _wide(text: str, flags: str, width: str) -> str:
    return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))


def _as_string(value: Any) -> str:
    """What ``%s`` makes of a value: one that is no text is shown with its type."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(map(_as_string, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_as_string(value[key])}' for key in sorted(value))}]"
    return "%!s(<nil>)" if value is None else f"%!s({kind_of(value)}={inner(value)})"


def _environment(name: Any, otherwise: Any = "") -> str:
    return environment().get(as_text(name)) or as_text(otherwise)


def environment() -> dict[str, str]:
    """The environment as templates see it: of a variable whose name looks secret they get ``env:NAME``.

    That is how secrets are named everywhere here, and it is looked up only when a request is sent.
    """
    from checks.facts.secrets import names_a_secret

    return {name: f"env:{name}" if names_a_secret(name) else text for name, text in os.environ.items()}


def _matches(pattern: Any, text: Any) -> bool:
    return _compiled(pattern).search(as_text(text)) is not None


def _compiled(pattern: Any) -> Any:
    from checks.goss.re2 import translate
    from checks.patterns import compile_pattern

    try:
        return compile_pattern(translate(as_text(pattern)))
    except ValueError as problem:
        raise Refused(str(problem)) from None


def _submatch(pattern: Any, text: Any) -> dict[str, str]:
    """Named groups by name; without any all groups by number, 0 being the whole."""
    found = _compiled(pattern).search(as_text(text))
    if found is None:
        return {}
    named = {name: value or "" for name, value in found.groupdict().items()}
    return named or {str(at): value or "" for at, value in enumerate((found[0], *found.groups()))}


def _replaced(pattern: Any, text: Any, with_: Any) -> str:
    """``$1`` and ``${1}`` stand for groups; a name is as long as it can be, and unknown ones are empty."""
    import re

    sought = _compiled(pattern)

    def expanded(found: re.Match[str]) -> str:
        def group(name: re.Match[str]) -> str:
            if name[0] == "$$":
                return "$"
            key = name[1] or name[2]
            known = int(key) if key.isdecimal() else key
            try:
                return found[known] or ""
            except (IndexError, re.error):
                return ""

        return re.sub(r"\$\$|\$(?:\{(\w+)\}|(\w+))", group, as_text(with_))

    return str(bounded(sought.sub(expanded, as_text(text))))


def _refused(why: str) -> Callable[..., Any]:
    def refuse(*arguments: Any) -> Any:
        del arguments
        raise Refused(why)

    return refuse


def _own() -> dict[str, Callable[..., Any]]:
    from urllib.parse import quote_plus

    return {
        "eq": _equal,
        "ne": lambda one, other: not _equal(one, other),
        "lt": lambda one, other: _order(one, other) < 0,
        "le": lambda one, other: _order(one, other) <= 0,
        "gt": lambda one, other: _order(one, other) > 0,
        "ge": lambda one, other: _order(one, other) >= 0,
        "not": lambda value: not truth(value),
        "len": _length,
        "index": _index,
        "slice": _slice,
        "print": _print,
        "println": lambda *values: " ".join(map(inner, values)) + "\n",
        "printf": _printf,
        "urlquery": lambda *values: quote_plus(_print(*values)),
        "mkSlice": lambda *values: list(values),
        "getEnv": _environment,
        "env": _environment,
        "regexMatch": _matches,
        "mustRegexMatch": _matches,
        "regexFind": lambda pattern, text: (
            ((found := _compiled(pattern).search(as_text(text))) and found[0]) or ""
        ),
        "regexReplaceAll": _replaced,
        "findStringSubmatch": _submatch,
        "readFile": _refused("files are not read by templates here; give the value with --vars"),
        "expandenv": _refused("give the value with --vars"),
        "now": _refused("a file has to mean the same tomorrow; give the date with --vars"),
    }


LAZY: Final = ("and", "or")


def every() -> dict[str, Callable[..., Any]]:
    from checks.goss.template_sprig import SPRIG

    return {**SPRIG, **_own()}


class _Functions(dict[str, Callable[..., Any]]):
    """Filled when the first one is looked up: sprig's stand in a module of their own, which uses this one."""

    def get(self, name: str, otherwise: Any = None) -> Any:
        if not self:
            self.update(every())
        return super().get(name, otherwise)


FUNCTIONS: Final = _Functions()
"""The functions by name, but for the lazy ones. Look one up with `get`."""
