"""What getent(1) and nslookup(1) print of names and addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from checks.fact import NotReadable

if TYPE_CHECKING:
    from checks.facts.child import Output

_TOOK: Final = r"took (\d{1,12}\.\d\d) (\d{1,12}\.\d\d)"
_NO_TOOL: Final = (126, 127)


class Answer(msgspec.Struct, frozen=True):
    """What a tool said: addresses and names in its order, without repeats; milliseconds, None if untold."""

    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    latency_ms: float | None = None


def answer_of(done: Output) -> Answer:
    """What getent or nslookup said. Raises `NotReadable` (unsupported) where neither is there."""
    if done.status in _NO_TOOL:
        raise NotReadable("there is neither getent nor nslookup", "unsupported")
    said = parse_answer(done.out.decode(errors="replace"))
    return said if done.status == 0 else Answer(latency_ms=said.latency_ms)


def parse_answer(text: str) -> Answer:
    """The answer in any of these forms, of which all lines that are something else are left out::

    127.0.0.1       STREAM localhost        getent ahosts (glibc, musl)
    192.0.2.7       db1.example db1         getent hosts
    Name:   db1.example                     nslookup: of the server itself it says this first, and
    Address: 192.0.2.7                      without a name
    Address 1: 192.0.2.7 db1.example        nslookup of old BusyBox
    7.2.0.192.in-addr.arpa  name = db1.     nslookup of an address
    """
    addresses: dict[str, None] = {}
    names: dict[str, None] = {}
    took = None
    named = False
    for line in text.splitlines():
        words = line.split()
        timed = re.fullmatch(_TOOK, line.strip())
        if timed is not None:
            took = max(0.0, round((float(timed[2]) - float(timed[1])) * 1000, 1))
        elif len(words) > 1 and words[0] == "Name:":
            named = True
            names[words[1].rstrip(".")] = None
        elif words[:1] == ["Address"] and len(words) > 2 and words[1].endswith(":"):
            if named and _is_address(words[2]):
                addresses[words[2]] = None
                names |= dict.fromkeys(word.rstrip(".") for word in words[3:4])
        elif words[:1] == ["Address:"] and len(words) > 1:
            if named and _is_address(words[1]):
                addresses[words[1]] = None
        elif words[1:3] == ["name", "="] and len(words) > 3:
            names[words[3].rstrip(".")] = None
        elif words and _is_address(words[0]):
            addresses[words[0]] = None
            rest = words[2:] if words[1:2] in (["STREAM"], ["DGRAM"], ["RAW"]) else words[1:]
            names |= dict.fromkeys(word.rstrip(".") for word in rest)
    return Answer(tuple(addresses), tuple(names), took)


def _is_address(word: str) -> bool:
    from ipaddress import ip_address

    if len(word) > 60 or ("." not in word and ":" not in word):
        return False
    try:
        ip_address(word.partition("%")[0])
    except ValueError:
        return False
    return True
