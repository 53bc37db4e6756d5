"""The clock of a database server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import fact
from checks.facts.dbbase import OfDatabase, moment, row_of

if TYPE_CHECKING:
    from checks.facts.host import Host


class ServerClock(msgspec.Struct, frozen=True):
    """Seconds that the server's clock is ahead of the agent's, and how far that may be wrong."""

    offset_s: float
    doubt_s: float = 0.0


@fact
class DatabaseClock(OfDatabase, frozen=True):
    """The clock of a database server, held against the agent's."""

    value_type: ClassVar[type] = ServerClock
    what: ClassVar[str] = "for the time"

    def statements(self) -> tuple[str, ...]:
        from checks.facts.dbstatements import CLOCK

        return (CLOCK[self.product],)

    def read(self, host: Host) -> ServerClock:
        said = self.talk(host)
        (told,) = row_of(said.rows(), 1)
        middle, half = said.moments[0]
        return ServerClock(round(moment(told) - middle, 3), round(half, 3))

    @classmethod
    def settled(cls, value: ServerClock) -> dict[str, bool]:
        """Whether it is nearly the agent's time: the offset itself never stands still."""
        return {"within_a_second": abs(value.offset_s) <= 1.0 + value.doubt_s}
