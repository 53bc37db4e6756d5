"""Host keys are strict, against the real sshd: who is not known or has changed is refused before a login."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_site import dial, logins, refused, route_to
from sshd import Sshd, start_sshd

from agent.targets import hostkeys
from agent.targets.route import Route
from checks.errors import BadInput


@pytest.fixture(scope="module")
def three_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server with a host key of each type."""
    with start_sshd(tmp_path_factory.mktemp("three"), host_keys=("ed25519", "rsa", "ecdsa")) as server:
        yield server


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """A file that knows nothing yet."""
    path = tmp_path / "ssh" / "known_hosts"
    path.parent.mkdir()
    path.touch()
    return path


def to(server: Sshd, known_hosts: Path, **changes: object) -> Route:
    return route_to(server, known_hosts=(str(known_hosts),), learns_in=str(known_hosts), **changes)


def place(server: Sshd) -> str:
    return f"[127.0.0.1]:{server.port}"


def test_an_unknown_key_is_refused_with_what_to_type(ssh_server: Sshd, known_hosts: Path) -> None:
    before = logins(ssh_server)
    problem = refused(to(ssh_server, known_hosts))
    assert problem.cause == "host-key"
    assert str(problem) == (
        f"the host key of {place(ssh_server)} is not known: ssh-ed25519 {ssh_server.fingerprint()}; compare "
        "it with the machine's own, then: firstlight trust target"
    )
    assert logins(ssh_server) == before
    assert known_hosts.read_text() == ""


def test_no_file_at_all_knows_nobody(ssh_server: Sshd, tmp_path: Path) -> None:
    assert "is not known" in str(refused(to(ssh_server, tmp_path / "absent")))
    assert "is not known" in str(refused(route_to(ssh_server, known_hosts=())))
    unread = str(refused(to(ssh_server, tmp_path)))
    assert f"is not known ({tmp_path}: Is a directory)" in unread


def test_a_changed_key_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    with start_sshd(tmp_path / "server") as server:
        old = server.fingerprint()
        server.change_host_key()
        for accept_new in (False, True):
            problem = refused(route_to(server), accept_new=accept_new)
            assert problem.cause == "host-key"
            assert f"has changed: it shows ssh-ed25519 {server.fingerprint()}" in str(problem)
            assert f"known is ssh-ed25519 {old}" in str(problem)
        before = server.known_hosts.read_text()
        command = str(problem).split("why: ")[1].split(", then ")[0]
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)
        assert server.known_hosts.read_text() != before
        assert "is not known" in str(refused(route_to(server)))


def test_another_type_than_the_known_one_is_a_change(
    ssh_server: Sshd, known_hosts: Path, tmp_path: Path
) -> None:
    with start_sshd(tmp_path / "server", host_keys=("rsa",)) as other:
        known_hosts.write_text(f"{place(ssh_server)} {other.host_key('rsa')}\n")
    for accept_new in (False, True):
        problem = refused(to(ssh_server, known_hosts), accept_new=accept_new)
        assert problem.cause == "host-key"
        assert "has changed" in str(problem)
    assert known_hosts.read_text().count("\n") == 1


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_the_type_that_is_known_is_asked_for(three_keys: Sshd, known_hosts: Path, kind: str) -> None:
    known_hosts.write_text(f"{place(three_keys)} {three_keys.host_key(kind)}\n")
    assert dial(to(three_keys, known_hosts)) == three_keys.user


def test_one_right_key_among_several_is_enough(three_keys: Sshd, ssh_server: Sshd, known_hosts: Path) -> None:
    lines = [ssh_server.host_key(), three_keys.host_key("rsa"), three_keys.host_key()]
    known_hosts.write_text("".join(f"{place(three_keys)} {line}\n" for line in lines))
    assert dial(to(three_keys, known_hosts)) == three_keys.user


@pytest.mark.parametrize("names", ["[127.0.0.?]:*", "[*]:*", "*", "nobody,[127.0.0.1]:*", "!nobody,*"])
def test_patterns_count(ssh_server: Sshd, known_hosts: Path, names: str) -> None:
    known_hosts.write_text(f"{names} {ssh_server.host_key()}\n")
    assert dial(to(ssh_server, known_hosts)) == ssh_server.user


