"""Log text as it may leave the machine: redacted piece by piece, and never with a part of a private key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.redact import Redactor

PIECE: Final = 32 * 1024
"""Characters that are redacted at once: a pattern may look that far, and costs no more than that."""

LONGEST_LINE: Final = 8 * 1024
KEY_LINES: Final = 200
"""Lines of the longest private key there is in PEM: RSA of 16 kbit has 200."""

# A key may stand in a log with something before each of its lines, and a bound may have cut its begin off.
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")
_BODY: Final = re.compile(r"(?:^|[\s:|])[A-Za-z0-9+/=]{16,}\s*$")
_WITHHELD: Final = "[redacted: a private key]"


def cleaned(text: str, redactor: Redactor) -> str:
    """The text, line by line as it was, without what must not leave."""
    lines = without_keys(line[:LONGEST_LINE] for line in text.splitlines())
    return "".join(redactor.text(piece) + "\n" for piece in _pieces(lines))


def without_keys(lines: Iterator[str] | list[str]) -> list[str]:
    """The lines with one in the place of each private key; what looks like the rest of one goes, too."""
    kept: list[str] = []
    inside = 0
    for line in lines:
        if inside:
            inside -= 1
            if _END.search(line):
                inside = 0
                continue
            if _BODY.search(line) or not line.strip() or re.search(r"(?:Proc-Type|DEK-Info|Comment): ", line):
                continue
            inside = 0
        if _BEGIN.search(line):
            inside = 0 if _END.search(line) else KEY_LINES
            kept.append(_BEGIN.split(line)[0] + _WITHHELD)
        elif _END.search(line):
            while kept and _BODY.search(kept[-1]):
                kept.pop()
            kept.append(_WITHHELD)
        else:
            kept.append(line)
    return kept


def _pieces(lines: list[str]) -> Iterator[str]:
    piece: list[str] = []
    size = 0
    for line in lines:
        if size + len(line) > PIECE and piece:
            yield "\n".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield "\n".join(piece)
