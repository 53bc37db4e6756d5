"""Regular expressions of Go (RE2) put into Python's words, or refused where the two cannot mean the same.

Source: golang.org/s/re2syntax. What differs: flags in the middle, ``\\z``, ``\\Q…\\E``, classes of POSIX and
of Unicode, ``$`` (only the very end in Go), ``\\s`` ``\\d`` ``\\w`` (ASCII alone in Go), ``\\x{…}``,
``{,n}`` (plain text in Go); and Go has neither look-around nor back references.
"""

from __future__ import annotations

import re
from typing import Final

_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_PERL: Final = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
_UNICODE: Final = {"L": r"[^\W\d_]", "Letter": r"[^\W\d_]", "Nd": r"\d", "^L": r"[\W\d_]", "^Nd": r"\D"}
_BEFORE: Final = re.compile(r"\(\?(?:P?<([A-Za-z_]\w*)>|([imsU]*)(?:-([imsU]+))?([:)]))")
_REPEAT: Final = re.compile(r"\{(\d{0,4})(?:(,)(\d{0,4}))?\}")
_PLAIN_ESCAPES: Final = "afnrtv"


def translate(pattern: str) -> str:
    """The same expression for Python's `re`. Raises `ValueError` that says what cannot be said there."""
    return _Translator(pattern).all()


def _others(members: str) -> str:
    """The members of a class that holds everything else; `members` are ASCII."""
    sought = re.compile(f"[{members}]")
    kept = [number for number in range(128) if not sought.match(chr(number))]
    return "".join(f"\\x{number:02x}" for number in kept) + "\x80-\U0010ffff"


class _Group:
    """An open parenthesis: how many of our own stand open within it, and whether ``$`` means line ends."""

    def __init__(self, lines: bool) -> None:
        self.lines = lines
        self.flags: list[str] = []


