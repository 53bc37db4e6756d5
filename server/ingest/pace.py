"""How much the door takes at once, and when it asks the others to come again.

After an outage every agent comes at the same moment. What the writer has not answered is bounded. Beyond
that a delivery is turned away before its body is read, with a ``Retry-After`` of its own. The moments are
spread over as long as the crowd will take, and are the same for the same agent, so that it does not gain by
asking again. Everything here happens in the event loop.
"""

from __future__ import annotations

import math
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable

MOST_WAITING = 256
"""Deliveries that are read but not answered. One commit takes 64, so the writer never runs dry."""

MOST_BYTES = 128 * 1024 * 1024
"""Of bodies as they are sent, held at one time."""

LONGEST_S = 300
SHORTEST_S = 2
CROWD_S = 60.0
"""Who was turned away within so many seconds is expected again."""

MOST_REMEMBERED = 20_000
LONGEST_NAME = 200
"""Names are what a header says, and nobody has verified it yet."""

FIRST_RATE = 100.0
SLOWEST_RATE = 10.0


class Pace:
    """Counts what is inside; `clock` gives seconds."""

    def __init__(self, most_waiting: int = MOST_WAITING, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_waiting, self._clock = most_waiting, clock
        self.waiting = 0
        self.bytes = 0
        self._rate = FIRST_RATE
        self._answered, self._since = 0, clock()
        self._crowd: OrderedDict[str, float] = OrderedDict()

    @property
    def full(self) -> bool:
        return self.waiting >= self.most_waiting or self.bytes >= MOST_BYTES

    def enter(self, agent: str) -> None:
        """A delivery was read and waits for its answer."""
        self.waiting += 1
        self._crowd.pop(agent[:LONGEST_NAME], None)

    def leave(self) -> None:
        """It was answered."""
        self.waiting -= 1
        self._answered += 1
        span = self._clock() - self._since
        if span >= 1.0:
            # Half of what was known and half of what is new: a rate that follows within seconds.
            self._rate = max(SLOWEST_RATE, (self._rate + self._answered / span) / 2)
            self._answered, self._since = 0, self._clock()

    def turn_away(self, agent: str) -> None:
        """An agent was told to come again."""
        now, agent = self._clock(), agent[:LONGEST_NAME]
        self._crowd[agent] = now
        self._crowd.move_to_end(agent)
        while now - next(iter(self._crowd.values())) > CROWD_S or len(self._crowd) > MOST_REMEMBERED:
            self._crowd.popitem(last=False)

    def window_s(self) -> int:
        """Seconds that all who are known to come will take."""
        needed = math.ceil((self.waiting + len(self._crowd)) / self._rate)
        return min(LONGEST_S, max(SHORTEST_S, needed))

    def retry_after_s(self, agent: str) -> int:
        """When this agent is to come again: in its own second of the window."""
        return 1 + zlib.crc32(agent.encode()) % self.window_s()
