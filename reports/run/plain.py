"""Text of a run made safe for other programs: one line where that is needed, no longer than agreed."""

from __future__ import annotations

from typing import Final

from reports.run.view import readable

REPLACEMENT: Final = "\ufffd"
CUT: Final = " …"


def plain(text: str) -> str:
    """Text that UTF-8 and XML 1.0 can hold: no control characters, surrogates or noncharacters.

    Line ends, all as LF, and tabs are kept; everything else of that kind becomes U+FFFD.
    """
    if text.isprintable():
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(REPLACEMENT if _not_text(char) else char for char in readable(lines))


def one_line(text: str) -> str:
    """Plain text with every stretch of white space as one blank."""
    return " ".join(plain(text).split())


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with a sign that something is missing."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _not_text(char: str) -> bool:
    code = ord(char)
    return 0xD800 <= code <= 0xDFFF or code & 0xFFFE == 0xFFFE
