"""One run over good hosts and every kind of bad one: the good lose nothing, a bad one has its own cause."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from machine import environment
from relays import Relay, closing_server, garbage_server, silent_server
from ssh_accounts import account
from ssh_site import SiteFolder, eventually
from sshd import Sshd, alive, start_sshd

from agent.targets import connection

CAUSES = {
    "unknown-name": "dns",
    "closed-port": "refused",
    "hangs-up": "refused",
    "mute": "timeout",
    "stalled": "timeout",
    "babbling": "not-ssh",
    "changed-key": "host-key",
    "unknown-key": "host-key",
    "wrong-user": "authentication",
    "no-shell": "no-shell",
    "mute-shell": "no-shell",
    "lost-jump": "refused",
}
"""Every bad target, and what its checks say of it."""

REACH = "  - {id: reach, check: net.port_reach, with: {host: 127.0.0.1, port: PORT}}\n"


@pytest.fixture
def bad_and_good(visit: SiteFolder, ssh_server: Sshd, tmp_path: Path) -> Iterator[SiteFolder]:
    """A site of three good targets, with the bad ones between them."""
    with contextlib.ExitStack() as stack:
        mute, babbling, hangs_up = (
            stack.enter_context(server()) for server in (silent_server, garbage_server, closing_server)
        )
        stalled = stack.enter_context(Relay("127.0.0.1", ssh_server.port))
        stalled.stall()
        changed = stack.enter_context(start_sshd(tmp_path / "changed"))
        changed.change_host_key()
        without = stack.enter_context(account("nologin"))
        silent_shell = tmp_path / "silent"
        silent_shell.write_text("#!/bin/sh\nexec sleep 600\n")
        silent_shell.chmod(0o755)
        for folder in [tmp_path, *tmp_path.parents][:3]:
            folder.chmod(0o755)
        quiet = stack.enter_context(account(str(silent_shell)))
        for each in (without, quiet):
            each.authorize(ssh_server.public_key)
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        known = ssh_server.known_hosts.read_text() + changed.known_hosts.read_text()
        visit.write_config(ssh_server, f"Match all\n  UserKnownHostsFile {visit.write('known_hosts', known)}")
        here = "address: 127.0.0.1"
        visit.write_site(
            f"good1: {{{here}}}\n"
            "unknown-name: {address: nowhere.invalid}\n"
            f"closed-port: {{{here}, port: {closed.getsockname()[1]}}}\n"
            f"hangs-up: {{{here}, port: {hangs_up.port}}}\n"
            f"mute: {{{here}, port: {mute.port}}}\n"
            f"stalled: {{{here}, port: {stalled.port}}}\n"
            f"good2: {{{here}, via: good1}}\n"
            f"babbling: {{{here}, port: {babbling.port}}}\n"
            f"changed-key: {{{here}, port: {changed.port}}}\n"
            "unknown-key: {address: localhost}\n"
            f"wrong-user: {{{here}, user: nobody-of-this-name}}\n"
            f"no-shell: {{{here}, user: {without.name}}}\n"
            f"mute-shell: {{{here}, user: {quiet.name}}}\n"
            f"lost-jump: {{{here}, via: closed-port}}\n"
            f"good3: {{{here}}}\n"
        )
        yield visit


def test_the_good_lose_nothing_and_each_bad_one_has_its_cause(
    bad_and_good: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the deadlines that the program has, ten seconds each, which all of them wait for side by side."""
    answer = bad_and_good.check_here(monkeypatch, "--limit", "16")
    assert answer.err == ""
    for name in ("good1", "good2", "good3"):
        assert answer.results(name) == {"passwd": ("pass", ""), "hosts": ("pass", "")}, name
    for name, cause in CAUSES.items():
        assert answer.results(name) == {"passwd": ("error", cause), "hosts": ("error", cause)}, name
    assert answer.code == 3
    assert len(answer.report["results"]) == 2 * (len(CAUSES) + 3)


@pytest.mark.parametrize("limit", ["1", "2"])
def test_few_at_once_are_enough(
    visit: SiteFolder, ssh_server: Sshd, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 1.5)
    visit.write_config(ssh_server)
    with silent_server() as mute:
        bad = "\n".join(f"bad{at}: {{address: 127.0.0.1, port: {mute.port}}}" for at in range(2))
        visit.write_site(f"{bad}\ngood: {{address: 127.0.0.1}}")
        answer = visit.check_here(monkeypatch, "--limit", limit)
        assert mute.count == 2
    assert answer.results("good") == {"passwd": ("pass", ""), "hosts": ("pass", "")}
    assert answer.results("bad1") == {"passwd": ("error", "timeout"), "hosts": ("error", "timeout")}


