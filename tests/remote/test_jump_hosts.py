"""Jump hosts: each connected to once for all behind it, and named with the cause where it is what fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from relays import silent_server
from ssh_site import Answer, SiteFolder, eventually, logins, prepared, route_to
from sshd import Sshd, start_sshd

from agent.targets import connection
from agent.targets.connection import Dialer
from agent.targets.route import Route
from checks.errors import Unreachable


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that is only jumped over."""
    with start_sshd(tmp_path_factory.mktemp("bastion")) as server:
        yield server


@pytest.fixture
def site(visit: SiteFolder, bastion: Sshd, ssh_server: Sshd) -> SiteFolder:
    """A visit to hosts that only the bastion reaches; both servers let the same key in."""
    bastion.authorize(ssh_server.public_key)
    known = visit.write("known_hosts", ssh_server.known_hosts.read_text() + bastion.known_hosts.read_text())
    visit.write_config(ssh_server, f"Match all\n  UserKnownHostsFile {known}")
    return visit


def jumped(bastion: Sshd, server: Sshd, **changes: object) -> Route:
    """A route to `server` over the bastion."""
    jump = route_to(bastion, name="bastion", identities=(str(server.identity),), trust_command="")
    return route_to(server, jumps=(jump,), **changes)


def why(route: Route) -> Unreachable:
    with contextlib.closing(Dialer(prepared(route))) as dialer, pytest.raises(Unreachable) as problem:
        dialer.dial(route)
    return problem.value


