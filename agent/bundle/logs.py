"""Reading the logs that a profile names, at every target it names them for, within one budget for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from agent.bundle.cleaning import cleaned
from agent.bundle.parts import Part
from agent.reading import reading_of
from checks.fact import Fact, Known, Reading, Unavailable
from checks.facts.permitted import Permitted
from checks.logs import LogEntry

if TYPE_CHECKING:
    from agent.redact import Redactor
    from agent.targets.sources import Sources
    from checks.facts.logtails import Tail
    from checks.plan import Plan

AT_ONCE: Final = 8
"""Logs that are read in one round: what came is bounded by so many, whatever the bound of the whole."""


class Log(msgspec.Struct, frozen=True):
    """One log of one target as it was read: `tails` of its files, or `reason` why there is none.

    `name` is how the profile has it; it is for people and never a file's name here.
    """

    target: str
    name: str
    tails: tuple[Tail, ...] = ()
    reason: str = ""


def wanted(plan: Plan) -> dict[str, list[LogEntry]]:
    """The logs of each target of a plan that is in scope."""
    scope = dict.fromkeys(source for unit in plan.units for source in unit.sources)
    found = {}
    for name in scope:
        roles = set(plan.roles.get(name, ()))
        entries = [each for each in plan.profile.logs if not each.roles or roles & set(each.roles)]
        if entries:
            found[name] = entries
    return found


def read_logs(plan: Plan, sources: Sources, budget: int) -> list[Log]:
    """Read them, at most `budget` bytes in all; what no room is left for says so. Nothing is redacted yet."""
    logs: list[Log] = []
    left = budget
    for target, entries in wanted(plan).items():
        for begin in range(0, len(entries), AT_ONCE):
            some = entries[begin : begin + AT_ONCE]
            if left <= 0:
                full = "not read: the bundle is full"
                logs += [Log(target, each.named, (), full) for each in some]
                continue
            readings = _read(target, [each.fact() for each in some], sources)
            for entry, reading in zip(some, readings, strict=True):
                log = _log(target, entry, reading)
                left -= sum(len(tail.text) for tail in log.tails)
                logs.append(log)
    return logs


def parts_of(logs: Sequence[Log], redactor: Redactor) -> list[tuple[Part, Log]]:
    """A part for every file that was read, under a name of ours, and the log it is of; redacted."""
    made: list[tuple[Part, Log]] = []
    for log in logs:
        for tail in log.tails:
            what = redactor.text(f"{log.target}: {tail.name}")
            text = cleaned(tail.text, redactor)
            cut = "older lines left out" if tail.cut else ""
            name = f"logs/{len(made) + 1:03d}.txt"
            made.append((Part(name, what, text.encode(), cut, weight=1), log))
    return made


def _read(target: str, facts: list[Fact], sources: Sources) -> list[Reading]:
    host = sources.hosts.get(target)
    if host is not None:
        from agent.discover.side_by_side import side_by_side

        return side_by_side(lambda fact: reading_of(fact, Permitted(host, fact)), facts, AT_ONCE)
    visited = sources.remotes.get(target)
    if visited is None or sources.dialer is None:
        return [Unavailable("not read: nothing leads there", "failed") for _ in facts]
    from agent.targets.remote import RemoteTarget

    # Its connection for the checks is being closed by another thread: this is one more, by the same way.
    remote = RemoteTarget(visited.route, sources.dialer)
    found: dict[Fact, Reading] = {}

    def deliver(fact: Fact, reading: Reading, seconds: float) -> None:
        del seconds
        found[fact] = reading

    try:
        remote.read(facts, deliver)
    finally:
        remote.close()
    return [found.get(fact, Unavailable("not read", "failed")) for fact in facts]


def _log(target: str, entry: LogEntry, reading: Reading) -> Log:
    if isinstance(reading, Known):
        tails: tuple[Tail, ...] = tuple(reading.value)
        written = tuple(tail for tail in tails if tail.text)
        return Log(
            target, entry.named, written, "" if written else "nothing was logged" if tails else "no such file"
        )
    reason = reading.reason if isinstance(reading, Unavailable) else "withheld"
    return Log(target, entry.named, (), reason)
