"""The collector's commands, as they are typed: what they print, what they refuse, how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from checks.errors import BadInput
from server import delivery
from server.auth.sessions import log_in
from server.auth.throttle import Throttle
from server.clock import utc_now
from server.commands import COMMANDS, group
from server.db import Database, open_database
from server.errors import LoginFailed, Refused
from server.serving import only_process
from server.settings import Settings, load_settings

PROGRAM = [sys.executable, "-c", "from agent.cli import main; main()", "server"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands find their store: in a folder that does not exist yet."""
    path = tmp_path / "new" / "firstlight.db"
    monkeypatch.setenv("FIRSTLIGHT_DB", str(path))
    return path


@pytest.fixture
def made(store: Path, sqlite_template: Path) -> Path:
    """A store that `server init` has made before, without anyone in it."""
    store.parent.mkdir()
    store.write_bytes(sqlite_template.read_bytes())
    return store


def typed(*args: str, input: str | None = None) -> Result:
    return CliRunner().invoke(group, args, input=input, prog_name="firstlight server")


def done(*args: str, input: str | None = None) -> str:
    result = typed(*args, input=input)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(*args: str, input: str | None = None) -> str:
    result = typed(*args, input=input)
    assert isinstance(result.exception, BadInput), result.output
    return str(result.exception)


def opened(path: Path) -> Database:
    return open_database(str(path))


def may_log_in(path: Path, login: str, password: str) -> bool:
    db = opened(path)
    try:
        log_in(db, Throttle(), login, password, address="", now=utc_now())
    except LoginFailed:
        return False
    finally:
        db.close()
    return True


def test_help_names_every_command_and_imports_no_server_library() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from server.commands import group;"
        "print(CliRunner().invoke(group, ['--help']).output);"
        "heavy = {'litestar', 'sqlalchemy', 'uvicorn', 'alembic', 'argon2', 'jinja2'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in COMMANDS:
        assert f"  {name} " in shown


@pytest.mark.parametrize("command", ["init", "run", "token", "user"])
def test_each_command_explains_itself_without_a_store(command: str, store: Path) -> None:
    assert "Usage: firstlight server " + command in done(command, "--help")
    assert not store.parent.exists()


def test_init_makes_a_private_store_and_an_admin_whose_password_it_shows_once(store: Path) -> None:
    said = done("init")
    assert said.startswith("store made: ")
    found = re.search(r"login admin with password (\S{20}) ", said)
    assert found is not None
    assert may_log_in(store, "admin", found[1])
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    again = done("init")
    assert again.startswith("store is current: ")
    assert "password" not in again
    assert may_log_in(store, "admin", found[1])


def test_a_store_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "name another file with --db" in refused("init", "--db", str(file / "x.db"))
    assert "sqlite or postgresql" in refused("init", "--db", "mysql://localhost/x")


