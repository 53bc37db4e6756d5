"""Where a generator's decisions come from: Hypothesis, which shrinks what fails, or seeded dice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """Where a generator's decisions come from."""

    def one_of(self, options: Sequence[T]) -> T: ...
    def number(self, low: int, high: int) -> int: ...
    def chance(self, percent: int) -> bool: ...


@dataclass(frozen=True)
class Rolled:
    """Choices of a seeded random number generator."""

    dice: random.Random

    def one_of(self, options: Sequence[T]) -> T:
        return self.dice.choice(options)

    def number(self, low: int, high: int) -> int:
        return self.dice.randint(low, high)

    def chance(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent


@dataclass(frozen=True)
class Drawn:
    """Choices of Hypothesis; the first option, the lowest number and "no" are the simplest."""

    draw: st.DrawFn

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.draw(numbers(0, len(options) - 1))]

    def number(self, low: int, high: int) -> int:
        return self.draw(numbers(low, high))

    def chance(self, percent: int) -> bool:
        return self.draw(numbers(0, 99)) >= 100 - percent


@lru_cache
def numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)
