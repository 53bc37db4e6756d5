"""The last run of each site and profile: what `diff last`, `baseline accept` and `--only-failed` start from.

A convenience of this machine and nothing more: no check fails because it cannot be kept. Nothing is synced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from agent.durable import make_folder, write_quickly
from agent.paths import file_of, state
from checks.errors import BadInput
from checks.model import Narrowing, Status
from checks.snapshot import Snapshot

TO_REPEAT = frozenset({Status.FAIL, Status.WARN, Status.ERROR})

Units = tuple[tuple[str, str], ...]


class Last(msgspec.Struct, frozen=True):
    """A redacted snapshot with the results it gave; target and item of all that is not known to be well.

    The snapshot is that of the last run of the whole profile or one of its stages, where there was one.
    """

    snapshot: Snapshot
    failed: Units = ()


def remember(snapshot: Snapshot) -> None:
    """Keep a run that was made now, readable by its owner only; nothing happens where it cannot be kept.

    What was narrowed to some items or targets only updates what failed among them.
    """
    at = state()
    path = at.last / file_of(snapshot.site, snapshot.profile)
    kept = Last(snapshot, _failed(snapshot))
    if snapshot.narrowing != Narrowing():
        kept = _merged(_read(path), kept)
    with suppress(OSError, BadInput):
        at.prepare()
        make_folder(at.last)
        write_quickly(path, msgspec.json.encode(kept))


def recall(site: str, profile: str) -> Last | None:
    """The last run of a profile at a site (empty: before any enrolment), or None."""
    found = _read(state().last / file_of(site, profile))
    return found if found is not None and _is_of(found, site, profile) else None


def newest(site: str | None = None, profile: str | None = None) -> Last | None:
    """The last run of all, or of those of a site, of a profile, or both."""
    for path in _by_age(state().last):
        found = _read(path)
        if found is not None and _is_of(found, site, profile):
            return found
    return None


def failed_units(last: Last) -> frozenset[tuple[str, str]]:
    """Target and item of what failed, warned or could not be told when it was last evaluated."""
    return frozenset(last.failed)


def of_a_part(snapshot: Snapshot) -> bool:
    """Whether items or targets were left out. A stage is a whole: it is all there is to check then."""
    return bool(snapshot.narrowing.only or snapshot.narrowing.target)


def _failed(snapshot: Snapshot) -> Units:
    found = ((each.target, each.item) for each in snapshot.recorded if each.status in TO_REPEAT)
    return tuple(dict.fromkeys(found))


def _merged(earlier: Last | None, narrow: Last) -> Last:
    """The earlier run, with what the narrowed one says of the part it looked at."""
    if earlier is None:
        return narrow
    seen = {(each.target, each.item) for each in narrow.snapshot.recorded}
    failed = tuple(unit for unit in earlier.failed if unit not in seen) + narrow.failed
    keep = of_a_part(narrow.snapshot) and not of_a_part(earlier.snapshot)
    return Last(earlier.snapshot if keep else narrow.snapshot, failed)


def _is_of(last: Last, site: str | None, profile: str | None) -> bool:
    return site in (None, last.snapshot.site) and profile in (None, last.snapshot.profile)


def _read(path: Path) -> Last | None:
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=Last)
    return None


def _by_age(folder: Path) -> Iterator[Path]:
    """The files in it, the youngest first."""
    aged = []
    with suppress(OSError):
        for path in folder.glob("*.json"):
            with suppress(OSError):
                aged.append((path.stat().st_mtime_ns, path))
    return (path for _, path in sorted(aged, reverse=True))
