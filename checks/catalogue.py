"""The documentation pages of the checks, from their declarations: ``python -m checks.catalogue docs/checks``.

A test holds the pages in the repository to what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from checks import registry
from checks.parameters import Parameter
from checks.registry import Check, Conditional

INDEX = "README.md"

OWNERS = {
    "vendor": "the vendor",
    "customer-it": "the customer's IT",
    "dba": "the database's administrators",
    "network": "the network's administrators",
}


def pages() -> dict[str, str]:
    """Every page's text by its file name: one a check, and the index."""
    checks = [registry.get(id) for id in registry.ids()]
    made = {f"{check.id}.md": page(check) for check in checks}
    return made | {INDEX: _index(checks)}


def page(check: Check) -> str:
    """The page of one check."""
    parts = [f"# {check.id}", f"{check.title}.", check.doc, _facts(check)]
    parts += ["## Parameters", _parameters(check)]
    parts += ["## Remedy", _sentence(check.remedy)]
    parts += ["## Source of the defaults", _sentence(check.source)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(folder: Path) -> None:
    """Write all pages, and remove those of checks that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def _index(checks: list[Check]) -> str:
    rows = [
        f"| [{check.id}]({check.id}.md) | {check.title} | {check.severity} | {check.owner} |"
        for check in checks
    ]
    head = ["| check | what is true when it passes | severity | owner |", "|---|---|---|---|"]
    said = "Made by `python -m checks.catalogue docs/checks` from the checks themselves; do not edit."
    return "\n".join(["# The checks", "", said, "", *head, *rows, ""])


def _facts(check: Check) -> str:
    rows = [f"- severity: {check.severity} unless the profile says otherwise"]
    rows.append(f"- who can put it right: {OWNERS[check.owner]}")
    if check.across is not None:
        rows.append(f"- looks at all targets that take part; its results stand at `{_ACROSS[check.across]}`")
    if check.each is not None:
        rows.append(
            f"- one result for each `{check.each[0]}`, where none is named: {check.each[1].describe()}"
        )
    elif check.object:
        rows.append(f"- one result about `{check.object}`")
    elif check.enumerates and check.about != "site":
        rows.append(f"- one result for each `{check.about}` it finds")
    for declared in check.facts.values():
        if isinstance(declared, Conditional):
            condition = (
                f"with `{declared.parameter}`" if declared.wanted else f"without `{declared.parameter}`"
            )
            rows.append(f"- what it does {condition}: {declared.fact.describe()}")
        else:
            rows.append(f"- what it does: {declared.describe()}")
    return "\n".join(rows)


_ACROSS: Final = {"site": "site/*", "role": "site/<role>"}


def _parameters(check: Check) -> str:
    if not check.parameters:
        return "None."
    head = ["| name | type | default |", "|---|---|---|"]
    rows = [f"| `{name}` | {each.type} | {_default(each)} |" for name, each in check.parameters.items()]
    if check.generic:
        rows += ["", "Every item that uses this check needs an `id` of its own."]
    return "\n".join([*head, *rows])


def _default(parameter: Parameter) -> str:
    return "required" if parameter.required else parameter.show(parameter.default)


def _sentence(text: str) -> str:
    """The text with a capital, unless it opens with a command."""
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
