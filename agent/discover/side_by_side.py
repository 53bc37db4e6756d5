"""The same work on several things at a time, in threads that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], things: Sequence[T], at_once: int) -> list[R]:
    """What comes of each thing, in their order; raises what the first of them to fail raises.

    Whoever waits here can be interrupted: the threads are daemons, so what hangs in one keeps no program
    alive.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, R | None, BaseException | None]] = SimpleQueue()
    for at in range(len(things)):
        waiting.put(at)

    def run() -> None:
        with suppress(Empty):
            while True:
                at = waiting.get_nowait()
                try:
                    done.put((at, work(things[at]), None))
                except BaseException as problem:  # noqa: BLE001 - it is raised again where it is waited for
                    done.put((at, None, problem))

    for _ in range(min(at_once, len(things))):
        threading.Thread(target=run, name="discover", daemon=True).start()
    found: dict[int, R] = {}
    for _ in things:
        at, result, problem = done.get()
        if problem is not None:
            raise problem
        found[at] = result  # type: ignore[assignment]  # there is one where there was no problem
    return [found[at] for at in range(len(things))]
