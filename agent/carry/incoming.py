"""A file that somebody brought: read within bounds, and told what it is before anything is done with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from checks.carried import RECEIPTS_LIMIT
from checks.errors import BadInput
from checks.sealing import BEGINNING
from checks.signed import HEAD_LIMIT, Head

WANTED = ("receipts", "rules", "enrolled")


def incoming(path: Path) -> tuple[str, bytes]:
    """The kind of a signed file and its bytes, not yet verified; raises `BadInput`."""
    data = _read(path)
    if data.startswith(BEGINNING):
        raise BadInput(f"{path}: sealed for a collector; bring it there, and bring its receipts file here")
    try:
        kind = msgspec.json.decode(data[:HEAD_LIMIT].partition(b"\n")[0], type=Head).kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadInput(f"{path}: not a file that a Firstlight collector signed") from None
    if kind not in WANTED:
        raise BadInput(
            f"{path}: holds what this side sends; bring it to the collector (firstlight server import), "
            "and bring what that writes here"
        )
    return kind, data


def _read(path: Path) -> bytes:
    try:
        # Not blocking: a pipe without a writer must not hang the command.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise BadInput(f"{path}: not a plain file")
            data = file.read(RECEIPTS_LIMIT + 1)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    if len(data) > RECEIPTS_LIMIT:
        raise BadInput(f"{path}: larger than a collector's file ever is ({RECEIPTS_LIMIT // 2**20} MiB)")
    return data
