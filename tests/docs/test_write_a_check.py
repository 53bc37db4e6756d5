"""docs/write-a-check.md: its files are written and its commands run, in the order in which they stand."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from document_reader import Block, blocks, read, table
from machine import firstlight

from checks.authoring.functions import FUNCTIONS
from checks.authoring.plugins import GROUP
from checks.authoring.yamlcheck import KEYS, REQUIRED, TYPES

PAGE = read("write-a-check.md")
BLOCKS = blocks(PAGE)
NAMED = re.compile(r"# (\S+\.(?:yaml|py|ini|toml))\n")


def files(under: str = "") -> dict[str, str]:
    """The files of the page by name, or those that stand under a heading."""
    found = {}
    for block in BLOCKS:
        named = NAMED.match(block.text)
        if named and under in ("", block.under):
            found[named[1]] = block.text
    return found


def put(folder: Path, texts: dict[str, str]) -> None:
    """Write the files; /srv/acme of the page is this folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("/srv/acme", str(folder)), encoding="utf-8")


def commands(block: Block) -> list[list[str]]:
    lines = [line for line in block.text.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.removeprefix("$ firstlight ")) for line in lines]


def test_every_block_is_a_file_a_command_or_what_a_command_said() -> None:
    for block in BLOCKS:
        known = block.language in ("yaml", "python", "ini", "toml") and NAMED.match(block.text)
        assert known or block.language in ("console", "text"), block.text[:60]


def test_what_the_page_writes_is_run_as_it_stands(tmp_path: Path) -> None:
    put(tmp_path, files("A check in one YAML file") | files("Use it"))
    ran = []
    for at, block in enumerate(BLOCKS):
        if block.language != "console":
            continue
        for args in commands(block):
            done = firstlight(*args, state=tmp_path / "state", cwd=tmp_path)
            assert (done.returncode, done.stderr) == (0, ""), (args, done.stderr)
            ran.append(args[0])
            after = BLOCKS[at + 1]
            if after.language == "text" and after.under == block.under:
                assert done.stdout == after.text
            if args[0] == "check":
                assert "All that was checked is well." in done.stdout or "All is well." in done.stdout
                said = firstlight(*args, "--all", state=tmp_path / "state", cwd=tmp_path).stdout
                assert "5 seats, 3 are needed" in said
    assert ran == ["test-checks", "plan", "check"]


def test_a_licence_that_is_too_small_fails(tmp_path: Path) -> None:
    put(tmp_path, files("A check in one YAML file") | files("Use it"))
    licence = tmp_path / "licence.ini"
    licence.write_text(licence.read_text().replace("seats = 5", "seats = 2"))
    args = ("check", "./acme.yaml", "--checks-dir", "checks", "--no-send")
    done = firstlight(*args, state=tmp_path / "state", cwd=tmp_path)
    assert done.returncode == 1
    assert "2 seats, 3 are needed" in done.stdout


def test_the_check_in_python_keeps_the_contract_and_reads_a_file(tmp_path: Path) -> None:
    put(tmp_path, files("A check in Python"))
    tested = firstlight("test-checks", "checks", state=tmp_path / "state", cwd=tmp_path)
    assert (tested.returncode, tested.stderr) == (0, "")
    assert tested.stdout.endswith("5 tests of 1 check, all hold\n")
    (tmp_path / "queue").write_text("1500\n")
    (tmp_path / "p.yaml").write_text(
        f"profile: p\nitems: [{{check: acme.queue, with: {{path: {tmp_path}/queue}}}}]\n"
    )
    args = ("check", "./p.yaml", "--checks-dir", "checks", "--no-send")
    done = firstlight(*args, state=tmp_path / "state", cwd=tmp_path)
    assert done.returncode == 1
    assert "1500 receipts wait" in done.stdout


@pytest.mark.parametrize("line", re.findall(r"`firstlight (new-check [^`]+)`", PAGE))
def test_the_scaffolds_of_the_page_hold(tmp_path: Path, line: str) -> None:
    made = firstlight(*shlex.split(line), state=tmp_path / "state", cwd=tmp_path)
    assert made.returncode == 0
    named = [name for name in files() if name.startswith("checks/")]
    assert {*made.stdout.split()} <= {*named}
    tested = firstlight("test-checks", "checks", state=tmp_path / "state", cwd=tmp_path)
    assert tested.returncode == 0


def test_every_key_is_explained_and_no_other() -> None:
    rows = table(PAGE, "key", "must be there", "is")
    names = {name for row in rows for name in re.findall(r"[a-z]+", row["key"])}
    needed = {
        name for row in rows if row["must be there"] == "yes" for name in re.findall(r"[a-z]+", row["key"])
    }
    assert names == {*KEYS}
    assert needed == {*REQUIRED}


def test_every_type_and_every_function_is_named() -> None:
    flat = " ".join(PAGE.split())
    assert all(f"`{name}`" in flat for name in TYPES)
    rows = {row["function"].partition("(")[0]: row["gives"] for row in table(PAGE, "function", "gives")}
    assert rows == {name: function.line for name, function in FUNCTIONS.items()}


def test_the_entry_point_of_the_page_is_of_the_right_group() -> None:
    (text,) = (block.text for block in BLOCKS if block.language == "toml")
    project = tomllib.loads(text)
    assert project["project"]["entry-points"] == {GROUP: {"acme": "acme_checks"}}
    assert project["tool"]["setuptools"]["py-modules"] == ["acme_checks"]
