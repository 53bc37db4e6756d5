"""Numbers that runs read, kept so that later runs can tell where they are going (`Fact.series`).

One file of JSON lines per site and target, one line a run, appended. It thins itself out: everything of the
last two days is kept, then one run an hour, after 60 days one a day, and nothing after 400 days. A
convenience of this machine: where it cannot be kept there is no forecast, and nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from agent.durable import make_folder, write_quickly
from agent.paths import State, file_of
from checks.errors import BadInput
from checks.fact import FACTS, Known, NotReadable
from checks.facts.memory import Accepted, Answer, Deliveries, Sample
from checks.snapshot import Readings, Snapshot

MAX_SIZE: Final = 1024 * 1024
"""Bytes from which on a file is thinned out before it grows on."""

READ_LIMIT: Final = 16 * 1024 * 1024

_FINE, _HOURLY, _DAILY = timedelta(days=2), timedelta(days=60), timedelta(days=400)

Numbers = dict[str, dict[str, float]]


class _Line(msgspec.Struct):
    """One run at one target: when it was read, and the numbers by fact id."""

    at: datetime
    of: Numbers


def record(state: State, snapshot: Snapshot) -> None:
    """Append what a run's facts give to the series of its targets, before the snapshot is redacted."""
    for readings in snapshot.targets:
        numbers = _numbers(readings)
        if numbers:
            with suppress(OSError, BadInput):
                _append(state, file_of(snapshot.site, readings.target.name), readings.captured_at, numbers)


class Recollection:
    """What is remembered of one target (`checks.facts.memory.Memory`)."""

    def __init__(self, state: State, site: str, target: str, profile: str = "") -> None:
        self._state, self._site, self._target, self._profile = state, site, target, profile

    def series(self, fact: str) -> tuple[Sample, ...]:
        return tuple(Sample(line.at, line.of[fact]) for line in self._lines if fact in line.of)

    def answer(self, item: str) -> Answer | None:
        from agent.answers import newest

        return newest(self._state, self._site, self._target, item)

    def accepted(self, fact: str) -> Accepted | None:
        from agent.baselines import load

        try:
            baseline = load(self._state, self._site, self._profile)
        except BadInput as problem:
            raise NotReadable(str(problem), "parse") from problem
        if baseline is None:
            return None
        for readings in baseline.snapshot.targets:
            reading = readings.values.get(fact)
            if readings.target.name == self._target and isinstance(reading, Known):
                return Accepted(reading.value, baseline.head.by, baseline.head.accepted)
        return None

    def deliveries(self) -> Deliveries:
        if not self._state.identity.exists():
            return Deliveries(False)
        from agent.uploads import deliveries

        return deliveries(self._state)

    @cached_property
    def _lines(self) -> list[_Line]:
        return _read(self._state.history / file_of(self._site, self._target))


def _numbers(readings: Readings) -> Numbers:
    found: Numbers = {}
    for name, reading in readings.values.items():
        made = FACTS.get(name.partition("(")[0])
        if made is None or not isinstance(reading, Known):
            continue
        numbers = _finite(made.series(reading.value))
        if numbers:
            found[name] = numbers
    return found


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: number for name, number in numbers.items() if abs(number) < float("inf")}


def _append(state: State, name: str, at: datetime, numbers: Numbers) -> None:
    path = state.history / name
    line = msgspec.json.encode(_Line(at, numbers)) + b"\n"
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        state.prepare()
        make_folder(state.history)
        path.touch(mode=0o600)
        size = 0
    if size > MAX_SIZE:
        kept = [msgspec.json.encode(each) + b"\n" for each in thinned(_read(path), at)]
        write_quickly(path, b"".join([*kept, line]))
        return
    with path.open("ab") as file:
        file.write(line)


def thinned(lines: Iterable[_Line], now: datetime) -> list[_Line]:
    """The lines worth keeping at a moment, in order of time; the last of each hour or day stays."""
    kept: dict[tuple[str, int], _Line] = {}
    for line in sorted(lines, key=lambda line: line.at):
        age = now - line.at
        if age > _DAILY:
            continue
        step = ("s", 1) if age <= _FINE else ("h", 3600) if age <= _HOURLY else ("d", 86400)
        kept[step[0], int(line.at.timestamp()) // step[1]] = line
    return sorted(kept.values(), key=lambda line: line.at)


def _read(path: Path) -> list[_Line]:
    """The lines that are whole; one that a crash cut off is passed over."""
    try:
        with path.open("rb") as file:
            data = file.read(READ_LIMIT)
    except OSError:
        return []
    found = []
    for text in data.splitlines():
        with suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(text, type=_Line))
    return sorted(found, key=lambda line: line.at)
