"""The readings of a run, per target: saved, loaded and evaluated anywhere.

The file is JSON and holds readings after redaction only. Evaluation's clock is `captured_at`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from checks.errors import BadInput
from checks.fact import Reading, Unavailable
from checks.model import Narrowing, Result, Target

SNAPSHOT_VERSION = 1


class Readings(msgspec.Struct, frozen=True):
    """The readings of one target by fact id, how long each took, and when the last one was made.

    `roles` are those the target had then, so that the snapshot can be evaluated without the site file.
    `lost` says why the target could not be had, or not to the end.
    """

    target: Target
    values: dict[str, Reading]
    captured_at: datetime
    duration_ms: dict[str, float] = {}
    roles: tuple[str, ...] = ()
    lost: Unavailable | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """All readings of a run and the results it gave, so that redacted facts can show what was recorded.

    `site` is the one whose salt the recorded keys were made with, empty where there was none yet.
    `profile_version` and `plan_digest` are empty in files of older versions. `partial` says that the run was
    interrupted, `narrowing` what it left out on purpose.
    """

    captured_at: datetime
    targets: tuple[Readings, ...]
    version: int = SNAPSHOT_VERSION
    profile: str = ""
    recorded: tuple[Result, ...] = ()
    site: str = ""
    profile_version: str = ""
    plan_digest: str = ""
    narrowing: Narrowing = Narrowing()
    partial: bool = False


def save(snapshot: Snapshot, path: Path) -> None:
    """Write the snapshot, whole or not at all, readable by its owner only."""
    from checks.whole_file import write_whole

    write_whole(path, msgspec.json.format(msgspec.json.encode(snapshot, order="deterministic")))


def load(path: Path) -> Snapshot:
    """Read a snapshot; raises `BadInput` with the file and the path of the mistake."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; a snapshot is a file that --save wrote") from error
    return decode(data, str(path))


def decode(data: bytes, where: str) -> Snapshot:
    """The snapshot in some bytes; raises `BadInput` with `where` and the path of the mistake."""
    try:
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadInput(f"{where}: not a snapshot: {what}; that is a file that --save wrote") from error
    if snapshot.version > SNAPSHOT_VERSION:
        raise BadInput(f"{where}: snapshot version {snapshot.version} is newer than this program knows")
    return snapshot
