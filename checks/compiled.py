"""The shipped profiles, parsed ahead: loading one then needs no YAML parser, whose import alone costs 20 ms.

Beside each shipped ``name.yaml`` stands ``name.tree``: the digest of the text it was made from, and its
nodes with their lines. A tree whose digest does not fit is not used, so a stale one costs time and nothing
else; a test keeps them fresh. ``python -m checks.compiled`` writes them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.yamlfile import Node, load_file

FOLDER: Final = Path(__file__).parent / "profiles"
_SUFFIX: Final = ".tree"


class Tree(msgspec.Struct, frozen=True):
    """What a ``.tree`` file holds; a node is ``[line, raw, size, value]``."""

    digest: str
    root: list[Any]


def load(path: Path) -> Node:
    """The tree of a profile's file, from its compiled form where that is at hand and fits.

    Raises `BadProfile` with file and line.
    """
    if path.parent == FOLDER:
        try:
            tree = msgspec.json.decode(path.with_suffix(_SUFFIX).read_bytes(), type=Tree)
            if tree.digest == hashlib.sha256(path.read_bytes()).hexdigest():
                return _thawed(tree.root, str(path))
        except (OSError, msgspec.MsgspecError):
            pass  # the text itself is always right
    return load_file(path)


def compile_profile(path: Path) -> bytes:
    """The compiled form of a shipped profile."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return msgspec.json.encode(Tree(digest, _frozen(load_file(path)))) + b"\n"


def _frozen(node: Node) -> list[Any]:
    value = node.value
    if isinstance(value, dict):
        value = {key: _frozen(part) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_frozen(part) for part in value]
    return [node.line, node.raw, node.size, value]


def _thawed(frozen: list[Any], where: str) -> Node:
    line, raw, size, value = frozen
    if isinstance(value, dict):
        value = {key: _thawed(part, where) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_thawed(part, where) for part in value]
    return Node(value, where, line, raw, size)


if __name__ == "__main__":
    for shipped in sorted(FOLDER.glob("*.yaml")):
        shipped.with_suffix(_SUFFIX).write_bytes(compile_profile(shipped))
