"""Checks of filesystems."""

from __future__ import annotations

from datetime import datetime

from checks.fact import Unavailable
from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.facts.filling import FillHistory, Filling
from checks.facts.mountpoint import MountPoint, MountState
from checks.facts.mountstate import MountAt, MountInfo, Writable, WritableMounts
from checks.facts.raid import Array, RaidArrays
from checks.facts.room import Room, RoomAt
from checks.facts.writelatency import WriteLatency, WriteTimes
from checks.library.disk_words import array_verdict, forecast_verdict, writable_verdict
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.paths import AbsolutePath
from checks.registry import check, when
from checks.units import Percent, Size, Span, percent_text, size_text
from checks.verdicts import error, fail, grade, msg, passed, skip, warn


@check(
    "disk.free",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    each=("mount", Mounts()),
    usage=DiskUsage("{mount}"),
)
def free_space(
    usage: Usage, mount: AbsolutePath = "", warn_below: Percent = 15, fail_below: Percent = 5
) -> Verdict:
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
        show=percent_text,
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
def free_inodes(
    usage: Usage, mount: AbsolutePath = "", warn_below: Percent = 5, fail_below: Percent = 3
) -> Verdict:
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
        show=percent_text,
        say=msg("{free} % ({left} of {total}) of the inodes free", free=free, **_inodes(usage)),
        evidence={"free_percent": free, "free": usage.inodes_free, "total": usage.inodes},
    )


@check(
    "disk.fill_forecast",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    each=("mount", Mounts()),
    usage=DiskUsage("{mount}"),
    history=FillHistory("{mount}"),
)
def fill_forecast(
    usage: Usage,
    history: Filling,
    now: datetime,
    mount: AbsolutePath = "",
    warn_within: Span = 86400,
    fail_within: Span = 14400,
    warn_below: Percent = 40,
    fail_below: Percent = 20,
) -> Verdict:
    """A filesystem is not about to run full.

    Without `mount` every local, writable filesystem is judged. How fast it fills is told from what earlier
    runs at this target read: the last 6 hours, where runs are too rare for that the last 3 days, then 30. It
    takes 5 runs that cover a sixth of that time. The slope is the median over all pairs of runs, so single
    readings do not turn it, and runs before and after a clearing (a fall of 1 % of the filesystem at once)
    make no pair, so that a rotation does not hide what goes on. What was cleared twice or more within 3 days
    and stands no higher than it did then is forecast by the level at which it is cleared.

    Full within `warn_within` warns only where less than `warn_below` is free, and within `fail_within` fails
    only where less than `fail_below` is: an estimate alone wakes nobody.

    Remedy: see what grows with `du -xh {mount} | sort -h | tail -20`, twice within some minutes, and
    `lsof +L1` for removed files that are still written; stop that or move it, then extend the volume.
    Source: Prometheus node mixin, NodeFilesystemSpaceFillingUp: 24 h with less than 40 % free warns, 4 h with
    less than 20 % is critical, both told from 6 h. The slope is that of Theil and Sen (1968) in place of
    least squares; the longer windows and the clearings are our judgement.
    """
    points = [point for point in history.points if point.at < now.timestamp()]
    return forecast_verdict(usage, points, now, (warn_within, fail_within), (warn_below, fail_below))


@check("disk.size_path", severity=Severity.P1, about="path", owner="customer-it", room=RoomAt("{path}"))
def room_at_path(
    room: Room, path: AbsolutePath, at_least: Size | None = None, warn_below: Size | None = None
) -> Verdict:
    """There is room for what is to be put at a path.

    The path need not be there yet: the nearest folder above it that is there tells the filesystem. Free is
    what ordinary users have left. Less than `at_least` fails, less than `warn_below` warns; without both the
    room is only shown.

    Remedy: extend the volume below {path} (`lvextend -r`), mount a larger one there before installing, or
    choose another path.
    Source: host preflights of troubleshoot.sh (diskUsage); how much is needed is the product's to say.
    """
    evidence: dict[str, Scalar] = {"at": room.at, "free": room.free, "total": room.total}
    seen = {"left": size_text(room.free), "total": size_text(room.total), "at": room.at}
    for bound, verdict in ((at_least, fail), (warn_below, warn)):
        if bound is not None and room.free < bound:
            said = msg("{left} of {total} free at {at}, wanted: {wanted}", wanted=size_text(bound), **seen)
            return verdict(said, cause="low", evidence=evidence)
    return passed(msg("{left} of {total} free at {at}", **seen), evidence=evidence)


