"""What changed between two runs: their readings, without what changes by itself, and their results.

Pure. What of a value is noise its fact says (`Fact.settled`), found by the name in the fact's id, because a
snapshot knows no more of it. Targets are those of the same name, or the only one of each side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, Literal

import msgspec

from checks.differences import NOTHING, brief, differences, listed, named
from checks.fact import FACTS, Fact, Known, Reading, Redacted, Unavailable
from checks.model import Result, Severity, Status
from checks.snapshot import Readings, Snapshot

Kind = Literal["added", "removed", "changed", "unreadable", "readable"]
ResultKind = Literal["new", "gone", "changed"]

UNTOLD: Final = frozenset({"interrupted", "unread"})
"""Causes of a reading that was never made, and of a result without it: they say nothing of the target."""

SAME_NAMES: Final[Mapping[str, str]] = {}


class Change(msgspec.Struct, frozen=True):
    """One fact at one target that is not what it was. `fact` is empty where a whole target came, went or fell
    silent.

    `before` and `after` hold the inner fields that differ (``mode: 0640``), or why it could not be read;
    `text` says both (``mode: 0640 → 0644``).
    """

    target: str
    fact: str
    kind: Kind
    before: str
    after: str
    text: str


class ResultChange(msgspec.Struct, frozen=True):
    """One finding whose result is not what it was; `text` says how (``pass → fail (low)``)."""

    key: str
    target: str
    item: str
    object: str
    severity: Severity
    kind: ResultKind
    before: Status | None
    after: Status | None
    text: str


# ---- readings


def compare(before: Snapshot, after: Snapshot) -> list[Change]:
    """What changed, in the order of `after`'s targets; those that are gone stand last."""
    old = {each.target.name: each for each in before.targets}
    new = {each.target.name: each for each in after.targets}
    names = renamed(old, new)
    tokens = before.site == after.site
    changes: list[Change] = []
    for name, readings in new.items():
        earlier = old.pop(names.get(name, name), None)
        if earlier is None:
            count = _count(readings)
            changes.append(Change(name, "", "added", "", count, f"a new target: {count}"))
        else:
            changes += _of_target(name, earlier, readings, tokens)
    for name, readings in old.items():
        count = _count(readings)
        changes.append(Change(name, "", "removed", count, "", f"no such target now; it had {count}"))
    return changes


def change_of(
    target: str, fact: str, before: Reading | None, after: Reading | None, *, tokens: bool = True
) -> Change | None:
    """What changed of one fact, None where nothing did or one side never tried to read it.

    `tokens` says that both sides were redacted for one site: only then have equal secrets equal tokens.
    """
    if _untold(before) or _untold(after):
        return None
    if before is None or after is None:
        return _one_sided(target, fact, before, after)
    if isinstance(after, Unavailable):
        return _unreadable(target, fact, before, after)
    if isinstance(before, Unavailable):
        said = shown(fact, after)
        return Change(target, fact, "readable", before.reason, said, f"can be read now: {said}")
    if isinstance(before, Redacted) and isinstance(after, Redacted) and not tokens:
        return None
    found = list(differences(settled(fact, before), settled(fact, after)))
    if not found:
        return None
    return Change(
        target,
        fact,
        "changed",
        listed([named(each.name, each.before) for each in found]),
        listed([named(each.name, each.after) for each in found]),
        listed([named(each.name, each.text) for each in found]),
    )


def renamed(before: Iterable[str], after: Iterable[str]) -> dict[str, str]:
    """The earlier name of the only target there is, where it is called differently now."""
    old, new = list(before), list(after)
    return {new[0]: old[0]} if len(old) == len(new) == 1 and old != new else {}


def incomparable_secrets(before: Snapshot, after: Snapshot) -> bool:
    """Whether both sides hold redacted values whose tokens cannot be held against each other."""
    return before.site != after.site and all(
        any(isinstance(reading, Redacted) for each in side.targets for reading in each.values.values())
        for side in (before, after)
    )


def shown(fact: str, reading: Reading) -> str:
    """A reading in a few words."""
    return reading.reason if isinstance(reading, Unavailable) else brief(settled(fact, reading))


def settled(fact: str, reading: Known | Redacted) -> Any:
    """What two runs are compared by: the settled value in plain JSON shapes, or a secret's token.

    A value that was kept by a version with another type, or of a fact that this one does not know, is
    compared as it is.
    """
    if isinstance(reading, Redacted):
        return reading.token
    value, known = reading.value, class_of(fact)
    if known is not None:
        wanted = known.value_type
        with suppress(msgspec.ValidationError):
            typed = wanted is None or (isinstance(wanted, type) and type(value) is wanted)
            value = known.settled(value if typed else msgspec.convert(value, wanted))
    return msgspec.to_builtins(value, str_keys=True)


def class_of(fact: str) -> type[Fact] | None:
    """The class of a fact by its id; None for one that this version does not know.

    One that nothing has needed yet is looked for among those of the built-in checks.
    """
    name = fact.partition("(")[0]
    if name not in FACTS and not _searched:
        from checks.index import BUILT_IN

        for module in sorted({*BUILT_IN.values()}):
            import_module(f"checks.library.{module}")
        _searched.append(True)
    return FACTS.get(name)


