"""The machine that facts are read from: files, tables and commands, none of which may hang the reader.

A path on a network, FUSE or autofs mount, known from the mount table without touching it, is read in a
child that is killed at its deadline. A child that does not even die is remembered, in a file where a folder
for that is given, and until it has gone the mount is answered for without starting another one.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from checks.fact import NotReadable

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.mounttable import Mount
    from checks.facts.processtable import Listeners, Process

T = TypeVar("T")

FILE_LIMIT: Final = 4 * 1024 * 1024
REMOTE_TIMEOUT_S: Final = 4.0
"""Below the five seconds that a fact has, so that the reading says what hung and not only that it did."""

TOOLS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CAUSES: Final = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.ESRCH: "absent",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ETIMEDOUT: "timeout",
}
_SAID: Final = {"No such file or directory": "absent", "Not a directory": "absent"} | {
    "Permission denied": "denied",
    "Operation not permitted": "denied",
}


@dataclass(frozen=True, slots=True)
class Stat:
    """What stat(2) tells of a path, links followed: `mode` with the type's bits, `mtime` in Unix seconds."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: float


@dataclass(frozen=True, slots=True)
class Space:
    """What statvfs(3) tells, in bytes and inodes; `available` is what ordinary users have left."""

    total: int
    free: int
    available: int
    inodes: int
    inodes_free: int


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


