"""`firstlight trust`: the key is shown as ssh-keygen shows it, a person says yes, and then it is known."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from relays import silent_server
from ssh_site import Answer, SiteFolder, logins
from sshd import Sshd, start_sshd
from terminal import at_a_terminal

from agent.targets import connection

Trust = Callable[..., Answer]


@pytest.fixture
def known_hosts(visit: SiteFolder, ssh_server: Sshd) -> Path:
    """Where keys are kept; nothing is known yet."""
    path = visit.folder / "known_hosts"
    visit.write_config(ssh_server, "Host *", f"  UserKnownHostsFile {path}")
    visit.write_site("db1: {address: 127.0.0.1}")
    return path


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[Sshd]:
    """A server of this test's own, whose key may change."""
    with start_sshd(tmp_path / "other") as server:
        yield server


@pytest.fixture
def trust(visit: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> Trust:
    """`firstlight trust` with the ssh_config of the visit, without a terminal."""

    def run(*words: str) -> Answer:
        return visit.run_here(monkeypatch, "trust", "-F", "config", *words)

    return run


def line(server: Sshd, kind: str = "ed25519") -> str:
    return f"[127.0.0.1]:{server.port}  {server.host_key(kind).split()[0]}  {server.fingerprint(kind)}\n"


def entry(server: Sshd) -> str:
    return f"[127.0.0.1]:{server.port} {server.host_key()}\n"


def test_it_shows_what_ssh_keygen_shows_asks_and_writes(
    visit: SiteFolder, known_hosts: Path, ssh_server: Sshd
) -> None:
    refused = visit.check()
    command = refused.report["results"][0]["message"].split("then: ")[1]
    assert command == "firstlight trust -s site.yaml -F config db1"
    said, code = at_a_terminal(visit, command.split()[1:], {"Trust it [y/N]: ": "y"})
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(ssh_server.folder / "host_ed25519.pub")],
        capture_output=True,
        text=True,
    ).stdout.split()[1]
    assert (code, printed in said, f"trusted, in {known_hosts}" in said) == (0, True, True), said
    assert known_hosts.read_text() == entry(ssh_server)
    assert visit.check().code == 0


@pytest.mark.parametrize("answer", ["n", "", "no"])
def test_no_is_no(visit: SiteFolder, known_hosts: Path, answer: str) -> None:
    words = ["trust", "-s", "site.yaml", "-F", "config", "db1"]
    said, code = at_a_terminal(visit, words, {"Trust it [y/N]: ": answer})
    assert code == 130, said
    assert not known_hosts.exists()


def test_without_a_terminal_nobody_said_yes(trust: Trust, known_hosts: Path, ssh_server: Sshd) -> None:
    answer = trust("-s", "site.yaml", "db1")
    assert (answer.code, answer.out) == (2, line(ssh_server))
    assert "no terminal to ask at; compare the fingerprint" in answer.err
    assert answer.err.endswith(f"--fingerprint {ssh_server.fingerprint()}\n")
    assert not known_hosts.exists()


def test_yes_does_not_ask(trust: Trust, known_hosts: Path, ssh_server: Sshd) -> None:
    answer = trust("-s", "site.yaml", "db1", "--yes")
    assert (answer.code, answer.out) == (0, line(ssh_server) + f"trusted, in {known_hosts}\n")
    again = trust("-s", "site.yaml", "db1")
    assert (again.code, again.out) == (0, line(ssh_server) + "already trusted\n")
    assert known_hosts.read_text() == entry(ssh_server)


def test_the_fingerprint_that_is_expected_does_not_ask_either(
    trust: Trust, known_hosts: Path, ssh_server: Sshd
) -> None:
    wrong = "SHA256:" + "A" * 43
    answer = trust("-s", "site.yaml", "db1", "--fingerprint", wrong)
    assert answer.code == 2
    assert answer.err == (
        f"firstlight: the host shows {ssh_server.fingerprint()}, not {wrong}; nothing was trusted\n"
    )
    assert not known_hosts.exists()
    assert trust("-s", "site.yaml", "db1", "--fingerprint", ssh_server.fingerprint()).code == 0
    assert known_hosts.read_text() == entry(ssh_server)
    assert trust("-s", "site.yaml", "db1", "--fingerprint", wrong).code == 2


