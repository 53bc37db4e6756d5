"""The words of a Go template: texts, actions and the tokens in them (text/template of Go, lexical part)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final


class TemplateError(Exception):
    """What is wrong with a template, and in which line of it (from 1)."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


_TOKEN: Final = re.compile(
    r"""\s+|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<char>'(?:[^'\\\n]|\\[^\n]{1,9})')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]{1,16}|0[oO]?[0-7]{1,22}(?![0-9.])|[0-9]{1,25}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]{1,20}))(?![A-Za-z0-9_.])
    |(?P<variable>\$[A-Za-z0-9_]*)|(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SPACE: Final = " \t\r\n"
UNKNOWN: Final = ("define", "template", "block")
"""Actions that are not known here."""


@dataclass(slots=True)
class Token:
    kind: str
    text: str
    spaced: bool
    line: int


@dataclass(slots=True)
class Text:
    """Text between actions, and the line where it begins."""

    text: str
    line: int


@dataclass(slots=True)
class Action:
    """What stands in an action: its keyword (empty where a pipeline is shown), and the tokens after that."""

    word: str
    tokens: list[Token]
    line: int


def pieces(text: str) -> Iterator[Text | Action]:
    """The texts and actions of a template; trim markers are done with, comments dropped."""
    at, line, trim = 0, 1, False
    while True:
        start = text.find("{{", at)
        plain = text[at:] if start < 0 else text[at:start]
        shown, first = plain, line
        if trim:
            shown = plain.lstrip(_SPACE)
            first += plain[: len(plain) - len(shown)].count("\n")
        line += plain.count("\n")
        begin = start + 2
        trims = start >= 0 and text[begin : begin + 1] == "-" and text[begin + 1 : begin + 2] in tuple(_SPACE)
        if trims:
            shown = shown.rstrip(_SPACE)
            begin += 1
        if shown:
            yield Text(shown, first)
        if start < 0:
            return
        inner, at, trim = _action(text, begin, line)
        if inner is not None:
            tokens = _tokens(inner, line)
            word = tokens[0].text if tokens and tokens[0].kind == "name" else ""
            known = ("if", "else", "end", "range", "with", "break", "continue", *UNKNOWN)
            yield Action(word, tokens[1:], line) if word in known else Action("", tokens, line)
        line += text[begin:at].count("\n")


def _action(text: str, begin: int, line: int) -> tuple[str | None, int, bool]:
    """What stands in an action (None: a comment), where the text goes on, and whether it is trimmed there."""
    at = begin
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    if text.startswith("/*", at):
        end = text.find("*/", at + 2)
        if end < 0:
            raise TemplateError("a comment without its end", line)
        closing = re.compile(r"(?:[ \t\r\n]+-)?\}\}").match(text, end + 2)
        if closing is None:
            raise TemplateError("a comment has to be all that stands in its action", line)
        return None, closing.end(), closing[0] != "}}"
    quote = ""
    at = begin
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\" and quote != "`":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in "\"'`":
            quote = sign
        elif text.startswith("}}", at):
            inner = text[begin:at]
            trims = len(inner) > 1 and inner[-1] == "-" and inner[-2] in _SPACE
            return (inner[:-1] if trims else inner), at + 2, trims
        at += 1
    raise TemplateError("{{ without its }}", line)


def _tokens(text: str, line: int) -> list[Token]:
    found, at, spaced = [], 0, True
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"{text[at : at + 20].strip()!r} is not right in a template", line)
        if match.lastgroup is None:
            spaced = True
        else:
            found.append(Token(match.lastgroup, match[0], spaced, line))
            spaced = False
        line += match[0].count("\n")
        at = match.end()
    return found


def unquoted(token: Token) -> Any:
    if token.text[0] == "`":
        return token.text[1:-1].replace("\r", "")

    def meant(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code or found[4]:
            number = int(code, 16) if code else int(found[4], 8)
            if number > 0x10FFFF or 0xD800 <= number < 0xE000:
                raise TemplateError(f"{found[0]} is no character", token.line)
            return chr(number)
        if found[5] in _SIMPLE:
            return _SIMPLE[found[5]]
        if found[5] in ("\\", token.text[0]):
            return found[5]
        raise TemplateError(f"{found[0]!r} means nothing in a text of Go", token.line)

    said = _ESCAPE.sub(meant, token.text[1:-1])
    if token.kind == "string":
        return said
    if len(said) != 1:
        raise TemplateError(f"{token.text:.20} is not one character", token.line)
    return ord(said)


def number_of(token: Token) -> int | float:
    text = token.text
    digits = text.lstrip("+-")
    if re.fullmatch(r"[0-9]*\.[0-9]*(?:[eE].*)?|[0-9]+[eE].*", digits):
        return float(text)
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16)
    elif len(digits) > 1 and digits[0] == "0":
        value = int(digits.replace("o", "").replace("O", ""), 8)
    else:
        value = int(digits)
    if value >= 2**63:
        raise TemplateError(f"{text:.40} is too large a number", token.line)
    return -value if text[0] == "-" else value
