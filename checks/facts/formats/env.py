"""Files of assignments, as a POSIX shell reads them: ``export NAME='value'``. Nothing is expanded or run.

Conditions around an assignment are not followed, and other commands are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import all_or_last, wants_all

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=")
_BARE: Final = re.compile(r"[^\s'\"\\;&|<>()#`$]+")
_ENDS: Final = ";&|\n"
_LONGEST: Final = 10_000
"""Characters of a substitution that are taken as one."""
_BEFORE: Final = ("export", "declare", "readonly", "local", "typeset", "set", "then", "else", "do", "{")


def look_up(text: str, key: str, path: str) -> Any:
    """The last value of a variable; ``NAME[]`` gives all.

    A value that goes on in bare words (``OPTS=-a -b``) is read one way by a shell and another by systemd or
    docker, so asking for it is `NotReadable` (parse).
    """
    key, everything = wants_all(key)
    values = []
    for number, words in _commands(text.replace("\r\n", "\n"), path):
        if words[0][1] in _BEFORE:
            words = list(dropwhile(_stands_before, words))
        assigned = [word[0] for word in words if word[0] is not None]
        if len(assigned) == len(words):
            values += [value for name, value in assigned if name == key]
        elif words and words[0][0] is not None and words[0][0][0] == key:
            raise NotReadable(f"{path}:{number}: {key} goes on after a blank; quote its value", "parse")
    return all_or_last(values, everything)


def _stands_before(word: Word) -> bool:
    return word[0] is None and (word[1] in _BEFORE or word[1].startswith("-"))


Word = tuple[tuple[str, str] | None, str]
"""What a word assigns, if it does, and its text."""


def _commands(text: str, path: str) -> Iterator[tuple[int, list[Word]]]:
    """The words of each command, and the line it begins in."""
    at, line, first = 0, 1, 1
    words: list[Word] = []
    while at < len(text):
        sign = text[at]
        if sign in _ENDS:
            if words:
                yield first, words
                words = []
            line += sign == "\n"
            at += 1
        elif sign == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif sign.isspace() or sign in "<>()":
            at += 1
        elif text.startswith("\\\n", at):
            at, line = at + 2, line + 1
        else:
            if not words:
                first = line
            word, end = _word(text, at, line, path)
            words.append(word)
            line += text.count("\n", at, end)
            at = end
    if words:
        yield first, words


def _word(text: str, at: int, line: int, path: str) -> tuple[Word, int]:
    named = _NAME.match(text, at)
    start = at
    parts: list[str] = []
    if named:
        at = named.end()
    while at < len(text):
        bare = _BARE.match(text, at)
        sign = text[at]
        if bare:
            parts.append(bare[0])
            at = bare.end()
        elif sign == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise _open_quote(text, at, start, line, path)
            parts.append(text[at + 1 : end])
            at = end + 1
        elif sign == '"':
            part, at = _double(text, at, start, line, path)
            parts.append(part)
        elif sign == "\\":
            parts.append("" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2])
            at += 2
        elif sign in "$`" or (sign == "#" and at > start):
            end = _substitution(text, at)
            parts.append(text[at:end])
            at = end
        else:
            break
    value = "".join(parts)
    at = min(at, len(text))
    if named:
        return ((named[0][:-1], value), value), at
    return (None, value), at


def _substitution(text: str, at: int) -> int:
    """Where a ``$(command)``, a `` `command` `` or a lone sign ends."""
    if text.startswith("$(", at):
        depth = 0
        end = min(len(text), at + _LONGEST)
        for place in range(at + 1, end):
            depth += (text[place] == "(") - (text[place] == ")")
            if depth == 0:
                return place + 1
        return end
    if text[at] == "`":
        end = text.find("`", at + 1)
        return end + 1 if end >= 0 else at + 1
    if text.startswith("${", at):
        end = text.find("}", at, at + _LONGEST)
        return end + 1 if end >= 0 else at + 1
    return at + 1


def _double(text: str, at: int, start: int, line: int, path: str) -> tuple[str, int]:
    parts: list[str] = []
    place = at + 1
    while place < len(text):
        found = _INSIDE.match(text, place)
        if found:
            parts.append(found[0])
            place = found.end()
        elif text[place] == '"':
            return "".join(parts), place + 1
        else:
            following = text[place + 1 : place + 2]
            parts.append("" if following == "\n" else following if following in '$`"\\' else "\\" + following)
            place += 2
    raise _open_quote(text, at, start, line, path)


_INSIDE: Final = re.compile(r'[^"\\]+')


def _open_quote(text: str, at: int, start: int, line: int, path: str) -> NotReadable:
    number = line + text.count("\n", start, at)
    return NotReadable(f"{path}:{number}: a quote that is not closed", "parse")
