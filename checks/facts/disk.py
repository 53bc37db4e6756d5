"""Filesystems: which there are to watch, and how much room they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, StatFilesystem, StatPath
from checks.facts.host import MOUNT_TABLE

if TYPE_CHECKING:
    from checks.facts.host import Host


@fact
class Mounts(Fact, frozen=True):
    """Mount points of the real, local, writable filesystems, one for each."""

    value_type: ClassVar[Any] = list[str]

    def describe(self) -> str:
        return f"read {MOUNT_TABLE}, stat and statvfs <each local mount point in it>"

    def asks(self) -> tuple[Ask, ...]:
        point = "<each local mount point>"
        return (ReadFile(MOUNT_TABLE), StatPath(point), StatFilesystem(point))

    def read(self, host: Host) -> list[str]:
        from checks.facts.mounttable import candidates, watched

        mounts = host.mounts()
        if mounts:
            points = candidates(mounts)
            # Whoever asks which there are asks next how much room they have: one round trip for both.
            host.want(ask(mount.point) for mount in points for ask in (StatPath, StatFilesystem))
            found = watched(mount for mount in points if _is_folder(host, mount.point))
        else:
            host.only_here("the filesystems of a system without a mount table")
            found = _by_psutil()
        if not found:
            raise NotReadable("there is no local, writable filesystem to watch", "absent")
        return found


class Usage(msgspec.Struct, frozen=True):
    """Room in bytes and inodes; `free` is what ordinary users have left. Some filesystems count no inodes."""

    total: int
    free: int
    inodes: int = 0
    inodes_free: int = 0

    @property
    def free_percent(self) -> float:
        return 100 * self.free / self.total if self.total else 0.0

    @property
    def inodes_free_percent(self) -> float:
        return 100 * self.inodes_free / self.inodes if self.inodes else 0.0


@fact
class DiskUsage(Fact, frozen=True):
    """Room on the filesystem that a path lies on."""

    value_type: ClassVar[type] = Usage
    mount: str

    def describe(self) -> str:
        return f"statvfs {self.mount}"

    def asks(self) -> tuple[Ask, ...]:
        return (StatFilesystem(self.mount),)

    def read(self, host: Host) -> Usage:
        space = host.statvfs(self.mount)
        if not space.total:
            raise NotReadable(f"{self.mount} is on a filesystem without a size", "unsupported")
        return Usage(space.total, space.available, space.inodes, space.inodes_free)

    @classmethod
    def settled(cls, value: Usage) -> dict[str, str]:
        """The size, to three digits: files come and go, and some filesystems make inodes on demand."""
        from checks.units import size_text

        return {"total": size_text(value.total)}

    @classmethod
    def series(cls, value: Usage) -> Mapping[str, float]:
        """Bytes: what is not free any more, and the size: a forecast begins anew where that changed."""
        return {"used": value.total - value.free, "total": value.total}


def _is_folder(host: Host, path: str) -> bool:
    """A container's engine mounts single files too, from the machine's own filesystem."""
    from checks.facts.pathinfo import file_type

    try:
        return file_type(host.stat(path).mode) == "directory"
    except NotReadable:
        return False


def _by_psutil() -> list[str]:
    """The same where there is no mount table to read: Windows and macOS."""
    import psutil

    return sorted(
        part.mountpoint
        for part in psutil.disk_partitions(all=False)
        if part.fstype and "ro" not in part.opts.split(",")
    )
