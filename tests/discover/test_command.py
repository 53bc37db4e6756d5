"""The command: what it refuses, what it says, and that a small profile of this very machine passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine import firstlight


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "servces"), "--only servces: no such area; did you mean services?"),
        (("--only", ","), "--only names no area"),
        (("--target", "db1"), "there is none (-s)"),
        (("-F", "config"), "there is none (-s)"),
        (("-s", "nowhere.yaml"), "nowhere.yaml"),
        (("-o", "nowhere/x.yaml"), "nowhere does not exist"),
        (("-o", "x.json"), "a profile's file ends with .yaml"),
        (("-o", "there.yaml"), "there.yaml is there already, and may have been edited"),
        (("-o", "dangling.yaml"), "dangling.yaml is there already"),
    ],
)
def test_wrong_input_ends_with_2_and_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "there.yaml").write_text("mine\n")
    (tmp_path / "dangling.yaml").symlink_to("elsewhere.yaml")
    done = firstlight("discover", *options, state=tmp_path / "state", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "there.yaml").read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == ["dangling.yaml", "there.yaml"]


def test_a_target_that_the_site_has_not_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: plant\ntargets:\n  db1: {local: true}\n")
    options = ("-s", "site.yaml", "--target", "db2")
    done = firstlight("discover", *options, state=tmp_path / "state", cwd=tmp_path)
    assert done.returncode == 2
    assert "--target db2: no such target; did you mean db1?" in done.stderr


@pytest.mark.parametrize("site", [False, True], ids=["this machine", "a site file"])
def test_what_is_written_here_passes_here(tmp_path: Path, site: bool) -> None:
    # What other tests do not touch meanwhile.
    options = ["--only", "system,files,mounts"]
    of_site = []
    if site:
        (tmp_path / "site.yaml").write_text(
            "site: plant\nvariables: {size: 3}\ntargets:\n"
            "  db1: {local: true, roles: [db], variables: {own: a}}\n"
        )
        of_site = ["-s", "site.yaml"]
    done = firstlight("discover", *options, *of_site, state=tmp_path / "state", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (name,) = done.stdout.split()
    assert name.startswith("discovered-") and (not site or name == "discovered-plant.yaml")
    assert f"try it: firstlight check ./{name}" in done.stderr
    text = (tmp_path / name).read_text()
    assert "profile: discovered-" in text and "check: file.stat" in text
    assert ("  own: a\n  size: 3\n" in text) is site
    run = firstlight("check", f"./{name}", *of_site, "--no-send", state=tmp_path / "state", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
