"""Swap: how much there is, and on what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

_MEMINFO: Final = "/proc/meminfo"


class Swap(msgspec.Struct, frozen=True):
    """Bytes of swap, and how many of them hold nothing."""

    total: int
    free: int


@fact
class SwapSpace(Fact, frozen=True):
    """Swap of the machine; a container has its machine's."""

    value_type: ClassVar[type] = Swap

    def describe(self) -> str:
        return f"read SwapTotal and SwapFree in {_MEMINFO}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(_MEMINFO),)

    def read(self, host: Host) -> Swap:
        try:
            text = host.read_text(_MEMINFO, 64 * 1024)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the swap of a system without /proc")
            return swap_by_psutil()
        found = dict(re.findall(r"^(SwapTotal|SwapFree): *(\d{1,15}) kB$", text, re.MULTILINE | re.ASCII))
        if len(found) != 2:
            raise NotReadable(f"{_MEMINFO} does not tell of swap", "parse")
        return Swap(int(found["SwapTotal"]) * 1024, int(found["SwapFree"]) * 1024)

    @classmethod
    def settled(cls, value: Swap) -> dict[str, Any]:
        """What there is: how much of it is taken moves."""
        return {"total": value.total}


def swap_by_psutil() -> Swap:
    """The same where there is no ``/proc``: Windows (its page file) and macOS."""
    import psutil

    seen = psutil.swap_memory()
    return Swap(seen.total, seen.free)