@check(
    "disk.write_latency",
    severity=Severity.P2,
    about="path",
    owner="customer-it",
    times=when("allow_write", WriteLatency("{path}")),
)
def write_latency(
    times: WriteTimes | None,
    path: AbsolutePath,
    allow_write: bool = False,
    warn_from: Span = 0.005,
    fail_from: Span = 0.008,
) -> Verdict:
    """A small write is safe on disk in time.

    This one writes, so it does nothing until the profile says `allow_write: true`: 100 times 2300 bytes, each
    with fsync, to a file of its own in the folder `path`, whose name is gone before the first byte is
    written. Judged is the 99th percentile of what dd(1) measured of each write. Databases, etcd and message
    queues wait for exactly this.

    Remedy: see whether others use that disk (`iostat -x 5`), then move {path} to an SSD with power-loss
    protection or a disk of its own, give the volume more IOPS, or set the controller's battery-backed cache
    to write-back. Never switch fsync off.
    Source: host preflights of troubleshoot.sh (filesystemPerformance as for etcd: 2300 bytes, fdatasync);
    below 5 ms passes, 8 ms and more fails.
    """
    if times is None:
        return skip("not measured: it writes, and allow_write is not set", cause="opt-in")
    evidence: dict[str, Scalar] = {"writes": times.writes, "p50_ms": times.p50_ms, "p99_ms": times.p99_ms}
    evidence["max_ms"] = times.max_ms
    said = msg(
        "p99 {p99} ms, median {p50} ms of {writes} writes",
        p99=times.p99_ms,
        p50=times.p50_ms,
        writes=times.writes,
    )
    for bound, verdict in ((fail_from, fail), (warn_from, warn)):
        if times.p99_ms >= bound * 1000:
            return verdict(said, cause="slow", evidence=evidence)
    return passed(said, evidence=evidence)


@check(
    "disk.mount",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    state=MountPoint("{mount}"),
    usage=when("used", DiskUsage("{mount}")),
)
def mounted(
    state: MountState,
    usage: Usage | Unavailable | None,
    mount: AbsolutePath,
    exists: bool = True,
    optional: bool = False,
    source: Matcher | None = None,
    type: Matcher | None = None,
    options: Matcher | None = None,
    filesystem_options: Matcher | None = None,
    used: Matcher | None = None,
) -> Verdict:
    """Something is mounted at a path, and is what it should be.

    `source` is a condition on the device or share, `type` on the filesystem's type, `options` on the list of
    the mount's own options and `filesystem_options` on that of the filesystem, as /proc/self/mountinfo tells
    them apart; `used` on the percentage of it that is used. ``exists: false`` wants nothing mounted there;
    `optional` judges it only where something is.

    Remedy: `findmnt {mount}` shows the same. Mount it with `mount {mount}` where /etc/fstab has it; add it
    there (or as a mount unit) where it is gone after a restart.
    Source: our judgement; the profile that sets the values names its source.
    """
    if not state.mounted:
        if not exists:
            return passed("nothing is mounted there, as wanted")
        if optional:
            return skip("nothing is mounted there", cause="absent")
        return fail("nothing is mounted there", cause="absent")
    evidence: dict[str, Scalar] = {
        "source": state.source,
        "type": state.type,
        "options": ",".join(state.options),
        "filesystem_options": ",".join(state.filesystem_options),
    }
    if not exists:
        said = msg("{source} is mounted there, and should not be", source=state.source)
        return fail(said, cause="present", evidence=evidence)
    for name, condition, actual, shown in (
        ("source", source, state.source, state.source),
        ("type", type, state.type, state.type),
        ("options", options, state.options, ",".join(state.options)),
        ("filesystem options", filesystem_options, state.filesystem_options, evidence["filesystem_options"]),
    ):
        if condition is not None and not condition.holds(actual):
            said = msg("{what}: {actual}, wanted: {wanted}", what=name, actual=shown, wanted=str(condition))
            return fail(said, cause=name.replace(" ", "-"), evidence=evidence)
    if isinstance(usage, Unavailable):
        said = msg("how full it is could not be read: {reason}", reason=usage.reason)
        return error(said, cause=usage.cause, evidence=evidence)
    if usage is not None and used is not None:
        percent = round(100 - usage.free_percent, 1)
        evidence["used_percent"] = percent
        if not used.holds(int(100 - usage.free_percent)):
            said = msg("{percent} % are used, wanted: {wanted}", percent=percent, wanted=str(used))
            return fail(said, cause="used", evidence=evidence)
    return passed(msg("{type} from {source}", type=state.type, source=state.source), evidence=evidence)


