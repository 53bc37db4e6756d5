"""What to say, and what to do, where the collector stored a run and lets nothing of it count yet."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "fork": "stored, but it does not count yet: the collector knows another run of this number. "
    "On a copy of a machine: firstlight enrol URL --token - --fresh. After a disk was restored: let the "
    "collector's administrator accept this branch, or enrol again",
    "skew": "stored, but it does not count yet: this machine's clock and the collector's differ by more "
    "than a day. Set the clock (timedatectl set-ntp true), and let the collector's administrator release "
    "the run",
}


def in_words(held: str) -> str:
    """The line for an acknowledgement's `held`; empty where it is."""
    if not held:
        return ""
    return WORDS.get(
        held, f"stored, held by the collector: {''.join(c for c in held if c.isprintable())[:60]}"
    )
