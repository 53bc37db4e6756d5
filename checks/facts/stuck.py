"""Children that are stuck in the kernel, one file a mount, so that none is piled upon another."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from checks.fact import NotReadable
from checks.facts.child import start_time


class StuckChild(msgspec.Struct, frozen=True):
    """Which process hangs on which mount; `started` tells it from a later one under the same pid."""

    mount: str
    pid: int
    started: str
    since: datetime


def remember(folder: Path, mount: str, pid: int, now: float) -> None:
    """Write down that `pid` hangs on `mount` since `now` (Unix seconds), unless it has died meanwhile."""
    started = start_time(pid)
    if started is None:
        return
    child = StuckChild(mount, pid, started, datetime.fromtimestamp(int(now), UTC))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _record(folder, mount)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(child))
    temporary.replace(path)


def raise_if_stuck(folder: Path, mount: str) -> None:
    """Raise `NotReadable` while the remembered child of this mount lives; forget it once it has gone."""
    path = _record(folder, mount)
    try:
        child = msgspec.json.decode(path.read_bytes(), type=StuckChild)
    except FileNotFoundError:
        return
    except (OSError, msgspec.MsgspecError):
        path.unlink(missing_ok=True)
        return
    if child.mount == mount and start_time(child.pid) == child.started:
        since = child.since.isoformat(sep=" ", timespec="minutes").replace("+00:00", " UTC")
        raise NotReadable(f"{mount} is still stuck since {since}: pid {child.pid}", "stuck")
    path.unlink(missing_ok=True)


def _record(folder: Path, mount: str) -> Path:
    return folder / f"{hashlib.sha256(mount.encode(errors='surrogateescape')).hexdigest()[:16]}.json"
