"""A goss file as a profile: to be run as it is, or written down for good."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.errors import BadInput, BadProfile
from checks.goss.loading import load, load_variables
from checks.goss.mapping import Piece, pieces
from checks.nodes import NAME
from checks.profile import read_item
from checks.profile_source import VARIABLE, ItemSource, Source
from checks.unit import Unit
from checks.yamlfile import Node, scalar, wrap

MAX_ITEMS: Final = 20_000


class Suite(msgspec.Struct, frozen=True):
    """A goss file's items. `notes` are sentences about what was put aside while it was read."""

    id: str
    title: str
    where: str
    pieces: tuple[Piece, ...]
    notes: tuple[str, ...] = ()

    @property
    def unmapped(self) -> tuple[str, ...]:
        """What could not be said here, each ``file:line: what: why``."""
        return tuple(
            f"{each.where}:{each.line}: {each.type} {each.name[:100]}"
            f"{f', {each.attribute}' if each.attribute else ''}: {each.unmapped}"
            for each in self.pieces
            if each.unmapped
        )

    def source(self) -> Source:
        """The profile that the items make, as read from a file."""
        items = {each.id: _item(each, self.id) for each in self.pieces}
        return Source(self.where, self.id, "1", self.title, from_file=True, items=items)


def load_suite(file: Path, vars_files: Sequence[Path] = (), vars_inline: str = "") -> Suite:
    """The suite of a goss file. Raises `BadProfile` for what cannot be read."""
    loaded = load(file, load_variables(vars_files, vars_inline))
    found: dict[str, Piece] = {}
    for resource in loaded.resources:
        for made in pieces(resource, loaded.secrets):
            piece = _usable(made)
            while piece.id in found:
                piece = msgspec.structs.replace(piece, id=_another(piece.id))
            found[piece.id] = piece
            if len(found) > MAX_ITEMS:
                raise BadProfile(str(file), None, f"asks for more than {MAX_ITEMS} things")
    if not found:
        raise BadProfile(str(file), None, "has no resources, so it would check nothing")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", file.name.removesuffix(file.suffix)).strip("-.")[:80]
    id = stem if NAME.fullmatch(stem) else "goss"
    return Suite(id, f"goss: {file.name}"[:300], str(file), tuple(found.values()), tuple(loaded.notes))


def _usable(piece: Piece) -> Piece:
    """The piece, or why our own check would not take it: a secret in a command, a pattern too long."""
    if piece.unmapped:
        return piece
    try:
        item = read_item(_item(piece, "goss"), {})
        _ = Unit(item, "local", ("local",)).first_facts
    except BadProfile as problem:
        return _left(piece, problem.problem)
    except BadInput as problem:
        return _left(piece, str(problem))
    return piece


def _left(piece: Piece, why: str) -> Piece:
    what = f"{piece.type} {piece.name}"[:60] + (f": {piece.attribute}" if piece.attribute else "")
    reason = f"{why} ({piece.type} {piece.name[:60]}{f', {piece.attribute}' if piece.attribute else ''})"
    return msgspec.structs.replace(
        piece,
        check="goss.matching",
        parameters={"what": what, "unmapped": _masked(reason)},
        unmapped=_masked(why),
    )


def _masked(text: str) -> str:
    from checks.facts.secrets import masked

    return masked(text)


def _another(id: str) -> str:
    plain = re.fullmatch(r"(.*)\.(\d+)", id)
    return f"{plain[1]}.{int(plain[2]) + 1}" if plain else f"{id}.2"


def _item(piece: Piece, profile: str) -> ItemSource:
    node = Node(None, piece.where, piece.line)
    parameters = {name: _placed(wrap(_escaped(value)), node) for name, value in piece.parameters.items()}
    check = Node(piece.check, piece.where, piece.line, piece.check)
    return ItemSource(piece.id, check, node, named=True, parameters=parameters, profile=profile)


def _placed(node: Node, at: Node) -> Node:
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: _placed(part, at) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_placed(part, at) for part in value]
    return msgspec.structs.replace(node, value=value, where=at.where, line=at.line)


def _escaped(value: Any) -> Any:
    """Plain data in which nothing stands for a variable of a profile."""
    if isinstance(value, dict):
        return {key: _escaped(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(part) for part in value]
    return VARIABLE.sub(lambda found: f"${found[0]}", value) if isinstance(value, str) else value


def written(suite: Suite, name: str = "") -> str:
    """The profile as YAML to keep and edit: titles and places as comments, nothing left out."""
    lines = [
        f"# Made of {_comment(suite.where)} by firstlight convert; from now on this file is the one to edit.",
        f"profile: {_word(name or suite.id)}",
        'version: "1"',
        f"title: {_quoted(suite.title)}",
        "items:",
    ]
    title: tuple[str, str] | None = None
    for piece in suite.pieces:
        if title != (piece.type, piece.name):
            title = (piece.type, piece.name)
            lines += ["", *_heading(piece)]
        lines += _entry(piece)
    return "\n".join(lines) + "\n"


def _heading(piece: Piece) -> Iterator[str]:
    yield f"  # {_comment(f'{piece.where}:{piece.line}: {piece.type} {piece.name}')}"
    if piece.title:
        yield f"  # {_comment(piece.title)}"
    if piece.meta:
        yield f"  # meta: {_comment(piece.meta)}"


def _entry(piece: Piece) -> Iterator[str]:
    if piece.unmapped:
        yield f"  # not mapped, {_comment(f'{piece.where}:{piece.line}: {piece.unmapped}')}"
    yield f"  - id: {_word(piece.id)}"
    yield f"    check: {piece.check}"
    yield "    with:"
    for name, value in piece.parameters.items():
        yield f"      {name}: {_value(_escaped(value))}"


def _value(value: Any) -> str:
    """Plain data as YAML on one line; JSON is YAML, and says what it is."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(str(key))}: {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _word(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _word(text: str) -> str:
    """A text without quotes where YAML reads it as that text."""
    plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", text)
    return text if plain and scalar(text) == text and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    """A text between double quotes; what YAML cannot hold as it is stands as an escape."""
    said = msgspec.json.encode(text).decode()
    return "".join(each if each.isprintable() else _escape(each) for each in said)


def _escape(sign: str) -> str:
    number = ord(sign)
    return f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:500]


_WORDS: Final = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
