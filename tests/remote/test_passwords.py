"""Passwords: from a prompt, the environment or the keyring, never on a command line and never kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from machine import environment
from real_collector import RealCollector
from relays import Relay
from ssh_accounts import Account, account
from ssh_site import SiteFolder, dial, refused, route_to, visits
from sshd import Sshd, start_sshd
from terminal import at_a_terminal

from agent.enrolment import enrol
from agent.paths import State
from agent.targets import credentials
from agent.targets.route import Route

SECRET = "s3same-öffne-dich-7c1e"
WRONG = "w0rd-of-another-4b2d"

KEYRING = """
import errors
STORE = {("firstlight", "{who}"): "{secret}", ("plant", "{who}"): "{secret}"}
def get_password(service, name):
    if service == "locked":
        raise errors.KeyringLocked("the vault is locked")
    return STORE.get((service, name))
"""


@pytest.fixture(scope="module")
def person() -> Iterator[Account]:
    with account(password=SECRET) as made:
        yield made


@pytest.fixture
def plant(visit: SiteFolder, password_ssh_server: Sshd, person: Account) -> SiteFolder:
    """A visit to one target that only a password opens."""
    path = visit.write_config(password_ssh_server)
    path.write_text(path.read_text().replace(str(password_ssh_server.identity), "none"))
    return visit


def at(plant: SiteFolder, person: Account, password: str, *more: str) -> None:
    keys = ", ".join([f"user: {person.name}", f"password: {password}", *more])
    plant.write_site(f"a: {{address: 127.0.0.1, {keys}}}")


def nothing_kept(folder: Path, *secrets: str) -> bool:
    """Whether no file below a folder has one of the secrets in it."""
    return not [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def test_a_password_from_the_environment(
    plant: SiteFolder, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(plant, person, "env:PLANT_PASSWORD")
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    answer = plant.check_here(monkeypatch)
    assert answer.code == 0, answer.out


def test_a_wrong_one_is_named_by_its_kind_only(
    plant: SiteFolder, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(plant, person, "env:PLANT_PASSWORD")
    monkeypatch.setenv("PLANT_PASSWORD", WRONG)
    answer = plant.check_here(monkeypatch)
    assert answer.code == 3
    assert set(answer.results("a").values()) == {("error", "authentication")}
    assert f"{person.name} was not let in with the password" in answer.report["results"][0]["message"]
    assert WRONG not in answer.out + answer.err


def test_one_that_is_not_set_is_told_before_anything_is_connected(
    plant: SiteFolder, person: Account, password_ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(plant, person, "env:PLANT_PASSWORD")
    monkeypatch.delenv("PLANT_PASSWORD", raising=False)
    before = visits(password_ssh_server)
    answer = plant.check_here(monkeypatch)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"firstlight: the password of {person.name}@127.0.0.1:{password_ssh_server.port} should be in the "
        "environment variable PLANT_PASSWORD, which is not set\n"
    )
    assert visits(password_ssh_server) == before


def test_a_prompt_asks_once_shows_nothing_and_is_not_repeated(
    plant: SiteFolder, person: Account, password_ssh_server: Sshd
) -> None:
    one = f"{{address: 127.0.0.1, user: {person.name}, password: prompt}}"
    plant.write_site(f"a: {one}\nb: {one}")
    words = ["check", *plant.usual(), "--no-send"]
    question = f"password of {person.name}@127.0.0.1:{password_ssh_server.port}: "
    said, code = at_a_terminal(plant, words, {question: SECRET})
    assert code == 0, said
    assert SECRET not in said
    assert said.count("password of") == 1


def test_two_machines_behind_one_address_have_two_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tunnels make many machines one address; what tells them apart is the port."""
    asked: list[str] = []

    def ask(source: str, about: str, kind: str) -> str:
        asked.append(about)
        return f"that of {about}"

    monkeypatch.setattr(credentials, "_fetch", ask)
    held = credentials.Credentials()
    routes = [Route("a", "127.0.0.1", port, "me", "a", password="prompt") for port in (22, 2201, 2202, 2201)]
    found = [password.reveal() for route in routes if (password := held.password(route)) is not None]
    assert asked == ["me@127.0.0.1", "me@127.0.0.1:2201", "me@127.0.0.1:2202"]
    assert found == [f"that of {about}" for about in (*asked, asked[1])]


