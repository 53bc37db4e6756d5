"""A machine that lies, and an account of the agent that lies in wait: neither gets more than it has."""

from __future__ import annotations

import http.server
import os
import pwd
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ssh_accounts import need_root

from agent.commands import deploy
from agent.commands.deploy import _removal, _show
from agent.deploy import far
from agent.deploy.far import Answer, RootShell
from agent.deploy.probe import Place
from agent.deploy.scripts import ENROL, SCHEDULE, WHO, script
from agent.deploy.steps import Deployed, Enrolled
from agent.targets.route import Route
from checks.errors import BadInput, FirstlightError

SOMEWHERE = cast("Route", SimpleNamespace(name="web-1"))


class Listener:
    """A web server that writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization", "")))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


class Liar:
    """A far side that says of itself what it likes."""

    def __init__(self, agent: str, url: str) -> None:
        self.identity = f'{{"agent":"{agent}","url":"{url}","sites":["x"]}}'

    def run(self, text: str, **_: Any) -> Answer:
        if text.endswith(WHO):
            return Answer(0, self.identity, "")
        return Answer(0, "release=1\nuser=yes\nwaiting=0\n", "")


def removed(liar: Liar, url: str | None) -> int:
    work = _removal(Place(), url, None, None, False, False)
    return work(cast("RootShell", liar), SOMEWHERE)


def test_an_admins_token_never_goes_to_an_address_that_a_machine_gives(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_API_TOKEN", "an-admins-token")
    assert removed(Liar("a-0123456789abcdef", listener.url), None) == 0
    assert listener.asked == []
    assert "the collector still trusts it" in capsys.readouterr().err


def test_the_named_collector_is_asked_and_only_for_an_agents_id(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_API_TOKEN", "an-admins-token")
    assert removed(Liar("a-0123456789abcdef", "http://127.0.0.1:9"), listener.url) == 0
    assert listener.asked == [("/api/v1/agents/a-0123456789abcdef/revoke", "Bearer an-admins-token")]
    for agent in ("../users/1", "a?reason=x#", "a/../../users/u-1", "", "."):
        with pytest.raises(BadInput, match="no agent's id; nothing was revoked"):
            removed(Liar(agent, listener.url), listener.url)
    assert len(listener.asked) == 1


def test_nothing_a_machine_says_drives_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "fine \x1b]52;c;ZXZpbA==\x07 \x1b[2J\u202eok\r\nnext\tline"
    deploy._tell("found", hostile)
    _show(Deployed(Enrolled("a", "u", ()), Answer(0, hostile, "")), SOMEWHERE)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)
    assert said.out.splitlines()[1] == "next\tline"


def test_a_machine_that_never_stops_talking_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(far.time, "monotonic", lambda: float(next(now)))

    class Dripping:
        def settimeout(self, _: float) -> None: ...

        def recv_stderr_ready(self) -> bool:
            return False

        def recv(self, _: int) -> bytes:
            return b"."

    with pytest.raises(FirstlightError, match="came to no end in 240 s"):
        far._listen(cast("Any", Dripping()), 60.0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; those of pytest are closed to all but its own."""
    with TemporaryDirectory(prefix="firstlight-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def test_root_writes_through_no_link_that_the_agents_account_laid(open_folder: Path) -> None:
    need_root()
    nobody = pwd.getpwnam("nobody")
    program = open_folder / "prefix" / "current" / "firstlight"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" > {open_folder}/words\nexit 0\n')
    program.chmod(0o755)
    (open_folder / "words").touch()
    (open_folder / "words").chmod(0o666)
    treasure = open_folder / "shadow"
    treasure.write_text("root's own\n")
    treasure.chmod(0o600)
    state = open_folder / "state"
    state.mkdir(mode=0o700)
    for name in (".deployed-ca.pem", "identity.json", "config.toml", "ca.pem"):
        (state / name).symlink_to(treasure)
    for path in (state, *state.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    place = {
        "prefix": str(open_folder / "prefix"),
        "state": str(state),
        "user": "nobody",
        "link": "/nowhere/x",
    }
    enrol = script(ENROL, **place, server="https://c", ca="CERTIFICATE", target="", insecure="")
    ran(f"{enrol}token\nTOKEN")
    assert "--ca" in (open_folder / "words").read_text()
    ran(script(SCHEDULE, **place, every="", profile="", grant=""))
    assert treasure.read_text() == "root's own\n"
    assert (treasure.stat().st_uid, oct(treasure.stat().st_mode)[-3:]) == (0, "600")
    assert sorted(path.name for path in (open_folder / "prefix").iterdir()) == ["current"]


def ran(text: str) -> None:
    done = subprocess.run(["sh", "-s"], input=text, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
