"""A folder as an archive that comes out the same from the same files: order, owners and times are fixed."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path


def pack(folder: Path, archive: Path, when: int) -> str:
    """Write `folder` as ``.tar.gz`` with itself as the top, and ``….sha256`` beside it; gives the checksum.

    Everything belongs to root and may be read by everyone; `when` is its time in seconds since 1970.
    """

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = when
        if not info.issym():
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=when) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in (folder, *sorted(folder.rglob("*"))):
            tar.add(path, path.relative_to(folder.parent).as_posix(), recursive=False, filter=plain)
    with archive.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    archive.with_name(archive.name + ".sha256").write_text(f"{checksum}  {archive.name}\n")
    return checksum
