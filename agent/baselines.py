"""What was accepted: a run that named people froze as the state a machine is meant to be in.

Kept durably on this machine, one per site and profile. It decides nothing: results are what they are, and a
baseline only says beside them what has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from agent.durable import make_folder, sync_folder, write_durably
from agent.paths import NO_SITE, State, file_of
from checks.errors import BadInput
from checks.evaluate import Basis
from checks.fact import Reading
from checks.model import Result, Status
from checks.snapshot import Snapshot

BASELINE_VERSION = 1

AT_ACCEPTANCE = {
    Status.PASS: "passed",
    Status.WARN: "warned",
    Status.FAIL: "failed",
    Status.ERROR: "could not be told",
    Status.SKIP: "did not apply",
    Status.MANUAL: "was to be looked at by hand",
}

READINGS_SHOWN = 3


class Head(msgspec.Struct, frozen=True):
    """Who accepted what, and when."""

    accepted: datetime
    by: tuple[str, ...]
    profile_version: str
    plan_digest: str

    def __str__(self) -> str:
        return f"accepted {self.accepted:%Y-%m-%d} by {', '.join(self.by)}"


class Baseline(msgspec.Struct, frozen=True):
    """A head with its redacted snapshot and results, and the heads of those it replaced, oldest first.

    `site` is empty for a machine that was not enrolled.
    """

    site: str
    head: Head
    snapshot: Snapshot
    history: tuple[Head, ...] = ()
    version: int = BASELINE_VERSION


def accept(at: State, snapshot: Snapshot, site: str, by: tuple[str, ...], now: datetime) -> Baseline:
    """Make a run the baseline of its profile at a site; the one before leaves its head.

    Raises `BadInput` where that is damaged, `OSError` where it cannot be kept.
    """
    earlier = load(at, site, snapshot.profile)
    history = (*earlier.history, earlier.head) if earlier is not None else ()
    head = Head(now, by, snapshot.profile_version, snapshot.plan_digest)
    made = Baseline(site, head, snapshot, history)
    at.prepare()
    make_folder(at.baselines)
    write_durably(at.baselines / file_of(site, snapshot.profile), msgspec.json.encode(made))
    return made


def load(at: State, site: str, profile: str) -> Baseline | None:
    """The baseline of a profile at a site (empty: before any enrolment), or None; raises `BadInput`."""
    return _read(at.baselines / file_of(site, profile))


def find(at: State, site: str | None, profile: str | None) -> Baseline:
    """The one baseline of that site and profile, None for any; raises `BadInput` where it is not just one."""
    every = stored(at)
    found = [each for each in every if site in (None, each.site) and profile in (None, each.snapshot.profile)]
    if len(found) == 1:
        return found[0]
    wanted = " ".join(filter(None, [profile and f"of {profile}", site and f"at {site}"]))
    if found:
        names = ", ".join(_name(each) for each in found)
        raise BadInput(
            f"there are {len(found)} baselines {wanted}".rstrip() + f" ({names}); say --profile or --site"
        )
    there = f"; there is one of {', '.join(_name(each) for each in every)}" if every else ""
    raise BadInput(
        f"no baseline {wanted}".rstrip()
        + f" was accepted{there}; firstlight baseline accept --by NAME makes one"
    )


def stored(at: State) -> list[Baseline]:
    """All baselines of this machine by site and profile; raises `BadInput`."""
    found = [_read(path) for path in sorted(at.baselines.glob("*.json"))]
    return sorted(filter(None, found), key=_name)


def _name(baseline: Baseline) -> str:
    return f"{baseline.snapshot.profile} at {baseline.site or NO_SITE}"


def _read(path: Path) -> Baseline | None:
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: damaged ({error}); remove the file and accept a run anew") from error
    if baseline.version > BASELINE_VERSION:
        raise BadInput(f"{path}: baseline version {baseline.version} is newer than this program knows")
    return baseline


def clear(at: State, site: str, profile: str) -> None:
    """Remove a baseline and its history. Raises `OSError`."""
    (at.baselines / file_of(site, profile)).unlink()
    sync_folder(at.baselines)


def changes_since(
    baseline: Baseline, snapshot: Snapshot, basis: Mapping[str, Basis] | None = None
) -> dict[str, str]:
    """What changed since acceptance, by result key, one short sentence for each result where something did.

    `basis` says which readings a result was judged on; without it only the results are compared. Where no
    target of the run was in the baseline, it says nothing of this run and neither does this.
    """
    from checks.compare import Pairs, renamed

    accepted, present = targets_of(baseline.snapshot), targets_of(snapshot)
    names = renamed(accepted, present)
    if accepted.isdisjoint(names.get(name, name) for name in present):
        return {}
    staged = bool(baseline.snapshot.narrowing.stage)
    known = {(each.target, each.item) for each in baseline.snapshot.recorded}
    pairs = Pairs(baseline.snapshot.recorded, names)
    readings = _Readings(baseline, snapshot, names)
    changes: dict[str, str] = {}
    for result in snapshot.recorded:
        before = pairs.earlier(result)
        if before is None:
            if not staged or (names.get(result.target, result.target), result.item) in known:
                changes[result.key] = "new since acceptance"
            continue
        parts = _of_result(before, result)
        if changed := readings.changed((basis or {}).get(result.key, ())):
            parts.append(f"{changed} since acceptance ({baseline.head})")
        if parts:
            changes[result.key] = "; ".join(parts)
    return changes


def since_acceptance(at: State, snapshot: Snapshot, basis: Mapping[str, Basis]) -> tuple[dict[str, str], str]:
    """What a report says of the baseline: the changes, and one line about it; both empty without one.

    Never raises: that a baseline cannot be read is told in the line, and costs no check.
    """
    if not at.baselines.is_dir():
        return {}, ""
    try:
        baseline = load(at, snapshot.site, snapshot.profile)
    except BadInput as error:
        return {}, f"the baseline cannot be used: {error}"
    if baseline is None:
        return {}, ""
    changes = changes_since(baseline, snapshot, basis)
    accepted = targets_of(baseline.snapshot)
    if accepted.isdisjoint(targets_of(snapshot)):
        return changes, f"{baseline.head}, for {', '.join(sorted(accepted)[:5])}"
    return changes, str(baseline.head)


def targets_of(snapshot: Snapshot) -> set[str]:
    return {each.target.name for each in snapshot.targets}


def _of_result(before: Result, after: Result) -> list[str]:
    """How the result itself differs from the accepted one."""
    from checks.compare import UNTOLD

    if after.cause in UNTOLD:
        return []
    parts = []
    if before.status is not after.status:
        parts.append(f"{AT_ACCEPTANCE[before.status]} at acceptance")
    elif before.cause != after.cause:
        parts.append(f"at acceptance the cause was {before.cause or 'none'}")
    if before.rule != after.rule:
        parts.append("held to another rule since acceptance")
    return parts


class _Readings:
    """What changed of readings since acceptance, each looked at once however many results rest on it."""

    def __init__(self, baseline: Baseline, snapshot: Snapshot, names: Mapping[str, str]) -> None:
        self._before = {each.target.name: each.values for each in baseline.snapshot.targets}
        self._after = {each.target.name: each.values for each in snapshot.targets}
        self._names = names
        self._tokens = baseline.snapshot.site == snapshot.site
        self._said: dict[tuple[str, str], str] = {}

    def changed(self, basis: Basis) -> str:
        """What changed of those readings in words, empty where nothing did."""
        several = len({target for target, _ in basis}) > 1
        found = [
            f"{target}: {said}" if several else said
            for target, fact in basis
            if (said := self._of(target, fact))
        ]
        more = [f"and {len(found) - READINGS_SHOWN} more"] if len(found) > READINGS_SHOWN else []
        return ", ".join(found[:READINGS_SHOWN] + more)

    def _of(self, target: str, fact: str) -> str:
        if (target, fact) not in self._said:
            self._said[target, fact] = self._compared(target, fact)
        return self._said[target, fact]

    def _compared(self, target: str, fact: str) -> str:
        """Only what was read both times: that it cannot be read is the result's own message."""
        from checks.compare import change_of

        before: Reading | None = self._before.get(self._names.get(target, target), {}).get(fact)
        after = self._after.get(target, {}).get(fact)
        change = change_of(target, fact, before, after, tokens=self._tokens)
        return change.text if change is not None and change.kind == "changed" else ""
