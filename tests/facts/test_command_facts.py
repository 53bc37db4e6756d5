"""Programs of the profile's choice: what is kept of what they say, and no secret among their words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from answering import read, said
from hypothesis import given
from hypothesis import strategies as st

from checks.argv import read_argv, secret_word
from checks.errors import BadInput, BadProfile
from checks.fact import NotReadable
from checks.facts.asks import RunCommand
from checks.facts.command import TEXT_LIMIT, CommandOutput, Said
from checks.facts.localhost import LocalHost
from checks.profile import load_profile


@pytest.mark.parametrize(
    "words",
    [
        "check_x --password=hunter2",
        "check_x --password hunter2",
        "check_x --passwd hunter2",
        "check_x password=hunter2",
        "check_x --api-key=hunter2",
        "check_x --token hunter2",
        "check_x -p hunter2",
        "/usr/lib/nagios/plugins/check_mysql -H db -p 12345",
        "check_mysql -p12345",
        "check_snmp -C public",
        "check_http -a user:hunter2",
        "curl -u user:hunter2 http://x/",
        "check_x http://user:hunter2@host/",
        "curl --user erp:hunter2 http://x/",
        "check_x --auth=erp:hunter2",
        "curl -H Authorization:hunter2 http://x/",
        "curl -H X-Api-Key:hunter2 http://x/",
        "check_x ${db_password}",
        "check_x $PGPASSWORD",
        "check_x /password:hunter2",
    ],
)
def test_a_secret_among_the_words_is_refused_and_not_shown(words: str) -> None:
    with pytest.raises(ValueError, match="looks like a secret") as problem:
        read_argv(words.split())
    assert "hunter2" not in str(problem.value)
    with pytest.raises(BadInput, match="looks like a secret"):
        CommandOutput(tuple(words.split()))


@pytest.mark.parametrize(
    "words",
    [
        "check_tcp -H db -p 5432",
        "check_disk -w 10% -c 5% -p / -p /data",
        "check_procs -p 1",
        "check_load -w 5,4,3 -c 9,8,7",
        "check_mysql -f /etc/nagios/my.cnf",
        "check_x --password-file /etc/secret",
        "check_x --password",
        "check_x --token-ttl 30",
        "check_x -p -v",
        "check_x /etc/passwd",
        "check_http -u http://host/login",
        "systemctl --user show",
        "check_x --user erp --login erp",
        "grep -q password= /etc/erp.conf",
    ],
)
def test_what_is_no_secret_passes(words: str) -> None:
    assert read_argv(words.split()) == tuple(words.split())


@pytest.mark.parametrize("given", [[], "", [""], [" "], {"a": 1}, [["a"]], ["a\0b"], None])
def test_what_is_no_command_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"command|list|program"):
        read_argv(given)


PROFILE = """
profile: p
version: "1"
title: p
variables: {db_password: hunter2, host: db1}
items:
  - id: x
    check: nagios.plugin
    with:
      command: [check_x, -H, "${host}", --pw, "${db_password}"]
