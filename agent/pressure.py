"""Keeping the spool within its limits, with an account of every run that is lost by it.

Delivered runs go first: they are only kept for a collector that loses its store. Then what is in quarantine,
then the oldest waiting runs are thinned out to one a day, and only when that is not enough the oldest are
dropped. The newest waiting run is never touched.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from agent.config import SpoolLimits
from agent.durable import sync_folder
from agent.losses import Losses, lost, save_losses, total
from agent.paths import State
from agent.spool import DAY_S, Spool, Spooled
from checks.errors import BadInput
from checks.model import Dropped, Narrowing, ProfileRef

MB = 1_000_000
ROOM = 0.9
"""Once over a limit the spool is brought down to this part of it, so that not every run begins anew."""

CLOCK_GAP_S = 31 * DAY_S
CLOCK_DOUBT_S = 7 * DAY_S
"""A clock that went back, or ahead by more than the first, is not believed for the second: until then nothing
is removed for its age. A clock that is wrong by years would else cost everything that waits."""


class _Glance(msgspec.Struct):
    """The fields of a body by which a run is thinned and counted; the rest is skipped."""

    site: str
    profile: ProfileRef
    stage: str
    narrowing: Narrowing
    partial: bool
    ended: datetime
    results: list[msgspec.Raw]
    dropped: Dropped


@dataclass(frozen=True, slots=True)
class Gone:
    """A run that was given up, and why; `thinned` where another run of its day stays."""

    entry: Spooled
    why: str
    thinned: bool = False


@dataclass(slots=True)
class _Plan:
    """What is to go, until enough bytes are free."""

    wanted: float
    delivered: list[Spooled] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    freed: float = 0.0

    @property
    def enough(self) -> bool:
        return self.freed >= self.wanted


def relieve(state: State, spool: Spool, limits: SpoolLimits, losses: Losses, now: float) -> list[Gone]:
    """Bring the spool within its limits; what was lost by it, oldest first.

    The caller holds the delivery and the sequence lock and has settled `losses`. Raises `OSError` where the
    account cannot be written; then nothing was removed.
    """
    sizes = _Sizes(spool)
    plan = _Plan(0.0)
    if now >= losses.trusted_from:
        _too_old(spool, limits, now, sizes, plan)
    plan.wanted = max(_over_the_cap(limits, sizes), _short_of_room(spool, limits, sizes))
    if not plan.enough:
        _choose(spool, sizes, plan, {gone.entry.run for gone in plan.gone})
    for entry in plan.delivered:
        spool.remove(entry)
    if plan.gone:
        _give_up(state, spool, losses, plan.gone)
    return plan.gone


def make_room(spool: Spool, need: int, spare: Container[str] = ()) -> bool:
    """Remove the oldest delivered runs for a disk that is full; whether there is hope now.

    The caller holds the delivery and the sequence lock. `spare` are runs whose account is not settled.
    Waiting runs stay: whoever filled the disk would take their room too.
    """
    sizes = _Sizes(spool)
    spool.clean()
    freed = sizes.all - _Sizes(spool).all
    for entry in spool.kept():
        if freed >= need:
            break
        if entry.run not in spare:
            freed += sizes.of(entry)
            spool.remove(entry)
    return freed >= need


def look_at_the_clock(state: State, losses: Losses, now: float) -> Losses:
    """Note the time; before `trusted_from` nothing goes for its age. A first look believes the clock."""
    jumped = losses.seen != 0.0 and not 0 <= now - losses.seen <= CLOCK_GAP_S
    # The minimum: a doubt may stem from a time when the clock was ahead by years.
    trusted = now + CLOCK_DOUBT_S if jumped else min(losses.trusted_from, now + CLOCK_DOUBT_S)
    if jumped or trusted != losses.trusted_from or now - losses.seen > DAY_S / 2:
        losses = msgspec.structs.replace(losses, seen=now, trusted_from=trusted)
        save_losses(state, losses)
    return losses


class _Sizes:
    """Bytes of every run's file, taken with one look at each folder."""

    def __init__(self, spool: Spool) -> None:
        self._bytes: dict[Path, int] = {}
        self.all = 0
        for folder in (spool.waiting, spool.sent, spool.refused):
            with suppress(FileNotFoundError), os.scandir(folder) as found:
                for file in found:
                    with suppress(FileNotFoundError):  # moved or swept away meanwhile
                        size = file.stat(follow_symlinks=False).st_size
                        self._bytes[folder / file.name] = size
                        self.all += size

    def of(self, entry: Spooled) -> int:
        return self._bytes.get(entry.path, 0)


