"""What a profile gives instead of a machine: content to be held against a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask

if TYPE_CHECKING:
    from checks.facts.host import Host


@fact
class GivenContent(Fact, frozen=True):
    """Content as JSON in the profile itself; nothing is read.

    With `unmapped` there is nothing to hold: it says what another tool's file asks for and nobody here can
    tell, which makes the reading unavailable (unmapped).
    """

    value_type: ClassVar[Any] = Any
    content: str
    unmapped: str = ""

    def describe(self) -> str:
        return "nothing"

    def asks(self) -> tuple[Ask, ...]:
        return ()

    def read(self, host: Host) -> Any:
        del host
        if self.unmapped:
            raise NotReadable(self.unmapped, "unmapped")
        try:
            return msgspec.json.decode(self.content or "null")
        except msgspec.DecodeError as problem:
            raise NotReadable(f"the content is not JSON: {problem}", "parse") from problem
