"""Profiles that were parsed before: loading one then needs no YAML parser, whose import alone costs 10 ms.

Beside each shipped ``name.yaml`` stands ``name.tree``: the digest of the text it was made from, and its
nodes with their lines. A tree whose digest does not fit is not used, so a stale one costs time and nothing
else; a test keeps them fresh. ``python -m checks.compiled`` writes them. The trees of other files are kept
in a folder, if somebody names one (`keep_in`), under the digest of their text: who checks every hour parses a
profile once.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.yamlfile import Node, load_data, load_file, read_data

FOLDER: Final = Path(__file__).parent / "profiles"
VERSION: Final = 1
"""Of what parsing gives: another one makes the trees that are kept useless."""

_SUFFIX: Final = ".tree"


class Tree(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a ``.tree`` file holds; a node is ``[line, raw, size, value]``."""

    digest: str
    root: list[Any]
    version: int = 0


_kept: list[Path] = []
KEEP: Final = 64
"""Trees of other files that are kept; the one that was made first goes first."""


def keep_in(folder: Path) -> None:
    """Keep the trees of files that are not shipped in a folder, which nobody else may write."""
    _kept[:] = [folder]


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
    return parsed(read_data(path), str(path))


def parsed(data: bytes, where: str) -> Node:
    """The tree of a profile's text, from a kept one where trees are kept; raises `BadProfile`."""
    return _from_kept(data, where, _kept[0]) if _kept else load_data(data, where)


def _from_kept(data: bytes, where: str, folder: Path) -> Node:
    digest = hashlib.sha256(data).hexdigest()
    place = folder / f"{digest}{_SUFFIX}"
    try:
        tree = msgspec.json.decode(place.read_bytes(), type=Tree)
        if tree.digest == digest and tree.version == VERSION:
            return _thawed(tree.root, where)
    except (OSError, msgspec.MsgspecError, ValueError):
        pass
    root = load_data(data, where)
    with suppress(OSError):
        _keep(place, msgspec.json.encode(Tree(digest, _frozen(root), VERSION)))
    return root


def _keep(place: Path, data: bytes) -> None:
    """Whole or not at all; nothing is lost with it."""
    from checks.whole_file import write_whole

    place.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(place, data)
    others = sorted(place.parent.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for old in others[:-KEEP]:
        old.unlink()


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
