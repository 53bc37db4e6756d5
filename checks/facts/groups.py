"""Groups as the machine knows them: /etc/group first, and whoever else nsswitch.conf names (getent(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.accounts import (
    GROUP,
    SWITCH,
    TIMEOUT_S,
    groups_in,
    is_name,
    only_files,
    optional_text,
)
from checks.facts.asks import Ask, ReadFile, RunCommand

if TYPE_CHECKING:
    from checks.facts.host import Host


class GroupEntry(msgspec.Struct, frozen=True):
    """A group and its number; the members that stand in its own entry, sorted."""

    exists: bool
    gid: int = -1
    members: tuple[str, ...] = ()


@fact
class Group(Fact, frozen=True):
    """A group; one that is not there is a value too."""

    value_type: ClassVar[type] = GroupEntry
    deadline_s: ClassVar[float] = 15.0
    name: str

    def describe(self) -> str:
        return f"look up the group {self.name} ({GROUP}; getent where others are asked)"

    def asks(self) -> tuple[Ask, ...]:
        return (
            ReadFile(SWITCH),
            ReadFile(GROUP),
            RunCommand(("getent", "group", f"<{self.name}, where others are asked>"), TIMEOUT_S),
        )

    def read(self, host: Host) -> GroupEntry:
        if not is_name(self.name):
            raise NotReadable(f"{self.name!r:.60} is no name of a group", "unsupported")
        host.want([ReadFile(SWITCH), ReadFile(GROUP)])
        try:
            listed = host.read_text(GROUP)
        except NotReadable as problem:
            if problem.cause == "absent":
                raise NotReadable(f"this system has no {GROUP}", "unsupported") from problem
            raise
        entry = _entry(listed, self.name)
        if entry is not None or only_files(optional_text(host, SWITCH)):
            return entry or GroupEntry(False)
        done = host.execute(RunCommand(("getent", "group", self.name), TIMEOUT_S))
        if done.status not in (0, 2):
            raise NotReadable(f"getent: {done.complaint}")
        return _entry(done.out.decode(errors="replace"), self.name) or GroupEntry(False)


def _entry(text: str, name: str) -> GroupEntry | None:
    found = groups_in(text).get(name)
    return None if found is None else GroupEntry(True, found.gid, tuple(sorted(found.members)))
