"""A machine to deploy to (this one, over a real sshd), and a collector whose admin has an API token."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from machine import ROOT
from real_collector import RealCollector
from sshd import Sshd

from server.auth.tokens import issue_api_token
from server.auth.users import add_user
from server.clock import utc_now
from server.tables import User

CRON = Path("/etc/cron.d/firstlight")
LOCK = Path("/run/firstlight-test-deploy.lock")
LOOKED_AT = ("/etc", "/opt", "/var/lib", "/usr/local", "/home", "/tmp", "/run", "/root")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass
class Deployer:
    """Somebody who deploys from a home of their own; `place` are the options that say where to."""

    server: Sshd
    collector: RealCollector
    folder: Path
    package: Path
    name: str = field(default_factory=lambda: f"fld{os.getpid()}")

    @property
    def prefix(self) -> Path:
        return Path(f"/opt/{self.name}")

    @property
    def state(self) -> Path:
        return Path(f"/var/lib/{self.name}")

    @property
    def link(self) -> Path:
        return Path(f"/usr/local/bin/{self.name}")

    @property
    def host(self) -> str:
        return self.at(self.server.user)

    def at(self, user: str) -> str:
        return f"{user}@127.0.0.1:{self.server.port}"

    def api_token(self) -> str:
        with self.collector.db.write() as session:
            admin = session.scalars(sa.select(User.id).where(User.login == "admin")).one()
            hour = timedelta(hours=1)
            return issue_api_token(session, admin, "deploying", hour, by="test", now=utc_now())

    def run(
        self, *words: str, api: bool = True, environment: dict[str, str] | None = None, stdin: str = ""
    ) -> Said:
        """`firstlight deploy` with these words; the collector, the package and the place are known."""
        home = self.folder / "home"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        config = home / ".ssh" / "config"
        config.write_text(
            f"Host *\n  IdentityFile {self.server.identity}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.server.known_hosts}\n"
        )
        clean = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "FIRSTLIGHT_STATE": str(self.folder / "laptop"),
        }
        if api:
            clean["FIRSTLIGHT_API_TOKEN"] = self.api_token()
        where = ["--user", self.name, "--prefix", str(self.prefix), "--state", str(self.state)]
        command = [sys.executable, "-m", "agent", "deploy", *words, "-F", str(config)]
        done = subprocess.run(
            [*command, *where, "--link", str(self.link)],
            cwd=ROOT,
            env=clean | (environment or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def deploy(self, *words: str, host: str = "", api: bool = True, **more: object) -> Said:
        own = ["--server", self.collector.url, "--package", str(self.package)]
        site = ["--site", "plant-a"] if api else []
        return self.run(host or self.host, *own, *site, *words, api=api, **more)  # type: ignore[arg-type]

    def here(self, *words: str) -> Said:
        """The deployed program, as root types it on the machine."""
        done = subprocess.run([str(self.link), *words], capture_output=True, text=True, timeout=120)
        return Said(done.returncode, done.stdout, done.stderr)

    def sweep(self) -> None:
        """Whatever a failed test left: it must not meet the next."""
        subprocess.run(["userdel", "--force", self.name], capture_output=True)
        for path in (self.prefix, self.state):
            subprocess.run(["rm", "-rf", str(path)], check=True)
        self.link.unlink(missing_ok=True)
        if CRON.exists() and f" {self.name} " in CRON.read_text():
            CRON.unlink()


def there(name: str) -> pwd.struct_passwd | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return None


def add_admin(collector: RealCollector) -> None:
    with collector.db.write() as session:
        add_user(session, "admin", "admin", "a long password 1", by="test", now=utc_now())


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """A machine has one cron file of ours, whoever deploys."""
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
