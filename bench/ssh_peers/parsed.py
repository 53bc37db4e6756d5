"""What the peers' commands say, parsed: peers have no facts of their own for these reads."""

from __future__ import annotations

import re

SYSCTLS = [
    "kernel.randomize_va_space",
    "net.ipv4.tcp_syncookies",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
]
FILES = ["/etc/passwd", "/etc/shadow", "/etc/sudoers", "/tmp"]
AT_ONCE = 8

# The playbook has the same commands.
DF = "df -l -x tmpfs -x devtmpfs -B1 --output=size,avail,itotal,iavail,target"
PS = "ps -eo pid=,comm="
LISTENERS = "ss -Hltnp"
LIMITS = "grep -s '^Max open files' /proc/[0-9]*/limits || true"
CLOCK = "busybox adjtimex 2>/dev/null || timedatectl show -p NTPSynchronized"


def memory(meminfo: str) -> dict[str, int]:
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE))
    return {"total": int(fields["MemTotal"]) * 1024, "available": int(fields["MemAvailable"]) * 1024}


def disks(df: str) -> dict[str, dict[str, int]]:
    found = {}
    for line in df.splitlines()[1:]:
        *numbers, point = line.split(maxsplit=4)
        found[point] = dict(zip(("total", "free", "inodes", "inodes_free"), map(int, numbers), strict=True))
    return found


def limits(listeners: str, said: str) -> dict[str, list[str]]:
    """Soft and hard limit of open files by name, of the processes that hold a listening socket."""
    by_pid = {line.split("/")[2]: line.split()[3:5] for line in said.splitlines()}
    holders = re.findall(r'"([^"]+)",pid=(\d+)', listeners)
    return {name: by_pid[pid] for name, pid in holders if pid in by_pid}


def synchronised(said: str) -> bool:
    found = re.search(r"maxerror:\s*(\d+)", said)
    return int(found[1]) < 16_000_000 if found else "=yes" in said


def names_localhost(line: str) -> bool:
    return bool(re.match(r"\s*(127\.[0-9.]+|::1)\s.*\blocalhost\b", line))
