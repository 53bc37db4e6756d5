"""A secret in memory, in a form that never prints.

Whatever shows values by itself (a log line, an f-string, a traceback with its variables, a debugger, an
encoder) shows three asterisks or refuses. The secret comes out by one word only, `Secret.reveal`, which
stands where it is handed on to whoever needs it. Against somebody who can read this process's memory nothing
helps.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

SHOWN: Final = "***"

SHORTEST: Final = 6
"""Characters that a secret has at least, to be looked for in texts: shorter ones are in too many words."""

MOST: Final = 1000


class Secret:
    """One secret; false where it is empty. Equal only to another secret, told in constant time."""

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)
        if len(value) >= SHORTEST and len(_GIVEN) < MOST:
            _GIVEN.append(self)

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def scrubbed(self, text: str) -> str:
        """A text without the secret in it: what others repeat of what they were given."""
        value = self.reveal()
        return text.replace(value, SHOWN) if value else text

    def __bool__(self) -> bool:
        return self.reveal() != ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Secret({SHOWN})"

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, spec: str) -> str:
        return SHOWN

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written down")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __iter__(self) -> NoReturn:
        raise TypeError("a secret is not taken apart")


_GIVEN: Final[list[Secret]] = []

NONE: Final = Secret("")


def given() -> tuple[Secret, ...]:
    """The secrets that this process was given, for whoever looks through texts before they leave.

    One that is a plain word is not among them: to take it out wherever it stands would tell which it is.
    """
    return tuple(each for each in _GIVEN if not each.reveal().isalpha() or len(each.reveal()) >= 12)
