"""A site of a test's own: a home, a state folder, site file, profile, ssh_config, and the program on them."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight
from sshd import Sshd

from agent.cli import main
from agent.targets.connection import Dialer
from agent.targets.credentials import Credentials
from agent.targets.route import Route, key_name
from checks.errors import Unreachable

PROFILE = """\
profile: visit
version: "1"
title: A visit
items:
  - {id: passwd, check: file.stat, severity: P1, with: {path: /etc/passwd, type: file}}
  - {id: hosts, check: file.stat, with: {path: /etc/hosts, type: file}}
"""


@dataclass(frozen=True)
class Answer:
    """What the program said and ended with."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        made = json.loads(self.out)
        assert isinstance(made, dict)
        return made

    def results(self, target: str) -> dict[str, tuple[str, str]]:
        """Status and cause by item."""
        return {
            each["item"]: (each["status"], each["cause"])
            for each in self.report["results"]
            if each["target"] == target
        }


class SiteFolder:
    """The folder of a person who visits a site. What is written there is read by every run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.state = folder / "state"
        self.home.mkdir(parents=True)
        self.site = self.write("site.yaml", "")
        self.config = self.write("config", "")
        self.write("visit.yaml", PROFILE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_site(self, targets: str, above: str = "") -> Path:
        """The site file; `targets` are the lines below `targets:`, each ``name: {…}``."""
        below = "".join(f"  {line}\n" for line in targets.strip().splitlines())
        return self.write("site.yaml", f"site: plant\nprofile: ./visit.yaml\n{above}targets:\n{below}")

    def write_config(self, server: Sshd, *lines: str) -> Path:
        """An ssh_config that gets everybody in at the server; the lines come before that and so win."""
        known, port, key = server.known_hosts, server.port, server.identity
        usual = (f"UserKnownHostsFile {known}", f"Port {port}", f"IdentityFile {key}", "IdentitiesOnly yes")
        text = [*lines, "Host *", *(f"  {line}" for line in usual), "  GlobalKnownHostsFile /dev/null"]
        return self.write("config", "\n".join(text) + "\n")

    def check(self, *options: str, **how: Any) -> Answer:
        """``firstlight check`` of the site file, as JSON, in a process of its own."""
        return self.run("check", *self.usual(), "--no-send", "--format", "json", *options, **how)

    def run(self, *words: str, env: dict[str, str] | None = None, **how: Any) -> Answer:
        mine = {"HOME": str(self.home)} | (env or {})
        done = firstlight(*words, state=self.state, env=mine, cwd=self.folder, **how)
        return Answer(done.returncode, done.stdout, done.stderr)

    def check_here(self, monkeypatch: pytest.MonkeyPatch, *options: str) -> Answer:
        """The same in this process, where a test can change constants and look on."""
        return self.run_here(monkeypatch, "check", *self.usual(), "--no-send", "--format", "json", *options)

    def run_here(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> Answer:
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("FIRSTLIGHT_STATE", str(self.state))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        monkeypatch.chdir(self.folder)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as stop,
        ):
            main(list(words))
        assert isinstance(stop.value.code, int)
        said = []
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
            said.append(stream.read())
        return Answer(stop.value.code, *said)

    def usual(self) -> tuple[str, ...]:
        return "-s", "site.yaml", "-F", "config"


def route_to(server: Sshd, **changes: Any) -> Route:
    """A route to a server with its own key, to a host that its `known_hosts` knows."""
    host, port = changes.pop("host", server.addresses[0]), changes.pop("port", server.port)
    route = {
        "name": "target",
        "user": server.user,
        "key_name": key_name(host, port),
        "identities": (str(server.identity),),
        "identities_only": True,
        "known_hosts": (str(server.known_hosts),),
        "learns_in": str(server.known_hosts),
        "trust_command": "firstlight trust target",
    }
    return Route(host=host, port=port, **(route | changes))  # type: ignore[arg-type]


def prepared(*routes: Route) -> Credentials:
    credentials = Credentials()
    credentials.prepare(routes)
    return credentials


def dial(route: Route, *, accept_new: bool = False) -> str:
    """The name of the user that a connection is logged in as, which is closed again."""
    dialer = Dialer(prepared(route), accept_new=accept_new)
    with contextlib.closing(dialer), contextlib.closing(dialer.dial(route)) as transport:
        return str(transport.get_username())


def refused(route: Route, **how: Any) -> Unreachable:
    """Why a connection cannot be had."""
    with pytest.raises(Unreachable) as problem:
        dial(route, **how)
    return problem.value


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another process does; the test's own timeout is the limit."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def logins(server: Sshd) -> int:
    """How many there were, once all sessions are over: sshd may let somebody in and write it down after."""
    eventually(lambda: not server.sessions())
    return server.log().count("Accepted publickey")


def visits(server: Sshd) -> int:
    """How many connections there were, logged in or not."""
    return server.log().count("Connection from")


def new_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A private key with its public half beside it, known to nobody."""
    command = ["ssh-keygen", "-q", "-t", kind, "-C", "test", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path
