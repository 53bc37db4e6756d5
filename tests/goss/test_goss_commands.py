"""`firstlight check --goss`, `plan --goss` and `convert`: the real program, on this machine and over SSH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight
from suites import write

GOOD = """\
file:
  {{ .Vars.folder }}/there: {exists: true, contents: [yes, "!no"]}
  {{ .Vars.folder }}/gone: {exists: false}
command:
  "exit 3": {exit-status: 3}
"""


class Desk:
    """A folder with goss files, and a state of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "there").write_text("yes\n")

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return firstlight(*words, state=self.folder / "state", cwd=self.folder, env=env)

    def check(self, *words: str) -> tuple[int, dict[str, Any], str]:
        done = self.run("check", "--no-send", "--format", "json", *words)
        results = json.loads(done.stdout)["results"] if done.stdout else []
        return done.returncode, {each["item"]: each for each in results}, done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    write(tmp_path, GOOD)
    write(tmp_path, f"folder: {tmp_path}", "vars.yaml")
    return Desk(tmp_path)


def test_a_goss_file_runs_as_it_is(desk: Desk) -> None:
    code, results, err = desk.check("--goss", "goss.yaml", "--vars", "vars.yaml")
    assert (code, err) == (0, "")
    assert {each["status"] for each in results.values()} == {"pass"}
    assert len(results) == 4


def test_what_fails_ends_with_1_and_what_cannot_be_told_with_3(desk: Desk) -> None:
    write(desk.folder, "file: {/flt/nowhere: {exists: true}}", "bad.yaml")
    write(desk.folder, "\n\ndns: {MX:a: {resolvable: true}}\nuser: {root: {exists: true}}", "odd.yaml")
    assert desk.check("--goss", "bad.yaml")[0] == 1
    code, results, err = desk.check("--goss", "odd.yaml")
    assert code == 3
    assert results["goss.user.root.exists"]["status"] == "pass"
    told = results["goss.dns.MX-a"]
    assert (told["status"], told["cause"]) == ("error", "unmapped")
    assert err.splitlines() == [
        "odd.yaml:3: dns MX:a: MX records are not asked for here, only what the machine's own resolver says",
        "1 of 2 cannot be checked here: error",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--goss", "nowhere.yaml"], "nowhere.yaml: cannot be read: No such file or directory"),
        (
            ["check", "--goss", "goss.yaml"],
            "goss.yaml:2: nothing is given for folder: --vars says what it is",
        ),
        (["check", "linux-server", "--goss", "goss.yaml"], "stands in the place of a profile"),
        (["check", "--vars", "vars.yaml"], "gives variables to a goss file (--goss), and there is none"),
        (["check", "--goss", "goss.yaml", "--vars-inline", "[a]"], "--vars-inline: variables are a mapping"),
        (["plan", "--goss", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["convert", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["convert", "goss.yaml", "--name", "a b"], "--name 'a b' is no name"),
        (["convert", "goss.yaml", "-o", "there"], "there is there already; --force replaces it"),
    ],
)
def test_what_is_wrong_ends_with_2_and_one_line(desk: Desk, words: list[str], said: str) -> None:
    done = desk.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_plan_of_a_goss_file_shows_what_it_touches(desk: Desk) -> None:
    done = desk.run("plan", "--goss", "goss.yaml", "--vars", "vars.yaml")
    assert done.returncode == 0
    assert "run sh -c 'exit 3'" in done.stdout
    assert f"read {desk.folder}/there" in done.stdout
    assert "4 items, 4 different reads" in done.stdout


def test_an_approved_plan_of_a_goss_file_runs_and_no_other(desk: Desk) -> None:
    shown = desk.run("plan", "--goss", "goss.yaml", "--vars", "vars.yaml", "--format", "json")
    digest = json.loads(shown.stdout)["plan_digest"]
    assert desk.check("--goss", "goss.yaml", "--vars", "vars.yaml", "--approved", digest)[0] == 0
    (desk.folder / "goss.yaml").write_text(GOOD.replace("exit 3", "exit 4"))
    code, _, err = desk.check("--goss", "goss.yaml", "--vars", "vars.yaml", "--approved", digest)
    assert code == 2
    assert "plan" in err


def test_convert_writes_a_profile_that_runs(desk: Desk) -> None:
    done = desk.run("convert", "goss.yaml", "--vars", "vars.yaml", "-o", "mine.yaml", "--name", "mine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "mine.yaml: 4 items\n")
    code, results, _ = desk.check("./mine.yaml")
    assert (code, len(results)) == (0, 4)
    assert results == {
        item: {**each, "duration_ms": results[item]["duration_ms"]}
        for item, each in desk.check("--goss", "goss.yaml", "--vars", "vars.yaml")[1].items()
    }
    again = desk.run("convert", "goss.yaml", "--vars", "vars.yaml", "-o", "mine.yaml", "--force")
    assert again.returncode == 0


def test_convert_tells_what_it_could_not_say(desk: Desk) -> None:
    write(desk.folder, "flub: {a: {b: c}}\nuser: {root: {exists: true}}", "odd.yaml")
    done = desk.run("convert", "odd.yaml")
    assert done.returncode == 1
    assert done.stderr == "odd.yaml:1: unknown flub: goss has no type of resource 'flub'\n"
    assert "# not mapped, odd.yaml:1: goss has no type of resource 'flub'" in done.stdout


def test_parameters_and_scope_can_be_set_as_of_any_profile(desk: Desk) -> None:
    given = ("--goss", "goss.yaml", "--vars", "vars.yaml")
    (item,) = desk.check(*given, "--only", "cmd.*")[1]
    assert item.startswith("goss.command.exit-3-")
    code, results, _ = desk.check(*given, "--only", "cmd.*", "--set", f"{item}.status=4")
    assert code == 1
    assert results[item]["message"].startswith("its exit status is 3, wanted: 4")


def test_a_snapshot_of_a_goss_file_is_evaluated_again(desk: Desk) -> None:
    goss = ("--goss", "goss.yaml", "--vars", "vars.yaml")
    assert desk.check(*goss, "--save", "kept")[0] == 0
    (desk.folder / "there").unlink()
    code, results, _ = desk.check(*goss, "--from", "kept")
    assert (code, len(results)) == (0, 4)