def test_a_target_of_the_file_is_the_jump_host(
    site: SiteFolder, bastion: Sshd, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logins(bastion), logins(ssh_server)
    site.write_site(
        f"bastion: {{address: 127.0.0.1, port: {bastion.port}, roles: [jump]}}\n"
        "a: {address: 127.0.0.1, via: bastion}"
    )
    answer = site.check_here(monkeypatch, "--target", "a")
    assert (answer.code, set(answer.results("a").values())) == (0, {("pass", "")}), answer.out
    assert (logins(bastion), logins(ssh_server)) == (before[0] + 1, before[1] + 1)


def test_a_host_that_is_no_target_can_be_one(
    site: SiteFolder, bastion: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logins(bastion)
    site.write_site(f"a: {{address: 127.0.0.1, via: '{bastion.user}@127.0.0.1:{bastion.port}'}}")
    assert site.check_here(monkeypatch).code == 0
    assert logins(bastion) == before + 1


def test_a_chain_of_two_from_ssh_config(
    site: SiteFolder, bastion: Sshd, ssh_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_sshd(tmp_path / "inner") as inner:
        inner.authorize(ssh_server.public_key)
        with (site.folder / "known_hosts").open("a") as known:
            known.write(inner.known_hosts.read_text())
        chain = f"127.0.0.1:{bastion.port},127.0.0.1:{inner.port}"
        site.write(
            "config", f"Host the-db\n  HostName 127.0.0.1\n  ProxyJump {chain}\n" + site.config.read_text()
        )
        site.write_site("a: {address: the-db}\nb: {address: the-db}")
        before = logins(bastion), logins(ssh_server)
        assert site.check_here(monkeypatch).code == 0
        assert (logins(bastion), logins(inner), logins(ssh_server)) == (before[0] + 1, 1, before[1] + 2)
        answer = site.run_here(monkeypatch, "plan", *site.usual())
    way = [f"{ssh_server.user}@127.0.0.1:{server.port}" for server in (ssh_server, inner, bastion)]
    assert f"ssh {' via '.join(way)}" in answer.out


def test_all_targets_share_one_connection_to_it(
    site: SiteFolder, bastion: Sshd, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logins(bastion), logins(ssh_server)
    targets = "\n".join(f"t{at}: {{address: 127.0.0.1, via: bastion}}" for at in range(12))
    site.write_site(f"bastion: {{address: 127.0.0.1, port: {bastion.port}}}\n{targets}")
    answer = site.check_here(monkeypatch, "--only", "passwd")
    assert (answer.code, len(answer.report["results"])) == (0, 13)
    # The bastion is a target too, and read as such on a connection of its own.
    assert (logins(bastion), logins(ssh_server)) == (before[0] + 2, before[1] + 12)


def test_a_jump_host_that_is_down_is_asked_once_and_named_by_all(
    site: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_S", 0.4)
    targets = "\n".join(f"t{at}: {{address: 127.0.0.1, via: bastion}}" for at in range(8))
    with silent_server() as silent:
        site.write_site(f"{targets}\nbastion: {{address: 127.0.0.1, port: {silent.port}, roles: [none]}}")
        answer = site.check_here(monkeypatch, *(f"--target=t{at}" for at in range(8)))
        assert silent.count == 1
    assert answer.code == 3
    for result in answer.report["results"]:
        assert (result["status"], result["cause"]) == ("error", "timeout")
        assert f"jump host bastion: 127.0.0.1:{silent.port} accepted the connection" in result["message"]


@pytest.mark.parametrize(
    ("bastion_line", "cause", "said"),
    [
        ("address: nowhere.invalid", "dns", "the name nowhere.invalid is not known"),
        ("address: 127.0.0.1, port: 1", "refused", "127.0.0.1:1: Connection refused"),
        ("address: 127.0.0.1, port: PORT, user: nobody-there", "authentication", "nobody-there was not let"),
        ("address: 127.0.0.2, port: PORT", "host-key", "the host key of [127.0.0.2]:PORT is not known"),
    ],
)
def test_what_is_wrong_with_it_is_the_cause(
    site: SiteFolder,
    tmp_path: Path,
    ssh_server: Sshd,
    bastion_line: str,
    cause: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with start_sshd(tmp_path / "elsewhere", listen=("127.0.0.1", "127.0.0.2")) as elsewhere:
        with (site.folder / "known_hosts").open("a") as known:
            known.write(f"[127.0.0.1]:{elsewhere.port} {elsewhere.host_key()}\n")
        port = str(elsewhere.port)
        site.write_site(
            f"bastion: {{{bastion_line.replace('PORT', port)}}}\n"
            "a: {address: 127.0.0.1, via: bastion}\n"
            "good: {address: 127.0.0.1}"
        )
        answer = site.check_here(monkeypatch, "--target", "a", "--target", "good")
    assert answer.code == 3
    assert set(answer.results("a").values()) == {("error", cause)}
    assert set(answer.results("good").values()) == {("pass", "")}
    messages = {each["message"] for each in answer.report["results"] if each["target"] == "a"}
    expected = f"jump host bastion: {said.replace('PORT', port)}"
    assert all(expected in message for message in messages), messages


def test_what_is_behind_it_has_its_own_cause(bastion: Sshd, ssh_server: Sshd) -> None:
    bastion.authorize(ssh_server.public_key)
    for changes, cause, said in (
        ({"port": 1}, "refused", "127.0.0.1:1 through jump host bastion: Connection refused"),
        ({"host": "nowhere.invalid"}, "dns", "nowhere.invalid:22"),
        ({"user": "nobody-there"}, "authentication", "nobody-there was not let in"),
    ):
        problem = why(jumped(bastion, ssh_server, **changes))
        assert problem.cause == cause
        assert said.replace(":22", "") in str(problem)


def test_a_host_behind_it_that_says_nothing(
    bastion: Sshd, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    bastion.authorize(ssh_server.public_key)
    monkeypatch.setattr(connection, "CONNECT_S", 2.0)
    with silent_server() as silent:
        problem = why(jumped(bastion, ssh_server, port=silent.port))
    assert problem.cause == "timeout"
    assert f"127.0.0.1:{silent.port} accepted the connection" in str(problem)


@pytest.mark.parametrize("options", [{"AllowTcpForwarding": "no"}, {"PermitOpen": "127.0.0.1:1"}])
def test_one_that_forwards_nothing_says_so(tmp_path: Path, ssh_server: Sshd, options: dict[str, str]) -> None:
    with start_sshd(tmp_path, options=options) as strict:
        strict.authorize(ssh_server.public_key)
        problem = why(jumped(strict, ssh_server))
    assert (problem.cause, str(problem)) == (
        "denied",
        f"127.0.0.1:{ssh_server.port} through jump host bastion: it forwards no connections there "
        "(AllowTcpForwarding, PermitOpen)",
    )


def test_one_that_is_lost_in_between_is_dialled_again(tmp_path: Path, ssh_server: Sshd) -> None:
    with start_sshd(tmp_path) as short_lived:
        short_lived.authorize(ssh_server.public_key)
        route = jumped(short_lived, ssh_server)
        with contextlib.closing(Dialer(prepared(route))) as dialer:
            first = dialer.dial(route)
            short_lived.stop()
            first.join(30)
            assert not first.is_active()
            short_lived.start()
            with contextlib.closing(dialer.dial(route)) as second:
                assert second.is_active()
        assert logins(short_lived) == 2


def test_many_at_once_wait_for_the_one_connection(bastion: Sshd, ssh_server: Sshd) -> None:
    bastion.authorize(ssh_server.public_key)
    route, before = jumped(bastion, ssh_server), logins(bastion)
    with contextlib.closing(Dialer(prepared(route))) as dialer, ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: dialer.dial(route), range(8)))
        assert all(transport.is_authenticated() for transport in made)
        for transport in made:
            transport.close()
    assert logins(bastion) == before + 1
    eventually(lambda: not any(thread in made for thread in threading.enumerate()))


def test_trust_asks_for_every_unknown_key_on_the_way(
    site: SiteFolder, bastion: Sshd, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = site.write("known_hosts", "")
    site.write_site(
        f"bastion: {{address: 127.0.0.1, port: {bastion.port}}}\na: {{address: 127.0.0.1, via: bastion}}"
    )
    refused = site.check_here(monkeypatch, "--target", "a")
    message = refused.report["results"][0]["message"]
    assert message.startswith("it could not be read: jump host bastion: the host key of")
    command = message.split("then: ")[1]
    assert command == "firstlight trust -s site.yaml -F config a"

    def trust(*options: str) -> Answer:
        return site.run_here(monkeypatch, *command.split()[1:], *options)

    wary = trust("--fingerprint", ssh_server.fingerprint())
    assert (wary.code, "jump host bastion is not trusted yet" in wary.err) == (2, True)
    before = logins(bastion)
    said = trust("--yes").out
    assert logins(bastion) == before + 1  # the target's key was seen from there
    assert said == (
        f"jump host bastion: [127.0.0.1]:{bastion.port}  ssh-ed25519  {bastion.fingerprint()}\n"
        f"trusted, in {known}\n"
        f"[127.0.0.1]:{ssh_server.port}  ssh-ed25519  {ssh_server.fingerprint()}\n"
        f"trusted, in {known}\n"
    )
    assert site.check_here(monkeypatch, "--target", "a").code == 0
    assert trust("--fingerprint", ssh_server.fingerprint()).out.count("already trusted") == 2
    known.write_text("")
    assert site.check_here(monkeypatch, "--target", "a", "--accept-new").code == 0
    assert known.read_text().count("\n") == 2
