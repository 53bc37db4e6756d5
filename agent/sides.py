"""What can be compared: a snapshot, a bundle, a run in the spool, an accepted baseline, the last run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from agent.identity import load_identity
from agent.paths import State, state
from checks.compare import UNTOLD
from checks.errors import BadInput
from checks.model import Result, RunReport
from checks.snapshot import Snapshot

BASELINE = "baseline"
LAST = "last"
ACROSS = "site/"
"""Begins the names that results of checks across targets stand at, which no facts are read from."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two runs to compare: its name as it was typed and what that is, in words.

    `snapshot` is None for a run of which only the results are known. `incomplete` says why what is missing
    in it says nothing; it is empty for a whole run.
    """

    name: str
    what: str
    captured: datetime
    site: str
    profile: str
    profile_version: str
    targets: tuple[str, ...]
    results: tuple[Result, ...]
    snapshot: Snapshot | None = None
    incomplete: str = ""

    @property
    def lost(self) -> dict[str, str]:
        """The targets that could not be had, each with why."""
        targets = self.snapshot.targets if self.snapshot else ()
        return {each.target.name: each.lost.reason for each in targets if each.lost is not None}

    @property
    def readings(self) -> int:
        return sum(len(each.values) for each in self.snapshot.targets) if self.snapshot else 0


def sides(a: str, b: str, profile: str | None) -> tuple[Side, Side]:
    """What both names stand for. A baseline or last run is that of the other's site and profile.

    Raises `BadInput` where a name stands for nothing.
    """
    at = state()
    found: dict[str, Side] = {}
    for name in sorted((a, b), key=_depends):
        other = next(iter(found.values()), None)
        if name == LAST:
            found[name] = _last(name, profile or (other.profile if other else None))
        elif _depends(name):
            found[name] = _baseline(at, name, profile, other)
        else:
            found[name] = _plain(at, name)
    return found[a], found[b]


def sides_in(name: str) -> tuple[Side, Side]:
    """What a bundle holds for a comparison: the accepted state, or else the run before, and its own readings.

    Raises `BadInput` for what is no bundle, and for one in which there is nothing to compare.
    """
    from agent.bundle.opening import accepted_in, is_bundle, load_readings, previous_in

    path = Path(name)
    if not is_bundle(path):
        raise BadInput(f"{name}: compared with what? Name a second run; only a bundle can stand alone")
    own = of_snapshot(name, f"bundle {name}", load_readings(path))
    accepted = accepted_in(path)
    if accepted is not None:
        return of_snapshot(name, f"the state that was accepted, in {name}", accepted), own
    previous = previous_in(path)
    if previous is not None:
        return of_snapshot(name, f"the run before, in {name}", previous), own
    raise BadInput(f"{name}: nothing was accepted or run before it was made; name a second run")


def _depends(name: str) -> int:
    """What the name of another side decides on comes after it."""
    return 1 if name == LAST else 2 if name == BASELINE or name.startswith(f"{BASELINE}:") else 0


def _plain(at: State, name: str) -> Side:
    """A file, else a run in the spool."""
    path = Path(name)
    try:
        is_file, exists = path.is_file(), path.exists()
    except OSError as error:
        raise BadInput(f"{name[:200]}: {error.strerror}") from error
    if is_file:
        from agent.bundle.opening import is_bundle, load_readings

        what = "bundle" if is_bundle(path) else "snapshot"
        return of_snapshot(name, f"{what} {name}", load_readings(path))
    if exists or "/" in name or path.suffix:
        raise BadInput(f"{name}: {'not a file' if exists else 'no such file'}; name a snapshot")
    return _spooled(at, name)


def _spooled(at: State, name: str) -> Side:
    from agent.spool import Spool
    from checks.model import decode_report

    spool = Spool(at.spool)
    every = spool.pending() + spool.kept() + spool.quarantined()
    if not any(entry.run.startswith(name) or str(entry.sequence) == name for entry in every):
        raise BadInput(
            f"{name}: neither a file nor a run in the spool, nor one of {BASELINE}, {BASELINE}:SITE, {LAST}"
        )
    entry = spool.find(name)
    try:
        report = decode_report(spool.read(entry).body)
    except msgspec.MsgspecError as error:
        raise BadInput(f"run {entry.run}: not one that this version knows: {error}") from error
    return of_report(name, report)


def of_report(name: str, report: RunReport) -> Side:
    """A run as it was sent: its results, without the readings."""
    narrowed = bool(report.narrowing.only or report.narrowing.target or report.narrowing.stage)
    return Side(
        name,
        f"run {report.sequence} ({report.run})",
        report.ended,
        report.site,
        report.profile.id,
        report.profile.version,
        tuple(target.name for target in report.targets if not target.name.startswith(ACROSS)),
        report.results,
        None,
        _incomplete(report.partial, narrowed),
    )


def _last(name: str, profile: str | None) -> Side:
    from agent.last import newest

    last = newest(None, profile)
    if last is None:
        wanted = f" of {profile}" if profile else ""
        raise BadInput(f"{LAST}: no run{wanted} is remembered here; run firstlight check first")
    return of_snapshot(name, "the last run", last.snapshot)


def _baseline(at: State, name: str, profile: str | None, other: Side | None) -> Side:
    from agent.baselines import find

    site: str | None = name.partition(":")[2] or (other.site if other else "")
    if not site:
        identity = load_identity(at)
        site = identity.sites[0] if identity else None
    baseline = find(at, site, profile or (other.profile if other else None))
    return of_snapshot(name, f"the baseline {baseline.head}", baseline.snapshot)


def of_snapshot(name: str, what: str, snapshot: Snapshot) -> Side:
    """A snapshot: what was read, and the results it gave."""
    narrowing = snapshot.narrowing
    partial = snapshot.partial or any(each.cause in UNTOLD for each in snapshot.recorded)
    return Side(
        name,
        what,
        snapshot.captured_at,
        snapshot.site,
        snapshot.profile,
        snapshot.profile_version,
        tuple(each.target.name for each in snapshot.targets),
        snapshot.recorded,
        snapshot,
        _incomplete(partial, bool(narrowing.only or narrowing.target or narrowing.stage)),
    )


def _incomplete(partial: bool, narrowed: bool) -> str:
    if partial:
        return "was interrupted"
    return "looked at a part of its profile only" if narrowed else ""
