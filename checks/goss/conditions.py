"""The matchers of goss as conditions of ours (`checks.matchers`), plain data that a profile can hold.

What a matcher means depends on what it is held against: a text, a number, a list, or a whole text that is
looked at by lines. Source: Goss manual, gossfile (matchers, patterns, transforms) of goss 0.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from checks.goss.re2 import translate
from checks.goss.semver import read_range
from checks.patterns import compile_pattern
from checks.yamlfile import Node

Kind = Literal["text", "list", "lines"]
"""What is matched: one text, number or truth value; a list of texts; a text whose lines are looked at."""

ANYTHING: Final[dict[str, Any]] = {"length": {"at_least": 0}}

_RELATIONS: Final = {"gt": "above", "ge": "at_least", "lt": "below", "le": "at_most"}
_SPANNING: Final = re.compile(r"\\[nsSDWAzvQpP]|\\x|\[|\(\?|[$^]|\\\d")
"""What in a regular expression may reach over the end of a line, or speaks of the text as a whole."""


class Unmapped(Exception):
    """What goss can say and we cannot, or what goss itself would refuse; the text says why."""

    def __init__(self, reason: str, node: Node | None = None) -> None:
        super().__init__(reason)
        self.reason, self.node = reason, node


def condition(node: Node, kind: Kind) -> Any:
    """The condition that means what a matcher means. Raises `Unmapped`."""
    value = node.value
    if isinstance(value, list):
        return _list(node, kind)
    if isinstance(value, dict):
        if len(value) != 1:
            raise Unmapped("goss allows one matcher at a level; join several with `and`", node)
        ((name, bound),) = value.items()
        make = _MATCHERS.get(name)
        if make is None:
            raise Unmapped(f"goss has no matcher {name!r:.60} that is known here", bound)
        return make(bound, kind)
    if value is None:
        raise Unmapped("goss needs a value here", node)
    return _equal(node, kind)


def patterns(node: Node) -> Any:
    """The condition that a list of patterns means, of a text looked at by lines. Raises `Unmapped`."""
    if not isinstance(node.value, list):
        raise Unmapped("goss expects a list of patterns", node)
    every = [_pattern(part) for part in node.value]
    wanted = [part for part in every if part is not None]
    if not wanted:
        return ANYTHING
    return wanted[0] if len(wanted) == 1 else {"all": wanted}


def regular(text: str, node: Node) -> str:
    """A regular expression of goss in our words."""
    try:
        said = translate(text)
        compile_pattern(said)
    except ValueError as problem:
        raise Unmapped(str(problem), node) from None
    return said


def _pattern(node: Node) -> Any:
    if not isinstance(node.value, str):
        if isinstance(node.value, int | float | bool) and node.raw:
            raise Unmapped(f"goss expects patterns in quotes, and {node.raw:.40} is none", node)
        raise Unmapped("goss expects patterns in a list like this, not matchers; use contain-element", node)
    text = node.value
    if re.fullmatch(r"!?/.*/", text, re.DOTALL) and len(text.lstrip("!")) > 1:
        inverse = text.startswith("!")
        found: Any = {"some": {"matches": regular(text[2 if inverse else 1 : -1], node)}}
        return {"not": found} if inverse else found
    plain = text.lstrip("\\/!")
    if "\n" in plain:
        raise Unmapped("a pattern is held against single lines, and this one has two", node)
    if not plain:
        # An empty text is in every line, and goss lets it pass where there is none.
        return {"length": 0} if text.startswith("!") else None
    found = {"contains": plain}
    return {"not": found} if text.startswith("!") else found


def _list(node: Node, kind: Kind) -> Any:
    if kind == "lines":
        return patterns(node)
    if kind == "text":
        raise Unmapped("goss holds a list against lists only, and this is one value", node)
    return _elements(node)


def _elements(node: Node) -> Any:
    """Each of a list's entries is met by an entry of its own."""
    parts = _parts(node)
    plain = [part.value for part in parts]
    if all(isinstance(each, str) and each for each in plain) and len({*plain}) == len(plain) and plain:
        return {"contains": plain if len(plain) > 1 else plain[0]}
    return {"includes": [condition(part, "text") for part in parts]} if parts else ANYTHING


def _equal(node: Node, kind: Kind) -> Any:
    """Equality; a list is held against one value as one text, its entries on a line each."""
    if isinstance(node.value, bool):
        return {"equals": node.value}
    if isinstance(node.value, dict):
        raise Unmapped("a mapping is not compared as a whole; say it key by key with gjson", node)
    if isinstance(node.value, list):
        if not all(isinstance(part.value, str | int | float) for part in node.value):
            raise Unmapped("lists within a list are not compared", node)
        return {"equals": [part.value for part in node.value]}
    said = {"equals": node.value}
    return {"joined": said} if kind == "list" else said


