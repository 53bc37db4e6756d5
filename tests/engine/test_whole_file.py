"""What is written where others may write too: always a new file, never through a link that waits there."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.compiled import keep_in, parsed
from checks.snapshot import Snapshot, save
from checks.whole_file import write_whole

TREASURE = b"somebody else's\n"


@pytest.fixture
def trapped(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with links under every name that is about to be used, and the file that they lead to."""
    treasure = tmp_path / "treasure"
    treasure.write_bytes(TREASURE)
    folder = tmp_path / "shared"
    folder.mkdir()
    for name in ("it.json", "it.json.new", f".it.json.{os.getpid()}.new", f".it.json.{os.getpid()}"):
        (folder / name).symlink_to(treasure)
    return folder, treasure


def test_a_file_is_written_through_no_link(trapped: tuple[Path, Path]) -> None:
    folder, treasure = trapped
    write_whole(folder / "it.json", b"new", sync=True)
    assert treasure.read_bytes() == TREASURE
    assert (folder / "it.json").read_bytes() == b"new"
    assert not (folder / "it.json").is_symlink()


def test_a_snapshot_is_written_through_no_link(trapped: tuple[Path, Path]) -> None:
    folder, treasure = trapped
    save(Snapshot(captured_at=datetime(2026, 1, 1, tzinfo=UTC), targets=()), folder / "it.json")
    assert treasure.read_bytes() == TREASURE
    assert stat.S_IMODE((folder / "it.json").stat().st_mode) == 0o600


def test_a_parsed_profile_is_kept_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checks import compiled

    monkeypatch.setattr(compiled, "_kept", [])
    keep_in(tmp_path / "profiles")
    before = os.umask(0)
    try:
        parsed(b"profile: a\nitems: []\n", "a test's")
    finally:
        os.umask(before)
    (kept,) = (tmp_path / "profiles").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    with pytest.raises(OSError, match="it"):
        write_whole(tmp_path / "it", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
