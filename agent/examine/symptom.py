"""What one look at an agent found."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "note", "warn", "fail"]
"""`note` is worth knowing and needs nothing now, `warn` will become a trouble, `fail` is one."""


class Symptom(msgspec.Struct, frozen=True):
    """One thing looked at, in one line; `remedy` is what to type or do, empty where all is well."""

    about: str
    found: str
    remedy: str = ""
    level: Level = "ok"

    @property
    def well(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self.level in ("ok", "note")
