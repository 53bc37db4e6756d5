"""A second fold, naive on purpose: what a set of runs amounts to, replayed from nothing for each finding.

It keeps every run whole, sorts, and asks each question anew; nothing is remembered between questions. The
server's fold is held against it, so it shares no code with the server and is written from the semantics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from history_words import Binding, Change, Entry, Episode, Finding, Line, Past, Run, Target, World
from reference_shares import charge

FIRST_DAY = timedelta(hours=24)
RECURRENCE = timedelta(days=90)
DECISIVE = ("pass", "warn", "fail")


def history(world: World, runs: Iterable[Run]) -> dict[Finding, Past]:
    """Every finding that was ever observed, with its changes and its episodes."""
    ordered = in_fold_order(runs)
    pasts = {}
    for finding in _named_findings(ordered):
        entries = entries_of(world, ordered, finding)
        if entries:
            pasts[finding] = Past(changes(entries), episodes(world, ordered, finding))
    return pasts


def in_fold_order(runs: Iterable[Run]) -> list[Run]:
    """Each run once, by effective time and then by run id."""
    return sorted({run.id: run for run in runs}.values(), key=lambda run: (run.at, run.id))


def _named_findings(runs: Iterable[Run]) -> list[Finding]:
    named = {
        Finding(target, item, object)
        for run in runs
        for target, reports in run.reports.items()
        for item, report in reports.items()
        for object in report.objects
    }
    return sorted(named)


# --- which results count ---------------------------------------------------------------------------------


def holds(binding: Binding, at: datetime) -> bool:
    """Whether a binding is valid at a moment: from its beginning, up to but without its end."""
    return binding.valid_from <= at and (binding.valid_until is None or at < binding.valid_until)


def plan_in_force(binding: Binding, at: datetime) -> Mapping[str, Line]:
    """The newest plan accepted by then; nothing before the first, and nothing outside the binding."""
    begun = [plan for plan in binding.plans if plan.valid_from <= at]
    if not begun or not holds(binding, at):
        return {}
    return max(begun, key=lambda plan: plan.valid_from).lines


def accepting_binding(world: World, target: Target, run: Run) -> Binding | None:
    """The binding that a run of this profile at this target is judged under."""
    for binding in world.bindings:
        if binding.target == target and binding.profile == run.profile and holds(binding, run.at):
            return binding
    return None


def accepted_line(world: World, target: Target, run: Run, item: str) -> Line | None:
    """The accepted line under which a run speaks for an item; none if what it says does not count."""
    report = run.reports.get(target, {}).get(item)
    binding = accepting_binding(world, target, run)
    if report is None or binding is None or run.from_snapshot:
        return None
    line = plan_in_force(binding, run.at).get(item)
    return line if line is not None and line.rule == report.rule else None


# --- a finding's entries, and where they change ----------------------------------------------------------


def entries_of(world: World, ordered: list[Run], finding: Finding) -> list[Entry]:
    """What every run that speaks for the finding says of it, from its first observation on.

    An object that was observed before and is missing from a complete report is `gone`.
    """
    entries: list[Entry] = []
    for run in ordered:
        line = accepted_line(world, finding.target, run, finding.item)
        if line is None:
            continue
        report = run.reports[finding.target][finding.item]
        seen = report.objects.get(finding.object)
        if seen is not None:
            severity = min(seen.severity, line.severity)
            entries.append(Entry(run, seen.status, severity, seen.cause, report.rule, line))
        elif report.complete and entries:
            entries.append(Entry(run, "gone", "", "", "", line))
    return entries


def changes(entries: list[Entry]) -> tuple[Change, ...]:
    """The entries that differ from the one before."""
    found = []
    for index, entry in enumerate(entries):
        said = (entry.status, entry.severity, entry.cause, entry.rule)
        before = entries[index - 1] if index else None
        if before is None or said != (before.status, before.severity, before.cause, before.rule):
            found.append(Change(entry.run.at, entry.run.id, *said))
    return tuple(found)


# --- episodes --------------------------------------------------------------------------------------------


def leavings(world: World, target: Target, item: str) -> list[datetime]:
    """The moments at which something agreed about the target changed and no plan in force has the item."""
    mine = [binding for binding in world.bindings if binding.target == target]
    moments = {plan.valid_from for binding in mine for plan in binding.plans}
    moments |= {binding.valid_until for binding in mine if binding.valid_until is not None}
    return sorted(at for at in moments if not any(item in plan_in_force(binding, at) for binding in mine))


def timeline(world: World, ordered: list[Run], finding: Finding) -> Iterator[datetime | Entry]:
    """Entries in fold order with the moments at which the item had left; at one instant leaving is first."""
    left = leavings(world, finding.target, finding.item)
    for entry in entries_of(world, ordered, finding):
        while left and left[0] <= entry.run.at:
            yield left.pop(0)
        yield entry
    yield from left


def opens(entry: Entry) -> bool:
    return entry.status == "fail" or (entry.status == "warn" and entry.line.opens_on == "warn")


def episodes(world: World, ordered: list[Run], finding: Finding) -> tuple[Episode, ...]:
    """The finding's episodes, oldest first, charged."""
    told: list[Episode] = []
    current: Episode | None = None
    kept: list[Entry] = []  # the entries that opened the current episode, continued it or kept it open
    passed: Entry | None = None  # the newest pass so far
    decisive: Entry | None = None  # the newest pass, warn or fail so far
    opened_after: list[Entry | None] = []  # for each episode, the decisive entry before it

    for moment in timeline(world, ordered, finding):
        if isinstance(moment, datetime):
            if current is not None and current.state == "open":
                current = replace(current, state="lapsed", lapsed_at=moment)
            continue
        entry = moment
        at = entry.run.at
        if current is None and opens(entry):
            binding = accepting_binding(world, finding.target, entry.run)
            assert binding is not None
            current = Episode(
                opened_at=at,
                opened_run=entry.run.id,
                state="open",
                lapsed_at=None,
                closed_at=None,
                closed_run=None,
                close_kind="",
                rule_changed=passed is not None and passed.rule != entry.rule,
                severity="",
                recurred=bool(told) and at - _closed(told[-1]) <= RECURRENCE,
                project=binding.project,
                reason="",
                shares={},
            )
            kept = [entry]
            opened_after.append(decisive)
        elif current is not None:
            if opens(entry) or (entry.status == "warn" and current.state == "open"):
                kept.append(entry)
            if opens(entry):
                current = replace(current, state="open", lapsed_at=None)
            elif entry.status in ("skip", "gone") and current.state == "open":
                current = replace(current, state="lapsed", lapsed_at=at)
            elif entry.status == "pass":
                current = replace(
                    current,
                    state="closed",
                    lapsed_at=None,
                    closed_at=at,
                    closed_run=entry.run.id,
                    close_kind="verified" if entry.rule == kept[-1].rule else "rule-changed",
                    severity=_severity(kept),
                )
                told.append(current)
                current = None
        if entry.status == "pass":
            passed = entry
        if entry.status in DECISIVE:
            decisive = entry
    if current is not None:
        told.append(replace(current, severity=_severity(kept)))

    opening = {entry.run.id: entry for entry in entries_of(world, ordered, finding)}
    return tuple(
        charge(world, episode, opening[episode.opened_run].rule, prior)
        for episode, prior in zip(told, opened_after, strict=True)
    )


def _closed(episode: Episode) -> datetime:
    assert episode.closed_at is not None
    return episode.closed_at


def _severity(kept: list[Entry]) -> str:
    """The worst within a day of the opening."""
    return min(entry.severity for entry in kept if entry.run.at - kept[0].run.at <= FIRST_DAY)