@pytest.mark.parametrize(
    "args", [("run",), ("token", "--site", "x"), ("user", "list"), ("user", "add", "x", "--role", "admin")]
)
def test_without_a_store_every_command_says_what_to_type(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert "run `firstlight server init`" in refused(*args, "--db", str(tmp_path / "none.db"))


def test_people_are_added_with_a_password_from_standard_input(made: Path) -> None:
    assert done("user", "add", "Eve", "--role", "admin", input="hunter2hunter2\n") == (
        "eve may log in as admin\n"
    )
    assert may_log_in(made, "eve", "hunter2hunter2")
    assert "10 to 1024" in refused("user", "add", "bob", "--role", "admin", input="short\n")
    assert "no password on standard input" in refused("user", "add", "bob", "--role", "admin", input="")
    assert "already a user eve" in refused("user", "add", "eve", "--role", "admin", "--generate")
    assert "which engineer" in refused("user", "add", "bob", "--role", "engineer", "--generate")
    assert typed("user", "add", "bob", "--role", "boss").exit_code == 2


def test_a_generated_password_is_shown_once_and_works(made: Path) -> None:
    said = done("user", "add", "eve", "--role", "admin", "--generate")
    found = re.search(r"password (\S{20}) \(shown this once\)", said)
    assert found is not None
    assert may_log_in(made, "eve", found[1])
    done("user", "password", "eve", input="another password\n")
    assert not may_log_in(made, "eve", found[1])
    assert may_log_in(made, "eve", "another password")


def test_somebody_is_shut_out_but_never_the_last_admin(made: Path) -> None:
    for login in ("eve", "bob"):
        done("user", "add", login, "--role", "admin", input="hunter2hunter2\n")
    done("user", "disable", "bob")
    assert not may_log_in(made, "bob", "hunter2hunter2")
    assert done("user", "list") == "bob\tadmin\t\tdisabled\neve\tadmin\t\t\n"
    assert "last admin" in refused("user", "disable", "eve")
    assert "no user zoe" in refused("user", "password", "zoe", "--generate")


def test_a_token_goes_to_standard_output_and_the_command_beside_it(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_PUBLIC_URL", "https://fl.example/")
    db = opened(made)
    with db.write() as session:
        by: dict[str, Any] = {"by": "test", "now": utc_now()}
        customer = delivery.add_customer(session, "Acme", **by)
        delivery.add_site(session, customer.id, "Plant", **by)
    db.close()
    result = typed("token", "--site", "plant", "--every", "6 h", "--hours", "2")
    token = result.stdout.strip()
    assert re.fullmatch(r"fle_\S{43}", token)
    assert f"echo {token} | firstlight enrol https://fl.example --token -" in result.stderr
    assert "no site none" in refused("token", "--site", "none")
    assert "--every soon" in refused("token", "--site", "plant", "--every", "soon")
    assert "up to 31 days" in refused("token", "--site", "plant", "--hours", "1e9")


def test_a_second_process_on_the_same_file_is_told_who_the_first_is(made: Path) -> None:
    first, second = opened(made), opened(made)
    told = pytest.raises(Refused, match=f"already served by process {os.getpid()}")
    with only_process(first), told, only_process(second):
        pass
    with only_process(second):
        pass
    first.close()
    second.close()


def test_a_lock_left_by_a_process_that_died_locks_nobody_out(made: Path) -> None:
    Path(f"{made}.pid").write_text("4194304\n")
    db = opened(made)
    with only_process(db):
        assert Path(f"{made}.pid").read_text() == f"{os.getpid()}\n"
    db.close()


def test_the_server_answers_refuses_a_second_one_and_stops_in_order(store: Path) -> None:
    said = done("init")
    password = re.search(r"password (\S+)", said)
    assert password is not None
    with subprocess.Popen([*PROGRAM, "run", "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.match(r"Firstlight collector at (http://127\.0\.0\.1:\d+) ", server.stdout.readline())
            assert found is not None
            with pytest.raises(urllib.error.HTTPError) as stranger:
                urllib.request.urlopen(f"{found[1]}/api/v1/customers")
            assert stranger.value.code == 401
            stranger.value.close()
            request = urllib.request.Request(
                f"{found[1]}/api/v1/sessions",
                json.dumps({"login": "admin", "password": password[1]}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["role"] == "admin"
            assert "server" not in {name.lower() for name in answer.headers}
            second = subprocess.run([*PROGRAM, "run", "--port", "0"], capture_output=True, text=True)
            assert second.returncode == 2
            assert f"already served by process {server.pid}" in second.stderr
            assert len(second.stderr.splitlines()) == 1
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert Path(f"{store}.pid").read_text() == ""


def test_a_port_that_is_taken_is_one_clear_line(made: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1 port {port}" in refused("run", "--port", port)


def test_settings_come_from_the_environment_and_options_go_before() -> None:
    environment = {
        "FIRSTLIGHT_DB": "/srv/fl.db",
        "FIRSTLIGHT_PORT": "9000",
        "FIRSTLIGHT_PUBLIC_URL": "https://fl.example/",
        "FIRSTLIGHT_TRUST_PROXY": "true",
    }
    read = load_settings(environment, port=9001, host=None)
    assert (read.db, read.port, read.host, read.trust_proxy) == ("/srv/fl.db", 9001, "127.0.0.1", True)
    assert (read.url, read.cookies_secure) == ("https://fl.example", True)
    assert load_settings({}, db="x").url == "http://127.0.0.1:8750"
    assert Settings(db="", host="::1").url == "http://[::1]:8750"
    assert Settings(db="", secure_cookies=True).cookies_secure


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("PORT", "many", "FIRSTLIGHT_PORT=many: "), ("PORT", "70000", "FIRSTLIGHT_PORT=70000: ")],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(BadInput) as wrong:
        load_settings({f"FIRSTLIGHT_{name}": value})
    assert str(wrong.value).startswith(said)


@pytest.mark.parametrize(
    "command", [("run",), ("agent", "list"), ("user", "list"), ("publish", "list"), ("restored",)]
)
def test_a_mistyped_store_is_told_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    missing = tmp_path / "stroe.db"
    with pytest.raises(SystemExit) as end:
        main(["server", *command, "--db", str(missing)])
    assert end.value.code == 2
    said = f"firstlight: {missing}: there is no store; run `firstlight server init`\n"
    assert capsys.readouterr().err == said
    assert not missing.exists()
