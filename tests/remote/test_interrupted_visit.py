"""A target whose visit this side ends was interrupted, and is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from machine import plan_of

from agent.collect import Interrupted, collect
from checks.fact import Fact, Known, Reading, Unavailable


class Visited:
    """A remote target that gives one reading and then waits until it is ended."""

    def __init__(self) -> None:
        self.lost: Unavailable | None = None
        self.ended = threading.Event()

    def read(self, facts: Iterable[Fact], deliver: Callable[[Fact, Reading, float], None]) -> None:
        first, *others = facts
        deliver(first, Known("it"), 0.0)
        self.ended.wait(30)
        for fact in others:
            deliver(fact, Unavailable("the connection broke off", "lost"), 0.0)

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.ended.set()


def test_what_is_cut_off_says_that_it_was_interrupted(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        collect(plan_of(tmp_path, ["a", "b", "c"]), {}, remotes={"here": Visited()}, on_reading=stop)
    (readings,) = stopped.value.snapshot.targets
    causes = sorted(each.cause for each in readings.values.values() if isinstance(each, Unavailable))
    assert causes == ["interrupted", "interrupted"]
    assert readings.lost is None
