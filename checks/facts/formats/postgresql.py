"""postgresql.conf with what it includes, and postgresql.auto.conf, which ALTER SYSTEM writes: it wins."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, all_or_last, wants_all
from checks.facts.formats.included import Included

AUTO: Final = "postgresql.auto.conf"

# A name, an optional equals sign, a value in quotes or bare, a comment.
_LINE: Final = re.compile(
    r"([A-Za-z_][\w.$]*)(?:\s*=\s*|\s+|(?='))('(?:[^'\\]|''|\\.)*+'|[^\s'#]+)\s*(?:#.*)?", re.DOTALL
)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def look_up(text: str, key: str, path: str, included: Included) -> Any:
    """The value in force after a reload, as it is written; ``key[]`` gives all in the order they are read."""
    key, everything = wants_all(key)
    reader = _Reader(included)
    reader.file(text, path, 0)
    if posixpath.basename(path) != AUTO:
        folder = reader.last("data_directory") or included.folder
        if folder.startswith("/"):
            auto = f"{folder}/{AUTO}"
            written = included.text(auto, path, optional=True) if included.reads else ""
            reader.file(written or "", auto, 0)
    return all_or_last(reader.values.get(key.lower(), []), everything)


class _Reader:
    def __init__(self, included: Included) -> None:
        self.values: dict[str, list[str]] = {}
        self._included = included

    def last(self, name: str) -> str:
        value = all_or_last(self.values.get(name, []), False)
        return "" if value is MISSING else str(value)

    def file(self, text: str, path: str, depth: int) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip()
            if not bare or bare[0] == "#":
                continue
            found = _LINE.fullmatch(bare)
            if found is None:
                raise NotReadable(f"{path}:{number}: not a name = value", "parse")
            name, value = found[1].lower(), _unquoted(found[2])
            if name in ("include", "include_if_exists", "include_dir"):
                self._include(name, value, path, number, depth + 1)
            else:
                self.values.setdefault(name, []).append(value)

    def _include(self, name: str, value: str, path: str, number: int, depth: int) -> None:
        # Relative to the file that includes.
        said, where = f"{path}:{number}", posixpath.join(posixpath.dirname(path), value)
        paths = [where]
        if name == "include_dir":
            paths = self._included.files_in(where, said, suffix=".conf")
            self._included.want(paths)
        for each in paths:
            optional = name == "include_if_exists"
            text = self._included.text(each, said, optional=optional, depth=depth)
            self.file(text or "", posixpath.normpath(each), depth)


def _unquoted(value: str) -> str:
    if value[0] != "'":
        return value
    return re.sub(
        r"''|\\([0-7]{1,3})|\\(.)",
        lambda found: (
            "'"
            if found[0] == "''"
            else chr(int(found[1], 8) & 0xFF)
            if found[1]
            else _ESCAPES.get(found[2], found[2])
        ),
        value[1:-1],
        flags=re.DOTALL,
    )
