"""Checks of filesystems."""

from __future__ import annotations

from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.model import Severity, Verdict
from checks.registry import check
from checks.units import Percent, size_text
from checks.verdicts import grade, msg, skip


@check(
    "disk.free",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    each=("mount", Mounts()),
    usage=DiskUsage("{mount}"),
)
def free_space(usage: Usage, mount: str = "", warn_below: Percent = 15, fail_below: Percent = 5) -> Verdict:
    """A filesystem has room to grow.

    Without `mount` every local, writable filesystem is judged. Free is what ordinary users have left, without
    the part that some filesystems keep for root.

    Remedy: see what fills it with `du -xh {mount} | sort -h | tail -20`; remove or move that, rotate logs
    (`journalctl --vacuum-size=500M`), or extend the volume (`lvextend -r`, `xfs_growfs`, `resize2fs`).
    Source: Prometheus node mixin, NodeFilesystemSpaceFillingUp and NodeFilesystemAlmostOutOfSpace.
    """
    free = round(usage.free_percent, 1)
    return grade(
        usage.free_percent,
        low=(warn_below, fail_below),
        say=msg("{free} % ({left} of {total}) free", free=free, **_sizes(usage)),
        evidence={"free_percent": free, "free": usage.free, "total": usage.total},
    )


@check(
    "disk.inodes",
    severity=Severity.P2,
    about="mount",
    owner="customer-it",
    each=("mount", Mounts()),
    usage=DiskUsage("{mount}"),
)
def free_inodes(usage: Usage, mount: str = "", warn_below: Percent = 5, fail_below: Percent = 3) -> Verdict:
    """A filesystem can take more files.

    Without inodes no file can be made, however much space is left. Filesystems that make inodes as they need
    them (btrfs, FAT) are skipped.

    Remedy: find the folder with too many files, `du -x --inodes {mount} | sort -n | tail -20` (often
    sessions, mail queues or caches), and clear it; more inodes need a new filesystem (`mkfs.ext4 -N`).
    Source: Prometheus node mixin, NodeFilesystemAlmostOutOfFiles.
    """
    if not usage.inodes:
        return skip("this filesystem has no fixed number of inodes", cause="unlimited")
    free = round(usage.inodes_free_percent, 1)
    return grade(
        usage.inodes_free_percent,
        low=(warn_below, fail_below),
        say=msg("{free} % ({left} of {total}) of the inodes free", free=free, **_inodes(usage)),
        evidence={"free_percent": free, "free": usage.inodes_free, "total": usage.inodes},
    )


def _sizes(usage: Usage) -> dict[str, str]:
    return {"left": size_text(usage.free), "total": size_text(usage.total)}


def _inodes(usage: Usage) -> dict[str, int]:
    return {"left": usage.inodes_free, "total": usage.inodes}
