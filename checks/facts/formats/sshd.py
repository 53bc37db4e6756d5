"""sshd_config with what it includes: the first value of a keyword counts. Match blocks are left out."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, all_or_one, wants_all
from checks.facts.formats.included import Included

_LINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+|(?=\"))(.*)", re.DOTALL)
_ARGUMENT: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"|((?:[^\s"#\\]|\\.)(?:[^\s"\\]|\\.)*+)|(#.*)|\s+|(.)')
_SEVERAL: Final = frozenset(
    {"port", "listenaddress", "hostkey", "hostcertificate", "acceptenv", "subsystem"}
    | {"allowusers", "denyusers", "allowgroups", "denygroups"}
)
"""Keywords whose values add up."""


def look_up(text: str, key: str, path: str, included: Included) -> Any:
    """The arguments of a keyword, in any case, as text; ``Keyword[]`` gives all that stand there.

    What is in a Match block holds for some connections only, and is not looked at.
    """
    key, everything = wants_all(key)
    reader = _Reader(included)
    reader.file(text, path, 0)
    values = reader.values.get(key.lower(), [])
    if not values:
        return MISSING
    return all_or_one(values if everything or key.lower() in _SEVERAL else values[:1], everything)


class _Reader:
    def __init__(self, included: Included) -> None:
        self.values: dict[str, list[str]] = {}
        self._included = included

    def file(self, text: str, path: str, depth: int) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip()
            if not bare or bare[0] == "#":
                continue
            found = _LINE.fullmatch(bare)
            if found is None:
                raise NotReadable(f"{path}:{number}: not a keyword with arguments", "parse")
            name = found[1].lower()
            arguments = _arguments(found[2], f"{path}:{number}")
            if name == "match":
                return  # up to the end of this file
            if name == "include":
                self._include(arguments, f"{path}:{number}", depth + 1)
            else:
                self.values.setdefault(name, []).append(" ".join(arguments))

    def _include(self, patterns: list[str], said: str, depth: int) -> None:
        # Relative to the folder that holds sshd's own file, /etc/ssh by default.
        for pattern in patterns:
            paths = self._included.matching(posixpath.join(self._included.folder, pattern), said)
            self._included.want(paths)
            for path in paths:
                text = self._included.text(path, said, optional=True, depth=depth)
                self.file(text or "", path, depth)


def _arguments(text: str, said: str) -> list[str]:
    found: list[str] = []
    for part in _ARGUMENT.finditer(text):
        if part[3]:
            break
        if part[4]:
            raise NotReadable(f"{said}: a quote that is not closed", "parse")
        if part[1] is not None or part[2]:
            found.append(re.sub(r"\\([\"'\\ ])", r"\1", part[1] if part[1] is not None else part[2]))
    return found
