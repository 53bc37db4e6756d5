"""A file written whole, also in folders that others may write.

Such a folder can hold links that somebody laid there under the names that we are about to use: by one, root
would write into another file. So what is written is always a new file, and only then gets its name.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o600, sync: bool = False) -> None:
    """Write `data` to `path`, whole or not at all; a link at `path` is replaced, not followed.

    With `sync` it is on the disk then. Raises `OSError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        temporary.unlink()  # left by a process that was killed, or laid there
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
