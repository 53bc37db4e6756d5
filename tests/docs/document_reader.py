"""The documents as tests read them: sections, tables, fenced blocks and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^ {0,3}```(\S*)[^\n]*\n(.*?)^ {0,3}```[ ]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the heading it stands under."""

    language: str
    text: str
    under: str

    @property
    def file(self) -> str:
        """The name in a first line such as ``# shop.yaml``, empty where there is none."""
        found = re.match(r"# (\S+\.(?:yaml|py))$", self.text.partition("\n")[0])
        return found[1] if found else ""


def documents() -> list[Path]:
    """The README and every page below docs/, as far as they exist."""
    named = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    return [path for path in named if path.is_file()] + sorted(DOCS.rglob("*.md"))


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def blocks(text: str) -> list[Block]:
    """The fenced blocks in order."""
    found = []
    for fence in _FENCE.finditer(text):
        before = [heading[2] for heading in _HEADING.finditer(_blank(text), 0, fence.start())]
        found.append(Block(fence[1], fence[2], before[-1] if before else ""))
    return found


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next heading of any level."""
    plain = _blank(text)
    places = list(_HEADING.finditer(plain))
    for index, place in enumerate(places):
        if place[2] == heading and "|" in text[place.end() : _end(places, index, text)]:
            return text[place.end() : _end(places, index, text)]
    raise AssertionError(f"no section {heading!r} with a table")


def tables(text: str) -> list[list[dict[str, str]]]:
    """Every table as rows by column; a cell that is wholly code loses its backticks."""
    found: list[list[dict[str, str]]] = []
    lines = [*prose(text).splitlines(), ""]
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            rows.append([_plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
        elif rows:
            head, _, *body = rows
            found.append([dict(zip(head, row, strict=True)) for row in body])
            rows = []
    return found


def table(text: str, *columns: str) -> list[dict[str, str]]:
    """The first table with these columns."""
    for rows in tables(text):
        if rows and tuple(rows[0])[: len(columns)] == columns:
            return rows
    raise AssertionError(f"no table with the columns {columns}")


def anchors(text: str) -> set[str]:
    """The anchors that headings get on the usual forges."""
    made: set[str] = set()
    for heading in _HEADING.finditer(_blank(text)):
        slug = re.sub(r"[^\w\- ]", "", heading[2].lower()).replace(" ", "-")
        count = 0
        while (anchor := f"{slug}-{count}" if count else slug) in made:
            count += 1
        made.add(anchor)
    return made


def links(text: str) -> list[str]:
    """The destinations of all links outside of code."""
    return _LINK.findall(_CODE.sub("", prose(text)))


def code(text: str) -> list[str]:
    """Everything that is set as code: inline spans, and the lines of fenced blocks."""
    spans = _CODE.findall(prose(text))
    return spans + [line for block in blocks(text) for line in block.text.splitlines()]


def _plain(cell: str) -> str:
    cell = cell.strip().replace("\\|", "|")
    whole = re.fullmatch(r"`([^`]*)`", cell)
    return whole[1] if whole else cell


def _blank(text: str) -> str:
    """The text with fenced blocks blanked out, every character in its place."""
    return _FENCE.sub(lambda fence: re.sub(r"[^\n]", " ", fence[0]), text)


def _end(places: list[re.Match[str]], index: int, text: str) -> int:
    return places[index + 1].start() if index + 1 < len(places) else len(text)
