"""What is told of a path, and how it is said why one cannot be read."""

from __future__ import annotations

import errno
import stat as modes
from typing import Final

import msgspec

from checks.fact import NotReadable

_CAUSES: Final = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.ESRCH: "absent",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ETIMEDOUT: "timeout",
}


class Stat(msgspec.Struct, frozen=True):
    """What stat(2) tells of a path, links followed: `mode` with the type's bits, `mtime` in whole seconds.

    `user` and `group` are empty where the reader has to look the names up itself.
    """

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    user: str = ""
    group: str = ""


class Space(msgspec.Struct, frozen=True):
    """What statvfs(3) tells, in bytes and inodes; `available` is what ordinary users have left."""

    total: int
    free: int
    available: int
    inodes: int
    inodes_free: int


class Entry(msgspec.Struct, frozen=True):
    """Something in a folder: its name, and its `file_type`, links followed (``link``: it leads nowhere)."""

    name: str
    type: str


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


def must_be_file(path: str, mode: int) -> None:
    """Raise `NotReadable` for what is no regular file: opening it could do something, or never end."""
    if not modes.S_ISREG(mode):
        raise NotReadable(f"{path} is a {file_type(mode)}, not a file", "unsupported")


def within(path: str, data: bytes, limit: int) -> bytes:
    """The data; raises `NotReadable` where it is more than `limit` bytes."""
    if len(data) > limit:
        size = f"{limit // 1048576} MiB" if limit >= 1048576 else f"{limit} bytes"
        raise NotReadable(f"{path} is larger than {size}", "too-large")
    return data