@pytest.mark.parametrize("names", ["127.0.0.1", "[127.0.0.1]:22", "*,![127.0.0.1]:*", "127.0.0.1:*"])
def test_another_place_is_another_host(ssh_server: Sshd, known_hosts: Path, names: str) -> None:
    known_hosts.write_text(f"{names} {ssh_server.host_key()}\n")
    assert refused(to(ssh_server, known_hosts)).cause == "host-key"


def test_hashed_names_count(ssh_server: Sshd, known_hosts: Path) -> None:
    known_hosts.write_text(f"{place(ssh_server)} {ssh_server.host_key()}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in known_hosts.read_text()
    assert dial(to(ssh_server, known_hosts)) == ssh_server.user


def test_an_alias_is_the_name(ssh_server: Sshd, known_hosts: Path) -> None:
    known_hosts.write_text(f"the-db {ssh_server.host_key()}\n")
    assert dial(to(ssh_server, known_hosts, key_name="the-db")) == ssh_server.user
    assert "host key of other-db is not known" in str(
        refused(to(ssh_server, known_hosts, key_name="other-db"))
    )


def test_a_revoked_key_is_refused_though_it_is_known(ssh_server: Sshd, known_hosts: Path) -> None:
    for lines in (
        f"{place(ssh_server)} {ssh_server.host_key()}\n@revoked * {ssh_server.host_key()}\n",
        f"@revoked {place(ssh_server)} {ssh_server.host_key()}\n",
    ):
        known_hosts.write_text(lines)
        for accept_new in (False, True):
            problem = refused(to(ssh_server, known_hosts), accept_new=accept_new)
            assert problem.cause == "host-key"
            assert f"is revoked: ssh-ed25519 {ssh_server.fingerprint()}" in str(problem)
        assert known_hosts.read_text() == lines


def test_a_certificate_authority_is_named_and_vouches_for_nothing(
    ssh_server: Sshd, known_hosts: Path
) -> None:
    known_hosts.write_text(f"@cert-authority * {ssh_server.host_key()}\n")
    assert "certificates of its authority are trusted" in str(refused(to(ssh_server, known_hosts)))


def test_first_contact_is_accepted_once(ssh_server: Sshd, known_hosts: Path) -> None:
    route = to(ssh_server, known_hosts)
    for _ in range(2):
        assert dial(route, accept_new=True) == ssh_server.user
    assert known_hosts.read_text() == f"{place(ssh_server)} {ssh_server.host_key()}\n"
    assert dial(route) == ssh_server.user


def test_a_key_is_learnt_even_where_the_login_then_fails(ssh_server: Sshd, known_hosts: Path) -> None:
    problem = refused(to(ssh_server, known_hosts, user="nobody-of-this-name"), accept_new=True)
    assert problem.cause == "authentication"
    assert known_hosts.read_text().startswith(place(ssh_server))


def test_first_contact_that_cannot_be_kept_is_refused(ssh_server: Sshd, tmp_path: Path) -> None:
    nowhere = route_to(ssh_server, known_hosts=(), learns_in="")
    problem = refused(nowhere, accept_new=True)
    assert (problem.cause, "names no UserKnownHostsFile" in str(problem)) == ("host-key", True)
    problem = refused(to(ssh_server, tmp_path), accept_new=True)
    assert (problem.cause, "cannot be kept: Is a directory" in str(problem)) == ("host-key", True)
    assert "is not known" in str(refused(to(ssh_server, Path("/dev/null")), accept_new=True))


def test_what_the_system_knows_counts_and_is_not_written_to(ssh_server: Sshd, tmp_path: Path) -> None:
    mine, system = tmp_path / "mine", tmp_path / "system"
    system.write_text(f"{place(ssh_server)} {ssh_server.host_key()}\n")
    route = route_to(ssh_server, known_hosts=(str(mine), str(system)), learns_in=str(mine))
    assert dial(route, accept_new=True) == ssh_server.user
    assert not mine.exists()


def test_a_failed_write_is_told_in_one_line() -> None:
    with pytest.raises(BadInput) as problem:
        hostkeys.learn(["/proc/nothing/here"], "/proc/nothing/here", "db", "ssh-ed25519", "AAAA")
    assert str(problem.value).startswith("/proc/nothing/here: the key cannot be kept: ")
