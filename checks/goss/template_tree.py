"""The text of a Go template as a tree (golang.org/pkg/text/template): what goss files are made of.

Only the grammar stands here; what it means is `checks.goss.template`'s business. Not known are templates
within templates (define, template, block) and other delimiters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from checks.goss.template_words import (
    UNKNOWN,
    TemplateError,
    Text,
    Token,
    number_of,
    pieces,
    unquoted,
)

MAX_DEPTH: Final = 40
"""Actions within actions, and parentheses within parentheses."""

MAX_CHAIN: Final = 100
"""Actions that may stand open, each ``else if`` among them."""

_WORDS: Final = {"true": True, "false": False, "nil": None}


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Place:
    """A value and the fields taken of it: of the dot (``.a.b``), a variable (``$x.a``) or a pipeline."""

    of: str | Pipe
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A function."""

    name: str


Operand = Literal | Place | Name


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each the last argument of the next; `variables` are set to what comes out."""

    commands: tuple[tuple[Operand, ...], ...]
    line: int
    variables: tuple[str, ...] = ()
    declares: bool = True


@dataclass(slots=True)
class Show:
    pipe: Pipe
    line: int


@dataclass(slots=True)
class Branch:
    """``if``, ``with`` or ``range`` with what follows where it does not apply."""

    kind: str
    pipe: Pipe
    line: int
    body: list[Part] = field(default_factory=list)
    otherwise: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class Leave:
    """``break`` or ``continue``."""

    kind: str
    line: int


Part = Text | Show | Branch | Leave


def parse(text: str) -> list[Part]:
    """The parts of a template. Raises `TemplateError`."""
    root: list[Part] = []
    open_: list[tuple[Branch, list[Part]]] = []
    into = root
    for part in pieces(text):
        if isinstance(part, Text):
            into.append(part)
            continue
        word, tokens, line = part.word, part.tokens, part.line
        if word in ("else", "end") and not open_:
            raise TemplateError(f"{word} without anything that it belongs to", line)
        if word == "end":
            # An `else if` opened a branch of its own within the one that this ends as well.
            while True:
                branch, into = open_.pop()
                if not isinstance(branch, _Chained):
                    break
        elif word == "else":
            branch = open_[-1][0]
            if into is branch.otherwise:
                raise TemplateError("a second else", line)
            into = branch.otherwise
            if tokens:
                kind = tokens.pop(0)
                if kind.text not in ("if", "with") or kind.text != branch.kind:
                    raise TemplateError(f"else {kind.text!r:.40} is not right here", line)
                if len(open_) >= MAX_CHAIN:
                    raise TemplateError(f"more than {MAX_CHAIN} actions stand open", line)
                chained = _Chained(kind.text, _Reader(tokens, line).pipe(), line)
                into.append(chained)
                open_.append((chained, into))
                into = chained.body
        elif word in ("if", "with", "range"):
            made = Branch(word, _Reader(tokens, line).pipe(), line)
            if len(open_) >= MAX_DEPTH:
                raise TemplateError(f"actions stand more than {MAX_DEPTH} deep in each other", line)
            into.append(made)
            open_.append((made, into))
            into = made.body
        elif word in ("break", "continue"):
            if tokens or not any(branch.kind == "range" for branch, _ in open_):
                raise TemplateError(f"{word} outside of a range", line)
            into.append(Leave(word, line))
        elif word in UNKNOWN:
            raise TemplateError(f"goss template action {word} is not known here", line)
        elif tokens:
            into.append(Show(_Reader(tokens, line).pipe(), line))
        else:
            raise TemplateError("an action with nothing in it", line)
    if open_:
        branch = open_[0][0]
        raise TemplateError(f"{branch.kind} without an end", branch.line)
    return root


class _Chained(Branch):
    """What an ``else if`` begins; it ends where the branch around it does."""


class _Reader:
    """Reads the tokens of one action."""

    def __init__(self, tokens: list[Token], line: int, depth: int = 0) -> None:
        self.tokens, self.line, self.depth = tokens, line, depth

    def pipe(self) -> Pipe:
        """All tokens as one pipeline."""
        made = self._pipe()
        if self.tokens:
            raise self._wrong(self.tokens[0])
        return made

    def _pipe(self) -> Pipe:
        variables, declares = self._declared()
        commands: list[tuple[Operand, ...]] = []
        while True:
            operands: list[Operand] = []
            while self.tokens and self.tokens[0].text not in ("|", ")"):
                operands.append(self._operand())
            if not operands:
                raise TemplateError("a pipeline lacks a value", self.line)
            if commands and not isinstance(operands[0], Name):
                raise TemplateError("what a value is piped into has to be a function", self.line)
            commands.append(tuple(operands))
            if not self.tokens or self.tokens[0].text == ")":
                return Pipe(tuple(commands), self.line, variables, declares)
            self.tokens.pop(0)

    def _declared(self) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        at = 0
        while at < len(self.tokens) and self.tokens[at].kind == "variable":
            names.append(self.tokens[at].text)
            follows = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
            if follows in (":=", "="):
                del self.tokens[: at + 2]
                if len(names) > 2 or "$" in names:
                    raise TemplateError("these variables cannot be set", self.line)
                return tuple(names), follows == ":="
            if follows != ",":
                break
            at += 2
        return (), True

    def _operand(self) -> Operand:
        token = self.tokens.pop(0)
        if token.kind in ("string", "char"):
            return self._fields_of(Literal(unquoted(token)))
        if token.kind == "number":
            return Literal(number_of(token))
        if token.kind == "name":
            return Literal(_WORDS[token.text]) if token.text in _WORDS else Name(token.text)
        if token.kind == "variable":
            return self._fields_of(Place(token.text, ()))
        if token.kind == "field":
            return self._fields_of(Place(".", (token.text[1:],)))
        if token.text == ".":
            return Place(".", ())
        if token.text == "(":
            if self.depth >= MAX_DEPTH:
                raise TemplateError(f"parentheses stand more than {MAX_DEPTH} deep in each other", self.line)
            self.depth += 1
            inner = self._pipe()
            self.depth -= 1
            if not self.tokens:
                raise TemplateError("( without its )", self.line)
            self.tokens.pop(0)
            return self._fields_of(Place(inner, ()))
        raise self._wrong(token)

    def _fields_of(self, operand: Literal | Place) -> Operand:
        names: list[str] = []
        while self.tokens and self.tokens[0].kind == "field" and not self.tokens[0].spaced:
            names.append(self.tokens.pop(0).text[1:])
        if not names:
            return operand
        if isinstance(operand, Literal):
            raise TemplateError("a text has no fields", self.line)
        return Place(operand.of, (*operand.fields, *names))

    def _wrong(self, token: Token) -> TemplateError:
        return TemplateError(f"{token.text!r:.40} is not right here", token.line)
