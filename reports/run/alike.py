"""The same finding at many targets, told once: fifty hosts that lack one setting are one thing to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from checks.model import Result

PLACES_SHOWN: Final = 8


class Alike(msgspec.Struct, frozen=True):
    """Results that say and ask the same, the first of them standing for all."""

    first: Result
    all: tuple[Result, ...]

    @property
    def single(self) -> bool:
        return len(self.all) == 1

    @property
    def count(self) -> int:
        return len(self.all)

    def place(self, *, one_target: bool) -> str:
        """Where: ``app1, app2 · /data``; objects alone where a run has one target."""
        if one_target:
            return _listed(result.object for result in self.all)
        objects: dict[str, list[str]] = {}
        for result in self.all:
            # What the target says already need not be said of the object, unless it stands alone.
            vantage = "" if self.single else f" from {result.target}"
            objects.setdefault(result.target, []).append(result.object.removesuffix(vantage))
        targets: dict[str, list[str]] = {}
        for target, found in objects.items():
            targets.setdefault(_listed(found), []).append(target)
        return "; ".join(" · ".join(filter(None, (_listed(names), of))) for of, names in targets.items())


def alike(results: Iterable[Result], apart: Mapping[str, str]) -> list[Alike]:
    """The results in their order, those that are alike at the place of the first.

    `apart` has, by key, what else is told of a result: those stand together only where that is the same.
    """
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        said = (str(result.message), result.remedy, apart.get(result.key, ""))
        name = (result.status, result.severity, result.item, *said)
        groups.setdefault(name, []).append(result)
    return [Alike(found[0], tuple(found)) for found in groups.values()]


def _listed(parts: Iterable[str]) -> str:
    names = [name for name in dict.fromkeys(parts) if name]
    more = f" and {len(names) - PLACES_SHOWN} more" if len(names) > PLACES_SHOWN else ""
    return ", ".join(names[:PLACES_SHOWN]) + more
