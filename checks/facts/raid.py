"""Software RAID of the kernel (md): the arrays of ``/proc/mdstat``, as its md.rst and md.c have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

MDSTAT: Final = "/proc/mdstat"
LINE_LIMIT: Final = 16 * 1024
"""Characters of a line; an array of the most members there can be needs half of it."""

_ARRAY: Final = r"(md\S{0,60}) : (active|inactive|broken)\s*(.*)"
_MEMBER: Final = r"(\S{1,100})\[\d{1,9}\]((?:\([A-Z]\))*)"
_COUNT: Final = r"\[(\d{1,9})/(\d{1,9})\]"
_DOING: Final = (
    r"\b(recovery|resync|reshape|check|repair)\s*=\s*(DELAYED|PENDING|REMOTE|\d{1,3}(?:\.\d{1,3})?)"
)
_FINISH: Final = r"finish=(\d{1,12}(?:\.\d{1,3})?)min"


class Array(msgspec.Struct, frozen=True):
    """An array. `wanted` and `working` are members, 0 for a level without redundancy (raid0, linear).

    `state`: active, inactive or broken; `mode`: empty, ``read-only`` or ``auto-read-only``; `doing`: empty,
    recovery, resync, reshape, check or repair, with `percent` done (None: it waits) and `minutes` to go.
    """

    name: str
    state: str
    level: str = ""
    mode: str = ""
    wanted: int = 0
    working: int = 0
    members: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    doing: str = ""
    percent: float | None = None
    minutes: float | None = None


@fact
class RaidArrays(Fact, frozen=True):
    """All arrays of the machine; none where the kernel has no md."""

    value_type: ClassVar[Any] = tuple[Array, ...]

    def describe(self) -> str:
        return f"read {MDSTAT}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MDSTAT),)

    def read(self, host: Host) -> tuple[Array, ...]:
        try:
            return parse_mdstat(host.read_text(MDSTAT, 1024 * 1024))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return ()

    @classmethod
    def settled(cls, value: tuple[Array, ...]) -> list[dict[str, Any]]:
        """All but how far a rebuild is."""
        names = ("name", "state", "level", "mode", "wanted", "working", "members", "failed", "spares")
        return [{name: getattr(array, name) for name in names} for array in value]


def parse_mdstat(text: str) -> tuple[Array, ...]:
    """The arrays in the text of ``/proc/mdstat``; members by name, because their order is that of adding."""
    found: list[Array] = []
    for line in text.splitlines():
        head = re.fullmatch(_ARRAY, line[:LINE_LIMIT])
        if head is not None:
            found.append(_array(head[1], head[2], head[3]))
        elif found and line.startswith(" "):
            found[-1] = _more(found[-1], line[:LINE_LIMIT])
    return tuple(found)


def _array(name: str, state: str, rest: str) -> Array:
    mode = re.search(r"\((read-only|auto-read-only)\)", rest)
    words = [word for word in rest.split() if not word.startswith("(")]
    level = words[0] if words and "[" not in words[0] else ""
    members = (re.fullmatch(_MEMBER, word[:200]) for word in words)
    marks = {member[1]: member[2] for member in members if member is not None}
    return Array(
        name,
        state,
        level,
        mode[1] if mode else "",
        members=tuple(sorted(marks)),
        failed=tuple(sorted(member for member, mark in marks.items() if "(F)" in mark)),
        spares=tuple(sorted(member for member, mark in marks.items() if "(S)" in mark)),
    )


def _more(array: Array, line: str) -> Array:
    """The array with what a line below its first one tells."""
    changes: dict[str, Any] = {}
    count, doing = re.search(_COUNT, line), re.search(_DOING, line)
    if count is not None and " blocks" in line:
        changes |= {"wanted": int(count[1]), "working": int(count[2])}
    if doing is not None:
        finish = re.search(_FINISH, line)
        changes |= {"doing": doing[1], "percent": float(doing[2]) if doing[2][0].isdigit() else None}
        changes |= {"minutes": float(finish[1]) if finish else None}
    return msgspec.structs.replace(array, **changes) if changes else array
