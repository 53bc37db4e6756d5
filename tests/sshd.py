"""A real OpenSSH server of a test's own: its keys, its port, its log, gone at the end with all its sessions.

What the product says to a server is only proven by the server people run, so tests talk to `sshd` itself.
Accounts to log in to are made by `ssh_accounts`; bad networks by `relays`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import services

Options = Mapping[str, str | int | list[str]]

UP_WITHIN_S = 30
MAX_ADDRESSES = 16
"""MAX_LISTEN_SOCKS in sshd.c; it dies of more."""

# Below the kernel's ephemeral range, so that no `bind(0)` elsewhere takes the port while a server restarts;
# seeded by the process, so that two workers try different ones.
_ports = random.Random(os.getpid())

DEFAULTS: Options = {
    "StrictModes": "no",
    "UsePAM": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "LogLevel": "VERBOSE",
    "UseDNS": "no",
    "MaxStartups": 100,  # at the usual 10:30:100 it drops connections at random
}


class Sshd:
    """One server; `start_sshd` makes it. It listens on `port` at each of `addresses`."""

    def __init__(
        self, folder: Path, addresses: Sequence[str], options: Options, host_keys: Sequence[str]
    ) -> None:
        if not 0 < len(addresses) <= MAX_ADDRESSES:
            raise ValueError(f"sshd listens on 1 to {MAX_ADDRESSES} addresses, not {len(addresses)}")
        self._sshd = str(Path(services.program("sshd", "openssh-server")).absolute())  # it re-executes itself
        self._keygen = services.program("ssh-keygen", "openssh-client")
        self.folder = folder
        self.addresses = tuple(addresses)
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.identity = folder / "id_ed25519"
        self.known_hosts = folder / "known_hosts"
        self.port = 0
        self._options = options
        self._kinds = tuple(host_keys)
        self._log = folder / "sshd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._relays: list[tuple[str, int]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._new_key(self.identity, "ed25519")
        self._new_key(folder / "user_ca", "ed25519")
        for kind in self._kinds:
            self._new_key(self._host_key_path(kind), kind)
        self._authorized = folder / "authorized_keys"
        self._authorized.touch(mode=0o600)
        self.authorize(self.public_key)

    # What a test asks of it

    @property
    def public_key(self) -> str:
        """The public half of `identity`, for the accounts that it shall open too."""
        return self.identity.with_suffix(".pub").read_text().strip()

    def host_key(self, kind: str = "ed25519") -> str:
        """The public host key as known_hosts has it: type and base64."""
        return " ".join(self._host_key_path(kind).with_suffix(".pub").read_text().split()[:2])

    def fingerprint(self, kind: str = "ed25519") -> str:
        """As `ssh-keygen -l` prints it: SHA256:…"""
        digest = hashlib.sha256(base64.b64decode(self.host_key(kind).split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def log(self) -> str:
        """All that the server has said since it was made, restarts included."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def sessions(self) -> list[int]:
        """One pid for each live connection, logged in or not yet; to kill one is to lose that connection."""
        if self._process is None:
            return []
        children = psutil.Process(self._process.pid).children()
        return [_carrier(child).pid for child in children if alive(child)]

    def ssh(
        self, *options: str, user: str = "", address: str = "", port: int = 0, identity: Path | None = None
    ) -> list[str]:
        """The argv of the real client, without the command: no question, no file of the person's own.

        Of `options` and what stands here the first word counts, so they can say otherwise.
        """
        return [
            *(services.program("ssh", "openssh-client"), "-F", "none", *options),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
            *("-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=yes", "-i", str(identity or self.identity)),
            *("-p", str(port or self.port), f"{user or self.user}@{address or self.addresses[0]}"),
        ]

    # What a test changes

    def authorize(self, public_key: str, options: str = "") -> None:
        """Let a key log in as the user who runs the tests (other accounts have files of their own)."""
        with self._authorized.open("a") as keys:
            keys.write(f"{options} {public_key.strip()}\n".lstrip())

    def sign(self, public_key: Path, principals: Sequence[str], validity: str = "-1h:+1d") -> Path:
        """A certificate from the CA that this server trusts for users, beside the key: `<key>-cert.pub`."""
        command = [self._keygen, "-q", "-s", str(self.folder / "user_ca"), "-I", "test", "-V", validity]
        subprocess.run([*command, "-n", ",".join(principals), str(public_key)], check=True)
        return public_key.with_name(public_key.name.removesuffix(".pub") + "-cert.pub")

    def change_host_key(self, kind: str = "ed25519") -> None:
        """New connections see another key; live ones go on, and `known_hosts` stays as it was."""
        self._new_key(self._host_key_path(kind), kind)
        assert self._process is not None
        mark = len(self.log())
        self._process.send_signal(signal.SIGHUP)
        assert self._wait_until_up(mark), self.log()[-2000:]

    def write_known_hosts(self) -> None:
        """Make `known_hosts` right again, after `change_host_key`."""
        places = [*((address, self.port) for address in self.addresses), *self._relays]
        lines = [f"[{host}]:{port} {self.host_key(kind)}\n" for host, port in places for kind in self._kinds]
        self.known_hosts.write_text("".join(lines))

    def known_at(self, host: str, port: int) -> None:
        """Let `known_hosts` know this server at a relay's address too."""
        self._relays.append((host, port))
        self.write_known_hosts()

    def start(self) -> None:
        """Serve; after a `stop`, on the same port as before."""
        assert self._process is None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(50):
            port = self.port or self._free_port()
            config = self._write_config(port)
            mark = len(self.log())
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._sshd, "-D", "-e", "-f", str(config), *self._newer_options(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.port, known = port, self.port
            if self._wait_until_up(mark):
                self.write_known_hosts()
                return
            self.stop()
            self.port = known
        raise AssertionError(f"no port to listen on: {self.log()[-2000:]}")

    def stop(self) -> None:
        """End it, its sessions and what they left running; nothing happens if it has ended."""
        if self._process is None:
            return
        family = self._below()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        # Those who carry a connection come before what they run: the client sees a lost line, not an exit.
        while left := [process for process in [*family, *self._orphans()] if alive(process)]:
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=5)

    # How it is done

    def _host_key_path(self, kind: str) -> Path:
        return self.folder / f"host_{kind}"

    def _new_key(self, path: Path, kind: str) -> None:
        path.unlink(missing_ok=True)
        subprocess.run([self._keygen, "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True)

    def _write_config(self, port: int) -> Path:
        own: dict[str, str | int | list[str]] = {
            "Port": port,
            "ListenAddress": list(self.addresses),
            "HostKey": [str(self._host_key_path(kind)) for kind in self._kinds],
            "PidFile": str(self.folder / "sshd.pid"),
            "AuthorizedKeysFile": f"{self._authorized} .ssh/authorized_keys",
            "TrustedUserCAKeys": str(self.folder / "user_ca.pub"),
        }
        given = {word.lower() for word in self._options}
        kept = {word: value for word, value in (own | dict(DEFAULTS)).items() if word.lower() not in given}
        lines = []
        for word, value in [*kept.items(), *self._options.items()]:  # a Match block comes last
            lines += [f"{word} {item}\n" for item in (value if isinstance(value, list) else [value])]
        path = self.folder / "sshd_config"
        path.write_text("".join(lines))
        return path

    def _newer_options(self, config: Path) -> list[str]:
        """OpenSSH 9.8 and later lock an address out after failed logins; older ones do not know the word."""
        newer = ["-o", "PerSourcePenalties=no"]
        told = subprocess.run([self._sshd, "-t", "-f", str(config), *newer], capture_output=True)
        return newer if told.returncode == 0 else []

    def _free_port(self) -> int:
        while True:
            port = _ports.randrange(20000, 32000)
            with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
                for address in self.addresses:
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
                return port

    def _wait_until_up(self, mark: int) -> bool:
        """Whether it answers with a banner; False where another took one of its addresses first."""
        assert self._process is not None
        deadline = time.monotonic() + UP_WITHIN_S
        while (said := self.log()[mark:]).count("Server listening on ") < len(self.addresses):
            if "Address already in use" in said:
                return False
            assert self._process.poll() is None, self.log()[-2000:]
            assert time.monotonic() < deadline, f"sshd did not come up: {self.log()[-2000:]}"
            time.sleep(0.01)
        known = len(self.sessions())
        with socket.create_connection((self.addresses[0], self.port), timeout=UP_WITHIN_S) as probe:
            assert probe.recv(4) == b"SSH-", self.log()[-2000:]
        while len(self.sessions()) > known and time.monotonic() < deadline:
            time.sleep(0.01)
        return True

    def _below(self) -> list[psutil.Process]:
        """Every process below it. sshd gives each session a process group, so the group is not enough."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def _orphans(self) -> list[psutil.Process]:
        """What a session left in the background: no longer below it, but told by the port it came in at."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("SSH_CONNECTION", "").endswith(f" {self.port}"):
                    found.append(process)
        return found


@contextlib.contextmanager
def start_sshd(
    folder: Path,
    *,
    listen: Sequence[str] = ("127.0.0.1",),
    options: Options | None = None,
    host_keys: Sequence[str] = ("ed25519",),
) -> Iterator[Sshd]:
    """A server with its files in `folder` (one server a folder); `options` are words of sshd_config(5)."""
    server = Sshd(folder, listen, options or {}, host_keys)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and only waits to be told of does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _carrier(process: psutil.Process) -> psutil.Process:
    """Whoever holds the connection: under a privileged monitor it is the other half of sshd."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if "[priv]" in " ".join(process.cmdline()):
            return next((half for half in process.children() if half.name().startswith("sshd")), process)
    return process
