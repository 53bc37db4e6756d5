"""What the mount table says of mounts: type, options, read-only or not. No mount is touched for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.host import MOUNT_TABLE
from checks.facts.secrets import masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.facts.mounttable import Mount

FSTAB: Final = "/etc/fstab"

_STOPPED: Final = frozenset({"emergency_ro", "shutdown"})
"""What ext4 shows, from Linux 6.15 on, of a filesystem that takes no more writes though it is not ``ro``."""

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class MountInfo(msgspec.Struct, frozen=True):
    """A mount: the options of the mount itself and of its filesystem, each once, sorted; secrets masked."""

    point: str
    type: str
    source: str
    options: tuple[str, ...] = ()


@fact
class MountAt(Fact, frozen=True):
    """The mount that an absolute path without links lies on, which may be its own."""

    value_type: ClassVar[type] = MountInfo
    path: str

    def describe(self) -> str:
        return f"read {MOUNT_TABLE}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MOUNT_TABLE),)

    def read(self, host: Host) -> MountInfo:
        from checks.facts.mounttable import mount_of

        if not self.path.startswith("/"):
            raise NotReadable(f"{self.path!r} is not an absolute path", "unsupported")
        mounts = host.mounts()
        found = mount_of(mounts, self.path.rstrip("/") or "/")
        if found is None:
            raise NotReadable("this system shows no mount table", "unsupported")
        return MountInfo(found.point, found.type, masked(found.source), _options(found))


class Writable(msgspec.Struct, frozen=True):
    """Whether a filesystem takes writes. `wanted_read_only`: /etc/fstab says that it shall not.

    `by_kernel`: it was mounted for writing, so the kernel itself has stopped that, as after an error.
    """

    point: str
    type: str
    source: str
    read_only: bool
    wanted_read_only: bool = False
    by_kernel: bool = False


@fact
class WritableMounts(Fact, frozen=True):
    """The filesystems on disks of this machine, and whether each takes writes."""

    value_type: ClassVar[Any] = tuple[Writable, ...]

    def describe(self) -> str:
        return f"read {MOUNT_TABLE} and {FSTAB}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MOUNT_TABLE), ReadFile(FSTAB))

    def read(self, host: Host) -> tuple[Writable, ...]:
        host.want(self.asks())
        mounts = host.mounts()
        if not mounts:
            host.only_here("the filesystems of a system without a mount table")
            return _by_psutil()
        try:
            wanted = parse_fstab(host.read_text(FSTAB, 1024 * 1024))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            wanted = {}
        return writable(mounts, wanted)

    @classmethod
    def settled(cls, value: tuple[Writable, ...]) -> dict[str, str]:
        """By mount point, whether it takes writes; which of several names a device has may change."""
        return {each.point: "read-only" if each.read_only else "writable" for each in value}


def writable(mounts: Sequence[Mount], wanted: dict[str, tuple[str, ...]]) -> tuple[Writable, ...]:
    """Those of the mounts that hold data on a disk, one for each filesystem; `wanted` is /etc/fstab."""
    from checks.facts.mounttable import disk_mounts

    found = []
    for mount in disk_mounts(mounts):
        filesystem = mount.super_options.split(",")
        stopped = not _STOPPED.isdisjoint(filesystem)
        # A bind mount that is read-only is that by somebody's wish; what counts is the filesystem's own.
        read_only = "ro" in filesystem or stopped
        found.append(
            Writable(
                mount.point,
                mount.type,
                masked(mount.source),
                read_only,
                "ro" in wanted.get(mount.point, ()),
                stopped or (read_only and "rw" in mount.options.split(",")),
            )
        )
    return tuple(found)


def parse_fstab(text: str) -> dict[str, tuple[str, ...]]:
    """The options of each mount point in the text of an fstab(5); the last line of one point counts."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and not fields[0].startswith("#"):
            point = _ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[1])
            found[point.rstrip("/") or "/"] = tuple(fields[3].split(","))
    return found


def _options(mount: Mount) -> tuple[str, ...]:
    every = dict.fromkeys([*mount.options.split(","), *mount.super_options.split(",")])
    # The filesystem may be writable and this mount of it not: the stricter one holds.
    if "ro" in every:
        every.pop("rw", None)
    return tuple(sorted(_shown(option) for option in every if option))


def _shown(option: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}=***" if equals and names_a_secret(name) else option


def _by_psutil() -> tuple[Writable, ...]:
    """The same where there is no mount table: Windows and macOS, where nothing tells what is wanted."""
    import psutil

    parts = (part for part in psutil.disk_partitions(all=False) if part.fstype)
    return tuple(
        Writable(part.mountpoint, part.fstype, part.device, "ro" in part.opts.split(","))
        for part in sorted(parts, key=lambda part: part.mountpoint)
        if "cdrom" not in part.opts.split(",")
    )
