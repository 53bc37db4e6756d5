"""What somebody answered to a manual item."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, RecallAnswer
from checks.facts.memory import Answer

if TYPE_CHECKING:
    from checks.facts.host import Host


class Given(msgspec.Struct, frozen=True):
    """The newest answer; None where nobody has answered."""

    answer: Answer | None = None


@fact
class ManualAnswer(Fact, frozen=True):
    """The answer to the item of this id, as `firstlight answer` keeps it on the agent's machine."""

    value_type: ClassVar[type] = Given
    item: str

    def describe(self) -> str:
        return RecallAnswer(self.item).describe()

    def asks(self) -> tuple[Ask, ...]:
        return (RecallAnswer(self.item),)

    def read(self, host: Host) -> Given:
        return Given(host.answer(self.item))
