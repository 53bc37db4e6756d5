"""Logging in to the real sshd with what it takes: keys, certificates, an ssh-agent, passphrases."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import services
from ssh_accounts import Account, account
from ssh_site import SiteFolder, dial, eventually, new_key, prepared, refused, route_to
from sshd import Sshd, start_sshd
from terminal import at_a_terminal

from agent.targets import login, sshagent
from agent.targets.route import Route
from checks.errors import BadInput

PHRASE = "correct horse 9f3a"


@pytest.fixture(scope="module")
def somebody() -> Iterator[Account]:
    with account() as made:
        yield made


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of a running ssh-agent that holds nothing yet."""
    program = services.program("ssh-agent", "openssh-client")
    path = tmp_path / "agent.sock"
    running = subprocess.Popen([program, "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not answers(path):
            assert running.poll() is None
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
    finally:
        running.kill()
        running.wait()


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket; its file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def hold(key: Path, passphrase: str = "") -> None:
    """Give a key to the agent, with the certificate beside it."""
    ask = key.with_name("askpass")
    ask.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
    ask.chmod(0o700)
    env = os.environ | {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", str(key)], env=env, check=True, capture_output=True)


def public(key: Path) -> str:
    return Path(f"{key}.pub").read_text().strip()


def fingerprint(key: Path) -> str:
    printed = subprocess.run(["ssh-keygen", "-l", "-f", f"{key}.pub"], capture_output=True, text=True).stdout
    return printed.split()[1]


def with_keys(server: Sshd, *keys: Path, **changes: object) -> Route:
    return route_to(server, identities=tuple(map(str, keys)), **changes)


# --- keys


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_of_each_type(ssh_server: Sshd, somebody: Account, tmp_path: Path, kind: str) -> None:
    key = new_key(tmp_path / "key", kind)
    somebody.authorize(public(key))
    assert dial(with_keys(ssh_server, key, user=somebody.name)) == somebody.name


def test_the_keys_are_tried_in_their_order(ssh_server: Sshd, tmp_path: Path) -> None:
    others = [new_key(tmp_path / f"other{at}") for at in range(2)]
    route = with_keys(ssh_server, *others, tmp_path / "absent", ssh_server.identity)
    assert dial(route) == ssh_server.user


def test_what_was_tried_is_named(ssh_server: Sshd, tmp_path: Path) -> None:
    keys = [new_key(tmp_path / kind, kind) for kind in ("ed25519", "rsa")]
    problem = refused(with_keys(ssh_server, *keys))
    assert problem.cause == "authentication"
    assert str(problem) == (
        f"{ssh_server.user} was not let in with key ssh-ed25519 {fingerprint(keys[0])}, "
        f"key ssh-rsa {fingerprint(keys[1])}"
    )


def test_nothing_to_log_in_with(ssh_server: Sshd, tmp_path: Path) -> None:
    problem = refused(with_keys(ssh_server, tmp_path / "absent"))
    assert problem.cause == "authentication"
    assert f"no key that can be used in {tmp_path / 'absent'}, none in the agent" in str(problem)


def test_more_keys_than_a_server_listens_to(ssh_server: Sshd, tmp_path: Path) -> None:
    """sshd ends a connection after six failures; the right key must be among the first."""
    keys = [new_key(tmp_path / f"key{at}") for at in range(login.MAX_KEYS + 2)]
    problem = refused(with_keys(ssh_server, *keys))
    assert "2 more keys were not offered" in str(problem)
    assert str(problem).count("key ssh-ed25519") == login.MAX_KEYS
    assert dial(with_keys(ssh_server, *keys[:4], ssh_server.identity)) == ssh_server.user


def test_a_server_that_has_had_enough(tmp_path: Path) -> None:
    keys = [new_key(tmp_path / f"key{at}") for at in range(3)]
    with start_sshd(tmp_path / "server", options={"MaxAuthTries": 2}) as server:
        problem = refused(with_keys(server, *keys))
    assert problem.cause == "authentication"
    assert str(problem).startswith(f"the server ended the login of {server.user} with key ssh-ed25519")


def test_a_file_that_is_no_key_costs_its_target_only(ssh_server: Sshd, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n")
    assert dial(with_keys(ssh_server, broken, ssh_server.identity)) == ssh_server.user
    problem = refused(with_keys(ssh_server, broken))
    assert f"{broken} is no private key that can be used here" in str(problem)


# --- certificates


def test_a_certificate_beside_a_key(ssh_server: Sshd, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    assert refused(with_keys(ssh_server, key)).cause == "authentication"
    ssh_server.sign(Path(f"{key}.pub"), [ssh_server.user])
    assert dial(with_keys(ssh_server, key)) == ssh_server.user
    eventually(lambda: "ID test (serial 0) CA ED25519" in ssh_server.log())


def test_a_certificate_for_others_or_of_yesterday(ssh_server: Sshd, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    for principal, validity in (("somebody-else", "-1h:+1h"), (ssh_server.user, "-2h:-1h")):
        ssh_server.sign(Path(f"{key}.pub"), [principal], validity)
        problem = refused(with_keys(ssh_server, key))
        assert problem.cause == "authentication"
        assert "key ssh-ed25519-cert-v01@openssh.com SHA256:" in str(problem)


def test_a_certificate_that_expired_does_not_spoil_its_key(
    ssh_server: Sshd, somebody: Account, tmp_path: Path
) -> None:
    key = new_key(tmp_path / "key")
    ssh_server.sign(Path(f"{key}.pub"), [somebody.name], "-2h:-1h")
    somebody.authorize(public(key))
    assert dial(with_keys(ssh_server, key, user=somebody.name)) == somebody.name


# --- the agent


def test_a_key_that_only_the_agent_has(ssh_server: Sshd, agent: Path, tmp_path: Path) -> None:
    hold(ssh_server.identity)
    route = with_keys(ssh_server, tmp_path / "absent", identities_only=False)
    assert dial(route) == ssh_server.user
    only = with_keys(ssh_server, tmp_path / "absent", identities_only=True)
    assert "nothing to log" in str(refused(only))


def test_a_certificate_that_the_agent_has(ssh_server: Sshd, agent: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    ssh_server.sign(Path(f"{key}.pub"), [ssh_server.user])
    hold(key)
    assert dial(with_keys(ssh_server, identities_only=False)) == ssh_server.user


def test_a_public_key_says_which_of_the_agents(ssh_server: Sshd, agent: Path, tmp_path: Path) -> None:
    for at in range(8):
        hold(new_key(tmp_path / f"other{at}"))
    hold(ssh_server.identity)
    mine = tmp_path / "mine.pub"
    mine.write_text(ssh_server.public_key + "\n")
    assert dial(with_keys(ssh_server, mine)) == ssh_server.user


def test_a_locked_key_that_the_agent_has_unlocked(
    ssh_server: Sshd, somebody: Account, agent: Path, tmp_path: Path
) -> None:
    key = new_key(tmp_path / "key", passphrase=PHRASE)
    somebody.authorize(public(key))
    hold(key, PHRASE)
    assert dial(with_keys(ssh_server, key, user=somebody.name)) == somebody.name


def test_many_log_in_with_one_agent_at_once(ssh_server: Sshd, agent: Path) -> None:
    """Its socket carries one question at a time; answers must not be taken for one another's."""
    hold(ssh_server.identity)
    route = with_keys(ssh_server, identities_only=False)
    messages = [bytes([at]) * 64 for at in range(64)]
    with contextlib.closing(prepared(route)) as held, ThreadPoolExecutor(16) as pool:
        (key,) = held.keys(route)
        signed = list(pool.map(lambda message: bytes(key.sign_ssh_data(message)), messages))
        assert signed == [bytes(key.sign_ssh_data(message)) for message in messages]


def test_an_agent_that_is_gone_or_hangs_is_none(
    ssh_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshagent, "ANSWER_S", 0.2)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as hanging:
        hanging.bind(str(tmp_path / "hanging"))
        hanging.listen()
        for path in (tmp_path / "absent", tmp_path / "hanging"):
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            assert dial(route_to(ssh_server, identities_only=False)) == ssh_server.user


# --- passphrases


@pytest.fixture
def locked(visit: SiteFolder, ssh_server: Sshd, somebody: Account) -> Path:
    """A key under a passphrase that opens an account, and a site that uses it."""
    key = new_key(visit.folder / "locked", passphrase=PHRASE)
    somebody.authorize(public(key))
    visit.write_config(ssh_server)
    return key


def test_a_passphrase_from_the_environment(
    visit: SiteFolder, locked: Path, somebody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.write_site(
        f"a: {{address: 127.0.0.1, user: {somebody.name}, identity: locked, passphrase: env:THE_PHRASE}}"
    )
    monkeypatch.setenv("THE_PHRASE", PHRASE)
    assert visit.check_here(monkeypatch).code == 0
    monkeypatch.setenv("THE_PHRASE", "battery staple")
    wrong = visit.check_here(monkeypatch)
    assert (wrong.code, wrong.err) == (2, f"firstlight: {locked.name}: the passphrase does not open it\n")
    monkeypatch.delenv("THE_PHRASE")
    missing = visit.check_here(monkeypatch)
    assert (missing.code, "environment variable THE_PHRASE, which is not set" in missing.err) == (2, True)


def test_a_passphrase_that_is_asked_for(visit: SiteFolder, locked: Path, somebody: Account) -> None:
    target = f"a: {{address: 127.0.0.1, user: {somebody.name}, identity: locked"
    words = ["check", *visit.usual(), "--no-send"]
    for site in (f"{target}, passphrase: prompt}}", f"{target}}}"):  # a locked key of its own is asked for
        visit.write_site(site)
        said, code = at_a_terminal(visit, words, {"passphrase of locked: ": PHRASE})
        assert code == 0, said
        assert PHRASE not in said


def test_a_locked_key_nobody_can_open_is_told(
    visit: SiteFolder, locked: Path, somebody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.write_site(f"a: {{address: 127.0.0.1, user: {somebody.name}, identity: locked}}")
    answer = visit.check_here(monkeypatch)
    assert answer.code == 3
    assert "locked is under a passphrase, and the site file says none for it" in answer.out
    visit.write_site(f"a: {{address: 127.0.0.1, identity: {locked}, passphrase: prompt}}")
    with pytest.raises(BadInput, match="there is no terminal; use env:NAME"):
        prepared(route_to_prompt(locked))


def route_to_prompt(key: Path) -> Route:
    return Route("a", "127.0.0.1", 22, "x", "127.0.0.1", (str(key),), passphrase="prompt")
