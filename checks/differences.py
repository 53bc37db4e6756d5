"""Two plain JSON shapes held against each other: the inner fields that differ, in few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

NOTHING: Final = "–"
VALUE_SHOWN: Final = 60
"""Characters of one value."""
PARTS_SHOWN: Final = 6
"""Fields of a value, entries of a list."""


class Difference(msgspec.Struct, frozen=True):
    """One inner field; `name` is a path (``nginx.soft``), empty where the value has no fields.

    `text` says it in one: ``0640 → 0644``, or of a list ``+/data −/old``.
    """

    name: str
    before: str
    after: str
    text: str


def differences(before: Any, after: Any, name: str = "") -> Iterator[Difference]:
    """The inner fields that differ, in the order of `before` and then of what only `after` has.

    A field that holds nothing and one that is not there are the same, as are equal numbers of another kind.
    """
    before, after = _by_name(before), _by_name(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            inner = named(name, str(key), ".")
            yield from differences(before.get(key, _GONE), after.get(key, _GONE), inner)
    elif _is_list(before) and _is_list(after):
        yield from _of_lists(before, after, name)
    elif not _same(before, after):
        was, now = _both(before, after)
        yield Difference(name, was, now, f"{was} → {now}")


def brief(value: Any) -> str:
    """A whole value in a few words."""
    value = _by_name(value)
    if isinstance(value, Mapping):
        return listed([named(str(key), _text(part)) for key, part in value.items()])
    if _is_list(value):
        return listed([_text(each) for each in value]) or NOTHING
    return _text(value)


def named(name: str, text: str, between: str = ": ") -> str:
    return f"{name}{between}{text}" if name else text


def listed(parts: Sequence[str], between: str = ", ") -> str:
    """The parts, as many as fit on a line or two."""
    if len(parts) > PARTS_SHOWN:
        parts = [*parts[: PARTS_SHOWN - 1], f"and {len(parts) - PARTS_SHOWN + 1} more"]
    return between.join(parts)


class _Gone:
    """Stands where one side has no such field."""

    def __repr__(self) -> str:
        return "nothing"


_GONE: Final = _Gone()


def _of_lists(before: Sequence[Any], after: Sequence[Any], name: str) -> Iterator[Difference]:
    """What went and what came; where nothing but the order differs both lists, as far as that shows it."""
    old, new = [_text(each) for each in before], [_text(each) for each in after]
    gone, came = [each for each in old if each not in new], [each for each in new if each not in old]
    if gone or came:
        was, now = listed(gone) or NOTHING, listed(came) or NOTHING
        text = listed([f"+{each}" for each in came] + [f"−{each}" for each in gone], " ")
    else:
        was, now = listed(old), listed(new)
        text = f"{was} → {now}"
    if was != now:
        yield Difference(name, was, now, text)
    elif len(old) == len(new):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{name}[{at}]")
    else:
        yield Difference(
            name, f"{len(old)} entries", f"{len(new)} entries", f"{len(old)} → {len(new)} entries"
        )


def _by_name(value: Any) -> Any:
    """A list of things that each have a name of their own as a mapping: one that came is one change then."""
    if not _is_list(value) or not value or not all(isinstance(each, Mapping) for each in value):
        return value
    names = [each.get("name") for each in value]
    if not all(isinstance(each, str) for each in names) or len(set(names)) < len(names):
        return value
    return {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in value}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _same(before: Any, after: Any) -> bool:
    if before in (None, _GONE) or after in (None, _GONE):
        return before in (None, _GONE) and after in (None, _GONE)
    alike = type(before) is type(after) or (_is_number(before) and _is_number(after))
    return alike and bool(before == after)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _both(before: Any, after: Any) -> tuple[str, str]:
    """Two values in a few words; long texts from a little before the first character that differs."""
    start = 0
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > VALUE_SHOWN:
        pairs = enumerate(zip(before, after, strict=False))
        first = next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
        start = max(0, first - VALUE_SHOWN // 3)
    was, now = _text(before, start), _text(after, start)
    return (repr(before)[:VALUE_SHOWN], repr(after)[:VALUE_SHOWN]) if was == now else (was, now)


def _text(value: Any, start: int = 0) -> str:
    if value is None or value is _GONE:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) or _is_list(value):
        return _text(msgspec.json.encode(value).decode())
    text = str(value)
    part = ("…" if start else "") + text[start : start + VALUE_SHOWN]
    part += "…" if len(text) > start + VALUE_SHOWN else ""
    return part if text and text == text.strip() and text.isprintable() else repr(part)
