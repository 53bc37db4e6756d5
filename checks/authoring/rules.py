"""What a check in YAML does when it is judged: the first rule that holds decides.

Readings that do not suit an expression make an `error`, never a pass and never a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from checks.authoring.expression import Expression, read_expression
from checks.authoring.functions import Unfit
from checks.model import Message, Scalar, Severity, Status, Verdict
from checks.verdicts import error, msg

SHOWN: Final = 200
"""Characters of a value that go into a sentence or the evidence."""

_GAP = re.compile(r"\{([^{}]*)\}")


class Saying(msgspec.Struct, frozen=True):
    """A sentence with expressions in it: ``{licence.value} seats of {seats}``."""

    template: str
    parts: dict[str, Expression]

    def message(self, scope: Mapping[str, Any]) -> Message:
        """The sentence with its values; raises `Unfit`."""
        return msg(self.template, **{name: scalar(each.value(scope)) for name, each in self.parts.items()})


class Rule(msgspec.Struct, frozen=True):
    """When it decides (None: always), and what it says then."""

    when: Expression | None
    then: Status
    say: Saying
    cause: str
    severity: Severity | None
    line: int | None


class Rules:
    """The function of a check in YAML: facts and parameters by name, and ``now``, in; a verdict out."""

    def __init__(
        self, rules: tuple[Rule, ...], evidence: Mapping[str, Expression], where: str, name: str
    ) -> None:
        self.rules, self.evidence, self.where = rules, dict(evidence), where
        self.__module__, self.__qualname__, self.__name__ = where, name, name

    def __call__(self, **scope: Any) -> Verdict:
        for rule in self.rules:
            try:
                if rule.when is not None and not rule.when.holds(scope):
                    continue
                say = rule.say.message(scope)
            except Unfit as problem:
                said = msg("{problem}", problem=str(problem)[:300])
                return error(said, cause="parse", evidence={"rule": f"{self.where}:{rule.line}"})
            severity = rule.severity if rule.then in (Status.PASS, Status.WARN, Status.FAIL) else None
            cause = rule.cause or ("failed" if rule.then is Status.ERROR else "")
            return Verdict(rule.then, say, None, cause, self._kept(scope), severity)
        return error("no rule decides", cause="defect")

    def _kept(self, scope: Mapping[str, Any]) -> dict[str, Scalar]:
        """The evidence, without what these readings do not give: it decides nothing."""
        kept = {}
        for name, each in self.evidence.items():
            with suppress(Unfit):
                kept[name] = scalar(each.value(scope))
        return kept


def read_saying(text: str, known: Mapping[str, Any]) -> Saying:
    """Read a sentence; raises `ValueError` for an expression that is none."""
    parts = {found: read_expression(found, known) for found in dict.fromkeys(_GAP.findall(text))}
    return Saying(text, parts)


def scalar(value: Any) -> Scalar:
    """A value for a sentence or the evidence: short, and never a whole reading."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(scalar(part)) for part in list(value)[:20])[:SHOWN]
    if isinstance(value, msgspec.Struct | Mapping):
        raise Unfit("a sentence or evidence can hold single values only; name a field of the reading")
    return str(value)[:SHOWN]
