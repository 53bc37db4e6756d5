"""Whether a contender has really read the facts: its readings beside what this machine says of itself."""

from __future__ import annotations

import ctypes
import grp
import os
import platform
import pwd
import re
import resource
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILES = ("/etc/passwd", "/etc/shadow", "/etc/sudoers", "/tmp")
SYSCTLS = (
    "kernel.randomize_va_space",
    "net.ipv4.tcp_syncookies",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
)
LOCALHOST = re.compile(r"^\s*(127\.[0-9.]+|::1)\s.*\blocalhost\b", re.MULTILINE)
MEBIBYTE = 1 << 20

_TIMEX = "@Illlli"
_UNSYNCHRONISED_US = 16_000_000


class Truth:
    """What every reading of these hosts, all of them this machine, has to agree with."""

    def __init__(self, sshd_pid: int) -> None:
        release = platform.freedesktop_os_release()
        self._os = (release["ID"], release.get("VERSION_ID", "").partition(".")[0])
        self._memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._sysctl = {name: Path("/proc/sys", *name.split(".")).read_text().strip() for name in SYSCTLS}
        self._files = {path: _described(path) for path in FILES if Path(path).exists()}
        self._hosts = LOCALHOST.search(Path("/etc/hosts").read_text()) is not None
        space = os.statvfs("/")
        self._root = {"total": space.f_frsize * space.f_blocks, "inodes": space.f_files}
        self._limits = list(resource.prlimit(sshd_pid, resource.RLIMIT_NOFILE))
        self._synchronised = _max_error_us() < _UNSYNCHRONISED_US
        self._processes = _processes()

    def differences(self, readings: Mapping[str, Any]) -> Iterator[str]:
        """What of one host's readings is not so, in words."""
        pairs: dict[str, tuple[object, object]] = {
            "os": (
                (readings["os"]["id"], readings["os"]["version"].partition(".")[0]),
                self._os,
            ),
            "sysctl": (readings["sysctl"], self._sysctl),
            "files": (readings["files"], self._files),
            "hosts": (readings["hosts"], self._hosts),
            "disk /": ({name: readings["disks"].get("/", {}).get(name) for name in self._root}, self._root),
            "limits of sshd": ([int(limit) for limit in readings["limits"].get("sshd", ())], self._limits),
            "synchronised": (readings["synchronised"], self._synchronised),
        }
        for name, (said, true) in pairs.items():
            if said != true:
                yield f"{name}: {said}, not {true}"
        # Ansible tells whole mebibytes.
        if abs(readings["memory"]["total"] - self._memory) > 2 * MEBIBYTE:
            yield f"memory: {readings['memory']['total']}, not {self._memory}"
        if not 0 < readings["memory"]["available"] < self._memory:
            yield f"available memory: {readings['memory']['available']}"
        # They come and go; what is caught is a table of one session or one user only.
        some = min(self._processes, _processes())
        if readings.get("processes", some) < some // 2:
            yield f"processes: {readings['processes']}, not some {some}"


def _described(path: str) -> dict[str, str]:
    about = Path(path).stat()
    return {
        "owner": pwd.getpwuid(about.st_uid).pw_name,
        "group": grp.getgrgid(about.st_gid).gr_name,
        "mode": f"{stat.S_IMODE(about.st_mode):04o}",
    }


def _processes() -> int:
    return sum(entry.name.isdigit() for entry in Path("/proc").iterdir())


def _max_error_us() -> int:
    timex = ctypes.create_string_buffer(1024)
    if ctypes.CDLL(None).adjtimex(timex) < 0:
        raise SystemExit("this kernel does not tell its clock's state")
    return int(struct.unpack_from(_TIMEX, timex)[3])
