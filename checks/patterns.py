"""Regular expressions from people: compiled with a clear error, refused where they could take for ever."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any, Final

PATTERN_LENGTH: Final = 1000

Pattern = Annotated[str, "pattern"]
"""A regular expression; in a profile a text that compiles."""


def compile_pattern(text: object) -> re.Pattern[str]:
    """A compiled regular expression; raises `ValueError` with the place of the mistake.

    Repeats of repeats with nothing between them, such as ``(a+)+``, are refused: they can take for ever.
    """
    if not isinstance(text, str):
        raise ValueError("expected a regular expression in quotes")
    if len(text) > PATTERN_LENGTH:
        raise ValueError(f"a regular expression of more than {PATTERN_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what may change in a future Python is no mistake today
            compiled, runs_away = re.compile(text), _runs_away(text)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"{text!r:.80} is not a regular expression: {problem}") from None
    if runs_away:
        raise ValueError(f"{text!r:.80} repeats a repeat, which can take for ever; write it with one repeat")
    return compiled


def _runs_away(pattern: str) -> bool:
    """Whether an unbounded repeat stands around something that is itself only repeats or nothing."""
    from re import _constants, _parser  # type: ignore[attr-defined]  # no public way to a pattern's structure

    repeats = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
    unbounded = 100

    def loose(parts: Any) -> bool:
        """Every element is a long repeat or can be left out, so the whole can be split in many ways."""
        found = False
        for operation, argument in parts:
            if operation in repeats:
                least, most, inner = argument
                if most > unbounded:
                    found = True
                elif least > 0 and not loose(inner):
                    return False
            elif operation is _constants.SUBPATTERN:
                if not loose(argument[-1]):
                    return False
                found = True
            elif operation is _constants.BRANCH:
                if not any(loose(branch) for branch in argument[1]):
                    return False
                found = True
            elif operation is not _constants.AT:
                return False
        return found

    def bad(parts: Any) -> bool:
        for operation, argument in parts:
            if operation in repeats and argument[1] > unbounded and loose(argument[2]):
                return True
            if operation in repeats and bad(argument[2]):
                return True
            if operation is _constants.SUBPATTERN and bad(argument[-1]):
                return True
            if operation is _constants.BRANCH and any(bad(branch) for branch in argument[1]):
                return True
        return False

    return bad(_parser.parse(pattern))
