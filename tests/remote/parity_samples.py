"""A world of files, processes and sockets that reading may trip over, and for every fact what to read of it.

`samples` is pure, so that the tests can be named before the world is there. The facts of an area may have
theirs in a module of their own, `parity_<area>.py`: with `samples(world)` as here, and, where they are
needed, `make(folder, stack)` for files and processes of its own and `STANDING` as `_STANDING`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from ssh_accounts import Account

from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.clock import ClockState, TimeSync
from checks.facts.config import ConfigValue, SecretMatches
from checks.facts.content import ConfigState
from checks.facts.digest import FileDigest
from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.facts.files import FileMatch, FileStat
from checks.facts.host import FILE_LIMIT
from checks.facts.network import Connection, TcpConnect
from checks.facts.process import FileLimits, Processes, ProcessLimits
from checks.facts.reach import Reach, Reachability
from checks.facts.skew import ClockOffset, Offset
from checks.facts.system import Memory, MemoryUse, OsRelease, Sysctl
from checks.facts.zone import TimeZone

ODD_NAMES = {
    "blanks": " two  blanks ",
    "single quote": "it's",
    "double quote": 'a "word"',
    "both quotes": "'\"'",
    "newline": "two\nlines",
    "newline at the end": "line\n",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "chinese": "启动检查",
    "not utf-8": "caf\udce9",
    "leading dash": "-n",
    "two dashes": "--",
    "backslash": "back\\slash\\n",
    "substitution": "$(echo x)`id`$HOME",
    "glob": "*?[a]",
    "frame": "==> x <==",
    "format": "%s%n",
    "semicolon": "a;b&c|d>e",
    "bang": "!x",
    "tilde": "~",
    "hash": "#x",
    "equals": "a=b",
    "colon": "a: b:c",
    "longest": "n" * 255,
}

AREAS: list[Any] = [
    importlib.import_module(path.stem)
    for path in sorted(Path(__file__).parent.glob("parity_*.py"))
    if path.stem != "parity_samples"
]

# Of this process alone: other tests that run beside these have a world as well.
OURS = f"fl{os.getpid()}-"
LONG_NAME = f"{OURS}a-name-longer-than-the-kernel-keeps"
STRANGER = f"{OURS}user-without-a-name"
LISTENERS = (f"{OURS}root-listens", f"{OURS}user-listens")


class World(msgspec.Struct, frozen=True):
    """Where the samples are: files below `folder`, TCP ports on 127.0.0.1."""

    folder: str
    open_port: int = 1
    closed_port: int = 2


def places(folder: str) -> dict[str, str]:
    """Paths by what is odd about them."""
    made = {name: f"{folder}/{name}" for name in _MADE}
    odd = {f"name with {name}": f"{folder}/odd/{text}/{text}" for name, text in ODD_NAMES.items()}
    return {**made, **odd} | {
        "absent": f"{folder}/nowhere",
        "in an absent folder": f"{folder}/nowhere/at/all",
        "below a file": f"{folder}/empty/x",
        "a folder with a slash": f"{folder}/directory/",
        "a file with a slash": f"{folder}/line/",
        "with dots": f"{folder}/./directory/..//empty",
        "in a closed folder": f"{folder}/closed/file",
        "absent in a closed folder": f"{folder}/closed/nowhere",
        "deep in a closed folder": f"{folder}/closed/inner/file",
        "in a folder that can be listed only": f"{folder}/listed/file",
        "in a folder that can be entered only": f"{folder}/entered/file",
        "behind a dangling link": f"{folder}/dangling/file",
        "behind a link to a closed folder": f"{folder}/link to closed/file",
        "behind a circle of links": f"{folder}/circle/file",
        "a name too long": f"{folder}/{'n' * 256}",
        "a path too long": f"{folder}{'/nn' * 1400}",
        "device": "/dev/null",
        "kernel file": "/proc/version",
        "kernel file that cannot be read": "/proc/sys/net/ipv6/conf/all/stable_secret",
        "kernel file of another": "/proc/1/environ",
        "no absolute path": "etc/passwd",
        "no path": "",
        "not a path": "/etc/\0passwd",
    }


def samples(world: World) -> dict[str, Fact]:
    """Facts to read, by a name for the test."""
    found: dict[str, Fact] = {}
    for name, path in places(world.folder).items():
        found[f"FileStat {name}"] = FileStat(path)
        found[f"FileMatch {name}"] = FileMatch(path, r"(\w+) *$")
        found[f"FileDigest {name}"] = FileDigest(path)
        found[f"DiskUsage {name}"] = DiskUsage(path)
    for area in AREAS:
        found |= area.samples(world)
    file = f"{world.folder}/values.ini"
    return found | {
        "TimeSync": TimeSync(),
        "ClockOffset": ClockOffset(),
        "Memory": Memory(),
        "OsRelease": OsRelease(),
        "TimeZone": TimeZone(),
        "Mounts": Mounts(),
        "DiskUsage of the root": DiskUsage("/"),
        "DiskUsage in memory": DiskUsage("/dev/shm"),
        "DiskUsage without a size": DiskUsage("/proc"),
        "ConfigValue": ConfigValue(file, "auto", "server.port"),
        "ConfigValue that is not there": ConfigValue(file, "auto", "server.host"),
        "ConfigValue of no file": ConfigValue(f"{world.folder}/nowhere.yaml", "auto", "a"),
        "ConfigValue of another format": ConfigValue(file, "json", "a"),
        "ConfigValue that may not be read": ConfigValue(f"{world.folder}/secret", "ini", "a"),
        "ConfigState": ConfigState(file, "ini", "server.port"),
        "ConfigState of no file": ConfigState(f"{world.folder}/nowhere.yaml", "auto", "a"),
        "ConfigState that may not be read": ConfigState(f"{world.folder}/secret", "ini", "a"),
        "SecretMatches": SecretMatches(file, "ini", "password", f"file:{world.folder}/secret"),
        "SecretMatches not": SecretMatches(file, "ini", "server.port", f"file:{world.folder}/empty"),
        "Sysctl": Sysctl("kernel.ostype"),
        "Sysctl of several numbers": Sysctl("net.ipv4.tcp_rmem"),
        "Sysctl that is not there": Sysctl("kernel.no_such_parameter"),
        "Sysctl that is no name": Sysctl("../etc/passwd"),
        "Sysctl that can be written only": Sysctl("vm.compact_memory"),
        "Sysctl that cannot be read": Sysctl("net.ipv6.conf.all.stable_secret"),
        "Sysctl that is a folder": Sysctl("net.ipv4"),
        "Processes with a long name": Processes(LONG_NAME),
        "Processes with a cut name": Processes(LONG_NAME[:15]),
        "Processes of a user without a name": Processes(STRANGER),
        "Processes of the kernel": Processes("kthreadd"),
        "Processes that do not run": Processes("flt-does-not-run"),
        "ProcessLimits": ProcessLimits(LONG_NAME),
        "ProcessLimits of nobody": ProcessLimits("flt-does-not-run"),
        "ProcessLimits of listeners": ProcessLimits(),
        "TcpConnect": TcpConnect("127.0.0.1", world.open_port),
        "TcpConnect refused": TcpConnect("127.0.0.1", world.closed_port),
        "TcpConnect by name": TcpConnect("localhost", world.open_port),
        "TcpConnect to no name": TcpConnect("no-such-host.invalid", 80),
        "TcpConnect to no port": TcpConnect("127.0.0.1", 0),
        "Reachability": Reachability((f"127.0.0.1:{world.open_port}", f"127.0.0.1:{world.closed_port}")),
    }


def standing(reading: Reading) -> Any:
    """What has to be the same of two readings; a failed one is told by its cause."""
    if isinstance(reading, Unavailable):
        return reading.cause
    assert isinstance(reading, Known)
    seen = reading.value
    kinds = dict(_STANDING)
    for area in AREAS:
        kinds |= getattr(area, "STANDING", {})
    stand_still = kinds.get(type(seen))
    return (type(seen).__name__, stand_still(seen)) if stand_still else seen


def _of_this_world(seen: FileLimits) -> object:
    """Only what listens for these tests: others come and go."""
    ours = [
        [limit for limit in each if limit.name.startswith(OURS)] for each in (seen.processes, seen.suspects)
    ]
    return ours, seen.hidden > 0


_STANDING: dict[type, Callable[[Any], object]] = {
    # Others write to the disk and take memory meanwhile.
    Usage: lambda seen: (seen.total, seen.inodes),
    MemoryUse: lambda seen: (seen.total, seen.limited),
    # The possible error of a clock grows all the time.
    ClockState: lambda seen: (seen.synchronised, seen.services, seen.container),
    # It is one clock: no offset is possible but what is in doubt.
    Offset: lambda seen: abs(seen.offset_s) <= seen.doubt_s,
    # How long it took, and which of its addresses a name was reached at: a tunnel does not tell.
    Connection: lambda seen: seen.outcome,
    Reach: lambda seen: ({to: link.outcome for to, link in seen.links.items()}, seen.unread),
    FileLimits: _of_this_world,
}

_MADE = (
    *("empty", "line", "unfinished", "binary", "fits", "too large", "values.ini", "headers"),
    *("directory", "fifo", "socket", "link", "link to directory", "dangling", "circle"),
    *("link to closed", "link into closed", "link to itself behind", "secret", "old"),
)


@contextlib.contextmanager
def make_world(account: Account) -> Iterator[World]:
    """The world, with a folder that every account may enter."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flt-world-")))
        folder.chmod(0o755)
        _make_files(folder, stack)
        for area in AREAS:
            if hasattr(area, "make"):
                area.make(folder, stack)
        _run_sleeper(folder, LONG_NAME, 0, stack)
        _run_sleeper(folder, STRANGER, 3_999_999, stack)
        for name, uid in zip(LISTENERS, (0, account.uid), strict=True):
            port = _run_listener(folder, name, uid, stack)
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        yield World(str(folder), port, closed.getsockname()[1])


