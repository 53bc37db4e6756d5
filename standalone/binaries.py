"""Libraries and programs of the build: which glibc they need, and what of the builder's machine is in them.

Python's own libraries name the folder that Python was installed in (to find its modules, and as RUNPATH). In
the build nothing may look there; a name of the same length that nobody can make without being root takes
its place, which changes no offset.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_GLIBC = re.compile(rb"\x00GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\x00)")
_SHARED_BY_MANY = ("/", "/usr", "/usr/local")


def needed_glibc(folder: Path) -> str:
    """The newest version of glibc that any library or program in the folder asks for: ``2.34``.

    The names of symbol versions stand in the files as they are (System V gABI, Linux: .gnu.version_r).
    """
    asked = [(0, 0)]
    for path in elf_files(folder):
        asked += [(int(major), int(minor)) for major, minor in _GLIBC.findall(path.read_bytes())]
    return ".".join(map(str, max(asked)))


def elf_files(folder: Path) -> Iterator[Path]:
    """Every ELF file in the folder, each once."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def strip_debugging(folder: Path, origins: dict[str, str]) -> None:
    """Take the debugging information out of Python's own libraries, half of which may be that.

    Those of wheels stay as their makers built them. `origins` says where each file in the folder is from.
    """
    strip = shutil.which("strip")
    if strip is None:
        return
    for name, source in origins.items():
        path = folder / name
        if source.startswith(sys.base_prefix + "/") and path.is_file() and not path.is_symlink():
            subprocess.run([strip, "--strip-debug", str(path)], check=True)


def hide_places(folder: Path) -> None:
    """Replace the folders of the builder's Python in every file, by a name as long that does not exist."""
    places = {place for place in (sys.prefix, sys.base_prefix) if place not in _SHARED_BY_MANY}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data = found = path.read_bytes()
        for place in sorted(places, key=len, reverse=True):
            data = data.replace(place.encode(), _stand_in(place))
        if data != found:
            path.write_bytes(data)


def _stand_in(place: str) -> bytes:
    """A name as long, with the same end: where a folder is named after the version of its Python, the linker
    lets the text of the version be the end of the folder's.
    """
    parent, name = os.path.split(place.encode())
    return b"/firstlight-has-no-such-folder".ljust(len(parent), b"-")[: len(parent)] + b"/" + name
