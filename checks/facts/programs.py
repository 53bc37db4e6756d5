"""Which programs run, and as whom: names alone, never arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, ListProcesses, ReadFile
from checks.facts.host import MOUNT_TABLE
from checks.facts.process import refuse_if_hidden, user_name

if TYPE_CHECKING:
    from checks.facts.host import Host


class Program(msgspec.Struct, frozen=True):
    """The processes of one name: the users they run as, sorted."""

    name: str
    users: tuple[str, ...]


class ProgramTable(msgspec.Struct, frozen=True):
    """All of them, by name."""

    programs: tuple[Program, ...] = ()


@fact
class Programs(Fact, frozen=True):
    """The programs that run, by name; threads of the kernel are none."""

    value_type: ClassVar[type] = ProgramTable

    def describe(self) -> str:
        return "read names and users of all processes"

    def asks(self) -> tuple[Ask, ...]:
        return (ListProcesses(), ReadFile(MOUNT_TABLE))

    def read(self, host: Host) -> ProgramTable:
        host.want(self.asks())
        refuse_if_hidden(host)
        users: dict[str, set[str]] = {}
        for process in host.processes():
            if not process.kernel:
                users.setdefault(process.name, set()).add(process.user or user_name(process.uid))
        return ProgramTable(tuple(Program(name, tuple(sorted(users[name]))) for name in sorted(users)))
