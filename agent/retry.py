"""When delivery is tried again: kept over processes, because each check and each `firstlight send` is one.

The waits grow exponentially with full jitter ("Exponential Backoff And Jitter", Marc Brooker, AWS
Architecture Blog, 2015), from 10 s to 1 h. What the collector asks for with ``Retry-After`` is kept instead,
up to one day. A clock that jumped makes delivery due at once.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.durable import read_bounded, write_quickly
from agent.paths import State

SHORTEST_S, LONGEST_S = 10.0, 3600.0
LARGEST = 64 * 1024
LONGEST_ASKED_S = 86400.0
"""What the collector may ask for at most."""

Wait = Annotated[float, Meta(ge=0, le=LONGEST_ASKED_S * 1.1)]


class Retry(msgspec.Struct, frozen=True):
    """`failures` in a row; 0 where the last delivery went well but runs are held, which wait for a person.

    `tried` is the moment of the last attempt by this machine's clock (seconds since 1970) and `wait_s` how
    long to wait from there; `reason` is one line for people.
    """

    failures: Annotated[int, Meta(ge=0)] = 0
    tried: float = 0.0
    wait_s: Wait = 0.0
    reason: Annotated[str, Meta(max_length=4000)] = ""

    def due(self, now: float) -> float:
        """The moment from which delivery may be tried again, never more than the wait from `now`.

        A clock that was set back behind the last attempt makes it due at once.
        """
        return self.tried + self.wait_s if self.tried <= now else now

    def blocks(self, now: float) -> bool:
        """Whether deliveries nobody typed have to wait."""
        return self.failures > 0 and now < self.due(now)


def load_retry(state: State) -> Retry | None:
    """What is known of the last failure; None where the last delivery went well, or nothing can be read."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(read_bounded(state.retry, LARGEST), type=Retry)
    return None


def failed(
    state: State, reason: str, asked_s: float | None, now: float, chance: random.Random | None = None
) -> Retry:
    """Note a delivery that failed; `asked_s` are the seconds of ``Retry-After``."""
    chance = chance or random.SystemRandom()
    before = load_retry(state)
    failures = (before.failures if before else 0) + 1
    if asked_s is not None:
        # Everybody is told a moment of their own, or all the same one; a tenth more spreads also those.
        wait = min(asked_s, LONGEST_ASKED_S) * chance.uniform(1.0, 1.1)
    else:
        wait = chance.uniform(SHORTEST_S, min(LONGEST_S, SHORTEST_S * 2.0 ** min(failures, 20)))
    return _save(state, Retry(failures, now, wait, reason[:1000]))


def held(state: State, reason: str, now: float) -> Retry:
    """Note that only held runs are left: they wait for a person, and are tried again once an hour."""
    return _save(state, Retry(0, now, LONGEST_S, reason[:1000]))


def forget(state: State) -> None:
    """All is well again, or a person has changed something: the next delivery is due at once."""
    with suppress(OSError):
        state.retry.unlink()


def next_attempt(state: State, now: float | None = None) -> datetime | None:
    """When delivery is due next, for whoever sleeps until then (aware UTC); None where nothing waits.

    It only looks: one listing of the spool and one small file.
    """
    from agent.spool import Spool

    if not Spool(state.spool).anything_waits():
        return None
    now = time.time() if now is None else now
    retry = load_retry(state)
    moment = now if retry is None else max(now, retry.due(now))
    return datetime.fromtimestamp(moment, UTC)


def in_words(retry: Retry, now: float) -> str:
    """``next attempt 2026-03-02 14:05 UTC (in 12 min), after 3 failures: … cannot be reached``."""
    due = retry.due(now)
    minutes = max(0.0, due - now) / 60
    span = f"{minutes:.0f} min" if minutes >= 1 else "less than a minute"
    when = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%d %H:%M UTC")
    times = "1 failure" if retry.failures == 1 else f"{retry.failures} failures"
    # Whoever is to try has not come by yet; nothing more is waited for.
    at = f"due since {when}" if due < now else f"{when} (in {span})"
    return f"next attempt {at}, after {times}: {retry.reason}"


def _save(state: State, retry: Retry) -> Retry:
    with suppress(OSError):  # a full disk costs an attempt too many, never a run
        write_quickly(state.retry, msgspec.json.encode(retry))
    return retry
