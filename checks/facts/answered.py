"""A host whose answers came from elsewhere: over a shell, or out of a record.

Facts run over it as they run here, so that both faces of a fact share every line that parses and decides.
What was not answered yet raises `NotYet`, and the fact is run again once it was: every such round answers
everything that all facts wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from checks.fact import NotReadable
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
)
from checks.facts.host import FILE_LIMIT, MOUNT_TABLE, Host
from checks.facts.mounttable import Mount, parse_mounts
from checks.facts.pathinfo import Entry, Space, Stat, within
from checks.facts.processtable import Listeners, Process, listeners_of

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.memory import Accepted, Answer, Deliveries, Sample
    from checks.facts.network import Connection


class NotYet(BaseException):
    """Not an answer but a question: these asks have to be answered first.

    No `Exception`, so that a fact which lives with a failed read does not take it for one.
    """

    def __init__(self, asks: tuple[Ask, ...]) -> None:
        super().__init__("not answered yet")
        self.asks = asks


class Failed(msgspec.Struct, frozen=True):
    """An ask that has no answer: why, and its cause. `root` says that root might have one."""

    reason: str
    cause: str = "failed"
    root: bool = False


class ProcessTable(msgspec.Struct, frozen=True):
    """The answer to `ListProcesses`; `root` says whether it was given to root."""

    processes: tuple[Process, ...]
    root: bool


class Sockets(msgspec.Struct, frozen=True):
    """The answer to `ListListeners`: listening sockets, who was seen to hold which, and who could not be
    looked into. Sockets are named by inode."""

    listening: frozenset[str]
    held: dict[int, frozenset[str]]
    denied: frozenset[int]


class AnsweredHost(Host):
    """Answers out of `answers`, by ask; each is of the type that its question has, or `Failed`."""

    distant = True

    def __init__(self, answers: Mapping[Ask, Any]) -> None:
        self._answers = answers

    def want(self, asks: Iterable[Ask]) -> None:
        missing = tuple(ask for ask in asks if ask not in self._answers)
        if missing:
            raise NotYet(missing)

    def only_here(self, what: str) -> None:
        raise NotReadable(f"{what} can be told on the machine itself only", "unsupported")

    def _answer(self, ask: Ask) -> Any:
        try:
            answer = self._answers[ask]
        except KeyError:
            raise NotYet((ask,)) from None
        if isinstance(answer, Failed):
            raise NotReadable(answer.reason, answer.cause)
        return answer

    def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        if not path.startswith("/"):
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        data: bytes = self._answer(ReadFile(path))
        return within(path, data, limit)

    def stat(self, path: str) -> Stat:
        if not path.startswith("/"):
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        answer: Stat = self._answer(StatPath(path))
        return answer

    def statvfs(self, path: str) -> Space:
        answer: Space = self._answer(StatFilesystem(path))
        return answer

    def sha256(self, path: str) -> str:
        answer: str = self._answer(HashFile(path))
        return answer

    def mounts(self) -> tuple[Mount, ...]:
        try:
            data: bytes = self._answer(ReadFile(MOUNT_TABLE))
        except NotReadable as problem:
            if problem.cause == "absent":
                return ()
            raise
        return parse_mounts(data.decode(errors="surrogateescape"))

    def processes(self) -> tuple[Process, ...]:
        return self._table().processes

    def is_root(self) -> bool:
        return self._table().root

    def _table(self) -> ProcessTable:
        answer: ProcessTable = self._answer(ListProcesses())
        return answer

    def listeners(self) -> Listeners:
        seen: Sockets = self._answer(ListListeners())
        here = {process.pid: process for process in self.processes()}
        suspects = frozenset(pid for pid in seen.denied if pid in here and not here[pid].kernel)
        held = {pid: inodes for pid, inodes in seen.held.items() if pid in here}
        return listeners_of(held, seen.listening, suspects)

    def clock_error_us(self) -> int | None:
        answer: int | None = self._answer(AskClock())
        return answer

    def clock_offset(self) -> tuple[float, float]:
        answer: tuple[float, float] = self._answer(CompareClocks())
        return answer

    def connect(self, name: str, port: int, timeout: float) -> Connection:
        answer: Connection = self._answer(Connect(name, port, timeout))
        return answer

    def list_folder(self, path: str) -> tuple[Entry, ...]:
        if not path.startswith("/"):
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        answer: tuple[Entry, ...] = self._answer(ListFolder(path))
        return answer

    def read_from(self, path: str, offset: int) -> bytes:
        if not path.startswith("/"):
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        data: bytes = self._answer(ReadFrom(path, offset))
        return data

    def execute(self, ask: RunCommand) -> Output:
        answer: Output = self._answer(ask)
        return answer

    def talk(self, ask: Talk) -> Any:
        return self._answer(ask)

    def recall(self, fact: str) -> tuple[Sample, ...]:
        answer: tuple[Sample, ...] = self._answer(Recall(fact))
        return answer

    def answer(self, item: str) -> Answer | None:
        answer: Answer | None = self._answer(RecallAnswer(item))
        return answer

    def accepted(self, fact: str) -> Accepted | None:
        accepted: Accepted | None = self._answer(RecallAccepted(fact))
        return accepted

    def deliveries(self) -> Deliveries:
        deliveries: Deliveries = self._answer(RecallDeliveries())
        return deliveries
