"""Profiles, site files and settings as nobody meant them: one clear line, and nothing written elsewhere."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from spoiling import Watch

from agent.cli import main

TIMES = int(os.environ.get("FIRSTLIGHT_FUZZ", "100"))

PROFILE = """\
profile: small
version: "1"
title: A small one
variables: {port: 80, base: "/etc"}
items:
  - {id: hosts, check: file.stat, with: {path: "${base}/hosts", type: file}, severity: P1}
  - {id: port, check: net.tcp, with: {host: localhost, port: "${port}"}, stages: [acceptance]}
  - {id: kernel, check: cmd.output, with: {command: [uname, -a], matches: Linux}}
"""
SITE = """\
site: plant-a
profile: small.yaml
targets:
  - {name: web-1, connect: local, roles: [web]}
  - {name: db-1, host: 127.0.0.1, port: 2222, user: ann, password: env:FOO, sudo: true}
"""
CONFIG = """\
keep_sent_days = 7
consent = "changes"
[[schedules]]
name = "nightly"
cron = "30 2 * * *"
timezone = "Europe/Berlin"
jitter = "1h"
quiet = ["22:00-02:00"]
profile = "linux-server"
[spool]
max_mb = 512.0
[network]
proxy = "http://127.0.0.1:1"
[redact]
words = ["abc"]
patterns = ["a+b"]
mask = ["host"]
[limits]
memory_mb = 300
"""
PIECES = [
    *("null", "true", "[]", "{}", "-1", "9" * 25, "1e999", ".inf", "nan", "0x", "1d", "0", "2021-13-45"),
    *("\0", "\u2028", "\t", "\n", "'", '"', "\\", "~", "%s", "://", "../../..", "${x}", "é", "\x1b[2J"),
    *("&a", "*a", "<<: *a", "{a: &a [*a]}", "!!python/object:os.system", "- " * 2_000, "[ " * 3_000),
    "x" * 70_000,
]
FILES = {
    "small.yaml": (PROFILE, ("plan small.yaml", "check small.yaml --no-send --format json")),
    "site.yaml": (SITE, ("plan -s site.yaml",)),
    "state/config.toml": (
        CONFIG,
        ("agent --list", "doctor", "plan small.yaml", "spool list", "show-upload", "install --print"),
    ),
}


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def spoilt(text: str, luck: random.Random) -> str:
    for _ in range(luck.choice([1, 1, 2, 5])):
        how, at = luck.random(), luck.randrange(len(text) + 1)
        to = at + luck.choice([0, 1, 3, 12, 40])
        lines = text.split("\n")
        number = luck.randrange(len(lines))
        if how < 0.5:
            text = text[:at] + luck.choice(PIECES) + text[to:]
        elif how < 0.65:
            text = text[:at] + text[to:]
        elif how < 0.8:
            lines[number] = f"{lines[number].split(':')[0]}: {luck.choice(PIECES)}"
            text = "\n".join(lines)
        else:
            lines.insert(number, luck.choice(lines))
            text = "\n".join(lines)
    return text


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FILES)
def test_a_spoilt_file_is_used_or_refused_and_nothing_else(
    name: str,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(state))
    monkeypatch.chdir(tmp_path)
    for each, (text, _) in FILES.items():
        (tmp_path / each).write_text(text if each != "state/config.toml" else "")
    text, commands = FILES[name]
    for seed in range(TIMES):
        luck = random.Random(f"{name} {seed}")
        (tmp_path / name).write_text(spoilt(text, luck))
        line = luck.choice(commands)
        with watch.over(state) as outside, pytest.raises(SystemExit) as stop:
            main(line.split())
        said = capsys.readouterr()
        told = f"seed {seed}: firstlight {line} ended with {stop.value.code}: {said.err[-2000:]}"
        assert stop.value.code in (0, 1, 2, 3), told
        assert "Traceback" not in said.err + said.out, told
        assert "(a defect;" not in said.err, told
        assert outside == [], f"{told}: {outside}"
        assert "\x1b" not in said.err + said.out, told
        if stop.value.code == 2:
            assert said.err.startswith("firstlight: "), told
            assert len(said.err.rstrip("\n").split("\n")) == 1, told
            assert len(said.err) < 3_000, told
