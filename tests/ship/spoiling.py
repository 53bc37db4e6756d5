"""Ways in which a file can be spoiled, and a watch over what a program writes while it meets one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Spoil = Callable[[Path], None]


def _bytes(data: bytes) -> Spoil:
    return lambda path: _put(path, data)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"\0")
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("no/such/place")


def _nested(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


SPOILS: dict[str, Spoil] = {
    "empty": _bytes(b""),
    "half-of-it": _half,
    "one-byte-wrong": _flipped,
    "no-text": _bytes(bytes(range(256)) * 8),
    "another-shape": _bytes(b"[]"),
    "an-empty-object": _bytes(b"{}"),
    "null": _bytes(b"null"),
    "nested-deeply": _nested,
    "a-folder": _folder,
    "a-link-to-nowhere": _elsewhere,
}


class Watch:
    """Remembers what is opened for writing, renamed, removed or made outside of one folder."""

    def __init__(self) -> None:
        self._inside: Path | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._note)

    @contextmanager
    def over(self, folder: Path) -> Iterator[list[str]]:
        self._inside, self.outside = folder, []
        try:
            yield self.outside
        finally:
            self._inside = None

    def _note(self, event: str, args: tuple[object, ...]) -> None:
        if self._inside is None:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._look(event, path)
        elif event in ("os.rename", "os.link", "os.symlink"):
            self._look(event, args[1], follow=False)
        elif event in ("os.mkdir", "os.remove", "os.rmdir"):
            self._look(event, args[0], follow=False)
        elif event in ("os.truncate", "os.chmod", "os.chown"):
            self._look(event, args[0])

    def _look(self, event: str, path: object, *, follow: bool = True) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str | os.PathLike) or str(path) in ("/dev/null", "/dev/tty"):
            return
        assert self._inside is not None
        # Where a link leads is where it is written; but it is the link itself that is renamed or removed.
        named = Path(path)
        whole = str(named.resolve() if follow else named.parent.resolve() / named.name)
        if not whole.startswith(f"{os.path.realpath(self._inside)}{os.sep}"):
            self.outside.append(f"{event} {path}")


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, symlinks=True)
    return to
