"""Whether the body of a web answer, or its headers, meet a condition as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from checks.fact import NotReadable, fact
from checks.facts.http import WebPage
from checks.facts.texts import Held, as_text, held
from checks.matchers import Matcher

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.http import Said


@fact
class WebText(WebPage, frozen=True):
    """The answer to a request, its `part` (body or headers, a line each) held against a condition.

    `found` is False where no answer came; `start` then says why.
    """

    value_type: ClassVar[type] = Held
    part: str = "body"
    condition: Matcher | str = ""

    def __post_init__(self) -> None:
        as_text(self)
        super().__post_init__()

    def read(self, host: Host) -> Held:  # type: ignore[override]  # another reading of the same request
        said: Said = host.talk(self._ask())
        if said.outcome != "answered":
            return Held(False, start=f"{said.outcome} {said.detail}".strip())
        if said.cut and self.part == "body":
            raise NotReadable(f"the answer of {self.url} is larger than 1 MiB", "too-large")
        text = said.body.decode("utf-8-sig", errors="replace")
        if self.part == "headers":
            text = "\n".join(f"{_spelt(name)}: {value}" for name, value in said.headers)
        found = held(text, str(self.condition), f"the {self.part} of {self.url}")
        return Held(True, found.holds, found.failing, found.lines, said.status)

    @classmethod
    def settled(cls, value: Held) -> dict[str, Any]:  # type: ignore[override]
        """What was asked for, and the status; a page's length changes by itself."""
        return {name: getattr(value, name) for name in ("found", "holds", "failing", "status")}


def _spelt(name: str) -> str:
    """A header's name in the usual spelling, which patterns are written for: ``Content-Type``."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))
