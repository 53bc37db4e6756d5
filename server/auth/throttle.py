"""Slows down guessing: after a few wrong passwords a login must wait, each time twice as long.

It counts per login and address, so that nobody can lock somebody else out from elsewhere, and lives in the
memory of one process: a restart forgets, which costs an attacker more than it gives.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from server.errors import Throttled

FREE = 5
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=15)
FORGET_AFTER = timedelta(hours=1)
MOST_KEYS = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    newest: datetime


class Throttle:
    """Wrong passwords so far, by login and address."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._lock = threading.Lock()

    def check(self, login: str, address: str, now: datetime) -> None:
        """Raise `Throttled` while this login must wait at this address."""
        with self._lock:
            failures = self._failures.get((login, address))
            if failures is None or failures.count < FREE:
                return
            left = failures.newest + wait_after(failures.count) - now
        if left > timedelta(0):
            raise Throttled(ceil(left.total_seconds()))

    def failed(self, login: str, address: str, now: datetime) -> None:
        """Count a wrong password."""
        with self._lock:
            self._forget(now)
            before = self._failures.pop((login, address), None)
            # Popped and put back, so that the oldest failure stands first.
            self._failures[(login, address)] = _Failures((before.count if before else 0) + 1, now)

    def succeeded(self, login: str, address: str) -> None:
        """The right password wipes the slate."""
        with self._lock:
            self._failures.pop((login, address), None)

    def _forget(self, now: datetime) -> None:
        for key in list(self._failures):
            full = len(self._failures) >= MOST_KEYS
            if not full and self._failures[key].newest + FORGET_AFTER > now:
                return
            del self._failures[key]


def wait_after(count: int) -> timedelta:
    """How long the next attempt waits after this many wrong passwords."""
    if count < FREE:
        return timedelta(0)
    doublings: int = min(count - FREE, 30)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
