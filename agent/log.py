"""The agent's own log: one line an event, in two files of bounded size, nothing of a run's content in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.durable import make_folder
from agent.lock import Busy, exclusive

LARGEST: Final = 1_000_000
"""Bytes of the present file; the one before it is as large at most."""

LONGEST: Final = 500
"""Characters of a line."""

FOLDED_S: Final = 600.0
"""Seconds in which a line that was said already is only counted."""

REMEMBERED: Final = 50


class Log:
    """Where a command says what it does. With `echo` standard error hears it too; also where the file cannot
    be written.

    What was said within the last ten minutes is not written again, but counted.
    """

    def __init__(
        self,
        file: Path,
        *,
        echo: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.file = file
        self.echo = echo
        self.clock = clock
        self.wall = wall
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, text: str) -> None:
        """Write one line. Never raises for a file that cannot be written."""
        line = as_line(text)
        at, folded = self._said.pop(line, (0.0, 0))
        if at and self.clock() - at < FOLDED_S:
            self._said[line] = (at, folded + 1)
            return
        self._write(line + _folded(folded))
        self._said[line] = (self.clock(), 0)
        if len(self._said) > REMEMBERED:
            oldest = next(iter(self._said))
            self._tell_folded(oldest)

    def close(self) -> None:
        """Write what was only counted until now."""
        for line in list(self._said):
            self._tell_folded(line)

    def _tell_folded(self, line: str) -> None:
        folded = self._said.pop(line)[1]
        if folded:
            self._write(line + _folded(folded))

    def _write(self, text: str) -> None:
        line = f"{self.wall():%Y-%m-%dT%H:%M:%SZ} {text}\n"
        kept = self._kept(line.encode())
        if self.echo or not kept:
            try:
                os.write(2, line.encode())
            except OSError:
                return  # nobody listens any more, and there is nowhere else to say so

    def _kept(self, line: bytes) -> bool:
        try:
            make_folder(self.file.parent)
            with exclusive(self.file.with_suffix(".lock"), wait_s=2.0):
                append(self.file, line)
        except (OSError, Busy):
            return False
        return True


def append(file: Path, line: bytes, largest: int = LARGEST) -> None:
    """Add a line, turning the file over before it grows past `largest` bytes. The caller keeps others out.

    Raises `OSError`.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(file, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size + len(line) > largest:
            os.close(descriptor)
            descriptor = -1
            file.replace(file.with_name(file.name + ".1"))
            descriptor = os.open(file, flags, 0o600)
        os.write(descriptor, line)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def as_line(text: str) -> str:
    """A text as one line that a terminal takes for nothing else."""
    line = " ".join(text.split())
    if len(line) > LONGEST:
        line = line[: LONGEST - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in line)


def heard() -> bool:
    """Whether standard error is a terminal or the journal of systemd (systemd.exec(5), $JOURNAL_STREAM)."""
    if os.isatty(2):
        return True
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _folded(count: int) -> str:
    times = "once" if count == 1 else f"{count} times"
    return f" ({times} more since it was last written)" if count else ""
