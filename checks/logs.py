"""The logs that a diagnostic bundle takes along: the entries of a profile's key `logs`.

They belong to no check and to no plan digest: what is read here is looked at by people, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from checks.nodes import WORD, choice, entries, line, mapping, name, texts
from checks.yamlfile import Node

if TYPE_CHECKING:
    from checks.fact import Fact

KINDS: Final = ("file", "journal", "kernel")
_BOUNDS: Final = ("lines", "size")
_ALLOWED: Final = {
    "file": ("newest", "since"),
    "journal": ("priority", "since"),
    "kernel": (),
}
_KEYS: Final = (*KINDS, *_BOUNDS, "newest", "since", "priority", "on")

EVERYTHING: Final = "everything"
"""The word for the whole journal in the place of a unit."""

PRIORITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Of syslog (RFC 5424), from the worst on; a priority stands for itself and all that are worse."""

MOST_LINES: Final = 20_000
MOST_BYTES: Final = 1024 * 1024
"""The largest bounds of one log: what a command may say in one go."""

MOST_FILES: Final = 20
MOST_LOGS: Final = 100
_LONGEST_S: Final = 90 * 86400.0
_UNIT: Final = re.compile(r"[A-Za-z0-9_@:][A-Za-z0-9_@:.\\-]{0,199}")


class LogEntry(msgspec.Struct, frozen=True):
    """One log: of `kind` ``file`` (`what` is its path), ``journal`` (a unit, or `EVERYTHING`) or ``kernel``
    (`what` is the priority).

    At most the last `lines` lines and `size` bytes are taken, of files with one pattern the `newest`. What
    is older than `since_s` seconds is left out; 0 is no such limit. `roles` says at which targets; empty
    means at all.
    """

    kind: str
    what: str
    lines: int = 2000
    size: int = 256 * 1024
    newest: int = 3
    since_s: float = 0.0
    priority: str = ""
    roles: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The log for people."""
        if self.kind == "file":
            return self.what
        if self.kind == "kernel":
            return f"kernel log, {self.what} and worse"
        unit = "whole journal" if self.what == EVERYTHING else f"journal of {self.what}"
        return f"{unit}, {self.priority} and worse" if self.priority else unit

    def fact(self) -> Fact:
        """What reads it."""
        from checks.facts.logtails import FileTail, JournalTail, KernelTail

        if self.kind == "file":
            return FileTail(self.what, self.lines, self.size, self.newest, self.since_s)
        if self.kind == "kernel":
            return KernelTail(self.what, self.lines, self.size)
        unit = "" if self.what == EVERYTHING else self.what
        return JournalTail(unit, self.priority, self.lines, self.size, self.since_s)


class LogSource(msgspec.Struct):
    """An entry before its values are read; `placed` says that an entry of `extends` gave it its roles."""

    kind: str
    node: Node
    keys: dict[str, Node]
    roles: tuple[str, ...] = ()
    placed: bool = False


def read_logs(node: Node | None) -> dict[str, LogSource]:
    """The entries by what they are about; raises `BadProfile` with file and line."""
    found: dict[str, LogSource] = {}
    for entry in entries(node, "logs"):
        keys = mapping(entry, _KEYS, "an entry of logs")
        kinds = [kind for kind in KINDS if kind in keys]
        if len(kinds) != 1:
            raise entry.wrong(
                f"an entry of logs has one of {', '.join(KINDS)}: {{file: /var/log/shop/*.log}}"
            )
        kind = kinds[0]
        for key, value in keys.items():
            if key not in (kind, "on", *_BOUNDS, *_ALLOWED[kind]):
                raise value.wrong(
                    f"{key} is not for {kind}; it may have {', '.join((*_BOUNDS, *_ALLOWED[kind]))}"
                )
        about = f"{kind} {line(keys[kind], 4000)}"
        if about in found:
            raise entry.wrong(f"{about} is given twice; the first is in line {found[about].node.line}")
        roles = tuple(name(word, WORD) for word in texts(keys.get("on")))
        found[about] = LogSource(kind, entry, keys, roles)
    if len(found) > MOST_LOGS and node is not None:
        raise node.wrong(f"{len(found)} logs; {MOST_LOGS} are the most")
    return found


def read_entry(source: LogSource, values: Mapping[str, Node]) -> LogEntry | None:
    """The entry of these values, in which variables are filled in; None where it asks for no lines.

    Raises `BadProfile`.
    """
    kind, what = source.kind, values[source.kind]
    given = LogEntry(kind, _what(kind, what))
    lines = _whole(values.get("lines"), given.lines, 0, MOST_LINES)
    if not lines:
        return None
    return msgspec.structs.replace(
        given,
        lines=lines,
        size=_size(values.get("size"), given.size),
        newest=_whole(values.get("newest"), given.newest, 1, MOST_FILES),
        since_s=_span(values.get("since"), 86400.0 if kind == "journal" else 0.0),
        priority=choice(values["priority"], PRIORITIES) if "priority" in values else "",
        roles=source.roles,
    )


def _what(kind: str, node: Node) -> str:
    if kind == "kernel":
        return choice(node, PRIORITIES)
    text = line(node, 4000)
    if kind == "journal":
        # journalctl takes patterns and options as well: a unit is a unit here.
        if text != EVERYTHING and not _UNIT.fullmatch(text):
            raise node.wrong(f"{text!r:.100} is no unit; write one such as nginx.service, or {EVERYTHING}")
        return text
    from checks.facts.newest import is_pattern, split

    folder, last = split(text)
    if not text.startswith("/") or "\0" in text or "/../" in f"{text}/" or not last:
        raise node.wrong(f"{text!r:.100} is no file; write its path from the root, such as /var/log/shop.log")
    if is_pattern(folder):
        raise node.wrong(f"{text!r:.100}: only the last part of the path can have a *")
    return text


def _whole(node: Node | None, default: int, least: int, most: int) -> int:
    if node is None:
        return default
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= most:
        raise node.wrong(f"expected a whole number from {least} to {most}")
    return node.value


def _size(node: Node | None, default: int) -> int:
    if node is None:
        return default
    from checks.units import read_size

    try:
        number = read_size(node.value)
    except ValueError as problem:
        raise node.wrong(str(problem)) from None
    if not 1024 <= number <= MOST_BYTES:
        raise node.wrong("expected a size from 1 KiB to 1 MiB")
    return number


def _span(node: Node | None, default: float) -> float:
    if node is None:
        return default
    from checks.units import read_span

    try:
        number = read_span(node.value)
    except ValueError as problem:
        raise node.wrong(str(problem)) from None
    if not 60 <= number <= _LONGEST_S:
        raise node.wrong("expected a duration from 1 min to 90 d")
    return number
