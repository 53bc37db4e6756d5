"""Entries of several machines for the same thing, made one that holds at all of them where that can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agent.discover.seen import Entry, Written
from checks.versions import key

_ANY_OF: Final = {
    "user.account": ("uid", "group", "home", "shell"),
    "file.stat": ("owner", "group"),
    "file.content": ("value",),
    "kern.param": ("value",),
    "disk.mount_opts": ("type",),
}
"""Parameters that are conditions: one value of several may be right."""

_COMMON: Final = {"user.account": ("groups",), "disk.mount_opts": ("required",), "svc.state": ("names",)}
"""Lists of which what all have in common is right for all."""

_MAY_GO: Final = {"proc.running": ("user",), "user.account": ("groups",)}
_MAY_COME: Final = {"proc.running": ("allow_root",), "file.stat": ("world_writable",)}
"""Parameters without which less is asked; and such with which less is."""


def merged(found: Mapping[str, Entry]) -> Entry | None:
    """One entry for all of these targets, with the most that holds at each; None where there is none.

    Variables are put in: what differs between targets has no one value for them.
    """
    entries = {target: inlined(entry) for target, entry in found.items()}
    first = next(iter(entries.values()))
    if any(each.check != first.check for each in entries.values()):
        return None
    every = [entry.parameters for entry in entries.values()]
    parameters: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in every for name in each):
        values = [each[name] for each in every if name in each]
        if len(values) < len(every):
            if name in _MAY_COME.get(first.check, ()):
                parameters[name] = values[0]
            elif name not in _MAY_GO.get(first.check, ()):
                return None
        elif all(value == values[0] for value in values):
            parameters[name] = values[0]
        else:
            rule = _rule(first, name)
            if rule is None:
                if name not in _MAY_GO.get(first.check, ()):
                    return None
                continue
            changed = rule(values)
            if changed is None:
                return None
            parameters |= changed
    return _with(first, parameters, _reasons(entries))


def inlined(entry: Entry) -> Entry:
    """The entry with its variables' values in the place of their names."""
    if not entry.variables:
        return entry
    parameters = {name: _filled(value, entry.variables) for name, value in entry.parameters.items()}
    return _with(entry, parameters, entry.why)


def _with(entry: Entry, parameters: dict[str, Any], why: str) -> Entry:
    return Entry(
        entry.area,
        entry.id,
        entry.check,
        parameters,
        why,
        entry.severity,
        entry.listed,
        scheme=entry.scheme,
    )


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    if not isinstance(value, Written):
        return value
    for name, meant in variables.items():
        if value == f"${{{name}}}":
            return meant
    return value


Rule = Callable[[Sequence[Any]], dict[str, Any] | None]


def _rule(entry: Entry, name: str) -> Rule | None:
    """How values that differ become one, which may stand under another name."""
    if name in _ANY_OF.get(entry.check, ()):
        return lambda values: {name: {"one_of": sorted(dict.fromkeys(values), key=str)}}
    if name in _COMMON.get(entry.check, ()):
        return lambda values: {name: [one for one in values[0] if all(one in other for other in values)]}
    if (entry.check, name) == ("pkg.version", "at_least"):
        return lambda values: {name: lowest(values, entry.scheme)}
    if (entry.check, name) == ("file.stat", "mode"):
        return lambda values: {"mode_at_most": f"{_all_bits(values):04o}"}
    if (entry.check, name) == ("net.listen_bind", "address"):
        return lambda values: None if "loopback" in values else {name: "remote"}
    return None


def lowest(versions: Sequence[str], scheme: str) -> str:
    """The version that all of them are at least."""
    try:
        return min(versions, key=lambda version: key(version, scheme))
    except ValueError:
        return versions[0]


def _all_bits(modes: Sequence[str]) -> int:
    bits = 0
    for mode in modes:
        bits |= int(mode, 8)
    return bits


def _reasons(entries: Mapping[str, Entry]) -> str:
    """Why, of all: once where they agree."""
    by_reason: dict[str, list[str]] = {}
    for target, entry in entries.items():
        by_reason.setdefault(entry.why, []).append(target)
    if len(by_reason) == 1:
        return next(iter(by_reason))
    return "; ".join(f"{', '.join(targets)}: {why}" for why, targets in by_reason.items())
