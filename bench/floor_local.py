"""What a plain script needs for the reads of the profile linux-server: the floor of `bench/local.py`.

It judges nothing and imports only what these reads need; its output is the readings as JSON.
"""

import ctypes
import glob
import grp
import json
import os
import pwd
import re
import stat

SYSCTLS = [
    "kernel/randomize_va_space",
    "net/ipv4/tcp_syncookies",
    "fs/protected_symlinks",
    "fs/suid_dumpable",
]
FILES = ["/etc/passwd", "/etc/shadow", "/etc/sudoers", "/tmp"]
SYSTEM = [
    "/proc/uptime", "/proc/stat", "/proc/vmstat", "/proc/loadavg", "/proc/cpuinfo", "/proc/sys/fs/file-nr",
    "/proc/sys/kernel/osrelease", "/proc/sys/kernel/random/boot_id",
    "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max",
    "/run/reboot-required.pkgs", "/etc/locale.conf", "/etc/default/locale",
]  # fmt: skip
FOLDERS = ["/boot", "/lib/modules"]
MARKS = ["/run/reboot-required", "/run/reboot-needed", "/boot/do_purge_kernels", "/.dockerenv"]
PSEUDO = {
    "proc", "sysfs", "devtmpfs", "devpts", "tmpfs", "cgroup", "cgroup2", "mqueue", "securityfs", "debugfs",
    "tracefs", "bpf", "pstore", "hugetlbfs", "autofs", "squashfs", "overlay", "fusectl", "configfs", "nsfs",
}  # fmt: skip


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def mounts() -> list[str]:
    found: dict[str, str] = {}
    for line in read("/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, device = rest.split()[:2]
        place = fields.split()[4]
        if (kind not in PSEUDO or place == "/") and device not in found:
            found[device] = place
    return list(found.values())


def listening() -> set[str]:
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                sockets.add(f"socket:[{fields[9]}]")
    return sockets


def limits() -> dict[str, str]:
    wanted = listening()
    found = {}
    for process in glob.glob("/proc/[0-9]*"):
        try:
            links = {os.readlink(f"{process}/fd/{fd}") for fd in os.listdir(f"{process}/fd")}
            if links & wanted:
                line = re.search("^Max open files.*$", read(f"{process}/limits"), re.MULTILINE)
                found[read(f"{process}/comm").strip()] = line.group(0) if line else ""
        except OSError:
            continue
    return found


def described(path: str) -> dict[str, object]:
    about = os.stat(path)
    return {
        "owner": pwd.getpwuid(about.st_uid).pw_name,
        "group": grp.getgrgid(about.st_gid).gr_name,
        "mode": oct(stat.S_IMODE(about.st_mode)),
    }


def main() -> None:
    timex = ctypes.create_string_buffer(512)
    readings: dict[str, object] = {
        "os": dict(line.partition("=")[::2] for line in read("/etc/os-release").splitlines() if "=" in line),
        "memory": dict(line.split(":") for line in read("/proc/meminfo").splitlines()),
        "clock": ctypes.CDLL(None).adjtimex(timex),
        "limits": limits(),
        "files": {path: described(path) for path in FILES if os.path.exists(path)},
        "hosts": bool(
            re.search(r"^\s*(127\.[0-9.]+|::1)\s.*\blocalhost\b", read("/etc/hosts"), re.MULTILINE)
        ),
        "system": {path: read(path) for path in SYSTEM if os.path.exists(path)},
        "kernels": {path: os.listdir(path) for path in FOLDERS if os.path.exists(path)},
        "marks": [path for path in MARKS if os.path.exists(path)],
        "sysctl": {name: read(f"/proc/sys/{name}").strip() for name in SYSCTLS},
    }
    usage = {}
    for place in mounts():
        about = os.statvfs(place)
        usage[place] = [about.f_blocks, about.f_bavail, about.f_files, about.f_favail]
    readings["disks"] = usage
    print(json.dumps(readings))


main()
