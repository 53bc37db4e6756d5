"""The name servers that programs ask: those of resolv.conf(5)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

RESOLV: Final = "/etc/resolv.conf"
MOST: Final = 20


@fact
class NameServers(Fact, frozen=True):
    """The addresses after ``nameserver``, in their order, each once; none where there is no such file."""

    value_type: ClassVar[Any] = tuple[str, ...]

    def describe(self) -> str:
        return f"read {RESOLV}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(RESOLV),)

    def read(self, host: Host) -> tuple[str, ...]:
        try:
            return servers_in(host.read_text(RESOLV, 64 * 1024))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return ()


def servers_in(text: str) -> tuple[str, ...]:
    """The addresses in the text of a resolv.conf, as they are written there."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            found[words[1]] = None
    return tuple(found)[:MOST]


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True
