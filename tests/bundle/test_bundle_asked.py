"""The question before a bundle is written, in a real terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "remote"))  # for `ssh_site`

from ssh_site import SiteFolder
from terminal import at_a_terminal


@pytest.mark.parametrize(("typed", "written"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked_after_the_list(tmp_path: Path, typed: str, written: bool) -> None:
    place = SiteFolder(tmp_path / "place")
    said, code = at_a_terminal(place, ["bundle", "./visit.yaml", "-o", "b.zip"], {"Write b.zip": typed})
    assert code == 0, said
    assert said.index("snapshot.json") < said.index("Write b.zip")
    assert (place.folder / "b.zip").exists() is written
    assert ("nothing was written" in said) is not written
