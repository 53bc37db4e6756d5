"""Go templates in goss files: filled with variables and the environment, bounded in time and size.

What a value prints as, what counts as empty and how values compare is that of Go's text/template; functions
stand in `checks.goss.template_functions`. The line that each line of the result was made by is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from checks.goss.template_functions import FUNCTIONS, LAZY
from checks.goss.template_tree import (
    Branch,
    Leave,
    Literal,
    Name,
    Operand,
    Part,
    Pipe,
    Show,
    parse,
)
from checks.goss.template_values import Refused, printed, truth
from checks.goss.template_words import TemplateError, Text

MAX_STEPS: Final = 200_000
MAX_TEXT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled template. `lines` gives, for each line of the text, the line of the template it comes from."""

    text: str
    lines: tuple[int, ...]


def fill(text: str, data: Mapping[str, Any]) -> Filled:
    """The template filled with `data`, which stands as the dot: ``.Vars`` and ``.Env``.

    Raises `TemplateError`.
    """
    parts = parse(text)
    run = _Run(dict(data))
    run.parts(parts, run.data)
    return Filled("".join(run.written), tuple(run.lines))


class _Left(Exception):
    """A range was left or goes on with its next round."""


class _Break(_Left):
    pass


@dataclass(slots=True)
class _Run:
    data: Any
    written: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=lambda: [1])
    size: int = 0
    steps: int = 0
    scopes: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    empty: bool = True

    def parts(self, parts: list[Part], dot: Any) -> None:
        for part in parts:
            self._step(part.line)
            if isinstance(part, Text):
                self._write(part.text, part.line, moves=True)
            elif isinstance(part, Show):
                value = self._pipe(part.pipe, dot)
                if not part.pipe.variables:
                    self._write(printed(value), part.line, moves=False)
            elif isinstance(part, Leave):
                raise _Break if part.kind == "break" else _Left
            else:
                self._branch(part, dot)

    def _branch(self, branch: Branch, dot: Any) -> None:
        self.scopes.append({})
        try:
            if branch.kind == "range":
                self._range(branch, dot)
                return
            value = self._pipe(branch.pipe, dot)
            if truth(value):
                self.parts(branch.body, value if branch.kind == "with" else dot)
            else:
                self.parts(branch.otherwise, dot)
        finally:
            self.scopes.pop()

    def _range(self, branch: Branch, dot: Any) -> None:
        pipe = branch.pipe
        value = self._pipe(Pipe(pipe.commands, pipe.line), dot)
        if isinstance(value, dict):
            pairs: list[tuple[Any, Any]] = sorted(value.items())
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            if value > MAX_STEPS:
                raise TemplateError(f"a range of {value} rounds is too long", branch.line)
            pairs = [(each, each) for each in range(value)]
        elif value is None:
            pairs = []
        else:
            raise TemplateError(f"range cannot go over {_kind(value)}", branch.line)
        if not pairs:
            self.parts(branch.otherwise, dot)
        for key, entry in pairs:
            self._step(branch.line)
            for name, part in zip(pipe.variables, (key, entry)[-len(pipe.variables) :], strict=False):
                self._set(name, part, pipe.declares, branch.line)
            self.scopes.append({})
            try:
                self.parts(branch.body, entry)
            except _Break:
                break
            except _Left:
                continue
            finally:
                self.scopes.pop()

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(pipe.commands):
            value = self._command(command, dot, pipe.line, [value] if number else [])
        if len(pipe.variables) > 1:
            raise TemplateError("two variables are set by range alone", pipe.line)
        for name in pipe.variables:
            self._set(name, value, pipe.declares, pipe.line)
        return value

    def _command(self, command: tuple[Operand, ...], dot: Any, line: int, piped: list[Any]) -> Any:
        self._step(line)
        first = command[0]
        if not isinstance(first, Name):
            if isinstance(first, Literal) and first.value is None:
                raise TemplateError("nil is nothing that can be shown or piped", line)
            if len(command) > 1 or piped:
                raise TemplateError("only a function takes arguments", line)
            return self._value(first, dot, line)
        if first.name in LAZY:
            return self._lazy(first.name, command[1:], dot, line, piped)
        function = FUNCTIONS.get(first.name)
        if function is None:
            raise TemplateError(f"goss template function {first.name:.60} is not known here", line)
        arguments = [self._value(each, dot, line) for each in command[1:]] + piped
        try:
            return function(*arguments)
        except Refused as problem:
            raise TemplateError(f"{first.name}: {problem}", line) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError):
            kinds = ", ".join(_kind(each) for each in arguments) or "nothing"
            raise TemplateError(f"{first.name} cannot be used with {kinds}", line) from None

    def _lazy(self, name: str, operands: tuple[Operand, ...], dot: Any, line: int, piped: list[Any]) -> Any:
        """``and`` and ``or`` look no further than they have to."""
        if not operands and not piped:
            raise TemplateError(f"{name} lacks its arguments", line)
        value: Any = None
        for operand in operands:
            value = self._value(operand, dot, line)
            if truth(value) is (name == "or"):
                return value
        return piped[0] if piped else value

    def _value(self, operand: Operand, dot: Any, line: int) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Name):
            return self._command((operand,), dot, line, [])
        value: Any
        if isinstance(operand.of, Pipe):
            value = self._pipe(operand.of, dot)
        elif operand.of == ".":
            value = dot
        elif operand.of == "$":
            value = self.data
        else:
            scope = next((each for each in reversed(self.scopes) if operand.of in each), None)
            if scope is None:
                raise TemplateError(f"no variable {operand.of} is known here", line)
            value = scope[operand.of]
        for name in operand.fields:
            if not isinstance(value, dict):
                raise TemplateError(f"{_kind(value)} has no field {name:.60}", line)
            if name not in value:
                raise TemplateError(f"nothing is given for {name:.60}: --vars says what it is", line)
            value = value[name]
        return value

    def _set(self, name: str, value: Any, declares: bool, line: int) -> None:
        scope = next((each for each in reversed(self.scopes) if name in each), None)
        if declares:
            scope = self.scopes[-1]
        elif scope is None:
            raise TemplateError(f"no variable {name} is known here", line)
        assert scope is not None
        scope[name] = value

    def _step(self, line: int) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TemplateError(f"filling it takes more than {MAX_STEPS} steps", line)

    def _write(self, text: str, line: int, *, moves: bool) -> None:
        """Append to the result; the lines of a text follow each other, those of a value are all one."""
        self.size += len(text)
        if self.size > MAX_TEXT:
            raise TemplateError("the filled template is larger than 1 MiB", line)
        self.written.append(text)
        for number, row in enumerate(text.split("\n")):
            source = line + number if moves else line
            if number:
                self.lines.append(source)
                self.empty = True
            if row.strip() and self.empty:
                self.lines[-1], self.empty = source, False


def _kind(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", str: "a text", list: "a list"}
    return "nothing" if value is None else names.get(type(value), "a mapping")
