"""The list of checks as text, apart from the command line so that it is there at once."""

from __future__ import annotations

from checks import registry
from checks.authoring import plugins
from checks.registry import Check


def known_checks() -> list[Check]:
    """Every check by id: the built-in ones, and those of plugins and of the folders in use."""
    plugins.load_all()
    return [registry.get(id) for id in sorted({*registry.ids(), *registry.foreign()})]


def listing() -> str:
    """One line a check: id, severity of a failure unless a profile says otherwise, title, and whose it is.

    Built-in ones name nobody.
    """
    found = known_checks()
    width = max((len(check.id) for check in found), default=0)
    return "".join(f"{check.id:<{width}}  {check.severity.value}  {_named(check)}\n" for check in found)


def _named(check: Check) -> str:
    origin = registry.origin_of(check.id)
    return f"{check.title}  [{origin}]" if origin else check.title