def test_without_a_terminal_there_is_nobody_to_ask(
    plant: SiteFolder, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(plant, person, "prompt")
    answer = plant.check_here(monkeypatch)
    assert answer.code == 2
    assert "has to be asked for, and there is no terminal; use env:NAME" in answer.err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("keyring", ""),
        ("keyring:plant", ""),
        ("keyring:elsewhere", "the keyring has no password of {who} under elsewhere; keyring set"),
        ("keyring:locked", "cannot be had from the keyring: the vault is locked"),
    ],
)
def test_a_password_from_the_keyring(
    plant: SiteFolder, person: Account, password_ssh_server: Sshd, source: str, said: str
) -> None:
    who = f"{person.name}@127.0.0.1:{password_ssh_server.port}"
    path = plant.write("fake/keyring.py", KEYRING.replace("{who}", who).replace("{secret}", SECRET))
    plant.write("fake/errors.py", "class KeyringLocked(Exception): pass\n")
    at(plant, person, source)
    python_path = f"{path.parent}:{environment(plant.state)['PYTHONPATH']}"
    answer = plant.check(env={"PYTHONPATH": python_path})
    assert answer.code == (2 if said else 0), answer.err
    assert said.format(who=who) in answer.err
    assert SECRET not in answer.out + answer.err


