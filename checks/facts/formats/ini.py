"""Ini files: sections that may come twice, options in any case, values that go on in deeper lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from checks.fact import NotReadable
from checks.facts.formats.found import all_or_last, wants_all

_HEADER = re.compile(r"\[(.+)\]\s*(?:[#;].*)?")
_OPTION = re.compile(r"([^=:]+?)\s*(?:[=:]\s*(.*))?")


def look_up_ini(text: str, key: str, path: str) -> Any:
    """The last value given, as most programs read it; ``key[]`` gives all, in the file's order."""
    key, everything = wants_all(key)
    values = [
        given
        for name, option, given in _options(text, path)
        if (f"{name}.{option.lower()}" if name else option.lower()) == _lower_option(key, name)
    ]
    return all_or_last(values, everything)


def _options(text: str, path: str) -> Iterator[tuple[str, str, str]]:
    """Section, option and value, in the file's order; deeper indented lines go on with the value before."""
    section, option, indent = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        depth = len(line) - len(line.lstrip())
        if option and depth > indent:
            lines.append(bare)
            continue
        if option:
            yield section, option, _unquoted("\n".join(lines))
            option = ""
        header = _HEADER.fullmatch(bare)
        if header:
            section = header[1].strip()
            continue
        found = _OPTION.fullmatch(bare)
        if found is None or bare[0] == "[":
            raise NotReadable(f"{path}:{number}: neither a [section] nor a key = value", "parse")
        option, indent, lines = found[1], depth, [found[2] or ""]
    if option:
        yield section, option, _unquoted("\n".join(lines))


def _lower_option(key: str, section: str) -> str:
    """The key with its option in lower case; sections keep theirs."""
    return f"{section}.{key[len(section) + 1 :].lower()}" if key.startswith(section + ".") else key.lower()


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
