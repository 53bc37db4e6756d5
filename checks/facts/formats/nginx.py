"""nginx's configuration: directives in blocks, with what they include.

Only what is written is told: which value holds where a block inherits from the one around it is not.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, all_or_one, wants_all
from checks.facts.formats.included import Included

MAX_DEPTH: Final = 50
_TOKEN: Final = re.compile(r"[^\s;{}\\$#'\"]+|\$(?!\{)")
_STEP: Final = re.compile(r"([^.\[\]]+)((?:\[[^\[\]]*\])*)(?:\.|$)")


class Directive(msgspec.Struct):
    """A directive: its name and arguments, and what stands in its block, or None without one."""

    name: str
    arguments: list[str]
    block: list[Directive] | None = None

    @property
    def value(self) -> str:
        return " ".join(self.arguments)


def look_up(text: str, key: str, path: str, included: Included) -> Any:
    """The arguments of a directive as text: ``http.server[2].listen``; several of them are a list.

    ``[n]`` chooses among blocks of one name, from 1; ``location[/api]`` by arguments;
    ``server[server_name=shop]`` by an argument of a directive in it.
    """
    key, everything = wants_all(key)
    found = [Directive("", [], _Reader(included).file(text, path, 0))]
    at = 0
    while at < len(key):
        step = _STEP.match(key, at)
        if step is None:
            raise NotReadable(
                f"{key} in {path}: {key[at:]!r:.80} is not a step like server[2]", "unsupported"
            )
        found = [each for above in found for each in _chosen(above.block or [], step[1], step[2])]
        at = step.end()
    if not found:
        return MISSING
    if any(each.block is not None for each in found):
        raise NotReadable(f"{key} in {path} is a section, not a value", "unsupported")
    return all_or_one([each.value for each in found], everything)


def _chosen(block: list[Directive], name: str, choices: str) -> list[Directive]:
    found = [each for each in block if each.name == name]
    for choice in re.findall(r"\[([^\[\]]*)\]", choices):
        inner, equals, wanted = choice.partition("=")
        if choice.isdecimal():
            number = int(choice[:9])
            found = found[number - 1 : number] if number else []
        elif equals and re.fullmatch(r"\w+", inner):
            found = [
                each
                for each in found
                if any(sub.name == inner and wanted in sub.arguments for sub in each.block or [])
            ]
        else:
            found = [each for each in found if each.value == choice]
    return found


class _Reader:
    """Reads files into directives, those that they include at their place."""

    def __init__(self, included: Included) -> None:
        self._included = included

    def file(self, text: str, path: str, depth: int) -> list[Directive]:
        top: list[Directive] = []
        blocks = [top]
        words: list[str] = []
        first = 1
        for sign, word, line in _tokens(text, path):
            if sign == "word":
                first = first if words else line
                words.append(word)
                continue
            if sign == "}":
                if words or len(blocks) == 1:
                    raise NotReadable(f"{path}:{line}: unexpected }}", "parse")
                blocks.pop()
                continue
            if not words:
                raise NotReadable(f"{path}:{line}: unexpected {sign}", "parse")
            if sign == "{":
                if len(blocks) > MAX_DEPTH:
                    raise NotReadable(f"{path}:{line}: nested more than {MAX_DEPTH} deep", "parse")
                made = Directive(words[0], words[1:], [])
                blocks[-1].append(made)
                assert made.block is not None
                blocks.append(made.block)
            elif words[0] == "include" and len(words) == 2:
                blocks[-1] += self._include(words[1], f"{path}:{first}", depth + 1)
            elif sign == ";":
                blocks[-1].append(Directive(words[0], words[1:]))
            words = []
        if words or len(blocks) > 1:
            line = text.count("\n") + 1
            raise NotReadable(f"{path}:{line}: the file ends within a directive or block", "parse")
        return top

    def _include(self, pattern: str, said: str, depth: int) -> list[Directive]:
        # Relative to the main file's folder, wherever the include stands.
        paths = self._included.matching(posixpath.join(self._included.folder, pattern), said)
        self._included.want(paths)
        found: list[Directive] = []
        for path in paths:
            text = self._included.text(path, said, depth=depth)
            found += self.file(text or "", path, depth)
        return found


def _tokens(text: str, path: str) -> Iterator[tuple[str, str, int]]:
    """Words and ``;``, ``{``, ``}`` with their lines; a block of Lua is passed over."""
    at, line, last = 0, 1, ""
    while at < len(text):
        sign = text[at]
        if sign.isspace():
            line += sign == "\n"
            at += 1
        elif sign == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif sign in ";{}":
            if sign == "{" and last.endswith("_by_lua_block"):
                end = _lua_end(text, at, path, line)
                line += text.count("\n", at, end)
                at, sign = end, ";"
            else:
                at += 1
            last = ""
            yield sign, "", line
        else:
            word, end = _word(text, at, path, line)
            yield "word", word, line
            line += text.count("\n", at, end)
            at, last = end, last or word


def _word(text: str, at: int, path: str, line: int) -> tuple[str, int]:
    quote = text[at] if text[at] in "'\"" else ""
    if quote:
        found = _QUOTED[quote].match(text, at)
        if found is None:
            raise NotReadable(f"{path}:{line}: a quote that is not closed", "parse")
        return re.sub(r"\\([\"'\\])", r"\1", found[0][1:-1]), found.end()
    parts: list[str] = []
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found:
            parts.append(found[0])
            at = found.end()
        elif text.startswith("${", at):
            end = text.find("}", at, at + 1000)
            end = end if end >= 0 else at + 1
            parts.append(text[at : end + 1])
            at = end + 1
        elif text[at] == "\\":
            parts.append(text[at : at + 2])
            at += 2
        elif parts and text[at] in "#'\"":
            # Within a word these mean nothing to nginx.
            parts.append(text[at])
            at += 1
        else:
            break
    return "".join(parts), min(at, len(text))


_QUOTED: Final = {
    "'": re.compile(r"'(?:[^'\\]|\\.)*+'", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL),
}


_BRACE: Final = re.compile(r"[{}]")


def _lua_end(text: str, at: int, path: str, line: int) -> int:
    """Behind the brace that closes a block of Lua; braces within its strings have to be paired as well."""
    depth = 0
    for found in _BRACE.finditer(text, at):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    raise NotReadable(f"{path}:{line}: a block that is not closed", "parse")
