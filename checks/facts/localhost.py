"""This machine as a host: read through the kernel's files and calls, with psutil where there is no ``/proc``.

A path on a network, FUSE or autofs mount, known from the mount table without touching it, is left to
`checks.facts.remote`; all else is read directly.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from checks.fact import NotReadable
from checks.facts.host import FILE_LIMIT, FOLDER_LIMIT, MOUNT_TABLE, Host
from checks.facts.pathinfo import Entry, Space, Stat, file_type, must_be_file, unreadable, within

if TYPE_CHECKING:
    from checks.facts.asks import RunCommand, Talk
    from checks.facts.child import Output
    from checks.facts.memory import Accepted, Answer, Deliveries, Memory, Sample
    from checks.facts.mounttable import Mount
    from checks.facts.network import Connection
    from checks.facts.processtable import Listeners, Process
    from checks.facts.remote import RemoteMount, RemoteMounts

T = TypeVar("T")

READ_ONCE: Final = ("/proc/net/", "/var/lib/dpkg/status")
"""What many facts of a run read: tables that the kernel walks through as a whole for every reader, and the
list of packages."""

_PAGE: Final = 4096
_LONGEST_LINE: Final = 512
_LISTEN: Final = b"0A"
"""Bytes of the smallest page, more than any line of /proc/net/tcp6 has, and the state of what listens."""

TOOLS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Once(Generic[T]):
    """A value made when it is first asked for, by one thread while the others wait; a failure is kept too."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: list[T] = []
        self._failed: OSError | NotReadable | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if not self._made:
                try:
                    self._made.append(self._make())
                except (OSError, NotReadable) as error:
                    self._failed = error
                    raise
            return self._made[0]