def test_a_host_need_not_stand_in_a_site_file(trust: Trust, known_hosts: Path, ssh_server: Sshd) -> None:
    for word in (f"127.0.0.1:{ssh_server.port}", f"somebody@127.0.0.1:{ssh_server.port}", "127.0.0.1"):
        assert trust(word, "--yes").out.startswith(line(ssh_server))
    assert known_hosts.read_text() == entry(ssh_server)


def test_a_changed_key_is_never_replaced(
    trust: Trust, visit: SiteFolder, known_hosts: Path, other_server: Sshd
) -> None:
    visit.write_config(other_server, "Host *", f"  UserKnownHostsFile {known_hosts}")
    assert trust("db", "--yes").code == 2  # no such name
    assert trust("127.0.0.1", "--yes").code == 0
    before, old = known_hosts.read_text(), other_server.fingerprint()
    other_server.change_host_key()
    answer = trust("127.0.0.1", "--yes")
    assert answer.code == 2
    assert f"another key of [127.0.0.1]:{other_server.port} is trusted: ssh-ed25519 {old}" in answer.err
    assert known_hosts.read_text() == before
    assert trust("127.0.0.1", "--fingerprint", other_server.fingerprint()).code == 2
    removal = answer.err.split("changed: ")[1].split(", then")[0]
    subprocess.run(["sh", "-c", removal], check=True, capture_output=True)
    assert trust("127.0.0.1", "--yes").code == 0
    assert known_hosts.read_text() == entry(other_server)


def test_a_revoked_key_is_never_trusted(trust: Trust, known_hosts: Path, ssh_server: Sshd) -> None:
    known_hosts.write_text(f"@revoked * {ssh_server.host_key()}\n")
    answer = trust("127.0.0.1", "--yes")
    assert (answer.code, "is revoked: SHA256:" in answer.err) == (2, True)
    assert known_hosts.read_text().count("\n") == 1


def test_it_does_not_log_in(trust: Trust, known_hosts: Path, ssh_server: Sshd) -> None:
    before = logins(ssh_server)
    assert trust("127.0.0.1", "--yes").code == 0
    assert logins(ssh_server) == before


def test_a_key_that_is_kept_nowhere_is_not_trusted(trust: Trust, visit: SiteFolder, ssh_server: Sshd) -> None:
    for file, said in (("/dev/null", "is not found there now"), ("none", "names no UserKnownHostsFile")):
        visit.write_config(ssh_server, "Host *", f"  UserKnownHostsFile {file}")
        answer = trust("127.0.0.1", "--yes")
        assert (answer.code, said in answer.err) == (2, True), answer.err


def test_what_cannot_be_asked_is_one_line(
    trust: Trust, visit: SiteFolder, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 0.3)
    visit.write_site("db1: {address: 127.0.0.1}\nhere: {local: true}")
    with silent_server() as silent:
        for words, said in {
            ("nowhere.invalid",): "nowhere.invalid: the name nowhere.invalid is not known",
            (f"127.0.0.1:{silent.port}",): "did not say that it is an SSH server within 0.3 s",
            ("-s", "site.yaml", "db2"): "site.yaml: no target 'db2'; did you mean db1?",
            ("-s", "site.yaml", "here"): "target here is this machine; it has no SSH key to trust",
            ("bad host:70000",): "is no host; write it as user@host:port",
            ("user:secret@host:x",): "'user:…@host:x' is no host",
            ("-s", "absent.yaml", "db1"): "absent.yaml: cannot be read: No such file or directory",
        }.items():
            answer = trust(*words, "--yes")
            assert (answer.code, answer.out) == (2, ""), words
            assert said in answer.err
            assert answer.err.count("\n") == 1
    assert not known_hosts.exists()


def test_accept_new_of_a_run_is_first_contact_and_no_more(
    visit: SiteFolder, known_hosts: Path, other_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.write_config(other_server, "Host *", f"  UserKnownHostsFile {known_hosts}")
    visit.write_site("db1: {address: 127.0.0.1}\ndb2: {address: 127.0.0.1}")
    assert visit.check_here(monkeypatch).code == 3
    assert visit.check_here(monkeypatch, "--accept-new").code == 0
    assert known_hosts.read_text() == entry(other_server)
    other_server.change_host_key()
    answer = visit.check_here(monkeypatch, "--accept-new")
    assert answer.code == 3
    assert {each["cause"] for each in answer.report["results"]} == {"host-key"}
    assert known_hosts.read_text().count("\n") == 1
