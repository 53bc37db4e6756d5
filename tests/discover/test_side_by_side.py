"""Work on several things at a time."""

from __future__ import annotations

import threading

import pytest

from agent.discover.side_by_side import side_by_side


def test_results_come_in_the_order_of_the_things() -> None:
    second_is_done = threading.Event()

    def work(thing: int) -> int:
        if thing == 1:
            assert second_is_done.wait(30)
        else:
            second_is_done.set()
        return thing * 10

    assert side_by_side(work, [1, 2], 2) == [10, 20]
    assert side_by_side(work, [], 2) == []


def test_never_more_than_so_many_at_a_time() -> None:
    now: list[int] = []
    seen: list[int] = []

    def work(thing: int) -> None:
        now.append(thing)
        seen.append(len(now))
        now.remove(thing)

    side_by_side(work, list(range(50)), 1)
    assert set(seen) == {1}


def test_what_one_raises_is_raised_while_another_hangs() -> None:
    never = threading.Event()

    def work(thing: int) -> None:
        if thing:
            never.wait(60)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side(work, [0, 1], 2)
    never.set()
