"""What a simulated server reads as on a good day, and what each kind of trouble changes about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.answering import MountAnswer, MountAnswers, RemoteMounts
from checks.facts.boot import BootTime, Pending, PendingReboot, Start
from checks.facts.clock import ClockState, TimeSync
from checks.facts.config import ConfigValue, Setting
from checks.facts.cputime import CpuTime, CpuUse
from checks.facts.deliveries import AgentDeliveries
from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.facts.files import FileInfo, FileMatch, FileStat, LineMatch
from checks.facts.filling import FillHistory, Filling
from checks.facts.kernel import ConnectionTracking, FileHandles, Handles, Tracked
from checks.facts.locales import Setting as Locale
from checks.facts.locales import SystemLocale
from checks.facts.memory import Deliveries
from checks.facts.mountstate import Writable, WritableMounts
from checks.facts.network import Connection, TcpConnect
from checks.facts.oom import Kills, OomKills
from checks.facts.process import FileLimit, FileLimits, Processes, ProcessGroup, ProcessLimits
from checks.facts.processor import Cpus, Load, LoadAverage, Processors
from checks.facts.raid import Array, RaidArrays
from checks.facts.system import Memory, MemoryUse, OsRelease, Release, Sysctl
from checks.facts.timekeeper import Kept, TimeOffset
from checks.facts.units import FailedUnits

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
    if isinstance(fact, AgentDeliveries):
        return Known(Deliveries(True, newest=datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)))
    make = _MAKERS.get(type(fact))
    if make is None:
        return Unavailable("the example does not simulate this fact", "unsupported")
    value = make(fact, lambda what: noise(machine, day, what), troubles)
    return value if isinstance(value, Unavailable) else Known(value)


Noise = Callable[[str], float]
Troubles = Collection[str]


def _usage(fact: Any, at: Noise, troubles: Troubles) -> Usage:
    total = 200 * GIB if fact.mount == "/data" else 60 * GIB
    free = 0.42 + 0.08 * at(fact.mount)
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


def _cpu(fact: Any, at: Noise, troubles: Troubles) -> CpuTime:
    used, day = 20 + 30 * at("cpu"), 86_400
    return CpuTime(0, 0, 0, 0, _UP_S, 1, round(used, 2), 0.5, 0.0, day, "an earlier run")


def _kept(fact: Any, at: Noise, troubles: Troubles) -> Kept:
    if NO_CLOCK in troubles:
        return Kept("chronyd", None, False, 0)
    return Kept("chronyd", round(0.0004 * (at("offset") - 0.5), 6), True, 3)


_UP_S = 40 * 86_400.0
_STARTED = datetime(2026, 1, 4, 3, 10, tzinfo=UTC)
_RUNS = "5.14.0-427.13.1.el9_4.x86_64"

_MOUNTED = (
    Writable("/", "xfs", "/dev/mapper/rl-root", False),
    Writable("/data", "xfs", "/dev/mapper/rl-data", False),
)

_MAKERS: dict[type[Fact], Callable[[Any, Noise, Troubles], object]] = {
    OsRelease: lambda fact, at, troubles: Release("rocky", "9.4", "Rocky Linux 9.4 (Blue Onyx)"),
    Memory: lambda fact, at, troubles: MemoryUse(32 * GIB, int((10 + 6 * at("memory")) * GIB)),
    BootTime: lambda fact, at, troubles: Start(_STARTED, _UP_S, 1),
    PendingReboot: lambda fact, at, troubles: Pending(running=_RUNS),
    OomKills: lambda fact, at, troubles: Kills(counted=0, certain=True, up_s=_UP_S),
    Processors: lambda fact, at, troubles: Cpus(8, 4, 8.0),
    CpuUse: _cpu,
    LoadAverage: lambda fact, at, troubles: Load(*(round(1 + 2 * at(f"load {m}"), 2) for m in (1, 5, 15))),
    FileHandles: lambda fact, at, troubles: Handles(3000 + int(2000 * at("handles")), 811_896),
    ConnectionTracking: lambda fact, at, troubles: Tracked(400 + int(900 * at("tracked")), 262_144),
    TimeOffset: _kept,
    SystemLocale: lambda fact, at, troubles: Locale("en_US.UTF-8", "/etc/locale.conf"),
    Mounts: lambda fact, at, troubles: ["/", "/data"],
    DiskUsage: _usage,
    FillHistory: lambda fact, at, troubles: Filling(),
    WritableMounts: lambda fact, at, troubles: _MOUNTED,
    RaidArrays: lambda fact, at, troubles: (Array("md0", "active", "raid1", wanted=2, working=2),),
    RemoteMounts: lambda fact, at, troubles: ["/backup"],
    MountAnswers: lambda fact, at, troubles: MountAnswer("answered", "nfs4", "nas:/backup"),
    FailedUnits: lambda fact, at, troubles: (),
    Sysctl: lambda fact, at, troubles: _KERNEL.get(fact.name, "1"),
    Processes: _group,
    ProcessLimits: _limits,
    TimeSync: _clock,
    FileStat: _stat,
    FileMatch: lambda fact, at, troubles: LineMatch(True, 1, "127.0.0.1 localhost"),
    ConfigValue: _setting,
    TcpConnect: _link,
}
