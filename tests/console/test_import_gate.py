"""What must start fast imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from machine import ROOT, environment

HEAVY = frozenset({"paramiko", "sqlalchemy", "litestar", "requests", "rich", "jinja2"})
ALSO_UNWANTED = frozenset(
    {"cryptography", "importlib.metadata", "asyncio", "concurrent.futures", "email", "http"}
)

PROGRAM = """
import sys, atexit
atexit.register(lambda: print("\\n".join(sorted(sys.modules)), file=sys.stderr))
from agent.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "args",
    [
        "--version",
        "--help",
        "checks list",
        "check linux-server --no-send --format json",
    ],
)
def test_nothing_heavy_is_imported_by(args: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args.split()],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    imported = set(done.stderr.splitlines())
    assert "sys" in imported, done.stderr
    assert imported & HEAVY == set()
    assert imported & ALSO_UNWANTED == set()


def test_the_version_needs_no_library_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--version"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stderr.splitlines()) & {"click", "msgspec", "yaml", "psutil", "typing"} == set()