class _Translator:
    def __init__(self, pattern: str) -> None:
        self.text, self.at = pattern, 0
        self.said: list[str] = []
        self.groups = [_Group(False)]

    def all(self) -> str:
        if len(self.text) > 1000:
            raise ValueError("a regular expression of more than 1000 characters")
        while self.at < len(self.text):
            self._next()
        if len(self.groups) > 1:
            raise self._wrong("has a ( without its )")
        self.said.append(")" * len(self.groups[0].flags))
        return "".join(self.said)

    def _next(self) -> None:
        sign = self.text[self.at]
        if sign == "\\":
            self._escape()
        elif sign == "[":
            self._class()
        elif sign == "(":
            self._open()
        elif sign == ")":
            if len(self.groups) == 1:
                raise self._wrong("has a ) without its (")
            self._put(")" * len(self.groups.pop().flags) + ")", 1)
        elif sign == "|":
            flags = self.groups[-1].flags
            self._put(")" * len(flags) + "|" + "".join(flags), 1)
        elif sign == "$":
            self._put("$" if self.groups[-1].lines else r"\Z", 1)
        elif sign in "*+?" or sign == "{":
            self._repeat(sign)
        else:
            self._put(sign, 1)

    def _repeat(self, sign: str) -> None:
        found = _REPEAT.match(self.text, self.at) if sign == "{" else None
        if sign == "{" and (found is None or not found[1]):
            self._put(r"\{", 1)
            return
        length = len(found[0]) if found else 1
        if found and max(int(found[1] or 0), int(found[3] or 0)) > 1000:
            raise self._wrong("repeats more than 1000 times")
        lazy = self.text.startswith("?", self.at + length)
        after = self.text[self.at + length + lazy : self.at + length + lazy + 1]
        if after in ("*", "+") or (after == "?" and lazy):
            raise self._wrong("repeats a repeat, which Go refuses")
        self._put(self.text[self.at : self.at + length + lazy], length + lazy)

    def _open(self) -> None:
        if not self.text.startswith("(?", self.at):
            self.groups.append(_Group(self.groups[-1].lines))
            self._put("(", 1)
            return
        found = _BEFORE.match(self.text, self.at)
        if found is None:
            raise self._wrong(f"holds {self.text[self.at : self.at + 4]!r}, which Go does not know")
        name, on, off, ending = found.groups()
        if name:
            self.groups.append(_Group(self.groups[-1].lines))
            self._put(f"(?P<{name}>", len(found[0]))
            return
        if "U" in (on or "") + (off or ""):
            raise self._wrong("turns repeats round with (?U), which is not known here")
        if not (on or off) and ending == ")":
            self._put("", len(found[0]))
            return
        lines = ("m" in on or self.groups[-1].lines) and "m" not in (off or "")
        # Python has no way to turn ^ back with a flag that it shares with $; the others it turns on and off.
        opening = f"(?{''.join(sorted(set(on)))}{'-' + ''.join(sorted(set(off))) if off else ''}:"
        if ending == ":":
            self.groups.append(_Group(lines))
            self._put(opening, len(found[0]))
        else:
            self.groups[-1].lines = lines
            self.groups[-1].flags.append(opening)
            self._put(opening, len(found[0]))

    def _escape(self) -> None:
        sign = self.text[self.at + 1 : self.at + 2]
        if not sign:
            raise self._wrong("ends with a backslash")
        if sign == "Q":
            end = self.text.find(r"\E", self.at + 2)
            end = len(self.text) if end < 0 else end
            self._put(re.escape(self.text[self.at + 2 : end]), end + 2 - self.at)
        elif sign in "zA":
            self._put(r"\Z" if sign == "z" else r"\A", 2)
        elif sign in ("b", "B"):
            # Python's \\B is not found in an empty text, Go's is.
            self._put("(?a:\\b)" if sign == "b" else "(?a:(?!\\b))", 2)
        elif sign.lower() in _PERL:
            self._put(f"[{'^' if sign.isupper() else ''}{_PERL[sign.lower()]}]", 2)
        elif sign in "pP":
            self._unicode()
        else:
            said, length = self._character()
            self._put(said, length)

    def _unicode(self) -> None:
        found = re.compile(r"\\[pP](?:\{(\^?\w+)\}|(\w))").match(self.text, self.at)
        name = (found[1] or found[2]) if found else ""
        if found and found[0][1] == "P":
            name = name[1:] if name.startswith("^") else f"^{name}"
        if found is None or name not in _UNICODE:
            raise self._wrong(
                f"holds the class {self.text[self.at : self.at + 10]!r}, which is not known here"
            )
        self._put(_UNICODE[name], len(found[0]))

    def _character(self) -> tuple[str, int]:
        """An escape that stands for one character, and how long it is."""
        found = re.compile(
            r"\\(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))"
        ).match(self.text, self.at)
        if found:
            number = int(found[1] or found[2], 16) if found[1] or found[2] else int(found[3], 8)
            if number > 0x10FFFF:
                raise self._wrong(f"holds {found[0]}, which is no character")
            return re.escape(chr(number)), len(found[0])
        sign = self.text[self.at + 1 : self.at + 2]
        if sign in _PLAIN_ESCAPES:
            return f"\\{sign}", 2
        if not sign or sign.isalnum() or ord(sign) > 127:
            raise self._wrong(f"holds \\{sign}, which Go does not know")
        return re.escape(sign) if sign not in "^]-" else f"\\{sign}", 2

    def _class(self) -> None:
        start = self.at
        self.at += 1
        parts = ["["]
        if self.text.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        first = True
        while first or not self.text.startswith("]", self.at):
            if self.at >= len(self.text):
                self.at = start
                raise self._wrong("has a [ without its ]")
            parts.append(self._member())
            first = False
        self._put("".join(parts) + "]", 1)

    def _member(self) -> str:
        named = re.compile(r"\[:(\^?)(\w+):\]").match(self.text, self.at)
        if named:
            if named[2] not in _POSIX:
                raise self._wrong(f"holds the class {named[0]}, which Go does not know")
            self.at += len(named[0])
            return _others(_POSIX[named[2]]) if named[1] else _POSIX[named[2]]
        sign = self.text[self.at]
        if sign == "\\":
            after = self.text[self.at + 1 : self.at + 2]
            if after in _PERL and after:
                self.at += 2
                return _PERL[after]
            if after and after in "DSW":
                self.at += 2
                return _others(_PERL[after.lower()])
            if after in ("p", "P"):
                raise self._wrong(f"holds \\{after} within brackets, which is not known here")
            said, length = self._character()
            self.at += length
            return said
        self.at += 1
        return f"\\{sign}" if sign in "[]&~|" else sign

    def _put(self, text: str, length: int) -> None:
        self.said.append(text)
        self.at += length

    def _wrong(self, problem: str) -> ValueError:
        return ValueError(f"the regular expression {self.text!r:.80} {problem}")
