"""The compiled forms of the shipped profiles say what the texts say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks import compiled
from checks.yamlfile import load_file

SHIPPED = sorted(compiled.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_has_a_fresh_compiled_form(path: Path) -> None:
    stale = "stale; write it with: python -m checks.compiled"
    assert path.with_suffix(".tree").read_bytes() == compiled.compile_profile(path), stale


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_compiled_form_is_the_same_tree(path: Path) -> None:
    assert compiled.load(path) == load_file(path)


def test_a_text_that_was_changed_since_is_read_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in compiled.FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    mine = tmp_path / "linux-server.yaml"
    mine.write_text(mine.read_text().replace('version: "1"', 'version: "9"'))
    assert compiled.load(mine).value["version"].value == "9"
    mine.with_suffix(".tree").write_bytes(b"{ torn")
    assert compiled.load(mine).value["version"].value == "9"


def test_a_shipped_profile_is_loaded_without_a_yaml_parser() -> None:
    code = "import sys; from checks.profile import load_profile; load_profile('linux-server')"
    done = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('yaml' in sys.modules)"], check=False)
    assert done.returncode == 0


def kept_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_kept", [folder])


def test_the_tree_of_any_file_is_kept_and_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_in(tmp_path / "trees", monkeypatch)
    mine = tmp_path / "mine.yaml"
    shutil.copy(compiled.FOLDER / "linux-server.yaml", mine)
    assert compiled.load(mine) == load_file(mine)
    (tree,) = (tmp_path / "trees").iterdir()
    monkeypatch.setattr(compiled, "load_data", None)
    assert compiled.load(mine) == load_file(mine)
    assert tree.parent.stat().st_mode & 0o777 == 0o700


def test_a_kept_tree_is_used_for_its_own_text_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_in(tmp_path / "trees", monkeypatch)
    mine = tmp_path / "mine.yaml"
    mine.write_text("profile: one\n")
    assert compiled.load(mine).plain() == {"profile": "one"}
    (tree,) = (tmp_path / "trees").iterdir()
    mine.write_text("profile: two\n")
    assert compiled.load(mine).plain() == {"profile": "two"}
    for spoilt in (b"", b"{ torn", tree.read_bytes().replace(b'"version":1', b'"version":0')):
        for each in (tmp_path / "trees").iterdir():
            each.write_bytes(spoilt)
        assert compiled.load(mine).plain() == {"profile": "two"}


def test_only_so_many_trees_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_in(tmp_path / "trees", monkeypatch)
    for at in range(compiled.KEEP + 5):
        (tmp_path / "mine.yaml").write_text(f"profile: p{at}\n")
        compiled.load(tmp_path / "mine.yaml")
    assert len(list((tmp_path / "trees").iterdir())) == compiled.KEEP


def test_a_folder_that_cannot_be_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    kept_in(tmp_path / "file" / "trees", monkeypatch)
    (tmp_path / "mine.yaml").write_text("profile: one\n")
    assert compiled.load(tmp_path / "mine.yaml").plain() == {"profile": "one"}
