"""Reading paths that may hang: each in a child that is killed at its deadline, one at a time for a mount.

A child that does not even die is remembered, in a file where a folder for that is given, and until it has
gone the mount is answered for without starting another one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from checks.fact import NotReadable
from checks.facts import stuck
from checks.facts.child import Overrun, run
from checks.facts.host import FILE_LIMIT, FOLDER_LIMIT
from checks.facts.mounttable import Mount, mount_of
from checks.facts.pathinfo import Entry, Space, Stat, file_type, must_be_file, within

TIMEOUT_S: Final = 4.0
"""Below the five seconds that a fact has, so that the reading says what hung and not only that it did."""

MAX_LINKS: Final = 40

_TYPES: Final = {b"f": "file", b"d": "directory", b"p": "fifo", b"s": "socket"} | dict.fromkeys(
    (b"N", b"L", b"l", b"?"), "link"
)
"""What find's ``%Y`` says; of a link that leads nowhere, N, L or ?."""

_SAID: Final = {"No such file or directory": "absent", "Not a directory": "absent"} | {
    "Permission denied": "denied",
    "Operation not permitted": "denied",
}


class RemoteMount:
    """One mount that may hang; `real` tells where a path of the target stands in this process's view."""

    def __init__(self, mount: Mount, real: Callable[[str], str], tools: str, stuck_dir: Path | None) -> None:
        self._mount, self._real, self._tools, self._stuck_dir = mount, real, tools, stuck_dir
        self._lock = threading.Lock()
        self._failed: NotReadable | None = None

    def read_bytes(self, path: str, limit: int) -> bytes:
        """As `Host.read_bytes`."""
        real = self._real(path)
        must_be_file(path, int(self._ask(path, ["stat", "-L", "-c", "%f", "--", real]), 16))
        # dd and not head: it can open without waiting, should the path have become a pipe meanwhile.
        count = limit // 65536 + 1
        argv = ["dd", f"if={real}", "bs=65536", f"count={count}", "iflag=nonblock,fullblock", "status=none"]
        return within(path, self._ask(path, argv, count * 65536 + 1), limit)

    def read_from(self, path: str, offset: int) -> bytes:
        """As `Host.read_from`."""
        real = self._real(path)
        must_be_file(path, int(self._ask(path, ["stat", "-L", "-c", "%f", "--", real]), 16))
        argv = ["dd", f"if={real}", "bs=65536", f"skip={offset}", f"count={FILE_LIMIT}", "status=none"]
        flags = "iflag=nonblock,fullblock,skip_bytes,count_bytes"
        return self._ask(path, [*argv, flags], FILE_LIMIT + 1)

    def list_folder(self, path: str) -> tuple[Entry, ...]:
        """As `Host.list_folder`; needs GNU find(1)."""
        form = ["-mindepth", "1", "-maxdepth", "1", "-printf", "%Y %f\\0"]
        real = self._real(path)
        if file_type(int(self._ask(path, ["stat", "-L", "-c", "%f", "--", real]), 16)) != "directory":
            raise NotReadable(f"{path} is not a folder", "unsupported")
        out = self._ask(path, ["find", real.rstrip("/") + "/", *form], FOLDER_LIMIT * 300)
        found = [line.partition(b" ") for line in out.split(b"\0") if line]
        if len(found) > FOLDER_LIMIT:
            raise NotReadable(f"{path} holds more than {FOLDER_LIMIT} names", "too-large")
        entries = (Entry(os.fsdecode(name), _TYPES.get(kind, "device")) for kind, _, name in found)
        return tuple(sorted(entries, key=lambda entry: entry.name))

    def stat(self, path: str) -> Stat:
        """As `Host.stat`."""
        out = self._ask(path, ["stat", "-L", "-c", "%f %u %g %s %Y", "--", self._real(path)])
        mode, uid, gid, size, mtime = out.split()
        return Stat(int(mode, 16), int(uid), int(gid), int(size), int(mtime))

    def statvfs(self, path: str) -> Space:
        """As `Host.statvfs`."""
        out = self._ask(path, ["stat", "-f", "-c", "%S %b %f %a %c %d", "--", self._real(path)])
        block, total, free, available, inodes, inodes_free = map(int, out.split())
        return Space(block * total, block * free, block * available, inodes, inodes_free)

    def _ask(self, path: str, argv: list[str], limit: int = 65536) -> bytes:
        """A command's output about a path; after one has hung, none is started in this run any more."""
        point = self._mount.point
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._stuck_dir is not None:
                stuck.raise_if_stuck(self._stuck_dir, point)
            try:
                output = run(argv, TIMEOUT_S, search=self._tools, limit=limit)
            except Overrun as overrun:
                reason = f"{point} ({self._mount.type}) did not answer within {TIMEOUT_S:g} s"
                if overrun.alive:
                    reason += f", and pid {overrun.pid} is stuck reading it"
                    if self._stuck_dir is not None:
                        stuck.remember(self._stuck_dir, point, overrun.pid, time.time())
                self._failed = NotReadable(reason, overrun.cause)
                raise self._failed from overrun
        if output.status != 0:
            said = output.complaint.rpartition(": ")[2]
            raise NotReadable(f"{path}: {said}", _SAID.get(said, "failed"))
        return output.out


class RemoteMounts:
    """The network, FUSE and autofs mounts of a machine, among all its mounts."""

    def __init__(
        self, mounts: Sequence[Mount], real: Callable[[str], str], tools: str, stuck_dir: Path | None
    ) -> None:
        self._mounts, self._real = mounts, real
        self._remote = {mount: RemoteMount(mount, real, tools, stuck_dir) for mount in mounts if mount.remote}

    def of(self, path: str) -> RemoteMount | None:
        """The mount that reading `path` might hang on. Links are followed as far as that is safe."""
        if not self._remote:
            return None
        parts, at, links = _parts(path), "", 0
        while parts:
            part = parts.pop()
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            at += "/" + part
            mount = mount_of(self._mounts, at)
            if mount in self._remote:
                return self._remote[mount]
            try:
                link = str(Path(self._real(at)).readlink())
            except OSError:
                continue
            links += 1
            if links > MAX_LINKS:
                raise NotReadable(f"{path}: too many levels of links")
            at = "" if link.startswith("/") else at.rpartition("/")[0]
            parts += _parts(link)
        return None


def _parts(path: str) -> list[str]:
    """The path's components, the last first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
