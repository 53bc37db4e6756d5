"""The collector's clock, passed in wherever behaviour depends on it so that tests and replays can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """This machine's clock as an aware UTC datetime."""
    return datetime.now(UTC)
