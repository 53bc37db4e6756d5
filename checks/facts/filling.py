"""How full a filesystem was in earlier runs: what a forecast rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, Recall
from checks.facts.disk import DiskUsage
from checks.forecast import Point, thinned

if TYPE_CHECKING:
    from checks.facts.host import Host

RESIZED: Final = 0.01
"""From this share on it is another size; some filesystems (zfs) share theirs with others, so it moves."""


class Filling(msgspec.Struct, frozen=True):
    """Bytes used at earlier moments (seconds since 1970), the oldest first, thinned out; since the
    filesystem last changed its size."""

    points: tuple[Point, ...] = ()


@fact
class FillHistory(Fact, frozen=True):
    """What earlier runs read of the room on a filesystem (`DiskUsage`)."""

    value_type: ClassVar[type] = Filling
    mount: str

    def describe(self) -> str:
        return f"recall how full {self.mount} was in earlier runs"

    def asks(self) -> tuple[Ask, ...]:
        return (Recall(DiskUsage(self.mount).id()),)

    def read(self, host: Host) -> Filling:
        points: list[Point] = []
        size = 0.0
        for sample in host.recall(DiskUsage(self.mount).id()):
            used, total = sample.values.get("used"), sample.values.get("total")
            if used is None or total is None:
                continue
            if abs(total - size) > RESIZED * size:
                points = []
            size = total
            points.append(Point(sample.at.timestamp(), used))
        return Filling(thinned(points))

    @classmethod
    def settled(cls, value: Filling) -> dict[str, Any]:
        """Nothing: every run adds to it."""
        del value
        return {}