@check("disk.mount_opts", severity=Severity.P2, about="mount", owner="customer-it", found=MountAt("{mount}"))
def mount_options(
    found: MountInfo,
    mount: AbsolutePath,
    required: tuple[str, ...] = (),
    forbidden: tuple[str, ...] = (),
    type: Matcher | None = None,
    own: bool = False,
) -> Verdict:
    """A filesystem is mounted as it has to be.

    `required` and `forbidden` are options as /proc/self/mountinfo shows them, those of the mount and of the
    filesystem together: `noatime`, `data=ordered`; without `=` the name is enough. `type` is a condition for
    the filesystem's type, and `own` wants it to be a mount of its own. Links are not followed. With none
    of these the options are only shown.

    Remedy: set the options of that filesystem in /etc/fstab (or the mount unit), then `mount -o remount
    {mount}`; another type or a mount of its own needs a new filesystem. `findmnt -T {mount}` shows the same.
    Source: SQL Server on Linux, performance best practices (XFS or ext4, noatime); what is wanted is the
    profile's.
    """
    have = {*found.options, *(option.partition("=")[0] for option in found.options)}
    missing = [option for option in required if option not in have]
    extra = [option for option in forbidden if option in have]
    evidence: dict[str, Scalar] = {
        "point": found.point,
        "type": found.type,
        "options": ",".join(found.options),
    }
    wrong: list[tuple[str, Message]] = []
    if own and found.point != (mount.rstrip("/") or "/"):
        wrong.append(("no-mount", msg("it is no mount of its own but part of {point}", point=found.point)))
    if type is not None and not type.holds(found.type):
        wrong.append(("type", msg("its type is {type}, wanted: {wanted}", type=found.type, wanted=str(type))))
    if missing:
        wrong.append(("missing", msg("it lacks {missing}", missing=", ".join(missing))))
    if extra:
        wrong.append(("forbidden", msg("it has {extra}", extra=", ".join(extra))))
    if wrong:
        args = {name: value for _, part in wrong for name, value in part.args.items()}
        said = Message("; ".join(part.template for _, part in wrong), args)
        return fail(said, cause=wrong[0][0], evidence=evidence)
    said = msg(
        "{type} at {point}: {options}", type=found.type, point=found.point, options=evidence["options"]
    )
    return passed(said, evidence=evidence)


@check("disk.raid", severity=Severity.P1, about="array", owner="customer-it", arrays=RaidArrays())
def raid_arrays(arrays: tuple[Array, ...], array: str = "") -> list[Verdict]:
    """Every software RAID has all its disks.

    Arrays of the kernel's md are judged, all or the one that `array` names. One that lacks a disk fails, and
    only warns while a spare is taking its place; one that has a failed disk although none is lacking warns,
    as does a first or repeated resync, until which there is no redundancy. A check or a reshape is none of
    that. What a hardware controller does is not seen here.

    Remedy: `mdadm --detail /dev/<array>` names the disk; look at it with `smartctl -a`. Then `mdadm
    /dev/<array> --remove <disk>`, replace it, `mdadm /dev/<array> --add <new disk>`, and watch /proc/mdstat.
    An inactive array: `mdadm --examine <its disks>` before anything else.
    Source: Prometheus node mixin, NodeRAIDDegraded and NodeRAIDDiskFailure; the kernel's
    Documentation/admin-guide/md.rst.
    """
    verdicts = [array_verdict(each) for each in arrays if array in ("", each.name)]
    if array and not verdicts:
        return [fail(msg("there is no such array", array=array), object=array, cause="absent")]
    return verdicts


@check("disk.readonly", severity=Severity.P1, about="mount", owner="customer-it", mounts=WritableMounts())
def read_only_mounts(
    mounts: tuple[Writable, ...],
    mount: AbsolutePath = "",
    expected: tuple[str, ...] = (),
) -> list[Verdict]:
    """No filesystem has become read-only.

    Filesystems on disks of this machine are judged, all or the one at `mount`. One is meant to be read-only
    where /etc/fstab says `ro` for it, its type knows nothing else, or `expected` names its mount point. After
    an error the kernel stops writing (`errors=remount-ro`), and all that runs there fails in its own words.

    Remedy: `dmesg | grep -iE 'remount|I/O error|EXT4-fs|XFS'` tells why. Save what is there, look at the disk
    (`smartctl -a`), then unmount and `fsck` it; `mount -o remount,rw <mount>` alone hides the reason. If it
    is meant, say so in /etc/fstab or `expected`.
    Source: our judgement; the default of ext4 in Debian's installer is errors=remount-ro (tune2fs(8)).
    """
    wanted = {point.rstrip("/") or "/" for point in expected}
    chosen = [each for each in mounts if mount.rstrip("/") in ("", each.point) or mount == each.point]
    if mount and not chosen:
        return [skip("no filesystem on a disk is mounted there", object=mount, cause="absent")]
    return [writable_verdict(each, each.point in wanted) for each in chosen]


def _sizes(usage: Usage) -> dict[str, str]:
    return {"left": size_text(usage.free), "total": size_text(usage.total)}


def _inodes(usage: Usage) -> dict[str, int]:
    return {"left": usage.inodes_free, "total": usage.inodes}
