"""The command line's border: help, versions, mistakes, and one clear line for whatever happens."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from machine import ROOT, environment, firstlight

import agent
from agent import cli
from agent.commands import COMMANDS, overview
from agent.console import tree
from checks import registry
from checks.errors import BadInput, FirstlightError, SpoolFull, Unreachable, UplinkError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`firstlight ARGS` in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main(args)
        out, err = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, out, err

    return run


def test_the_version_is_that_of_the_package(run: Run) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert agent.__version__ == project["version"]
    assert run("--version") == (0, f"firstlight {project['version']}\n", "")


def test_the_overview_names_every_command(run: Run) -> None:
    for args in ((), ("--help",), ("-h",)):
        code, out, _ = run(*args)
        assert code == 0
        assert all(f"\n  {name} " in out for name in COMMANDS)
    assert CliRunner().invoke(tree, ["--help"]).output == overview() + "\n"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "server"])
def test_every_command_of_the_overview_is_there_and_documented(name: str) -> None:
    command = tree.get_command(click.Context(tree), name)
    assert isinstance(command, click.Command)
    assert command.help
    assert CliRunner().invoke(tree, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("group", [("baseline",), ("server", "agent"), ("server", "publish")])
def test_a_group_without_a_command_shows_its_help_as_it_is(run: Run, group: tuple[str, ...]) -> None:
    code, out, err = run(*group)
    assert (code, out) == (2, "")
    assert err.startswith(f"Usage: firstlight {' '.join(group)}")
    assert "\nCommands:\n" in err


def test_a_mistyped_command_gets_the_right_one_in_one_line(run: Run) -> None:
    code, out, err = run("chek")
    assert (code, out) == (2, "")
    assert err == "firstlight: no command 'chek'; did you mean check? (see firstlight --help)\n"


@pytest.mark.parametrize(
    "args",
    [
        ("check", "--no-such-option"),
        ("check", "--format", "pdf"),
        ("check", "no-such-profile"),
        ("check", "linux-server", "--only", "disk.fre"),
        ("check", "linux-server", "--set", "disk.free.warn_below=lots"),
        ("check", "linux-server", "--set", "nonsense"),
        ("check", "linux-server", "--stage", "no-such-stage"),
        ("check", "linux-server", "--fail-on", "P9"),
        ("check", "--from", "/nowhere.json"),
        ("check", "--output", "/nowhere/report.html"),
        ("check", "--save", "/"),
        ("check", "--site", "not-enrolled"),
        ("plan", "/nowhere.yaml"),
        ("checks", "show", "disk.fre"),
        ("checks", "show"),
    ],
)
def test_wrong_input_gets_one_line_and_ends_with_2(run: Run, args: tuple[str, ...]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith("firstlight: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("x"), 2),
        (SpoolFull("x"), 3),
        (Unreachable("x", "timeout"), 3),
        (FirstlightError("x"), 3),
        (UplinkError("x", permanent=True), 4),
        (UplinkError("x", permanent=False, hold=True), 4),
        (UplinkError("x", permanent=False), 3),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert cli.exit_code(error) == code


def test_what_nobody_expected_is_one_line_with_a_hint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("first line\nsecond \x1b[2J line")

    monkeypatch.setattr(registry, "get", broken)
    code, _, err = run("checks", "show", "disk.free")
    assert code == 3
    assert err.count("\n") == 1
    assert "RuntimeError: first line second" in err
    assert "FIRSTLIGHT_DEBUG=1" in err
    assert "\x1b" not in err
    monkeypatch.setenv("FIRSTLIGHT_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli.main(["checks", "show", "disk.free"])


def test_a_missing_extra_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "server.commands", None)
    monkeypatch.setitem(COMMANDS, "server", ("no_such_module_of_the_extra:group", ""))
    code, _, err = run("server", "run")
    assert code == 2
    assert "pip install 'firstlight[server]'" in err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "agent", "checks", "list"],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    program.stdout.close()
    _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, b"")


def test_the_list_of_checks_has_id_severity_and_title(run: Run) -> None:
    code, out, _ = run("checks", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == sorted(registry.ids())
    assert CliRunner().invoke(tree, ["checks", "list"]).output == out
    disk = next(line for line in out.splitlines() if line.startswith("disk.free "))
    assert disk.split(maxsplit=2)[1:] == ["P1", registry.get("disk.free").title]


def test_the_page_of_a_check_holds_what_its_author_wrote(run: Run) -> None:
    for id in registry.ids():
        check = registry.get(id)
        code, out, _ = run("checks", "show", id)
        flat = " ".join(out.split())
        assert code == 0
        for part in (check.title, check.remedy, check.source, check.owner, check.severity.value):
            assert " ".join(part.split()) in flat
        assert all(name in out for name in check.parameters)


def test_lists_and_pages_come_as_json_too(run: Run) -> None:
    import json

    listed = json.loads(run("checks", "list", "--format", "json")[1])
    assert [each["id"] for each in listed] == sorted(registry.ids())
    page = json.loads(run("checks", "show", "disk.free", "--format", "json")[1])
    mount = {"name": "mount", "type": "absolute path", "required": False, "default": ""}
    assert page["parameters"][0] == mount


def test_the_plan_names_what_would_be_touched_and_touches_nothing(run: Run) -> None:
    import json

    code, out, _ = run("plan", "linux-server", "--only", "disk.*")
    assert code == 0
    assert "statvfs <each mount>" in out
    assert "/etc/passwd" not in out
    page = json.loads(run("plan", "linux-server", "--format", "json", "--only", "disk.*")[1])
    assert page["narrowing"]["only"] == ["disk.*"]
    assert page["plan_digest"] in out
    assert {line["check"] for line in page["lines"]} == {
        *("disk.fill_forecast", "disk.free", "disk.inodes", "disk.raid", "disk.readonly")
    }
    assert len(page["items"]) > len(page["lines"])


def test_a_changed_parameter_changes_the_plan(run: Run) -> None:
    plain = run("plan", "linux-server")[1].splitlines()[-1]
    changed = run("plan", "linux-server", "--set", "disk.free.fail_below=6 %")[1].splitlines()[-1]
    assert plain.split()[-1] != changed.split()[-1]
    assert "(ad hoc)" in changed


def test_the_program_starts_as_a_module_too(tmp_path: Path) -> None:
    assert firstlight("--version", state=tmp_path).stdout == f"firstlight {agent.__version__}\n"
