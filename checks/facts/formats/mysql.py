"""Option files of MySQL and MariaDB with ``!include`` and ``!includedir``.

A key names its group: ``mysqld.max_connections``. Which groups a program reads is not followed.
"""

from __future__ import annotations

import re
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import all_or_last, wants_all
from checks.facts.formats.included import Included

_HEADER: Final = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?")
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "s": " ", "\\": "\\"}


def look_up(text: str, key: str, path: str, included: Included) -> Any:
    """The last value of ``group.option``; ``-`` and ``_`` are the same in an option, and ``loose-`` is no
    part of its name. An option without a value is an empty text."""
    key, everything = wants_all(key)
    group, _, option = key.rpartition(".")
    reader = _Reader(included)
    reader.file(text, path, 0)
    return all_or_last(reader.values.get((group, _plain(option)), []), everything)


def _plain(option: str) -> str:
    return option.strip().replace("-", "_").removeprefix("loose_").lower()


class _Reader:
    def __init__(self, included: Included) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        self._included = included

    def file(self, text: str, path: str, depth: int) -> None:
        group = ""
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip()
            if not bare or bare[0] in "#;":
                continue
            said = f"{path}:{number}"
            if bare[0] == "!":
                self._include(bare, said, depth + 1)
                continue
            header = _HEADER.fullmatch(bare)
            if header:
                group = header[1].strip()
                continue
            if bare[0] == "[" or not group:
                raise NotReadable(f"{said}: neither a [group] nor an option of one", "parse")
            name, _, value = bare.partition("=")
            name = name.partition("#")[0] if not value else name
            self.values.setdefault((group, _plain(name)), []).append(_value(value))

    def _include(self, line: str, said: str, depth: int) -> None:
        word, _, where = line[1:].partition(" ")
        where = where.strip()
        if word not in ("include", "includedir"):
            raise NotReadable(f"{said}: neither !include nor !includedir", "parse")
        if not where.startswith("/"):
            raise NotReadable(f"{said}: what it includes depends on where the program starts", "unsupported")
        # What is not there is passed over, as the programs do.
        paths = [where]
        if word == "includedir":
            paths = self._included.files_in(where, said, suffix=".cnf", optional=True)
            self._included.want(paths)
        for path in paths:
            text = self._included.text(path, said, optional=True, depth=depth)
            self.file(text or "", path, depth)


def _value(given: str) -> str:
    given = given.strip()
    if given[:1] in ("'", '"'):
        end = given.find(given[0], 1)
        if end > 0:
            return _escaped(given[1:end])
    return _escaped(given.partition("#")[0].rstrip())


def _escaped(text: str) -> str:
    return re.sub(r"\\([btnrs\\])", lambda found: _ESCAPES[found[1]], text)
