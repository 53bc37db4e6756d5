"""The machine that facts are read from: files, tables, connects, commands. None may hang the reader.

`Host` is what every fact reads through, whether the machine is this one (`checks.facts.localhost`) or one
whose answers came over a shell (`checks.facts.answered`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from checks.fact import NotReadable
from checks.facts.asks import RunCommand

if TYPE_CHECKING:
    from checks.facts.asks import Ask, Talk
    from checks.facts.child import Output
    from checks.facts.memory import Accepted, Answer, Deliveries, Sample
    from checks.facts.mounttable import Mount
    from checks.facts.network import Connection
    from checks.facts.pathinfo import Entry, Space, Stat
    from checks.facts.processtable import Listeners, Process

FILE_LIMIT: Final = 4 * 1024 * 1024
FOLDER_LIMIT: Final = 10_000
COMMAND_TIMEOUT_S: Final = 4.0

MOUNT_TABLE: Final = "/proc/self/mountinfo"


class Host(ABC):
    """One machine, for one run: what is asked twice is read once.

    Every method raises `NotReadable` with a cause where there is no answer. `distant`: what is read has to
    travel, so that a command with a short answer is better than a long file.
    """

    distant: bool = False

    def want(self, asks: Iterable[Ask]) -> None:
        """Say what will be asked next, so that a distant machine can answer it all at once."""
        del asks

    def only_here(self, what: str) -> None:
        """Go on where this process runs on the machine itself; raise `NotReadable` (unsupported) elsewhere.

        To be called before anything is asked of Python or psutil, which speak of this machine alone.
        """
        del what

    @abstractmethod
    def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        """A regular file's bytes.

        Causes: absent, denied, unsupported (not a file), too-large, timeout, stuck.
        """

    def read_text(self, path: str, limit: int = FILE_LIMIT) -> str:
        """A file that is UTF-8 as far as it matters: what is not, is replaced."""
        return self.read_bytes(path, limit).removeprefix(BOM_UTF8).decode(errors="replace")

    @abstractmethod
    def stat(self, path: str) -> Stat:
        """What a path is, links followed. Causes: absent, denied, timeout, stuck, failed."""

    def exists(self, path: str) -> bool:
        """Whether a path is there; raises `NotReadable` where that cannot be told."""
        try:
            self.stat(path)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            return False
        return True

    @abstractmethod
    def statvfs(self, path: str) -> Space:
        """The room on the filesystem a path lies on. Causes as for `stat`."""

    @abstractmethod
    def sha256(self, path: str) -> str:
        """The SHA-256 of a regular file, 64 hex digits. Causes as for `read_bytes`, bar the size."""

    @abstractmethod
    def list_folder(self, path: str) -> tuple[Entry, ...]:
        """What lies in a folder, by name; at most `FOLDER_LIMIT` of it. Causes as for `stat`, unsupported
        (not a folder), too-large."""

    @abstractmethod
    def read_from(self, path: str, offset: int) -> bytes:
        """A regular file's bytes from `offset` on, `FILE_LIMIT` at most. Causes as for `read_bytes`."""

    def read_listening(self, path: str) -> bytes:
        """A table of TCP sockets (``/proc/net/tcp``) as far as the sockets that listen go, or further.

        The kernel lists them first, and walks through a long table for all others. The causes are
        those of `read_bytes`.
        """
        return self.read_from(path, 0)

    @abstractmethod
    def mounts(self) -> tuple[Mount, ...]:
        """The mount table; empty where the system shows none."""

    @abstractmethod
    def processes(self) -> tuple[Process, ...]:
        """Every live process that can be seen, by pid."""

    @abstractmethod
    def listeners(self) -> Listeners:
        """Who listens for TCP."""

    @abstractmethod
    def is_root(self) -> bool:
        """Whether the reader may see everything."""

    @abstractmethod
    def clock_error_us(self) -> int | None:
        """How wrong the kernel says its clock may be, in microseconds; from 16 s on nobody keeps it.

        None where the machine only tells that it is kept. Causes: unsupported, denied.
        """

    @abstractmethod
    def clock_offset(self) -> tuple[float, float]:
        """Seconds that the machine's clock is ahead of the agent's, and how far that may be wrong."""

    @abstractmethod
    def connect(self, name: str, port: int, timeout: float) -> Connection:
        """What comes of a TCP connect from there; a refused one is an answer too."""

    def run(self, argv: list[str], timeout: float = COMMAND_TIMEOUT_S) -> Output:
        """A command's output (argv, no shell, LC_ALL=C).

        Causes: absent, timeout, stuck, failed; an exit status is none.
        """
        return self.execute(RunCommand(tuple(argv), timeout))

    @abstractmethod
    def execute(self, ask: RunCommand) -> Output:
        """The same with everything that `RunCommand` may carry."""

    @abstractmethod
    def talk(self, ask: Talk) -> Any:
        """What comes of a conversation over TCP, held from there; of the type that the ask declares."""

    @abstractmethod
    def recall(self, fact: str) -> tuple[Sample, ...]:
        """What earlier runs recorded of the fact with this id at this target, the oldest first."""

    @abstractmethod
    def answer(self, item: str) -> Answer | None:
        """What somebody answered to a manual item at this target; None where nobody did."""

    @abstractmethod
    def accepted(self, fact: str) -> Accepted | None:
        """What the fact with this id was when the target's state was accepted; None where it was not."""

    @abstractmethod
    def deliveries(self) -> Deliveries:
        """What the agent delivered, where this process is that of the machine itself. Cause: unsupported."""
