"""A small disk of an agent's own that can be filled up and turned read-only; a plain folder where mounting is
not permitted.
"""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE = "24m"
BLOCK = 4096


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.real = self._run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
        self.filler = folder / "filler"

    def close(self) -> None:
        self.mend()
        if self.real:
            self._run("umount", "-l", str(self.folder))

    def fill(self, chance: random.Random) -> bool:
        """Leave no room, or so little that some writes still succeed."""
        if not self.real:
            return False
        with suppress(OSError), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * BLOCK)
        with suppress(OSError):
            os.truncate(self.filler, max(0, self.filler.stat().st_size - BLOCK * chance.randrange(6)))
        return True

    def freeze(self) -> bool:
        """Turn it read-only; that is refused while a file is open for writing."""
        return self.real and self._run("mount", "-o", "remount,ro", str(self.folder))

    def mend(self) -> None:
        if self.real:
            self._run("mount", "-o", "remount,rw", str(self.folder))
            self.filler.unlink(missing_ok=True)

    @staticmethod
    def _run(*command: str) -> bool:
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False