"""


def test_a_secret_variable_is_refused_with_the_place_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PROFILE)
    with pytest.raises(BadProfile, match=r"p\.yaml:10: command: the variable db_password") as problem:
        load_profile(str(tmp_path / "p.yaml"))
    assert "hunter2" not in str(problem.value)
    (tmp_path / "p.yaml").write_text(PROFILE.replace(', --pw, "${db_password}"', ""))
    (item,) = load_profile(str(tmp_path / "p.yaml")).items
    assert item.arguments["command"] == ("check_x", "-H", "db1")


def test_a_plain_variable_with_a_secret_name_and_a_named_secret_that_is_none_are_refused() -> None:
    with pytest.raises(BadInput, match="use secret_environment"):
        CommandOutput(("x",), environment=(("PGPASSWORD", "hunter2"),))
    with pytest.raises(BadInput, match="use secret_environment"):
        CommandOutput(("x",), environment=(("DB", "postgresql://erp:hunter2@db/erp"),))
    with pytest.raises(BadInput, match="write env:NAME") as problem:
        CommandOutput(("x",), secret_environment=(("PGPASSWORD", "hunter2"),))
    assert "hunter2" not in str(problem.value)
    with pytest.raises(BadInput, match="write env:NAME"):
        CommandOutput(("x",), secret_stdin="hunter2")
    with pytest.raises(BadInput, match="no name of a variable"):
        CommandOutput(("x",), environment=(("A B", "c"),))


def test_a_text_with_blanks_is_no_program_unless_a_shell_was_asked_for() -> None:
    with pytest.raises(BadInput, match="shell: true"):
        CommandOutput(("echo a",))
    with pytest.raises(BadInput, match="one text"):
        CommandOutput(("echo", "a"), shell=True)
    with pytest.raises(BadInput, match="looks like a secret"):
        CommandOutput(("mysql -phunter2 -e 'select 1'",), shell=True)
    assert CommandOutput(("echo a",), shell=True).ask().argv == ("sh", "-c", "echo a")


def test_a_command_is_run_and_both_its_outputs_are_kept() -> None:
    fact = CommandOutput(("echo out; echo err >&2; exit 3",), shell=True)
    assert fact.read(LocalHost()) == Said(3, "out", "err")


def test_environment_and_named_secrets_reach_the_program_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FL_TEST_SECRET", "hunter2")
    fact = msgspec.structs.replace(
        CommandOutput("{command}", 5.0, "{environment}", "{secret_environment}", "env:FL_TEST_SECRET", True),
        command=('read x; [ "$x" = "$S" ] && echo "same, $A, $#"',),
        environment={"A": "b"},
        secret_environment={"S": "env:FL_TEST_SECRET"},
    )
    assert fact.read(LocalHost()) == Said(0, "same, b, 0")
    assert "hunter2" not in fact.id() + fact.describe()
    hash(fact)


def test_output_is_bounded_and_without_what_looks_secret() -> None:
    fact = CommandOutput(("x",))
    text = b"db=postgresql://erp:hunter2@db/erp\npassword=hunter2;x\n" + b"y" * 5000 + b"\0\xff"
    seen = read(fact, {fact.ask(): said(text)})
    assert "hunter2" not in seen.out
    assert (len(seen.out), seen.cut) == (TEXT_LIMIT, True)


def test_a_program_that_does_not_end_or_is_not_there_is_not_told() -> None:
    with pytest.raises(NotReadable, match=r"timed out after 0\.1 s") as late:
        CommandOutput(("sleep", "5"), 0.1).read(LocalHost())
    assert late.value.cause == "timeout"
    with pytest.raises(NotReadable, match="nosuch is not installed") as absent:
        CommandOutput(("nosuch",)).read(LocalHost())
    assert absent.value.cause == "absent"


def test_a_program_is_a_file_that_may_be_run_on_the_path_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    (first / "acme-tool").mkdir(parents=True)
    for folder, mode in ((second, 0o644), (third, 0o755)):
        folder.mkdir()
        (folder / "acme-tool").write_text("#!/bin/sh\necho found\n")
        (folder / "acme-tool").chmod(mode)
    asked = CommandOutput(("acme-tool",))
    assert asked.read(LocalHost(tools=f"{first}:{second}::{third}")).out == "found"
    monkeypatch.chdir(third)
    for path in ("", f"{first}:{second}:"):
        with pytest.raises(NotReadable, match="acme-tool is not installed"):
            asked.read(LocalHost(tools=path))
    assert CommandOutput((f"{third}/acme-tool",)).read(LocalHost(tools="")).out == "found"


def test_the_timeout_is_within_bounds() -> None:
    assert CommandOutput(("x",), 1e9).ask() == RunCommand(("x",), 60.0)
    assert CommandOutput(("x",), 0.0).ask() == RunCommand(("x",), 0.1)


@given(st.lists(st.text(max_size=30), max_size=6))
def test_whatever_the_words_are_they_are_looked_through(words: list[str]) -> None:
    where = secret_word(words)
    assert len(where) < 120
