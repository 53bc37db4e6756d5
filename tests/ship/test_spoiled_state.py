"""Whatever becomes of a file in the state folder, no command crashes, waits for ever, or writes elsewhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from ship_collector import Scripted, TinyCollector
from spoiling import SPOILS, Watch, copied

from agent.cli import main

PROFILE = """\
profile: small
version: "1"
title: A small one
items:
  - {id: hosts, check: file.stat, with: {path: /etc/hosts, type: file}}
"""
COMMANDS = (
    "check small.yaml --operator x",
    "send",
    "doctor",
    "spool list --all",
    "agent --list",
    "show-upload",
    "diff last",
    "identity show",
    "plan small.yaml",
)
FINE = {0, 1, 2, 3, 4}


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder with everything in it that an agent comes to keep, and its collector still there."""
    base = tmp_path_factory.mktemp("lived_in")
    (base / "small.yaml").write_text(PROFILE)
    collector = TinyCollector()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRSTLIGHT_STATE", str(base / "state"))
        patch.chdir(base)
        assert typed(f"enrol {collector.url} --token {collector.token()} --target web-1") == 0
        (base / "state" / "config.toml").write_text('[[schedules]]\nname = "hourly"\nevery = "1h"\n')
        for _ in range(2):
            assert typed("check small.yaml") == 0
        assert typed("baseline accept --by Ann") == 0
        typed("plan small.yaml")
        collector.script.append(Scripted(400))
        assert typed("check small.yaml") == 4  # into quarantine
        collector.script.append(Scripted(503, headers={"Retry-After": "0"}))
        assert typed("check small.yaml") == 0  # waits
    yield base
    collector.stop()


def typed(line: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(line.split())
    assert isinstance(stop.value.code, int)
    return stop.value.code


def every_file(state: Path) -> list[Path]:
    return sorted(path.relative_to(state) for path in state.rglob("*") if path.is_file())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoiled_file_costs_one_clear_line(
    spoil: str,
    lived_in: Path,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = every_file(lived_in / "state")
    assert len(files) > 15, files
    monkeypatch.chdir(lived_in)
    luck = random.Random(spoil)
    for number, name in enumerate(files):
        at = copied(lived_in / "state", tmp_path / f"state-{number}")
        SPOILS[spoil](at / name)
        monkeypatch.setenv("FIRSTLIGHT_STATE", str(at))
        for line in [*luck.sample(COMMANDS[2:], 2), *COMMANDS[:2], "doctor"]:
            with watch.over(at) as outside:
                code = typed(line)
            said = capsys.readouterr()
            told = f"{name} ({spoil}): firstlight {line} ended with {code}: {said.err}{said.out}"
            assert code in FINE, told
            assert "unexpected" not in said.err, told
            assert "Traceback" not in said.err + said.out, told
            assert outside == [], f"{told}: {outside}"
