"""What a simulated server reads as on a good day, and what each kind of trouble changes about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Any

from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.clock import ClockState, TimeSync
from checks.facts.config import ConfigValue, Setting
from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.facts.files import FileInfo, FileMatch, FileStat, LineMatch
from checks.facts.network import Connection, TcpConnect
from checks.facts.process import FileLimit, FileLimits, Processes, ProcessGroup, ProcessLimits
from checks.facts.system import Memory, MemoryUse, OsRelease, Release, Sysctl

GIB = 2**30
TRASH = "disk-full"
LIMITS = "open-file-limit-lost"
STOPPED = "application-stopped"
AS_ROOT = "application-as-root"
POOL = "pool-size-drifted"
LOOSE = "configuration-readable-by-all"
NO_DATABASE = "database-unreachable"
NO_CLOCK = "clock-unsynchronised"
HIDDEN = "configuration-unreadable"

_KERNEL = {
    "kernel.randomize_va_space": "2",
    "net.ipv4.tcp_syncookies": "1",
    "fs.protected_symlinks": "1",
    "fs.suid_dumpable": "0",
}
_FILES = {
    "/etc/passwd": ("file", "root", "root", "0644"),
    "/etc/shadow": ("file", "root", "shadow", "0640"),
    "/etc/sudoers": ("file", "root", "root", "0440"),
    "/tmp": ("directory", "root", "root", "1777"),  # noqa: S108  # the folder itself is what is described
}


def noise(*about: object) -> float:
    """A number in [0, 1) that is the same whenever the same thing is asked about."""
    digest = hashlib.blake2b("\0".join(map(str, about)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def reading(fact: Fact, machine: str, day: int, troubles: Collection[str]) -> Reading:
    """What the machine's fact reads as on a day (counted from 1970) with these troubles."""
    make = _MAKERS.get(type(fact))
    if make is None:
        return Unavailable("the example does not simulate this fact", "unsupported")
    value = make(fact, lambda what: noise(machine, day, what), troubles)
    return value if isinstance(value, Unavailable) else Known(value)


Noise = Callable[[str], float]
Troubles = Collection[str]


def _usage(fact: Any, at: Noise, troubles: Troubles) -> Usage:
    total = 200 * GIB if fact.mount == "/data" else 60 * GIB
    free = 0.38 + 0.08 * at(fact.mount)
    if TRASH in troubles and fact.mount == "/data":
        free = 0.012 + 0.02 * at(fact.mount)
    inodes = total // 16384
    return Usage(total, int(total * free), inodes, int(inodes * (0.7 + 0.1 * at("inodes" + fact.mount))))


def _group(fact: Any, at: Noise, troubles: Troubles) -> ProcessGroup:
    pid = 900 + int(20_000 * at("pid"))
    if STOPPED in troubles:
        return ProcessGroup(0)
    return ProcessGroup(1, ("root" if AS_ROOT in troubles else "app",), (pid,))


def _limits(fact: Any, at: Noise, troubles: Troubles) -> FileLimits:
    soft = 4096 if LIMITS in troubles else 65536
    own = FileLimit("java", soft, 524288)
    others = () if fact.name else (FileLimit("nginx", 65536, 524288, 5), FileLimit("sshd", 1024, 524288))
    return FileLimits((own, *others))


def _stat(fact: Any, at: Noise, troubles: Troubles) -> FileInfo:
    if fact.path in _FILES:
        return FileInfo(True, *_FILES[fact.path])
    return FileInfo(True, "file", "app", "app", "0666" if LOOSE in troubles else "0640", 1843)


def _setting(fact: Any, at: Noise, troubles: Troubles) -> Setting | Unavailable:
    if HIDDEN in troubles:
        return Unavailable(f"{fact.path}: Permission denied", "denied")
    return Setting(True, 4 if POOL in troubles else 40)


def _link(fact: Any, at: Noise, troubles: Troubles) -> Connection:
    if NO_DATABASE in troubles:
        return Connection("timeout", address="10.20.4.11")
    return Connection("connected", round(0.4 + at("link"), 2), "10.20.4.11")


def _clock(fact: Any, at: Noise, troubles: Troubles) -> ClockState:
    return ClockState(NO_CLOCK not in troubles, 0.01 + 0.02 * at("clock"), ("chronyd",))


_MAKERS: dict[type[Fact], Callable[[Any, Noise, Troubles], object]] = {
    OsRelease: lambda fact, at, troubles: Release("rocky", "9.4", "Rocky Linux 9.4 (Blue Onyx)"),
    Memory: lambda fact, at, troubles: MemoryUse(32 * GIB, int((10 + 6 * at("memory")) * GIB)),
    Mounts: lambda fact, at, troubles: ["/", "/data"],
    DiskUsage: _usage,
    Sysctl: lambda fact, at, troubles: _KERNEL.get(fact.name, "1"),
    Processes: _group,
    ProcessLimits: _limits,
    TimeSync: _clock,
    FileStat: _stat,
    FileMatch: lambda fact, at, troubles: LineMatch(True, 1, "127.0.0.1 localhost"),
    ConfigValue: _setting,
    TcpConnect: _link,
}
