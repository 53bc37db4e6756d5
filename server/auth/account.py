"""Who is asking, as the handlers see it."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["admin", "engineer"]


class Account(msgspec.Struct, frozen=True):
    """A logged-in person. `csrf` is what forms of the session must carry, empty for an API token.

    `engineer_id` says which engineer this is, so that nobody rules on his own case.
    """

    id: int
    login: str
    name: str
    role: Role
    engineer_id: str | None
    csrf: str = ""

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def by_cookie(self) -> bool:
        """Whether a browser sent this by itself, so that a form's origin must be shown."""
        return bool(self.csrf)
