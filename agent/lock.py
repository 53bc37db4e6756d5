"""One process at a time: advisory file locks that the kernel releases when their holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.ownership import refuse_foreign
from checks.errors import FirstlightError

POLL_S = 0.02


class Busy(FirstlightError):
    """Another process holds the lock, and did so for as long as the caller was ready to wait."""


@contextmanager
def exclusive(path: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock file `path`, waiting up to `wait_s` seconds for it (None: as long as it takes).

    Raises `Busy`, and `BadInput` for root in the folder of another account: whoever locks is about to write.
    The file itself stays: removing it would let two processes lock two files of one name.
    """
    _refuse_root(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        patience = None if wait_s is None else time.monotonic() + wait_s
        while not _taken(descriptor, block=patience is None):
            if patience is not None and time.monotonic() >= patience:
                raise Busy(f"another firstlight process holds {path.name}")
            time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def take(path: Path) -> int | None:
    """Lock the file `path` without waiting; the open descriptor, or None where another process holds it.

    The lock lasts until the descriptor is closed here and in every child that it was given to. Raises
    `BadInput` as `exclusive`.
    """
    _refuse_root(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _taken(descriptor, block=False):
        return descriptor
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path`, which may be not there; nothing is written or made."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _taken(descriptor, block=False)
    finally:
        os.close(descriptor)


def _refuse_root(path: Path) -> None:
    if os.name == "posix" and os.geteuid() == 0:
        refuse_foreign(path.parent)


def _taken(descriptor: int, *, block: bool) -> bool:
    if os.name != "posix":
        return _taken_on_windows(descriptor)
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if block else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _taken_on_windows(descriptor: int) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")  # by name: type checkers on Linux do not know its functions
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
