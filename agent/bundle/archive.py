"""Writing a bundle: one zip, whole or not at all, readable by its owner only.

The same parts give the same bytes: names are in order, and every time is the same.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from agent.bundle.parts import NAME, Part
from agent.durable import write_durably
from checks.errors import BadInput, FirstlightError

_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""

_LEVEL: Final = 6


def packed(parts: Iterable[Part]) -> bytes:
    """The zip of these parts; those that hold nothing are not in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for part in sorted(parts, key=lambda part: part.name):
            assert NAME.fullmatch(part.name), part.name
            if not part.data:
                continue
            entry = zipfile.ZipInfo(part.name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100600 << 16
            archive.writestr(entry, part.data)
    return buffer.getvalue()


def refuse_existing(path: Path, force: bool) -> None:
    """Raise `BadInput` where there is something that must not be replaced, or no folder to write in."""
    if path.is_dir():
        raise BadInput(f"{path}: a folder; name a file, such as {path / 'bundle.zip'}")
    if (path.exists() or path.is_symlink()) and not force:
        raise BadInput(f"{path}: is there already; name another file, or --force replaces it")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.absolute().parent}")


def write(path: Path, data: bytes) -> None:
    """Write the file, mode 0600. Raises `FirstlightError`, and nothing is there then."""
    try:
        write_durably(path, data)
    except OSError as error:
        raise FirstlightError(f"{path}: the bundle was not written: {error.strerror}") from error