def test_the_program_says_it_in_its_report_and_nowhere_else(visit: SiteFolder, ssh_server: Sshd) -> None:
    """What paramiko has to say of a connection stays with it."""
    visit.write_config(ssh_server)
    with garbage_server() as babbling, closing_server() as hangs_up:
        visit.write_site(
            "good: {address: 127.0.0.1}\n"
            f"hangs-up: {{address: 127.0.0.1, port: {hangs_up.port}}}\n"
            f"babbling: {{address: 127.0.0.1, port: {babbling.port}}}\n"
            "wrong-user: {address: 127.0.0.1, user: nobody-of-this-name}"
        )
        answer = visit.check()
        table = visit.run("check", *visit.usual(), "--no-send")
    assert (answer.code, answer.err, table.err) == (3, "", "")
    assert answer.results("good") == {"passwd": ("pass", ""), "hosts": ("pass", "")}
    assert {"hangs-up", "babbling", "wrong-user"} == {root["target"] for root in answer.report["roots"]}


def test_what_a_target_connects_to_is_seen_from_there(
    visit: SiteFolder, ssh_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        silent_server() as wanted,
        start_sshd(tmp_path / "s", options={"AllowTcpForwarding": "no"}) as strict,
    ):
        strict.authorize(ssh_server.public_key)
        known = ssh_server.known_hosts.read_text() + strict.known_hosts.read_text()
        visit.write_config(ssh_server, f"Match all\n  UserKnownHostsFile {visit.write('known_hosts', known)}")
        visit.write(
            "visit.yaml", (visit.folder / "visit.yaml").read_text() + REACH.replace("PORT", str(wanted.port))
        )
        visit.write_site(
            f"far: {{address: 127.0.0.1}}\nshut: {{address: 127.0.0.1, port: {strict.port}}}\n"
            "here: {local: true}"
        )
        answer = visit.check_here(monkeypatch, "--only", "reach")
        eventually(lambda: wanted.count == 2)
    found = {each["target"]: each for each in answer.report["results"]}
    place = f"127.0.0.1:{wanted.port}"
    assert [found[name]["status"] for name in ("far", "here", "shut")] == ["pass", "pass", "error"]
    assert [found[name]["object"] for name in ("far", "here")] == [f"{place} from far", place]
    assert (found["shut"]["cause"], "AllowTcpForwarding" in found["shut"]["message"]) == ("denied", True)


SLOW = """\
profile: slow
version: "1"
title: A file that takes for ever to hash
items:
  - {id: passwd, check: file.stat, on: quick, with: {path: /etc/passwd}}
  - {id: alike, check: cfg.consistent, on: slow, with: {path: FILE}}
"""


def test_ctrl_c_leaves_a_partial_report_and_nothing_on_the_far_side(
    visit: SiteFolder, tmp_path: Path
) -> None:
    huge = tmp_path / "huge"
    with start_sshd(tmp_path / "server") as server, huge.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
        visit.write_config(server)
        visit.write("visit.yaml", SLOW.replace("FILE", str(huge)))
        visit.write_site(
            "a: {address: 127.0.0.1, roles: [slow]}\nb: {address: 127.0.0.1, roles: [slow]}\n"
            "c: {address: 127.0.0.1, roles: [quick]}"
        )
        program = subprocess.Popen(
            [sys.executable, "-m", "agent", "check", *visit.usual(), "--no-send", "--format", "json"],
            cwd=visit.folder,
            env=environment(visit.state) | {"HOME": str(visit.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        eventually(lambda: len(hashing(huge)) >= 2 and server.log().count("Accepted publickey") == 3)
        far = [process for process in psutil.process_iter() if below(process, server)]
        eventually(lambda: len(server.sessions()) == 2)  # the quick one is done
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        report = json.loads(out)
        assert (program.returncode, report["partial"], err) == (3, True, b"")
        found = {each["item"]: (each["status"], each["cause"]) for each in report["results"]}
        assert found["passwd"] == ("pass", "")
        assert found["alike"] in (("error", "interrupted"), ("error", "lost"))
        eventually(lambda: not server.sessions() and not hashing(huge))
        eventually(lambda: not any(alive(process) for process in far))


def hashing(file: Path) -> list[psutil.Process]:
    """Whoever has the file open on the far side."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("sha256") and alive(process):
                found += [process for each in process.open_files() if each.path == str(file)]
    return found


def below(process: psutil.Process, server: Sshd) -> bool:
    """Whether a process was started by a session of the server."""
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get("SSH_CONNECTION", "").endswith(f" {server.port}")
    return False
