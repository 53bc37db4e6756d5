"""Whether a whole text meets a condition: a file's, or what a command prints. Of the text nothing is kept.

The condition is held against the text where it is read, so that neither its size nor what is secret in it
comes into the reading. A condition travels as the JSON of its canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.bounds import MATCHED_LENGTH
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.command import CommandOutput, shown
from checks.facts.files import text_of
from checks.matchers import Matcher, read_matcher

if TYPE_CHECKING:
    from checks.facts.host import Host

FAILING: Final = 5
"""How many of the parts of a condition that do not hold are named."""

START: Final = 200
_LINEWISE: Final = ("some", "includes", "consists_of")


class Held(msgspec.Struct, frozen=True):
    """Whether a text meets a condition; `failing` names the parts of it that do not hold.

    `found` is False where there is no such text, and then nothing else counts. `status` is the exit status of
    the command and `start` how its output begins, without what looks secret; of a file neither is kept.
    """

    found: bool
    holds: bool = False
    failing: tuple[str, ...] = ()
    lines: int = 0
    status: int = 0
    start: str = ""


@fact
class FileText(Fact, frozen=True):
    """Whether the text of a file meets a condition; a file that is not there is a value too."""

    value_type: ClassVar[type] = Held
    deadline_s: ClassVar[float] = 15.0
    path: str
    condition: Matcher | str

    def __post_init__(self) -> None:
        as_text(self)

    def describe(self) -> str:
        return f"read {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> Held:
        try:
            data = host.read_bytes(self.path)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return Held(False)
        return held(text_of(self.path, data), str(self.condition), self.path)

    @classmethod
    def settled(cls, value: Held) -> dict[str, Any]:
        """How long the text is says nothing of what was asked."""
        return {name: getattr(value, name) for name in ("found", "holds", "failing")}


@fact
class CommandText(CommandOutput, frozen=True):
    """Whether what a command prints on one of its outputs meets a condition."""

    value_type: ClassVar[type] = Held
    stream: str = "stdout"
    condition: Matcher | str = ""

    def __post_init__(self) -> None:
        as_text(self)
        super().__post_init__()

    def read(self, host: Host) -> Held:  # type: ignore[override]  # another reading of the same command
        done = host.execute(self.ask())
        data = done.err if self.stream == "stderr" else done.out
        if done.truncated:
            raise NotReadable("the command said too much to be compared", "too-large")
        text = data.decode("utf-8-sig", errors="replace")
        said = held(text, str(self.condition), f"the command's {self.stream}")
        begin = shown(data[:4096]).strip().partition("\n")[0][:START]
        return msgspec.structs.replace(said, status=done.status, start=begin)

    @classmethod
    def settled(cls, value: Held) -> dict[str, Any]:
        """What was printed changes with every run; whether it was as wanted does not."""
        return {name: getattr(value, name) for name in ("holds", "failing", "status")}


def held(text: str, condition: str, what: str) -> Held:
    """Whether a text meets a condition. Raises `NotReadable` where a pattern will not see all (too-large)."""
    given = msgspec.json.decode(condition) if condition else {"length": {"at_least": 0}}
    lines = text.split("\n")
    for linewise in _patterns_in(given):
        longest = max(map(len, lines)) if linewise else len(text)
        if longest > MATCHED_LENGTH:
            part = "a line of " if linewise else ""
            raise NotReadable(
                f"{part}{what} is longer than the {MATCHED_LENGTH} characters that a pattern sees",
                "too-large",
            )
    parts = given["all"] if isinstance(given, dict) and [*given] == ["all"] else [given]
    wanted = [read_matcher(part) for part in parts]
    failing = [str(each) for each in wanted if not each.holds(text)]
    return Held(True, not failing, tuple(each[:START] for each in failing[:FAILING]), len(text.splitlines()))


def _patterns_in(given: Any, linewise: bool = False) -> Iterator[bool]:
    """For each pattern of a condition, whether it is held against lines only."""
    if isinstance(given, Mapping):
        for name, part in given.items():
            if name == "matches":
                yield linewise
            elif name != "json":
                yield from _patterns_in(part, linewise or name in _LINEWISE)
    elif isinstance(given, list):
        for part in given:
            yield from _patterns_in(part, linewise)


def as_text(made: Any) -> None:
    """Put a condition that was just filled in as the JSON it travels as, in a fact with a `condition`."""
    if isinstance(made.condition, Matcher):
        written = msgspec.json.encode(made.condition.canonical(), order="deterministic").decode()
        msgspec.structs.force_setattr(made, "condition", written)
