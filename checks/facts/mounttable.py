"""The mount table: which paths may hang, and which filesystems are worth watching.

Everything is told from the text of ``/proc/self/mountinfo`` (proc(5)) alone; no mount is touched for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

REMOTE_TYPES: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "ceph", "glusterfs", "9p", "virtiofs", "lustre", "gpfs"}
    | {"beegfs", "afs", "coda", "orangefs", "pvfs2", "ocfs2", "gfs2", "acfs", "autofs", "fuse", "fuseblk"}
)
"""Types whose server, cluster or daemon can leave a reader waiting for ever; ``fuse.*`` too, bar lxcfs."""

READ_ONLY_TYPES: Final = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"})
MEMORY_TYPES: Final = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs"})

# What container engines and orchestrators make and remove, much as node_exporter ignores it.
_ENGINE_MOUNTS: Final = (
    r"/(dev|proc|sys|run|snap)(/|$)|/var/snap/|/tmp/\.mount_"
    r"|/var/lib/(docker|containers/storage|containerd|kubelet)/"
)

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True):
    """One line of the mount table. `root` is what of the filesystem is mounted: ``/`` unless a bind mount."""

    device: str
    root: str
    point: str
    options: str
    type: str
    source: str
    super_options: str

    @property
    def remote(self) -> bool:
        """Whether reading below it may hang. ``/`` never counts: were it gone, nothing could run at all."""
        if self.point == "/" or self.type == "fuse.lxcfs":
            return False
        return self.type in REMOTE_TYPES or self.type.startswith("fuse.")

    @property
    def read_only(self) -> bool:
        return "ro" in self.options.split(",") or "ro" in self.super_options.split(",")


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts in the kernel's order; lines of another shape are passed over."""
    mounts = []
    for line in text.splitlines():
        head, dash, tail = line.partition(" - ")
        left, right = head.split(" "), tail.split(" ")
        if dash and len(left) >= 6 and len(right) >= 3:
            device, root, point, options = left[2:6]
            mounts.append(
                Mount(device, _plain(root), _plain(point), options, right[0], _plain(right[1]), right[2])
            )
    return tuple(mounts)


def mount_of(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The mount that an absolute path without links lies on; the last of several at one point is on top."""
    found: Mount | None = None
    for mount in mounts:
        point = mount.point
        inside = point == "/" or path == point or path.startswith(point + "/")
        if inside and (found is None or len(point) >= len(found.point)):
            found = mount
    return found


def candidates(mounts: Sequence[Mount]) -> list[Mount]:
    """The mounts of real, local, writable filesystems that nothing is mounted upon.

    Left out: memory and kernel filesystems, read-only ones, remote ones (reading those is another check's
    business) and what container engines mount.
    """
    return [mount for mount in mounts if mount_of(mounts, mount.point) is mount and _holds_data(mount)]


def watched(mounts: Iterable[Mount]) -> list[str]:
    """Mount points of these mounts, one for each filesystem, sorted.

    Of several of one filesystem the whole of it goes before a part and the shorter path before the longer.
    """
    return sorted(mount.point for mount in _one_for_each(mounts))


def disk_mounts(mounts: Sequence[Mount]) -> list[Mount]:
    """As `candidates`, and what is read-only although its type is not; one for each filesystem."""
    seen = (mount for mount in mounts if mount_of(mounts, mount.point) is mount and _on_disk(mount))
    return sorted(_one_for_each(seen), key=lambda mount: mount.point)


def remote_points(mounts: Sequence[Mount]) -> list[str]:
    """Mount points of what a server, cluster or daemon stands behind, sorted.

    Left out: autofs, which mounts what is only looked at, and what belongs to one user's desktop.
    """
    left_out = {"autofs", "fuse.portal", "fuse.gvfsd-fuse"}
    return sorted(
        mount.point
        for mount in mounts
        if mount.remote and mount.type not in left_out and mount_of(mounts, mount.point) is mount
    )


def _one_for_each(mounts: Iterable[Mount]) -> list[Mount]:
    """Of the mounts of each filesystem the one that stands for it."""
    best: dict[str, Mount] = {}
    for mount in mounts:
        # btrfs shows another device number for every subvolume of one filesystem.
        name = mount.source if mount.source.startswith("/dev/") else mount.device
        if name not in best or _rank(mount) < _rank(best[name]):
            best[name] = mount
    return list(best.values())


def _holds_data(mount: Mount) -> bool:
    return not mount.read_only and _on_disk(mount)


def _on_disk(mount: Mount) -> bool:
    if mount.remote or mount.type in READ_ONLY_TYPES:
        return False
    if mount.point == "/":
        return True
    if mount.type in MEMORY_TYPES or re.match(_ENGINE_MOUNTS, mount.point):
        return False
    return mount.source.startswith("/dev/") or mount.type == "zfs"


def _rank(mount: Mount) -> tuple[bool, bool, int, str]:
    return (mount.point != "/", mount.root != "/", len(mount.point), mount.point)


def _plain(text: str) -> str:
    """Blanks and backslashes stand as octal in the kernel's text."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text
