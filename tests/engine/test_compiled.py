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
