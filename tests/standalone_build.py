"""The standalone build as it is shipped: made once for all tests of a session, unpacked from its archive."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import services

ROOT = Path(__file__).parents[1]


class Shipped(NamedTuple):
    """What ``make dist`` leaves: the folder `made` with all of it, the archive, and the archive unpacked."""

    made: Path
    archive: Path
    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "firstlight"


GIVEN = "FIRSTLIGHT_TEST_DIST"
"""A folder as ``make dist`` leaves it, to be tested instead of a build of the session's own."""


def shipped(base: Path) -> Shipped:
    """Build into a folder that belongs to the whole session; the first of several workers does the work."""
    if given := os.environ.get(GIVEN):
        (folder,) = Path(given).glob("firstlight-*/")
        return Shipped(Path(given), archive_in(Path(given)), folder)
    for module, install in (("PyInstaller", "pyinstaller"), ("build", "build"), ("hatchling", "hatchling")):
        if find_spec(module) is None:
            services.missing(module, f"pip install {install}")
    services.program("objdump", "binutils")
    made, unpacked = base / "dist", base / "unpacked"
    with (base / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            done = subprocess.run(
                [sys.executable, "-m", "standalone.build", "--into", str(made)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
            unpacked.mkdir()
            subprocess.run(
                ["tar", "-xzf", str(archive_in(made)), "-C", str(unpacked), "--no-same-owner"], check=True
            )
    return Shipped(made, archive_in(made), next(unpacked.iterdir()))


def archive_in(made: Path) -> Path:
    (archive,) = made.glob("firstlight-*-linux-*.tar.gz")
    return archive


def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session share, and that every user of this machine may look into."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
