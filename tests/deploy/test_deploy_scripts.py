"""What runs on the far side, run here by its shell: what is easier to arrange than by a whole deployment."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from agent.deploy.scripts import CONFIGURE, UNPACK, script

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="deploy works as root over there")


def test_an_upgrade_removes_no_release_that_something_still_runs_from(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    program = tmp_path / "releases" / "1" / "firstlight"
    shutil.copy("/bin/sleep", program)
    (tmp_path / "current").symlink_to("releases/3")
    running = subprocess.Popen([program, "60"])
    try:
        assert unpacked(tmp_path, "4") == ["1", "3", "4"]
    finally:
        running.kill()
        running.wait()
    assert unpacked(tmp_path, "5") == ["4", "5"]
    assert (tmp_path / "current").readlink() == Path("releases/5")


def test_a_configuration_is_written_by_the_account_and_again_only_where_it_differs() -> None:
    with tempfile.TemporaryDirectory(prefix="firstlight-state-") as folder:  # where others may enter
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        shutil.chown(state, "nobody")
        written_where_it_differs(state)


def written_where_it_differs(state: Path) -> None:
    file = state / "config.toml"
    assert configured(state, "# it's\n[limits]\nnice = 1") == "wrote=yes\n"
    assert file.read_text() == "# it's\n[limits]\nnice = 1\n"
    assert (file.stat().st_uid, stat.S_IMODE(file.stat().st_mode)) == (state.stat().st_uid, 0o600)
    file.write_text(file.read_text() + "\n[[schedules]]\nname = 'x'\n")
    assert configured(state, "# it's\n[limits]\nnice = 1") == ""
    assert "[[schedules]]" in file.read_text()
    assert configured(state, "[limits]\nnice = 2") == "wrote=yes\n"
    assert file.read_text() == "[limits]\nnice = 2\n"


def unpacked(prefix: Path, release: str) -> list[str]:
    """Put a build that says nothing in place as this release; the releases that are there then."""
    incoming = prefix / ".incoming"
    with tarfile.open(incoming, "w:gz") as archive:
        entry = tarfile.TarInfo("firstlight-x/firstlight")
        text = f"#!/bin/sh\nexit 0 # {release}\n".encode()
        entry.size, entry.mode = len(text), 0o755
        archive.addfile(entry, io.BytesIO(text))
    ran(
        script(
            UNPACK,
            prefix=str(prefix),
            nonce="n",
            incoming=str(incoming),
            digest=hashlib.sha256(incoming.read_bytes()).hexdigest(),
            folder="firstlight-x",
            release=release,
        )
    )
    return sorted(path.name for path in (prefix / "releases").iterdir())


def configured(state: Path, config: str) -> str:
    return ran(script(CONFIGURE, user="nobody", state=str(state), config=config))


def ran(text: str) -> str:
    done = subprocess.run(["sh", "-s"], input=text, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout
