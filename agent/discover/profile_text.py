"""A draft as the text of a profile, for people: commented, in groups, and the same whenever it is written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from agent.discover.draft import Base, Draft, Placed
from agent.discover.scalars import scalar
from agent.discover.survey import AREAS
from checks.facts.secrets import masked

WIDTH: Final = 108


def profile_text(draft: Draft) -> str:
    """The profile; the same draft always gives the same text."""
    return "\n".join([*_head(draft), *_above(draft), *_items(draft)]) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    yield from _comment(
        f"Written by firstlight discover: what was seen at {', '.join(draft.targets)}, which was taken to be "
        "healthy, as a profile that holds it to that. Change what you like. Ids name findings: items that "
        "stay should keep theirs. What could not be read, or not be held, is said in comments."
    )
    yield f"profile: {draft.id}"
    yield 'version: "1"'
    title = f"What was seen at {', '.join(draft.targets)}"
    yield f"title: {scalar(title[:200])}"
    yield ""


def _above(draft: Draft) -> Iterator[str]:
    if draft.bases:
        yield "extends:"
        for base in draft.bases:
            yield from _comment(base.why, "  ")
            yield f"  - {_base(base)}"
    else:
        yield "# extends: [linux-server]    # would add what holds for any Linux server"
    yield ""
    if draft.variables:
        yield from _comment("What may be another elsewhere; a site file can set it for each target.")
        yield "variables:"
        for name, value in draft.variables.items():
            yield f"  {name}: {scalar(value)}"
        yield ""
    if draft.removed:
        yield from _comment(
            "Items of those profiles that did not pass here. Take a line out to be told of it, after setting "
            "what it needs."
        )
        yield "remove:"
        width = max(len(removed.id) for removed in draft.removed)
        for removed in draft.removed:
            yield f"  - {removed.id:<{width}}    # {_clean(removed.why)}"
        yield ""


def _base(base: Base) -> str:
    return f"{{profile: {base.profile}, on: {scalar(list(base.roles))}}}" if base.roles else base.profile


def _items(draft: Draft) -> Iterator[str]:
    shown = draft.items or draft.unneeded
    yield "items:" if shown else "items: []"
    for area in AREAS:
        items = [placed for placed in draft.items if placed.entry.area == area.name]
        notes = [note for note in draft.notes if note.area == area.name]
        if not items and not notes:
            continue
        yield ""
        yield f"  # {area.title}"
        for note in notes:
            yield from _comment(f"({note.text})", "  ")
        for placed in items:
            yield from _item(placed)
    others = [note for note in draft.notes if note.area not in {area.name for area in AREAS}]
    for note in others:
        yield ""
        yield from _comment(f"({note.text})", "  ")
    if draft.unneeded:
        yield ""
        yield from _comment("What these need was taken out above.", "  ")
        for id in draft.unneeded:
            yield f"  - {{id: {id}, needs: []}}"


def _item(placed: Placed) -> Iterator[str]:
    entry = placed.entry
    yield from _comment(entry.why, "  ")
    yield f"  - id: {entry.id}"
    yield f"    check: {entry.check}"
    if entry.severity:
        yield f"    severity: {entry.severity}"
    if placed.roles:
        yield f"    on: {scalar(list(placed.roles))}"
    if not entry.parameters:
        return
    flow = f"    with: {scalar(entry.parameters)}"
    if len(flow) <= WIDTH:
        yield flow
        return
    yield "    with:"
    for name, value in entry.parameters.items():
        line = f"      {name}: {scalar(value)}"
        if len(line) <= WIDTH or not isinstance(value, list):
            yield line
            continue
        yield f"      {name}:"
        for each in value:
            yield f"        - {scalar(each)}"


def _comment(text: str, indent: str = "") -> Iterator[str]:
    words = textwrap.wrap(
        _clean(text), WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False
    )
    for line in words:
        yield f"{indent}# {line}"


def _clean(text: str) -> str:
    """One line that can stand behind a ``#``, without passwords."""
    line = masked(" ".join(text.split()))
    return "".join(char if char.isprintable() else "\ufffd" for char in line)
