"""Fifty hosts on one machine: sshd on 127.0.0.1, 127.0.0.2, … and, for a distance, a relay before each.

Everything lies in one temporary folder and goes with it. Nothing listens outside of 127.0.0.0/8.
"""

from __future__ import annotations

import contextlib
import getpass
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

LISTEN_AT_ONCE = 16
"""MAX_LISTEN_SOCKS of OpenSSH: one sshd has no more addresses, so fifty hosts take four of them."""

# A home of its own: bash reads ~/.bashrc for every command over SSH, and what stands there on a developer's
# machine (pyenv, nvm) would be measured as many times as a contender has commands.
SSHD_CONFIG = """\
{listen}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
SetEnv HOME={folder}/remote
MaxStartups 200:30:400
Subsystem sftp internal-sftp
LogLevel INFO
"""

CLIENT_CONFIG = """\
Host *
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    port: int


@dataclass(frozen=True)
class Site:
    """Hosts that a contender reads, and what it needs to get in; `file` holds the same as JSON."""

    user: str
    key: str
    known_hosts: str
    ssh_config: str
    home: str
    file: str
    hosts: tuple[Host, ...]


class House:
    """The running parts; `close` ends them all. It needs sshd's binary and, for the reads, root."""

    def __init__(self, most_hosts: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fl-ssh-", dir="/tmp"))  # control sockets: short paths
        self._most, self._numbers = most_hosts, itertools.count(1)
        self._port = _free_port(most_hosts)
        self._relays: dict[float, int] = {}
        self.processes: list[subprocess.Popen[bytes]] = []

    def open(self) -> None:
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if sshd is None or os.geteuid() != 0:
            raise SystemExit("this bench needs root and sshd; on Debian: apt-get install openssh-server")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd separates its privileges
        (self._folder / "remote").mkdir()
        for name in ("host_key", "key"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", self._folder / name]
            subprocess.run(argv, check=True)
        for first in range(1, self._most + 1, LISTEN_AT_ONCE):
            mine = range(first, min(first + LISTEN_AT_ONCE, self._most + 1))
            listen = "\n".join(f"ListenAddress 127.0.0.{last}:{self._port}" for last in mine)
            config = self._folder / f"sshd_config.{first}"
            config.write_text(SSHD_CONFIG.format(listen=listen, folder=self._folder))
            self._start([sshd, "-D", "-f", str(config), "-E", str(self._folder / "sshd.log")])
        for last in range(1, self._most + 1):
            _await(f"127.0.0.{last}", self._port)

    @property
    def sshd_pid(self) -> int:
        return self.processes[0].pid

    def logins(self) -> int:
        """How many connections came in by key so far."""
        return (self._folder / "sshd.log").read_text().count("Accepted publickey")

    def settle(self, within_s: float = 5.0) -> None:
        """Wait until sshd has done with the connections of the run before."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and any(_children(process.pid) for process in self.processes):
            time.sleep(0.01)

    def site(self, count: int, rtt_ms: float) -> Site:
        """The first `count` hosts, `rtt_ms` away, each with a line of its own in known_hosts."""
        port = self._relay(rtt_ms) if rtt_ms else self._port
        folder = self._folder / f"site{next(self._numbers)}"
        (folder / "home/.ssh").mkdir(parents=True)
        hosts = tuple(Host(f"h{last}", f"127.0.0.{last}", port) for last in range(1, count + 1))
        host_key = " ".join((self._folder / "host_key.pub").read_text().split()[:2])
        known_hosts = folder / "home/.ssh/known_hosts"
        known_hosts.write_text("".join(f"[{host.address}]:{host.port} {host_key}\n" for host in hosts))
        config = folder / "home/.ssh/config"
        site = Site(
            user=getpass.getuser(),
            key=str(self._folder / "key"),
            known_hosts=str(known_hosts),
            ssh_config=str(config),
            home=str(folder / "home"),
            file=str(folder / "site.json"),
            hosts=hosts,
        )
        config.write_text(CLIENT_CONFIG.format(**asdict(site)))
        Path(site.file).write_text(json.dumps(asdict(site)))
        return site

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for one run of a contender: its inventory, its control sockets."""
        folder = self._folder / f"run{next(self._numbers)}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _relay(self, rtt_ms: float) -> int:
        if rtt_ms not in self._relays:
            port = _free_port(self._most)
            relay = Path(__file__).with_name("ssh_relay.py")
            numbers = [str(rtt_ms / 2), str(port), str(self._port), str(self._most)]
            process = self._start([sys.executable, str(relay), *numbers], subprocess.PIPE)
            assert process.stdout is not None
            if not process.stdout.readline():
                raise SystemExit("the relay did not start")
            began = time.perf_counter()
            _await("127.0.0.1", port)
            late = (time.perf_counter() - began) * 1000
            print(f"RTT {rtt_ms:g} ms: sshd's banner came {late:.1f} ms after connecting, two round trips")
            self._relays[rtt_ms] = port
        return self._relays[rtt_ms]

    def _start(self, argv: list[str], stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout)
        self.processes.append(process)
        return process


def adopt_orphans() -> None:
    """What a contender leaves behind, as OpenSSH's connection masters, becomes this process's child."""
    import ctypes

    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def end_orphans(keep: list[subprocess.Popen[bytes]]) -> float:
    """End every child but those to keep, and tell the CPU seconds that they took."""
    kept = {process.pid for process in keep}
    patience = time.monotonic() + 5
    cpu = 0.0
    while orphans := _children(os.getpid()) - kept:
        for pid in orphans:
            os.kill(pid, signal.SIGTERM if time.monotonic() < patience else signal.SIGKILL)
            ended, _, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                cpu += usage.ru_utime + usage.ru_stime
        time.sleep(0.005)
    return cpu


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found.update(map(int, (thread / "children").read_text().split()))
    return found


def _free_port(hosts: int) -> int:
    """A port that is free on every one of the addresses."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            port = 0
            for last in range(1, hosts + 1):
                probe = stack.enter_context(socket.socket())
                probe.bind((f"127.0.0.{last}", port))
                port = probe.getsockname()[1]
            return int(port)


def _await(address: str, port: int, within_s: float = 10.0) -> None:
    """Wait until sshd greets."""
    until = time.monotonic() + within_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), within_s) as probe:
            if probe.recv(64).startswith(b"SSH-"):
                return
        if time.monotonic() > until:
            raise SystemExit(f"no sshd on {address}:{port}")
        time.sleep(0.02)
