"""What the agent on this machine delivered to its collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from checks.fact import Fact, fact
from checks.facts.asks import Ask, RecallDeliveries
from checks.facts.memory import Deliveries

if TYPE_CHECKING:
    from checks.facts.host import Host


@fact
class AgentDeliveries(Fact, frozen=True):
    """The newest acknowledged run, and what waits; `unsupported` of a target that this agent is not on."""

    value_type: ClassVar[type] = Deliveries

    def describe(self) -> str:
        return RecallDeliveries().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (RecallDeliveries(),)

    def read(self, host: Host) -> Deliveries:
        return host.deliveries()

    @classmethod
    def settled(cls, value: Deliveries) -> dict[str, Any]:
        """Whether there is a collector at all; the rest moves with every run."""
        return {"enrolled": value.enrolled}
