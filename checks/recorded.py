"""The results that a snapshot carries, standing in for those whose readings were redacted.

A recorded result stands only under the rule it was judged by, and says that it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.model import Result


class Recorded:
    """Recorded results, found by key, or by target, item and object where another salt made the key."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.results = tuple(results)
        self.by_key = {result.key: result for result in self.results}
        self.by_name = {(each.target, each.item, each.object): each for each in self.results}

    def same(self, made: Result) -> Result | None:
        """What was recorded of the finding that `made` is about, under its rule; it keeps the new key."""
        found = self.by_key.get(made.key) or self.by_name.get((made.target, made.item, made.object))
        if found is None:  # an object whose name was masked: the one result of its rule can be no other's
            alone = [each for each in self.results if (each.target, each.item) == (made.target, made.item)]
            found = alone[0] if len(alone) == 1 else None
        if found is None or found.rule != made.rule:
            return None
        return _marked(msgspec.structs.replace(found, key=made.key))

    def all_of(self, target: str, item: str, rule: str) -> list[Result]:
        """Everything recorded of an item at a target, under that rule, with the recorded keys."""
        return [
            _marked(each)
            for each in self.results
            if each.target == target and each.item == item and each.rule == rule
        ]


def _marked(result: Result) -> Result:
    return msgspec.structs.replace(result, evidence=result.evidence | {"recorded": True})
