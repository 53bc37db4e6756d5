"""Which mounts may hang and which are worth watching, from recorded mount tables."""

from __future__ import annotations

import os
from pathlib import Path

from checks.facts.disk import DiskUsage, Mounts
from checks.facts.localhost import LocalHost
from checks.facts.mounttable import candidates, mount_of, parse_mounts, watched

SERVER = """\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /sys rw - sysfs sysfs rw
25 22 0:6 / /dev rw - devtmpfs udev rw
26 22 0:24 / /run rw - tmpfs tmpfs rw
27 22 8:1 / /boot/efi rw - vfat /dev/sda1 rw
28 22 253:0 / /var/lib/my\\040data rw - xfs /dev/mapper/vg-data rw
29 22 253:0 /sub /srv/bound rw - xfs /dev/mapper/vg-data rw
30 22 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
31 22 7:2 / /mnt/image ro - ext4 /dev/loop2 ro
32 22 0:50 / /mnt/share rw - nfs4 10.0.0.1:/export rw
33 22 0:51 / /home/auto rw - autofs /etc/auto.home rw
34 22 0:52 / /mnt/ssh rw - fuse.sshfs app@host:/ rw
35 22 0:60 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw
36 22 0:61 /@home /home rw - btrfs /dev/sdb1 rw
37 22 0:62 /@log /var/log rw - btrfs /dev/sdb1 rw
38 22 0:63 / /tank rw - zfs tank rw
"""

CONTAINER = """\
1 0 0:70 / / rw - overlay overlay rw,lowerdir=/a
2 1 0:71 / /proc rw - proc proc rw
3 1 0:72 / /dev rw - tmpfs tmpfs rw
4 1 8:2 /var/lib/docker/containers/x/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda2 rw
5 1 8:2 /var/lib/docker/containers/x/hosts /etc/hosts rw - ext4 /dev/sda2 rw
6 1 8:3 /var/lib/docker/volumes/v/_data /data rw - ext4 /dev/sdb1 rw
7 1 0:80 / /proc/meminfo rw - fuse.lxcfs lxcfs rw
"""


def test_one_mount_point_is_watched_for_each_real_local_writable_filesystem() -> None:
    found = watched(candidates(parse_mounts(SERVER)))
    assert found == ["/", "/boot/efi", "/home", "/tank", "/var/lib/my data"]


def test_a_container_watches_its_root_and_volumes_but_not_files_mounted_from_the_machine() -> None:
    mounts = candidates(parse_mounts(CONTAINER))
    found = watched(mount for mount in mounts if not mount.point.startswith("/etc/"))
    assert found == ["/", "/data"]


def test_remote_mounts_are_never_asked_whether_they_are_folders() -> None:
    asked = {mount.point for mount in candidates(parse_mounts(SERVER))}
    assert asked
    assert not {"/mnt/share", "/home/auto", "/mnt/ssh"} & asked


def test_network_fuse_and_autofs_mounts_may_hang_and_lxcfs_may_not() -> None:
    remote = {mount.point for mount in parse_mounts(SERVER + CONTAINER) if mount.remote}
    assert remote == {"/mnt/share", "/home/auto", "/mnt/ssh"}


def test_a_path_belongs_to_the_deepest_mount_above_it_and_to_the_last_of_several() -> None:
    mounts = parse_mounts(SERVER + "40 33 0:99 / /home/auto rw - nfs4 10.0.0.1:/home rw\n")
    owners = [mount_of(mounts, path) for path in ("/home/auto/x", "/home/autox", "/etc", "/boot/efi")]
    assert [(owner.type, owner.point) for owner in owners if owner] == [
        ("nfs4", "/home/auto"),
        ("btrfs", "/home"),
        ("ext4", "/"),
        ("vfat", "/boot/efi"),
    ]


def test_a_machine_whose_root_is_remote_is_read_all_the_same() -> None:
    (root,) = parse_mounts("1 0 0:50 / / rw - nfs4 10.0.0.1:/root rw")
    assert not root.remote
    assert watched(candidates([root])) == ["/"]


def test_this_machine_has_a_root_to_watch_and_its_room_is_what_statvfs_says() -> None:
    host = LocalHost()
    assert "/" in Mounts().read(host)
    usage, seen = DiskUsage("/").read(host), os.statvfs("/")
    assert (usage.total, usage.inodes) == (seen.f_frsize * seen.f_blocks, seen.f_files)
    assert 0 <= usage.free <= usage.total


def test_a_file_that_is_mounted_on_its_own_is_no_filesystem_to_watch(tmp_path: Path) -> None:
    """As a container's engine does with /etc/hosts, from the machine's own filesystem."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "proc/self/mountinfo").write_text(
        "22 1 0:20 / / rw,relatime - overlay overlay rw\n"
        "23 22 8:1 /hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw\n"
        "24 22 8:17 / /data rw,relatime - xfs /dev/sdb1 rw\n"
    )
    assert Mounts().read(LocalHost(str(tmp_path))) == ["/", "/data"]
