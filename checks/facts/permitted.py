"""A host that answers what a fact declared, and refuses everything else.

This is what makes a printed plan a promise: whatever a fact or a plugin's code tries to read beyond its asks
is `NotReadable` with the cause ``not-approved``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from checks.fact import Fact, NotReadable
from checks.facts.asks import (
    Ask,
    AskClock,
    CompareClocks,
    Connect,
    HashFile,
    ListFolder,
    ListListeners,
    ListProcesses,
    ReadFile,
    ReadFrom,
    Recall,
    RecallAccepted,
    RecallAnswer,
    RecallDeliveries,
    RunCommand,
    StatFilesystem,
    StatPath,
    Talk,
    covered,
)
from checks.facts.host import FILE_LIMIT, MOUNT_TABLE, Host

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.memory import Accepted, Answer, Deliveries, Sample
    from checks.facts.mounttable import Mount
    from checks.facts.network import Connection
    from checks.facts.pathinfo import Entry, Space, Stat
    from checks.facts.processtable import Listeners, Process

NOT_APPROVED: Final = "not-approved"


class Permitted(Host):
    """`host`, narrowed to what `fact` says it asks."""

    def __init__(self, host: Host, fact: Fact) -> None:
        self._host, self._asks = host, fact.asks()
        self.distant = host.distant

    def _let(self, ask: Ask) -> Host:
        if not covered(ask, self._asks):
            raise NotReadable(f"not in the approved plan: {ask.describe()}", NOT_APPROVED)
        return self._host

    def want(self, asks: Iterable[Ask]) -> None:
        self._host.want(ask for ask in asks if covered(ask, self._asks))

    def only_here(self, what: str) -> None:
        self._host.only_here(what)

    def is_root(self) -> bool:
        return self._host.is_root()

    def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        return self._let(ReadFile(path)).read_bytes(path, limit)

    def stat(self, path: str) -> Stat:
        return self._let(StatPath(path)).stat(path)

    def statvfs(self, path: str) -> Space:
        return self._let(StatFilesystem(path)).statvfs(path)

    def sha256(self, path: str) -> str:
        return self._let(HashFile(path)).sha256(path)

    def mounts(self) -> tuple[Mount, ...]:
        return self._let(ReadFile(MOUNT_TABLE)).mounts()

    def processes(self) -> tuple[Process, ...]:
        return self._let(ListProcesses()).processes()

    def listeners(self) -> Listeners:
        return self._let(ListListeners()).listeners()

    def clock_error_us(self) -> int | None:
        return self._let(AskClock()).clock_error_us()

    def clock_offset(self) -> tuple[float, float]:
        return self._let(CompareClocks()).clock_offset()

    def connect(self, name: str, port: int, timeout: float) -> Connection:
        return self._let(Connect(name, port, timeout)).connect(name, port, timeout)

    def list_folder(self, path: str) -> tuple[Entry, ...]:
        return self._let(ListFolder(path)).list_folder(path)

    def read_from(self, path: str, offset: int) -> bytes:
        return self._let(ReadFrom(path, offset)).read_from(path, offset)

    def read_listening(self, path: str) -> bytes:
        return self._let(ReadFrom(path, 0)).read_listening(path)

    def execute(self, ask: RunCommand) -> Output:
        return self._let(ask).execute(ask)

    def talk(self, ask: Talk) -> Any:
        return self._let(ask).talk(ask)

    def recall(self, fact: str) -> tuple[Sample, ...]:
        return self._let(Recall(fact)).recall(fact)

    def answer(self, item: str) -> Answer | None:
        return self._let(RecallAnswer(item)).answer(item)

    def accepted(self, fact: str) -> Accepted | None:
        return self._let(RecallAccepted(fact)).accepted(fact)

    def deliveries(self) -> Deliveries:
        return self._let(RecallDeliveries()).deliveries()