def _over_the_cap(limits: SpoolLimits, sizes: _Sizes) -> float:
    cap = limits.max_mb * MB
    return sizes.all - cap * ROOM if sizes.all > cap else 0.0


def _short_of_room(spool: Spool, limits: SpoolLimits, sizes: _Sizes) -> float:
    """Bytes that the disk has less than it should; 0 where all of the spool could not mend that."""
    short = limits.keep_free_mb * MB - _free(spool.folder)
    return short if 0 < short < sizes.all else 0.0


def _free(folder: Path) -> int:
    """Bytes of the disk that this user may still take."""
    if hasattr(os, "statvfs"):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize
    import shutil

    return shutil.disk_usage(folder).free


def _too_old(spool: Spool, limits: SpoolLimits, now: float, sizes: _Sizes, plan: _Plan) -> None:
    waiting = spool.pending()
    old = [
        Gone(entry, f"dropped from quarantine after {limits.quarantine_days:g} days")
        for entry in spool.quarantined()
        if now - spool.refused_at(entry) > limits.quarantine_days * DAY_S
    ]
    old += [
        Gone(entry, f"dropped: it waited for more than {limits.max_days:g} days")
        for entry in waiting[:-1]
        if now - entry.made > limits.max_days * DAY_S
    ]
    plan.gone += old
    sizes.all -= sum(sizes.of(one.entry) for one in old)


def _choose(spool: Spool, sizes: _Sizes, plan: _Plan, already: set[str]) -> None:
    """Choose what goes for the room it takes, in the order of what it is worth."""

    def left(entries: list[Spooled]) -> Iterator[Spooled]:
        for entry in entries:
            if plan.enough:
                return
            if entry.run not in already:
                yield entry

    def give_up(entry: Spooled, why: str, thinned: bool = False) -> None:
        plan.gone.append(Gone(entry, why, thinned))
        plan.freed += sizes.of(entry)
        already.add(entry.run)

    for entry in left(spool.kept()):
        plan.delivered.append(entry)
        plan.freed += sizes.of(entry)
    for entry in left(spool.quarantined()):
        give_up(entry, "dropped from quarantine: the spool is full")
    waiting = [entry for entry in spool.pending() if entry.run not in already][:-1]
    for day in _by_day(waiting) if not plan.enough else ():
        if plan.enough:
            break
        for entry in left(_all_but_the_best(spool, day)):
            give_up(entry, "thinned out to one a day: the spool is full", thinned=True)
    for entry in left(waiting):
        give_up(entry, "dropped: the spool is full")


def _by_day(waiting: list[Spooled]) -> list[list[Spooled]]:
    """Runs by the UTC day that their id names, the oldest day first."""
    days: dict[int, list[Spooled]] = {}
    for entry in waiting:
        days.setdefault(int(entry.made // DAY_S), []).append(entry)
    return [days[day] for day in sorted(days) if len(days[day]) > 1]


def _all_but_the_best(spool: Spool, day: list[Spooled]) -> list[Spooled]:
    """Of one day's runs those that go: per site, profile and stage one stays, the last that is whole."""
    best: dict[tuple[str, str, str], tuple[tuple[bool, bool, int], Spooled]] = {}
    readable = []
    for entry in day:
        glance = _glance(spool, entry)
        if glance is None:
            continue  # damaged: delivery sets it aside
        readable.append(entry)
        group = (glance.site, glance.profile.id, glance.stage)
        rank = (glance.narrowing == Narrowing(), not glance.partial, entry.sequence)
        if group not in best or rank > best[group][0]:
            best[group] = (rank, entry)
    stay = {entry.run for _, entry in best.values()}
    return [entry for entry in readable if entry.run not in stay]


def _glance(spool: Spool, entry: Spooled) -> _Glance | None:
    try:
        return msgspec.json.decode(spool.read(entry).body, type=_Glance)
    except (BadInput, OSError, msgspec.MsgspecError):
        return None


def _give_up(state: State, spool: Spool, losses: Losses, gone: list[Gone]) -> None:
    """Remove runs and count them: the intent first, then the files, then the account."""
    leaving = {}
    for one in gone:
        glance = _glance(spool, one.entry)
        if glance is None:
            leaving[one.entry.run] = lost(0, datetime.fromtimestamp(one.entry.made, UTC))
        else:
            leaving[one.entry.run] = lost(len(glance.results), glance.ended.astimezone(UTC), glance.dropped)
    save_losses(state, msgspec.structs.replace(losses, leaving=leaving))
    for one in gone:
        spool.remove(one.entry)
    for folder in {one.entry.path.parent for one in gone}:
        sync_folder(folder)
    counted = total([losses.open, *leaving.values()])
    save_losses(state, msgspec.structs.replace(losses, open=counted, leaving={}))
