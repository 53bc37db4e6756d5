"""The list of checks as text, apart from the command line so that it is there at once."""

from __future__ import annotations

from checks import registry
from checks.registry import Check


def known_checks() -> list[Check]:
    """Every built-in check, by id."""
    return [registry.get(id) for id in sorted(registry.ids())]


def listing() -> str:
    """One line a check: id, severity of a failure unless a profile says otherwise, title."""
    found = known_checks()
    width = max((len(check.id) for check in found), default=0)
    return "".join(f"{check.id:<{width}}  {check.severity.value}  {check.title}\n" for check in found)
