"""A monitoring plugin: its exit code, its text and its performance data.

Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios", and the Nagios Core plugin API
(several lines of text, with more performance data after a second ``|``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import fact
from checks.facts.command import Program, shown
from checks.perfdata import Measure, parse_performance

if TYPE_CHECKING:
    from checks.facts.host import Host

SERIES_LIMIT: Final = 20
"""Values of a plugin that later runs can recall."""

LINE_LIMIT: Final = 500
LONG_LIMIT: Final = 2000


class PluginSaid(msgspec.Struct, frozen=True):
    """What a plugin said: exit code, the first line without performance data, the further lines, values."""

    status: int
    text: str = ""
    long_text: str = ""
    values: tuple[Measure, ...] = ()


@fact
class PluginOutput(Program, frozen=True):
    """What a monitoring plugin said; it is run once and never through a shell."""

    value_type: ClassVar[type] = PluginSaid

    def read(self, host: Host) -> PluginSaid:
        done = host.execute(self.ask())
        said = parse_output(shown(done.out))
        if said.text or said.long_text or not done.err.strip():
            return msgspec.structs.replace(said, status=done.status)
        return PluginSaid(done.status, shown(done.err)[:LINE_LIMIT].splitlines()[0], "", said.values)

    @classmethod
    def settled(cls, value: PluginSaid) -> dict[str, Any]:
        """The exit code: the text has numbers in it, which move."""
        return {"status": value.status}

    @classmethod
    def series(cls, value: PluginSaid) -> Mapping[str, float]:
        numbers = {each.label: each.base for each in value.values[:SERIES_LIMIT]}
        return {label: number for label, number in numbers.items() if number is not None}


def parse_output(text: str) -> PluginSaid:
    """Text and performance data of a plugin's standard output; the exit code is 0 here.

    ``first line | data``, then lines of long text; after a ``|`` in those everything is data again.
    """
    first, _, rest = text.strip().partition("\n")
    line, _, data = first.partition("|")
    long_text, _, more = rest.partition("|")
    values = parse_performance(f"{data} {more}")
    return PluginSaid(0, line.strip()[:LINE_LIMIT], long_text.strip()[:LONG_LIMIT], values)
