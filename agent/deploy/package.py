"""The standalone build that is carried over: found, opened far enough to know it, with its checksum."""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from checks.errors import BadInput

BUILD_FILE: Final = "BUILD.json"
PROGRAM: Final = "firstlight"
PATTERN: Final = "firstlight-*-linux-*.tar.gz"
MEMBERS: Final = 20_000
"""A build has a few thousand files; whatever has more of them is none."""

_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,60}")


class Built(msgspec.Struct, frozen=True):
    """What a build says of itself that matters before it is carried anywhere; `glibc` is the oldest it runs
    on, `platform` is ``linux-`` and the machine as uname(1) names it.
    """

    version: str
    glibc: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """An archive and what is known of it. `folder` is the one folder that it unpacks to."""

    path: Path
    digest: str
    folder: str
    built: Built

    @property
    def release(self) -> str:
        """The name that this very build is kept under: its version and the beginning of its checksum."""
        return f"{self.built.version}-{self.digest[:12]}"


@contextmanager
def package(given: Path | None) -> Iterator[Package]:
    """The package that was named, else this very build packed up, else the newest in ``dist/``.

    Raises `BadInput` where there is none, or where it is none.
    """
    if given is not None:
        yield read(given)
        return
    if getattr(sys, "frozen", False):
        with TemporaryDirectory(prefix="firstlight-") as folder:
            yield read(_pack(Path(sys.executable).resolve().parent, Path(folder) / "firstlight.tar.gz"))
        return
    found = sorted(Path("dist").glob(PATTERN), key=lambda path: path.stat().st_mtime)
    if not found:
        raise BadInput(
            "there is no standalone build here to carry over; make dist builds one, or name it with --package"
        )
    yield read(found[-1])


def read(path: Path) -> Package:
    """A package file as it is; raises `BadInput` where it is not one."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        beside = path.with_name(path.name + ".sha256")
        if beside.is_file() and beside.read_text().split()[:1] != [digest]:
            raise BadInput(f"{path}: its checksum is not the one in {beside.name}; copy or build it again")
        with tarfile.open(path, "r:gz") as archive:
            return _described(path, digest, archive)
    except (OSError, tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: not a standalone build ({words}); make dist builds one") from error


def _described(path: Path, digest: str, archive: tarfile.TarFile) -> Package:
    folder, built, runs = "", None, False
    for seen, member in enumerate(archive):
        top, _, rest = member.name.removeprefix("./").partition("/")
        folder = folder or top
        if top != folder or ".." in rest.split("/"):
            raise BadInput(f"{path}: not a standalone build: it holds more than one folder")
        runs = runs or (rest == PROGRAM and member.isfile())
        if rest == BUILD_FILE and member.isfile() and member.size < 1 << 20:
            data = archive.extractfile(member)
            try:
                built = msgspec.json.decode(data.read() if data else b"", type=Built)
            except msgspec.MsgspecError as error:
                raise BadInput(f"{path}: its {BUILD_FILE} says nothing that can be used: {error}") from error
        if (built is not None and runs) or seen > MEMBERS:
            break
    if built is None or not runs or not _VERSION.fullmatch(built.version) or not _VERSION.fullmatch(folder):
        raise BadInput(f"{path}: not a standalone build: it has no {PROGRAM} and {BUILD_FILE} in one folder")
    return Package(path, digest, folder, built)


def _pack(folder: Path, into: Path) -> Path:
    """This build as an archive, the same bytes every time."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    import gzip

    with (
        into.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        first = [folder / BUILD_FILE, folder / PROGRAM]
        others = sorted(path for path in folder.rglob("*") if path not in first)
        for path in [*first, *others]:
            archive.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=plain)
    return into