class Host:
    """This machine, for one run: its tables are read once, at first use, and may be asked from many threads.

    `root` is what stands for ``/`` (an image or a recorded tree), `stuck_dir` where stuck children are
    remembered from run to run, `tools` the PATH that commands are found on.
    """

    def __init__(self, root: str = "/", stuck_dir: Path | None = None, tools: str = TOOLS) -> None:
        self._root = root.rstrip("/")
        self._tools, self._stuck_dir = tools, stuck_dir
        self._stuck: dict[str, NotReadable] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.mounts = Once(self._read_mounts)
        self.processes = Once(self._read_processes)
        self.listeners = Once(self._read_listeners)

    def path(self, path: str) -> str:
        """Where a path of the target stands in this process's view."""
        if not path.startswith("/"):
            raise NotReadable(f"{path!r} is not an absolute path", "unsupported")
        return self._root + path if self._root else path

    def read_bytes(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        """A regular file's bytes.

        Raises `NotReadable`: absent, denied, unsupported (not a file), too-large, timeout, stuck.
        """
        mount = self._remote_mount(path)
        if mount is not None:
            return self._read_remote(mount, path, limit)
        real = self.path(path)
        try:
            # Asked before it is opened: opening a device or a pipe can already do something.
            _must_be_file(path, Path(real).stat().st_mode)
            handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
            try:
                _must_be_file(path, os.fstat(handle).st_mode)
                data = _read_up_to(handle, limit + 1)
            finally:
                os.close(handle)
        except OSError as error:
            raise unreadable(path, error) from error
        return _within(path, data, limit)

    def read_text(self, path: str, limit: int = FILE_LIMIT) -> str:
        """A file that is UTF-8 as far as it matters: what is not, is replaced."""
        return self.read_bytes(path, limit).decode("utf-8-sig", errors="replace")

    def stat(self, path: str) -> Stat:
        """What a path is, links followed. Raises `NotReadable`: absent, denied, timeout, stuck, failed."""
        mount = self._remote_mount(path)
        if mount is not None:
            out = self._ask_remote(mount, path, ["stat", "-L", "-c", "%f %u %g %s %Y", "--", self.path(path)])
            mode, uid, gid, size, mtime = out.split()
            return Stat(int(mode, 16), int(uid), int(gid), int(size), float(mtime))
        try:
            seen = Path(self.path(path)).stat()
        except OSError as error:
            raise unreadable(path, error) from error
        return Stat(seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, seen.st_mtime)

    def statvfs(self, path: str) -> Space:
        """The room on the filesystem a path lies on. Raises `NotReadable` as `stat` does."""
        mount = self._remote_mount(path)
        if mount is not None:
            out = self._ask_remote(
                mount, path, ["stat", "-f", "-c", "%S %b %f %a %c %d", "--", self.path(path)]
            )
            block, total, free, available, inodes, inodes_free = map(int, out.split())
            return Space(block * total, block * free, block * available, inodes, inodes_free)
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

    def run(self, argv: list[str], timeout: float = REMOTE_TIMEOUT_S) -> Output:
        """A command's output (argv, no shell, LC_ALL=C).

        Raises `NotReadable`: absent, timeout, stuck, failed; not for an exit status.
        """
        from checks.facts.child import run

        return run(argv, timeout, search=self._tools)

    def _read_mounts(self) -> tuple[Mount, ...]:
        from checks.facts.mounttable import parse_mounts

        try:
            text = Path(self._root + "/proc/self/mountinfo").read_text(errors="surrogateescape")
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

    def _remote_mount(self, path: str) -> Mount | None:
        """The mount that reading `path` might hang on. Links are followed as far as that is safe."""
        mounts = self.mounts()
        if not any(mount.remote for mount in mounts):
            return None
        from checks.facts.mounttable import mount_of

        parts, at, links = _parts(path), "", 0
        while parts:
            part = parts.pop()
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            at += "/" + part
            mount = mount_of(mounts, at)
            if mount is not None and mount.remote:
                return mount
            try:
                link = str(Path(self.path(at)).readlink())
            except OSError:
                continue
            links += 1
            if links > 40:
                raise NotReadable(f"{path}: too many levels of links")
            at = "" if link.startswith("/") else at.rpartition("/")[0]
            parts += _parts(link)
        return None

    def _read_remote(self, mount: Mount, path: str, limit: int) -> bytes:
        real = self.path(path)
        _must_be_file(path, int(self._ask_remote(mount, path, ["stat", "-L", "-c", "%f", "--", real]), 16))
        # dd and not head: it can open without waiting, should the path have become a pipe meanwhile.
        count = limit // 65536 + 1
        argv = ["dd", f"if={real}", "bs=65536", f"count={count}", "iflag=nonblock,fullblock", "status=none"]
        return _within(path, self._ask_remote(mount, path, argv, count * 65536 + 1), limit)

    def _ask_remote(self, mount: Mount, path: str, argv: list[str], limit: int = 65536) -> bytes:
        """A command's output about a path that may hang; one at a time for each mount."""
        from checks.facts import stuck
        from checks.facts.child import Overrun, run

        with self._guard:
            lock = self._locks.setdefault(mount.point, threading.Lock())
        with lock:
            if mount.point in self._stuck:
                raise self._stuck[mount.point]
            if self._stuck_dir is not None:
                stuck.raise_if_stuck(self._stuck_dir, mount.point)
            try:
                output = run(argv, REMOTE_TIMEOUT_S, search=self._tools, limit=limit)
            except Overrun as overrun:
                reason = f"{mount.point} ({mount.type}) did not answer within {REMOTE_TIMEOUT_S:g} s"
                if overrun.alive:
                    reason += f", and pid {overrun.pid} is stuck reading it"
                    if self._stuck_dir is not None:
                        stuck.remember(self._stuck_dir, mount.point, overrun.pid, time.time())
                self._stuck[mount.point] = NotReadable(reason, overrun.cause)
                raise self._stuck[mount.point] from overrun
        if output.status != 0:
            said = output.complaint.rpartition(": ")[2]
            raise NotReadable(f"{path}: {said}", _SAID.get(said, "failed"))
        return output.out


def unreadable(path: str, error: OSError) -> NotReadable:
    """Why a path could not be read, with its cause code."""
    return NotReadable(f"{path}: {error.strerror or error}", _CAUSES.get(error.errno or 0, "failed"))


def file_type(mode: int) -> str:
    """``file``, ``directory``, ``fifo``, ``socket`` or ``device``."""
    kinds = {
        modes.S_IFREG: "file",
        modes.S_IFDIR: "directory",
        modes.S_IFIFO: "fifo",
        modes.S_IFSOCK: "socket",
    }
    return kinds.get(modes.S_IFMT(mode), "device")


def _must_be_file(path: str, mode: int) -> None:
    if not modes.S_ISREG(mode):
        raise NotReadable(f"{path} is a {file_type(mode)}, not a file", "unsupported")


def _within(path: str, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        size = f"{limit // 1048576} MiB" if limit >= 1048576 else f"{limit} bytes"
        raise NotReadable(f"{path} is larger than {size}", "too-large")
    return data


def _read_up_to(handle: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit and (part := os.read(handle, min(limit - len(data), 1 << 20))):
        data += part
    return bytes(data)


def _parts(path: str) -> list[str]:
    """The path's components, the last first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _windows_space(path: str) -> Space:
    import shutil

    usage = shutil.disk_usage(path)
    return Space(usage.total, usage.free, usage.free, 0, 0)