def _text(node: Node) -> str:
    if isinstance(node.value, str):
        return node.value
    raise Unmapped("goss expects a text here", node)


def _parts(node: Node) -> list[Node]:
    if isinstance(node.value, list):
        return node.value
    raise Unmapped("goss expects a list here", node)


def _of_text(said: Any, kind: Kind) -> Any:
    return {"joined": said} if kind == "list" else said


def _affix(name: str) -> Callable[[Node, Kind], Any]:
    def make(node: Node, kind: Kind) -> Any:
        text = _text(node)
        return _of_text({name: text}, kind) if text else ANYTHING

    return make


def _substring(node: Node, kind: Kind) -> Any:
    text = _text(node)
    return _of_text({"contains": text}, kind) if text else ANYTHING


def _regexp(node: Node, kind: Kind) -> Any:
    said = {"matches": regular(_text(node), node)}
    if kind == "lines" and not _SPANNING.search(_text(node)):
        return {"some": said}
    return _of_text(said, kind)


def _number(relation: str) -> Callable[[Node, Kind], Any]:
    def make(node: Node, kind: Kind) -> Any:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise Unmapped("goss expects a number here", node)
        return _of_text({relation: node.value}, kind)

    return make


def _length(node: Node, kind: Kind) -> Any:
    del kind
    if isinstance(node.value, bool) or not isinstance(node.value, int):
        raise Unmapped("goss expects a number here", node)
    return {"length": node.value}


def _element(node: Node, kind: Kind) -> Any:
    del kind
    if isinstance(node.value, str) and node.value and "\n" not in node.value:
        return {"some": {"equals": node.value}}
    return {"some": condition(node, "text")}


def _consists(node: Node, kind: Kind) -> Any:
    del kind
    return {"consists_of": [condition(part, "text") for part in _parts(node)]}


def _negated(node: Node, kind: Kind) -> Any:
    return {"not": condition(node, kind)}


def _joined(name: str) -> Callable[[Node, Kind], Any]:
    def make(node: Node, kind: Kind) -> Any:
        parts = [condition(part, kind) for part in _parts(node)]
        if not parts:
            raise Unmapped("there is nothing in this list", node)
        return {name: parts}

    return make


def _semver(node: Node, kind: Kind) -> Any:
    """All versions of a list have to keep to the range, and there has to be one."""
    try:
        one = read_range(_text(node))
    except ValueError as problem:
        raise Unmapped(str(problem), node) from None
    if kind != "list":
        return one
    return {"all": [{"length": {"at_least": 1}}, {"not": {"some": {"not": one}}}]}


def _gjson(node: Node, kind: Kind) -> Any:
    del kind
    if not isinstance(node.value, dict) or not node.value:
        raise Unmapped("gjson holds matchers by path", node)
    places = {}
    for path, wanted in node.value.items():
        if not re.fullmatch(r"@this|(?:[\w -]|\\.)+(?:\.(?:[\w -]|\\.)+)*", path):
            raise Unmapped(f"gjson: of the path {path!r:.60} only names and dots are known here", wanted)
        places[path] = condition(wanted, _kind_of(wanted))
    return {"json": places}


def _kind_of(node: Node) -> Kind:
    """What a place in JSON has to be for a matcher to make sense."""
    return "list" if isinstance(node.value, list) else "text"


def _key(node: Node, kind: Kind) -> Any:
    del kind
    return {"keys": {"some": condition(node, "text")}}


def _key_with_value(node: Node, kind: Kind) -> Any:
    del kind
    if not isinstance(node.value, dict) or not node.value:
        raise Unmapped("have-key-with-value holds matchers by key", node)
    return {
        "json": {
            re.sub(r"([^\w -])", r"\\\1", key): condition(wanted, _kind_of(wanted))
            for key, wanted in node.value.items()
        }
    }


def _listed_patterns(node: Node, kind: Kind) -> Any:
    return _of_text(patterns(node), kind)


_MATCHERS: Final[dict[str, Callable[[Node, Kind], Any]]] = {
    "equal": _equal,
    "have-prefix": _affix("starts_with"),
    "have-suffix": _affix("ends_with"),
    "match-regexp": _regexp,
    "contain-substring": _substring,
    "have-len": _length,
    "have-patterns": _listed_patterns,
    "contain-element": _element,
    "contain-elements": lambda node, kind: _elements_of(node, kind),
    "consist-of": _consists,
    "equal-ignoring-order": _consists,
    "not": _negated,
    "and": _joined("all"),
    "or": _joined("any"),
    "semver-constraint": _semver,
    "gjson": _gjson,
    "have-key": _key,
    "have-key-with-value": _key_with_value,
    **{name: _number(relation) for name, relation in _RELATIONS.items()},
}


def _elements_of(node: Node, kind: Kind) -> Any:
    if kind == "list":
        return _elements(node)
    return {"includes": [condition(part, "text") for part in _parts(node)]} if _parts(node) else ANYTHING
