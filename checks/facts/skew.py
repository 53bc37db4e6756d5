"""How far a machine's clock is from that of the agent, which makes the clocks of several comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, CompareClocks

if TYPE_CHECKING:
    from checks.facts.host import Host


class Offset(msgspec.Struct, frozen=True):
    """Seconds that the clock is ahead of the agent's at the middle of the round trip.

    `doubt_s` is half the round trip: the true offset lies within so much on either side.
    """

    offset_s: float
    doubt_s: float = 0.0


@fact
class ClockOffset(Fact, frozen=True):
    """The machine's clock held against the agent's; the agent's own machine is 0 by definition."""

    value_type: ClassVar[type] = Offset

    def describe(self) -> str:
        return CompareClocks().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (CompareClocks(),)

    def read(self, host: Host) -> Offset:
        return Offset(*host.clock_offset())

    @classmethod
    def settled(cls, value: Offset) -> dict[str, bool]:
        """Whether it is nearly the agent's time: the offset itself never stands still."""
        return {"within_a_second": abs(value.offset_s) <= 1.0 + value.doubt_s}
