"""From a verdict to a result: the finding's name, its texts filled, everything within the wire's bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from checks.ids import finding_key
from checks.model import Message, Result, Scalar, Status, Verdict
from checks.placeholders import PLACEHOLDER, fill_text
from checks.profile import Item
from checks.unit import ITEM, Unit

FROM_A_VANTAGE: Final = ("net.", "tls.", "http.", "db.connect")
"""Checks whose object includes where it was looked at from, because the answer depends on it."""

MAX_TEXT: Final = 4000
MAX_LABEL: Final = 500
MAX_CODE: Final = 100
MAX_EVIDENCE: Final = 50


class ResultMaker:
    """Makes the results of one unit."""

    def __init__(self, unit: Unit, salt: str, vantage: str) -> None:
        self.unit, self.salt = unit, salt
        elsewhere = vantage not in ("", "local") and unit.item.check.startswith(FROM_A_VANTAGE)
        self.suffix = f" from {vantage}" if elsewhere else ""

    def result(
        self, verdict: Verdict, arguments: Mapping[str, Any], duration_ms: float, *, unnamed: str = ""
    ) -> Result:
        """The verdict as a result; `unnamed` is its object where neither verdict nor check names one.

        The remedy is left out of what needs none.
        """
        item, check = self.unit.item, self.unit.check
        shown = _shown(item, arguments)
        label = verdict.object if verdict.object is not None else fill_text(check.object, shown)
        label = clean(label or unnamed, None) + self.suffix
        message = _message(verdict.message, shown)
        fine = verdict.status in (Status.PASS, Status.SKIP)
        return Result(
            key=finding_key(self.salt, self.unit.target, item.id, label),
            target=self.unit.target,
            item=item.id,
            check=check.id,
            check_version=check.version,
            object=clean(label, MAX_LABEL),
            status=verdict.status,
            severity=verdict.severity or item.severity,
            cause=clean(verdict.cause, MAX_CODE),
            rule=item.rule,
            title=clean(check.title, MAX_LABEL),
            message=message,
            evidence=_scalars(verdict.evidence),
            remedy="" if fine else self._remedy(shown, message),
            owner=check.owner,
            duration_ms=round(max(0.0, duration_ms), 3),
        )

    def _remedy(self, shown: dict[str, str], message: Message) -> str:
        names = {ITEM: self.unit.item.id} | shown | message.args
        return clean(_remedy(self.unit.check.remedy, names), MAX_TEXT)


def clean(text: object, length: int | None) -> str:
    """Text that can be encoded, on one line where it is short, cut to `length` characters.

    Names of files may hold bytes that are no characters, and line breaks meant to fool a reader.
    """
    said = str(text)
    if not said.isprintable():
        said = "".join(
            each if each.isprintable() or (each == "\n" and length == MAX_TEXT) else _escaped(each)
            for each in said
        )
    return said if length is None or len(said) <= length else said[: length - 1] + "…"


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape", "surrogatepass").decode()


def _remedy(text: str, values: Mapping[str, Any]) -> str:
    """The remedy filled; within backticks as words of a shell, because people paste what stands there."""
    if "{" not in text:
        return text
    from shlex import quote

    quoted = {name: quote(str(value)) for name, value in values.items() if value not in (None, "")}
    parts = text.split("`")
    return "`".join(fill_text(part, quoted if at % 2 else values) for at, part in enumerate(parts))


def _message(message: Message, shown: Mapping[str, str]) -> Message:
    """The message with the item's parameters as arguments where its template names them."""
    args = _scalars(message.args)
    for name in PLACEHOLDER.findall(message.template):
        if name not in args and name in shown:
            args[name] = clean(shown[name], MAX_LABEL)
    return Message(clean(message.template, MAX_TEXT), args)


def _scalars(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Values as they can travel: a number that JSON cannot hold, and anything that has a shape, as text."""
    made: dict[str, Scalar] = {}
    for name, value in list(values.items())[:MAX_EVIDENCE]:
        if value is None or isinstance(value, bool):
            made[str(name)] = value
        elif isinstance(value, int):
            made[str(name)] = int(value) if abs(value) < 2**63 else str(value)[:MAX_CODE]
        elif isinstance(value, float):
            made[str(name)] = value if abs(value) < float("inf") else str(value)
        else:
            made[str(name)] = clean(value, MAX_LABEL)
    return made


def _shown(item: Item, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments for people; those that are the item's own are worked out once for all its results."""
    if arguments is item.arguments:
        return item.shown
    return {
        name: item.shown[name] if value is item.arguments.get(name) else item.show(name, value)
        for name, value in arguments.items()
    }