def test_without_the_package_the_keyring_is_one_line(
    plant: SiteFolder, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    at(plant, person, "keyring")
    answer = plant.check_here(monkeypatch)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "the package keyring is not installed; pip install 'firstlight[keyring]'" in answer.err


def test_a_server_that_asks_interactively_is_answered(
    tmp_path: Path, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    options = {"UsePAM": "yes", "KbdInteractiveAuthentication": "yes", "PasswordAuthentication": "no"}
    with start_sshd(tmp_path, options=options) as server:
        route = route_to(server, user=person.name, identities=(), password="env:PLANT_PASSWORD")
        assert dial(route) == person.name
        assert "Postponed keyboard-interactive/pam" in server.log()
        monkeypatch.setenv("PLANT_PASSWORD", WRONG)
        problem = refused(route_to(server, user=person.name, identities=(), password="env:PLANT_PASSWORD"))
    assert problem.cause == "authentication"


def test_a_server_that_takes_no_passwords_says_what_it_takes(
    ssh_server: Sshd, person: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    problem = refused(route_to(ssh_server, user=person.name, identities=(), password="env:PLANT_PASSWORD"))
    assert str(problem) == f"{person.name} was not let in with the password; the server takes publickey"


def test_a_server_that_wants_both(tmp_path: Path, person: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    options = {"PasswordAuthentication": "yes", "AuthenticationMethods": "publickey,password"}
    with start_sshd(tmp_path, options=options) as server:
        person.authorize(server.public_key)
        with_both = route_to(server, user=person.name, password="env:PLANT_PASSWORD")
        assert dial(with_both) == person.name
        problem = refused(route_to(server, user=person.name))
        assert "the server takes password" in str(problem)


def test_a_secret_is_nowhere_but_in_memory(
    plant: SiteFolder, person: Account, password_ssh_server: Sshd
) -> None:
    """Neither on a command line of this or the far side while it runs, nor in anything that is kept."""
    at(plant, person, "env:PLANT_PASSWORD")
    with Relay("127.0.0.1", password_ssh_server.port, delay_s=0.05) as relay:
        password_ssh_server.known_at(relay.host, relay.port)
        plant.write(
            "config", plant.config.read_text().replace(str(password_ssh_server.port), str(relay.port))
        )
        words = ["check", *plant.usual(), "--no-send", "--save", "kept.snapshot", "-o", "report.html"]
        program = subprocess.Popen(
            [sys.executable, "-m", "agent", *words],
            cwd=plant.folder,
            env=environment(plant.state) | {"HOME": str(plant.home), "PLANT_PASSWORD": SECRET},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        seen: set[str] = set()
        while program.poll() is None:
            for process in psutil.process_iter(["cmdline"]):
                seen.add(" ".join(process.info["cmdline"] or []))
        assert program.stdout is not None
        said = program.stdout.read().decode()
        program.stdout.close()
    assert program.returncode == 0, said
    assert any("kept.snapshot" in line for line in seen)
    assert not any(SECRET in line for line in seen)
    assert SECRET not in said
    assert {"kept.snapshot", "report.html"} <= {path.name for path in plant.folder.iterdir()}
    assert nothing_kept(plant.folder, SECRET)


def test_a_run_that_waits_to_be_sent_has_no_secret(
    plant: SiteFolder, person: Account, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = RealCollector(sqlite_path, plant.folder / "collector.log")
    try:
        enrol(State(plant.state), collector.url, collector.token(), target="laptop")
    finally:
        collector.stop()
    at(plant, person, "env:PLANT_PASSWORD")
    plant.write("site.yaml", plant.site.read_text().replace("site: plant", "site: plant-a"))
    for secret, code in ((SECRET, 0), (WRONG, 3)):
        monkeypatch.setenv("PLANT_PASSWORD", secret)
        assert plant.run_here(monkeypatch, "check", *plant.usual()).code == code
    kept = [path for path in (plant.state / "spool").rglob("*") if path.is_file()]
    assert any(person.name.encode() in path.read_bytes() for path in kept)  # it is no sealed box
    assert nothing_kept(plant.folder, SECRET, WRONG)


def test_the_plan_and_what_it_keeps_have_no_secret(plant: SiteFolder, person: Account) -> None:
    at(plant, person, "env:PLANT_PASSWORD")
    for options in ((), ("--privileges",), ("--format", "json")):
        answer = plant.run("plan", *plant.usual(), *options, env={"PLANT_PASSWORD": SECRET})
        assert answer.code == 0
        assert SECRET not in answer.out + answer.err
    assert list((plant.state / "plans").iterdir())
    assert nothing_kept(plant.folder, SECRET)


@pytest.mark.parametrize(
    "site",
    [
        f"a: {{address: 127.0.0.1, password: {SECRET}}}",
        f"a: {{address: 127.0.0.1, passphrase: {SECRET}}}",
        f"a: {{address: 127.0.0.1, password: {{is: {SECRET}}}}}",
        f"a: {{address: 127.0.0.1, password: [{SECRET}]}}",
        f"a: {{address: 127.0.0.1, password: 'env:{SECRET}'}}",
        f"a: {{address: 'me:{SECRET}@127.0.0.1'}}",
        f"a: {{address: 127.0.0.1, via: 'me:{SECRET}@127.0.0.1:22'}}",
        f"a: {{address: 127.0.0.1, user: 'me:{SECRET}@'}}",
        f"a: {{address: 127.0.0.1, passwort: {SECRET}}}",
    ],
)
def test_a_literal_secret_is_refused_and_not_shown(
    plant: SiteFolder, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.write_site(site)
    answer = plant.check_here(monkeypatch)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("firstlight: site.yaml:4: ")
    assert SECRET not in answer.err
    plant.write_site("a: {local: true}", above=f"defaults: {{password: {SECRET}}}\n")
    answer = plant.check_here(monkeypatch)
    assert (answer.code, SECRET in answer.err) == (2, False)
    assert answer.err.startswith("firstlight: site.yaml:3: password says where the secret is, never what")
