"""What the user probably meant: the nearest right name for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 12


def did_you_mean(wrong: str, right: Iterable[str]) -> str:
    """``; did you mean disk.free?``, or the right names where none is near and they are few; else empty."""
    from difflib import get_close_matches  # 9 ms, needed only once something is wrong

    names = sorted(set(right))
    near = get_close_matches(wrong[:200], names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; it is one of {', '.join(names)}" if 0 < len(names) <= SHOWN else ""
