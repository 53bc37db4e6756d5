"""Paths that people write: absolute, because nobody can tell what a check's folder would be."""

from __future__ import annotations

import re
from typing import Annotated, Final

AbsolutePath = Annotated[str, "path"]
"""A path that begins at the root, or on Windows at a drive; empty where a parameter may be left open."""

_ABSOLUTE: Final = r"/|[A-Za-z]:[\\/]|\\\\[^\\]"


def read_absolute(value: object) -> str:
    """The path; raises `ValueError` that says what would be right."""
    if not isinstance(value, str):
        raise ValueError("expected a path such as /srv/data")
    if "\0" in value or (value and not re.match(_ABSOLUTE, value)):
        raise ValueError(f"{value!r:.100} is not an absolute path; write one such as /srv/data")
    return value