def _make_files(folder: Path, stack: contextlib.ExitStack) -> None:
    texts = {
        "empty": b"",
        "line": b"one line\n",
        "unfinished": b"its last line has no end",
        "binary": b"\0\1\2\n\0\xff\n" * 100,
        "fits": b"x" * (FILE_LIMIT - 1) + b"\n",
        "too large": b"x" * (FILE_LIMIT + 1),
        "values.ini": b"password = open sesame\n[server]\nport = 5432\n",
        "headers": b"==> /etc/passwd <==\nroot\n\n==> /etc/hosts <==\n",
        "secret": b"open sesame\n",
        "old": b"old\n",
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    (folder / "secret").chmod(0o600)
    os.utime(folder / "old", (-1_000_000_000, -1_000_000_000))
    (folder / "old").chmod(0o4755)
    os.chown(folder / "old", 4_000_000, 4_000_000)
    for name in ("directory", "closed", "closed/inner", "listed", "entered"):
        (folder / name).mkdir()
        (folder / name / "file").write_text(f"in {name}\n")
    os.mkfifo(folder / "fifo")
    stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(folder / "socket"))
    for name, to in {
        "link": "line",
        "link to directory": "directory",
        "dangling": "nowhere",
        "circle": "circle",
        "link to closed": "closed",
        "link into closed": "closed/file",
        "link to itself behind": "circle/x",
    }.items():
        (folder / name).symlink_to(to)
    for name, mode in {"closed": 0o700, "listed": 0o744, "entered": 0o711}.items():
        (folder / name).chmod(mode)
    for number, name in enumerate(ODD_NAMES.values()):
        odd = folder / "odd" / name
        odd.mkdir(parents=True)
        (odd / name).write_text(f"the content of number {number}\n")


def _run_sleeper(folder: Path, name: str, uid: int, stack: contextlib.ExitStack) -> None:
    """A program of this name, which the kernel cuts off where it is long."""
    program = folder / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "3600"], user=uid)
    stack.callback(_end, process)
    while Path(f"/proc/{process.pid}/comm").read_text().strip() != name[:15]:
        time.sleep(0.001)


_LISTEN = """
import ctypes, os, socket, sys
from pathlib import Path
uid = int(sys.argv[2])
link = socket.create_server(("127.0.0.1", 0))
Path("/proc/self/comm").write_text(sys.argv[1])
os.setgid(uid), os.setuid(uid)
# One that has changed its user is closed to that user until it says otherwise (prctl(2), PR_SET_DUMPABLE).
ctypes.CDLL(None).prctl(4, 1)
print(link.getsockname()[1], flush=True)
sys.stdin.read()
"""


def _run_listener(folder: Path, name: str, uid: int, stack: contextlib.ExitStack) -> int:
    """The port at which a process of this name and user listens."""
    command = [sys.executable, "-c", _LISTEN, name, str(uid)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(_end, process)
    assert process.stdout is not None
    return int(process.stdout.readline())


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