def _read_up_to(handle: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit and (part := os.read(handle, min(limit - len(data), 1 << 20))):
        data += part
    return bytes(data)


def _read_what_listens(handle: int, limit: int) -> bytes:
    """A table of TCP sockets up to the first part that ends with another socket than one that listens.

    The kernel fills a page with whole lines as long as it has any, so less than that is all there is: to be
    told so once more would make it walk through its whole table again.
    """
    data = bytearray()
    while len(data) < limit and (part := os.read(handle, _PAGE)):
        data += part
        last = part.rstrip().rpartition(b"\n")[2].split()
        if len(part) < _PAGE - _LONGEST_LINE or last[3:4] != [_LISTEN]:
            break
    return bytes(data)


class LocalHost(Host):
    """This machine, for one run: its tables are read once, at first use, and may be asked from many threads.

    `root` is what stands for ``/`` (an image or a recorded tree), `stuck_dir` where stuck children are
    remembered from run to run, `tools` the PATH that commands are found on, `memory` what is remembered of
    the target that this machine is.
    """

    def __init__(
        self,
        root: str = "/",
        stuck_dir: Path | None = None,
        tools: str = TOOLS,
        memory: Memory | None = None,
    ) -> None:
        self._root, self._memory = root.rstrip("/"), memory
        self._tools, self._stuck_dir = tools, stuck_dir
        self._mounts = Once(self._read_mounts)
        self._processes = Once(self._read_processes)
        self._listeners = Once(self._read_listeners)
        self._remote = Once(self._find_remote)
        self._tables: dict[str, Once[bytes]] = {}
        self._listening: dict[str, Once[bytes]] = {}
        self._outputs: dict[RunCommand, Once[Output]] = {}

    def path(self, path: str) -> str:
        """Where a path of the target stands in this process's view."""
        if not os.path.isabs(path):  # noqa: PTH117 - pathlib costs more than the read
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        if "\0" in path:
            raise NotReadable(f"{path!r}: embedded null byte")
        return self._root + path if self._root else path

    def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        remote = self._remote_of(path)
        if remote is not None:
            return remote.read_bytes(path, limit)
        real = self.path(path)
        try:
            # Asked before it is opened: opening a device or a pipe can already do something.
            must_be_file(path, os.stat(real).st_mode)  # noqa: PTH116 - pathlib drops a closing slash
            handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
            try:
                must_be_file(path, os.fstat(handle).st_mode)
                data = _read_up_to(handle, limit + 1)
            finally:
                os.close(handle)
        except OSError as error:
            raise unreadable(path, error) from error
        return within(path, data, limit)

    def stat(self, path: str) -> Stat:
        remote = self._remote_of(path)
        if remote is not None:
            return remote.stat(path)
        try:
            seen = os.stat(self.path(path))  # noqa: PTH116 - pathlib drops a closing slash
        except OSError as error:
            raise unreadable(path, error) from error
        return Stat(seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, int(seen.st_mtime))

    def statvfs(self, path: str) -> Space:
        remote = self._remote_of(path)
        if remote is not None:
            return remote.statvfs(path)
        try:
            if not hasattr(os, "statvfs"):
                return _windows_space(self.path(path))
            seen = os.statvfs(self.path(path))
        except OSError as error:
            raise unreadable(path, error) from error
        block = seen.f_frsize or seen.f_bsize
        return Space(
            block * seen.f_blocks, block * seen.f_bfree, block * seen.f_bavail, seen.f_files, seen.f_ffree
        )

    def execute(self, ask: RunCommand) -> Output:
        # setdefault is one step: of two threads that ask the same, one makes it and the other waits.
        return self._outputs.setdefault(ask, Once(lambda: self._execute(ask)))()

    def _execute(self, ask: RunCommand) -> Output:
        if not self._starts(ask):
            raise NotReadable(f"{ask.argv[0]} is not of this machine", "absent")
        from checks.facts.child import run

        given = dict(ask.environment)
        fed = ""
        if ask.secret_environment or ask.secret_stdin:
            from checks.facts.named_secret import secret_if_named, secret_of

            given |= {name: secret_of(where).reveal() for name, where in ask.secret_environment}
            fed = secret_if_named(ask.secret_stdin).reveal()
        return run(ask.argv, ask.timeout, search=self._tools, environment=given, fed=fed.encode())

    def _starts(self, ask: RunCommand) -> bool:
        there = [Path(self.path(path)).exists() for path in ask.if_there]
        return (not there or any(there)) and not any(
            Path(self.path(path)).exists() for path in ask.unless_there
        )

    def talk(self, ask: Talk) -> object:
        from checks.facts.dial import LocalDialer

        return ask.talk(LocalDialer())

    def recall(self, fact: str) -> tuple[Sample, ...]:
        return self._memory.series(fact) if self._memory is not None else ()

    def answer(self, item: str) -> Answer | None:
        return self._memory.answer(item) if self._memory is not None else None

    def accepted(self, fact: str) -> Accepted | None:
        return self._memory.accepted(fact) if self._memory is not None else None

    def deliveries(self) -> Deliveries:
        if self._memory is None:
            raise NotReadable("nothing is remembered here", "unsupported")
        return self._memory.deliveries()

    def list_folder(self, path: str) -> tuple[Entry, ...]:
        remote = self._remote_of(path)
        if remote is not None:
            return remote.list_folder(path)
        try:
            with os.scandir(self.path(path)) as entries:
                found = [Entry(entry.name, _entry_type(entry)) for entry in islice(entries, FOLDER_LIMIT + 1)]
        except NotADirectoryError as error:
            raise NotReadable(f"{path} is not a folder", "unsupported") from error
        except OSError as error:
            raise unreadable(path, error) from error
        if len(found) > FOLDER_LIMIT:
            raise NotReadable(f"{path} holds more than {FOLDER_LIMIT} names", "too-large")
        return tuple(sorted(found, key=lambda entry: entry.name))

    def read_from(self, path: str, offset: int) -> bytes:
        if offset == 0 and path.startswith(READ_ONCE):
            # No lock: whoever comes second gets what the first has put there.
            return self._tables.setdefault(path, Once(lambda: self._read_from(path, 0)))()
        return self._read_from(path, offset)

    def read_listening(self, path: str) -> bytes:
        return self._listening.setdefault(path, Once(lambda: self._read_from(path, 0, _read_what_listens)))()

    def _read_from(self, path: str, offset: int, read: Callable[[int, int], bytes] = _read_up_to) -> bytes:
        remote = self._remote_of(path)
        if remote is not None:
            return remote.read_from(path, offset)
        real = self.path(path)
        try:
            must_be_file(path, os.stat(real).st_mode)  # noqa: PTH116 - as above
            handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
            try:
                os.lseek(handle, offset, os.SEEK_SET)
                return read(handle, FILE_LIMIT)
            finally:
                os.close(handle)
        except OSError as error:
            raise unreadable(path, error) from error

    def sha256(self, path: str) -> str:
        import hashlib

        remote = self._remote_of(path)
        if remote is not None:
            return hashlib.sha256(remote.read_bytes(path, FILE_LIMIT)).hexdigest()
        try:
            must_be_file(path, os.stat(self.path(path)).st_mode)  # noqa: PTH116 - as above
            with Path(self.path(path)).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error

    def mounts(self) -> tuple[Mount, ...]:
        return self._mounts()

    def processes(self) -> tuple[Process, ...]:
        return self._processes()

    def listeners(self) -> Listeners:
        return self._listeners()

    def is_root(self) -> bool:
        return not hasattr(os, "geteuid") or os.geteuid() == 0

    def clock_error_us(self) -> int:
        from checks.facts.timex import kernel_max_error_us

        return kernel_max_error_us()

    def clock_offset(self) -> tuple[float, float]:
        return 0.0, 0.0

    def connect(self, name: str, port: int, timeout: float) -> Connection:
        from checks.facts.network import connect

        return connect(name, port, timeout)

    def _read_mounts(self) -> tuple[Mount, ...]:
        from checks.facts.mounttable import parse_mounts

        try:
            text = Path(self._root + MOUNT_TABLE).read_text(errors="surrogateescape")
        except FileNotFoundError:
            return ()
        return parse_mounts(text)

    def _read_processes(self) -> tuple[Process, ...]:
        from checks.facts.processtable import processes_by_psutil, read_processes

        proc = self._root + "/proc"
        return read_processes(proc) if Path(proc, "self/status").exists() else processes_by_psutil()

    def _read_listeners(self) -> Listeners:
        from checks.facts.processtable import read_listeners

        return read_listeners(self._root + "/proc", self.processes())

    def _remote_of(self, path: str) -> RemoteMount | None:
        remote = self._remote()
        return remote.of(path) if remote is not None else None

    def _find_remote(self) -> RemoteMounts | None:
        mounts = self.mounts()
        if not any(mount.remote for mount in mounts):
            return None
        from checks.facts.remote import RemoteMounts

        return RemoteMounts(mounts, self.path, self._tools, self._stuck_dir)


def _entry_type(entry: os.DirEntry[str]) -> str:
    try:
        return file_type(entry.stat().st_mode)
    except OSError:
        return "link" if entry.is_symlink() else "unknown"


def _windows_space(path: str) -> Space:
    import shutil

    usage = shutil.disk_usage(path)
    return Space(usage.total, usage.free, usage.free, 0, 0)
