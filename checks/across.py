"""What checks across targets share: who could not be read, and who of the others agrees with whom.

The rule of all of them: a disagreement among those that were read stands whatever the others may hold; an
agreement is none as long as one of them is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from checks.differences import listed
from checks.fact import Unavailable
from checks.model import Scalar, Verdict
from checks.verdicts import error, msg, skip

T = TypeVar("T")

ALONE: Final = skip("there is only one target, and nothing to compare it with", cause="single")


class Members(msgspec.Struct, Generic[T], frozen=True):
    """What each target holds, or why that is not known; both in the plan's order.

    `groups` are the names of those that hold the same, the largest group first.
    """

    values: dict[str, T]
    unread: dict[str, Unavailable]
    groups: tuple[tuple[str, ...], ...]

    @property
    def agree(self) -> bool:
        """Whether those that were read hold the same; also where there is none or one of them."""
        return len(self.groups) < 2

    def told(self, show: Callable[[T], str] = str) -> str:
        """Who holds what, for a sentence: ``20 on app1, app2; 10 on app3``."""
        return "; ".join(f"{show(self.values[group[0]])} on {listed(group)}" for group in self.groups)

    def evidence(self, show: Callable[[T], Scalar] = str) -> dict[str, Scalar]:
        """What every target holds, by its name."""
        held = {name: show(value) for name, value in self.values.items()}
        return held | {name: f"not known: {each.cause}" for name, each in self.unread.items()}


def compare(values: Mapping[str, T | Unavailable], same: Callable[[T], Hashable] | None = None) -> Members[T]:
    """Sort what a check across targets received; two are equal where `same` of them is."""
    read = {name: value for name, value in values.items() if not isinstance(value, Unavailable)}
    unread = {name: value for name, value in values.items() if isinstance(value, Unavailable)}
    groups: dict[Hashable, list[str]] = {}
    for name, value in read.items():
        groups.setdefault(value if same is None else same(value), []).append(name)
    largest_first = sorted(groups.values(), key=len, reverse=True)
    return Members(read, unread, tuple(tuple(group) for group in largest_first))


def not_known(members: Members[T], evidence: Mapping[str, Scalar] | None = None) -> Verdict:
    """The `error` that not all could be read, with their common cause where they have one."""
    reasons = compare({name: each.reason for name, each in members.unread.items()})
    causes = {each.cause for each in members.unread.values()}
    said = "; ".join(f"{listed(group)}: {reasons.values[group[0]]}" for group in reasons.groups)
    count, all = len(members.unread), len(members.unread) + len(members.values)
    return error(
        msg("{count} of {all} targets could not be compared: {said}", count=count, all=all, said=said),
        cause=causes.pop() if len(causes) == 1 else "failed",
        evidence=evidence if evidence is not None else members.evidence(),
    )
