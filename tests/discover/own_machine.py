"""A machine of a test's own: namespaces of processes, mounts, network and host name, with an /etc to change.

What other tests start, open or write beside these is not seen in it, so that it stays as it is between two
looks. Programs and the rest of the files are those of the machine that runs the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import services
from ssh_accounts import need_root

ROOT = Path(__file__).parents[2]
NAME = "web1"

_MAKING = """
set -e
cp -a /etc "$1/etc"
mkdir "$1/tmp" && chmod 1777 "$1/tmp"
mount --bind "$1/etc" /etc
mount --bind "$1/log" /var/log
cp /var/lib/dpkg/status "$1/dpkg" && mount --bind "$1/dpkg" /var/lib/dpkg/status
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock
# An interpreter below root's home is for root alone; here it is for everybody.
case "$2" in /root/*)
    mkdir "$1/python" && mount --bind "$2" "$1/python"
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$2" && mount --bind "$1/python" "$2"
esac
hostname "$3"
ip link set lo up
echo ready
exec cat >/dev/null
"""


@dataclass(frozen=True)
class Machine:
    """The machine; `folder` is of the test, and everybody may enter it. `pid` is its first process."""

    folder: Path
    pid: int

    def run(self, *argv: str, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command as one of its users."""
        done = subprocess.run(
            [*self._enter(user), *argv], capture_output=True, text=True, timeout=90, check=False, cwd="/"
        )
        assert not check or done.returncode == 0, (argv, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def firstlight(self, *argv: str, user: str = "root", check: bool = True) -> Any:
        """The program itself."""
        home = self.folder / f"home-{user}"
        if not home.exists():
            home.mkdir()
            self.run("chown", user, str(home))
        environment = [
            f"FIRSTLIGHT_STATE={home}/state",
            f"HOME={home}",
            f"PYTHONPATH={ROOT}",
            f"PATH={os.environ['PATH']}:/usr/sbin:/sbin",
        ]
        words = ("env", *environment, sys.executable, "-m", "agent", *argv)
        return self.run(*words, user=user, check=check)

    def results(self, profile: Path, *argv: str, user: str = "root") -> list[dict[str, Any]]:
        """What a run of a profile gives."""
        done = self.firstlight(
            "check", str(profile), "--no-send", "--format", "json", *argv, user=user, check=False
        )
        assert done.returncode in (0, 1, 3), done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["results"]
        return found

    @contextlib.contextmanager
    def running(self, *argv: str, user: str = "root") -> Iterator[None]:
        """A program that runs there meanwhile."""
        process = subprocess.Popen([*self._enter(user), *argv], stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            # What it is to end is behind nsenter, which passes nothing on.
            for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()

    def wait_for_port(self, port: int) -> None:
        for _ in range(300):
            if self.run("sh", "-c", f"ss -Hltn 'sport = :{port}'").stdout.strip():
                return
            time.sleep(0.02)
        raise AssertionError(f"nothing listens on {port}")

    def _enter(self, user: str) -> list[str]:
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--uts", "--"]
        if user == "root":
            return enter
        return [*enter, "setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]


@contextlib.contextmanager
def own_machine(folder: Path) -> Iterator[Machine]:
    """A machine below this folder, or a skip where none can be made."""
    need_root()
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        services.program(program, package)
    (folder / "log").mkdir()
    command = [
        *("unshare", "--fork", "--pid", "--mount-proc", "--net", "--uts", "--kill-child", "--"),
        *("/bin/sh", "-c", _MAKING, "sh", str(folder), sys.base_prefix, NAME),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stderr is not None
        try:
            if holder.stdout.readline() != "ready\n":
                said = holder.stderr.read().strip()[-300:]
                services.missing("a machine of its own", f"namespaces cannot be made here: {said}")
            (first,) = psutil.Process(holder.pid).children()
            yield Machine(folder, first.pid)
        finally:
            holder.kill()
