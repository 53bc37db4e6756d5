"""What a site itself never lets out: words and regular expressions (``[redact]`` in config.toml).

A pattern is held to what it can cost at worst, told from its structure: no text of a machine may keep the
agent busy. A line that is too long for a pattern to be tried on safely leaves as a token, whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from agent.config import RedactionRules
from checks.errors import BadInput
from checks.patterns import compile_pattern

STEPS: Final = 20_000_000
"""What one pattern may cost on one line, in steps of the matcher; some tenths of a second."""

SHORTEST: Final = 120
"""Characters of a line that a pattern must be able to be tried on, or it is refused."""

UNBOUNDED: Final = 100
"""From so many repetitions on, a repeat counts as one without an end."""


class SitePattern:
    """One pattern, and the longest line that it is tried on."""

    def __init__(self, text: str) -> None:
        """Raises `ValueError` with what is wrong and what would be right."""
        self.compiled = compile_pattern(text)
        if self.compiled.match(""):
            raise ValueError(f"{text!r:.80} matches nothing at all, so it would match everywhere")
        endless, choices = _cost(text)
        self.longest = int((STEPS / choices) ** (1 / (endless + 1)))
        if self.longest < SHORTEST:
            raise ValueError(
                f"{text!r:.80} could take for ever: it has {endless} repeats without an end and "
                f"{choices} ways through the others; write fewer, or with an end such as {{1,20}}"
            )

    def sub(self, token: Callable[[str], str], text: str) -> str:
        """The text without what matches, line by line."""
        if len(text) <= self.longest and "\n" not in text:
            return self._line(token, text)
        return "".join(self._line(token, line) for line in text.splitlines(keepends=True))

    def _line(self, token: Callable[[str], str], line: str) -> str:
        if len(line) > self.longest:
            return token(line)
        return self.compiled.sub(lambda match: token(match[0]) if match[0] else "", line)


class SiteRules:
    """The words and patterns of a site, ready to be applied."""

    def __init__(self, rules: RedactionRules, where: str) -> None:
        """Raises `BadInput` with the file and the entry that is wrong."""
        self.words = _words(rules.words)
        self.patterns: list[SitePattern] = []
        for number, text in enumerate(rules.patterns, 1):
            try:
                self.patterns.append(SitePattern(text))
            except ValueError as problem:
                raise BadInput(f"{where}: redact.patterns, entry {number}: {problem}") from None

    def sub(self, token: Callable[[str], str], text: str) -> str:
        if self.words is not None:
            text = self.words.sub(lambda match: token(match[0].lower()), text)
        for pattern in self.patterns:
            text = pattern.sub(token, text)
        return text


def _words(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """One pattern for all words, in any case; not inside a longer word of Latin letters."""
    if not words:
        return None
    made = []
    for word in sorted(words, key=len, reverse=True):
        before = r"(?<![A-Za-z0-9])" if _latin(word[0]) else ""
        after = r"(?![A-Za-z0-9])" if _latin(word[-1]) else ""
        made.append(before + re.escape(word) + after)
    return re.compile("|".join(made), re.IGNORECASE)


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _cost(pattern: str) -> tuple[int, int]:
    """How a backtracking matcher's steps grow: with which power of the length beside the first, times what.

    Each repeat without an end may stop at any place, so one behind the other multiply; a repeat with an end
    has as many ways as it has lengths. Raises `ValueError` for what cannot be bounded.
    """
    from re import _constants, _parser  # type: ignore[attr-defined]  # no public way to a pattern's structure

    def of(parts: Any) -> tuple[int, int]:
        endless, choices = 0, 1
        for operation, argument in parts:
            more, times = one(operation, argument)
            endless, choices = endless + more, choices * times
        return endless, choices

    def one(operation: Any, argument: Any) -> tuple[int, int]:
        if operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            least, most, inner = argument
            more, times = of(inner)
            if most > UNBOUNDED:
                if more or times > 1:
                    raise ValueError(f"{pattern!r:.80} repeats what itself can be read in several ways")
                return 1, 1
            # k rounds of `times` ways each, for every k there may be
            ways = sum(min(times**k, STEPS) for k in range(least, most + 1))
            return more * most, min(max(1, ways), STEPS)
        if operation is _constants.SUBPATTERN:
            return of(argument[-1])
        if operation is _constants.ATOMIC_GROUP:
            return of(argument)
        if operation is _constants.BRANCH:
            each = [of(branch) for branch in argument[1]]
            return max(more for more, _ in each), sum(times for _, times in each)
        if operation in (_constants.ASSERT, _constants.ASSERT_NOT):
            return of(argument[1])
        if operation in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            raise ValueError(f"{pattern!r:.80} refers back to a group, which cannot be bounded; write it out")
        return 0, 1

    return of(_parser.parse(pattern))
