"""How the collector refuses; the API turns each into a problem document, a command into one line.

BadInput            what was asked is wrong                       → 400, exit 2
├─ NotFound         it names something that does not exist        → 404
├─ Forbidden        this person or machine may not do it          → 403
└─ Refused          it contradicts what the store already holds   → 409
"""

from __future__ import annotations

from checks.errors import BadInput


class NotFound(BadInput):
    """Something was named that the store does not hold."""


class Forbidden(BadInput):
    """Whoever asks may not do this, whatever the data."""


class Refused(BadInput):
    """What was asked contradicts what the store holds; the text names the contradiction."""


class LoginFailed(BadInput):
    """Login and password do not go together, or the login is disabled; which of them is not said."""

    def __init__(self) -> None:
        super().__init__("login or password is wrong")


class Throttled(BadInput):
    """Too many wrong passwords; `seconds` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"too many wrong passwords; try again in {seconds} s")