_searched: list[bool] = []


def _of_target(target: str, before: Readings, after: Readings, tokens: bool) -> list[Change]:
    """Its facts' changes. Where the target itself was lost, that is one change, not one a fact."""
    facts = dict.fromkeys((*after.values, *before.values))
    found = (
        change_of(target, fact, before.values.get(fact), after.values.get(fact), tokens=tokens)
        for fact in facts
    )
    changes = [change for change in found if change is not None]
    if after.lost is not None:
        changes = [change for change in changes if change.kind not in ("unreadable", "removed")]
    if before.lost is not None:
        changes = [change for change in changes if change.kind not in ("readable", "added")]
    if after.lost is not None and before.lost is None:
        why = after.lost.reason
        changes.insert(
            0, Change(target, "", "unreadable", _count(before), why, f"the target was lost: {why}")
        )
    if before.lost is not None and after.lost is None:
        count = _count(after)
        changes.insert(
            0, Change(target, "", "readable", before.lost.reason, count, f"can be had now: {count}")
        )
    return changes


def _one_sided(target: str, fact: str, before: Reading | None, after: Reading | None) -> Change | None:
    if after is not None:
        said = shown(fact, after)
        return Change(target, fact, "added", "", said, f"new: {said}")
    if before is not None:
        said = shown(fact, before)
        return Change(target, fact, "removed", said, "", f"not read now; it was: {said}")
    return None


def _unreadable(target: str, fact: str, before: Reading, after: Unavailable) -> Change | None:
    if not isinstance(before, Unavailable):
        text = f"could not be read now: {after.reason}"
    elif before.cause != after.cause:
        text = f"could not be read before ({before.cause}), nor now: {after.reason}"
    else:
        return None
    return Change(target, fact, "unreadable", shown(fact, before), after.reason, text)


def _untold(reading: Reading | None) -> bool:
    return isinstance(reading, Unavailable) and reading.cause in UNTOLD


def _count(readings: Readings) -> str:
    count = len(readings.values)
    return "1 reading" if count == 1 else f"{count} readings"


# ---- results


def compare_results(
    before: Iterable[Result], after: Iterable[Result], names: Mapping[str, str] = SAME_NAMES
) -> list[ResultChange]:
    """What changed between the results of two runs, in the order of `after`; what is gone stands last.

    `names` are the earlier ones of targets that are called differently now. Measured values and words are
    noise; status, cause, severity and rule are not. What a run was interrupted before says nothing.
    """
    old = list(before)
    pairs = Pairs(old, names)
    changes = []
    for result in after:
        earlier = pairs.earlier(result)
        if result.cause in UNTOLD or (earlier is not None and earlier.cause in UNTOLD):
            continue
        if earlier is None:
            changes.append(_result_change(result, "new", None, result.status, f"new: {status_of(result)}"))
        elif texts := changes_of(earlier, result):
            changes.append(_result_change(result, "changed", earlier.status, result.status, ", ".join(texts)))
    gone = [each for each in old if each.key not in pairs.found and each.cause not in UNTOLD]
    return changes + [
        _result_change(each, "gone", each.status, None, f"no result now; it was: {status_of(each)}")
        for each in gone
    ]


def changes_of(before: Result, after: Result) -> list[str]:
    """How two results of one finding differ, as short texts."""
    texts = []
    if before.status is not after.status:
        texts.append(f"{status_of(before)} → {status_of(after)}")
    elif before.cause != after.cause:
        texts.append(f"{after.status}, cause: {before.cause or NOTHING} → {after.cause or NOTHING}")
    if before.severity is not after.severity:
        texts.append(f"severity: {before.severity} → {after.severity}")
    if before.rule != after.rule:
        texts.append("held to another rule")
    return texts


def status_of(result: Result) -> str:
    """The status, with its cause where it is not quiet: ``fail (low)``."""
    quiet = result.status in (Status.PASS, Status.SKIP) or not result.cause
    return str(result.status) if quiet else f"{result.status} ({result.cause})"


class Pairs:
    """Which earlier result stands for the same finding: the one with its key, or with its target, item and
    object where another salt made the key. `found` are the keys of those that were asked for."""

    def __init__(self, before: Sequence[Result], names: Mapping[str, str] = SAME_NAMES) -> None:
        self.names = names
        self.found: set[str] = set()
        self._by_key = {each.key: each for each in before}
        self._by_name = {(each.target, each.item, each.object): each for each in before}

    def earlier(self, result: Result) -> Result | None:
        target = self.names.get(result.target, result.target)
        found = self._by_key.get(result.key) or self._by_name.get((target, result.item, result.object))
        if found is not None:
            self.found.add(found.key)
        return found


def _result_change(
    result: Result, kind: ResultKind, before: Status | None, after: Status | None, text: str
) -> ResultChange:
    return ResultChange(
        result.key, result.target, result.item, result.object, result.severity, kind, before, after, text
    )
