"""Files that survive a power cut: written whole, synced, renamed, and the folder synced after.

A rename without the syncs survives ``kill -9`` but not the loss of power, and a file without the rename
can be found half written.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".new"


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` to `path`, whole or not at all; when this returns, it is on the disk.

    Raises `OSError`; what was at `path` before is then untouched, unless only the last sync failed.
    """
    _replace(path, data, mode, sync=True)
    sync_folder(path.parent)


def write_quickly(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` to `path`, whole or not at all, for what may be lost with the power: nothing is synced.

    Raises `OSError`.
    """
    _replace(path, data, mode, sync=False)


def _replace(path: Path, data: bytes, mode: int, *, sync: bool) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    with suppress(FileNotFoundError):
        temporary.unlink()  # left by a process that was killed and had this id
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # a full disk gets its space back
        raise


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a file, at most `limit`; raises `OSError`, of a longer file that it is too large."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        # As much as it says it has, because a buffer of the limit would be made first; no device has a size.
        data = file.read(min(size, limit) + 1)
    if len(data) > min(size, limit):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def move_durably(path: Path, folder: Path) -> Path:
    """Move a file into another folder of the same filesystem; when this returns, the move is on the disk."""
    moved = folder / path.name
    path.replace(moved)
    sync_folder(folder)
    sync_folder(path.parent)
    return moved


def make_folder(path: Path) -> None:
    """Make a folder (mode 0700) and its parents, so that they too survive; one that exists is left alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Windows has no such call and journals names by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what killed writers left unfinished. Only for a caller that keeps other writers out."""
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            left.unlink()
