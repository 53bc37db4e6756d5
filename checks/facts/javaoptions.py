"""The words of a Java command line: what is started, and which options decide about memory.

Source: the java command's manual (launcher options, @argfiles) and the options of HotSpot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

_WITH_VALUE: Final = frozenset(
    (
        *("-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path"),
        *("--add-modules", "--limit-modules", "--add-exports", "--add-opens", "--add-reads"),
        *("--patch-module", "--source", "-d", "--describe-module", "--enable-native-access"),
    )
)
"""Options whose value is the next word."""

_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE: Final = re.compile(r"(\d{1,18})([kmgt]?)", re.IGNORECASE | re.ASCII)
_VERSION: Final = re.compile(r"[-_]v?\d[\w.+-]{0,80}(?=\.(?:jar|war)$)")
_PROGRAM: Final = re.compile(r"[\w.$/+ -]{1,200}")
_KEPT: Final = re.compile(
    r"-Xm[sx].{0,30}"
    r"|-XX:(?:MaxHeapSize|InitialHeapSize|MaxRAM|MaxRAMPercentage|InitialRAMPercentage)=.{0,30}"
    r"|-XX:[+-](?:HeapDumpOnOutOfMemoryError|ExitOnOutOfMemoryError|CrashOnOutOfMemoryError)"
    r"|-XX:HeapDumpPath=.{0,1000}"
)
_FILES_LIMIT: Final = 10

JAVA: Final = "java"


class HeapOptions(msgspec.Struct, frozen=True):
    """Sizes in bytes and shares in percent, None where the option is not given.

    `dumps`: a heap dump is written when memory runs out; `dump_path` is where, empty for the folder that the
    program was started in. `ends`: it ends (or crashes) then, so that it can be started anew.
    """

    least: int | None = None
    most: int | None = None
    least_percent: float | None = None
    most_percent: float | None = None
    dumps: bool = False
    dump_path: str = ""
    ends: bool = False


class Launch(msgspec.Struct, frozen=True):
    """What a command line starts: the java that was called, the program's name, the options about memory, and
    the argument files."""

    binary: str
    program: str
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def launch_of(words: Sequence[str]) -> Launch:
    """A command line, read as the launcher does: options up to the main class, module or archive.

    What comes after that belongs to the program and is passed over.
    """
    options, files = [], []
    program = JAVA
    at = 1
    while at < len(words):
        word = words[at]
        if word.startswith("@") and len(word) > 1 and not word.startswith("@@"):
            files.append(word[1:])
        elif word == "-jar":
            program = words[at + 1].rpartition("/")[2] if at + 1 < len(words) else JAVA
            break
        elif word in ("-m", "--module"):
            program = words[at + 1] if at + 1 < len(words) else JAVA
            break
        elif word.startswith("--module="):
            program = word.partition("=")[2]
            break
        elif word in _WITH_VALUE:
            at += 1
        elif not word.startswith("-"):
            program = word
            break
        elif _KEPT.fullmatch(word):
            options.append(word)
        at += 1
    return Launch(words[0] if words else "", _name(program), tuple(options), tuple(files[:_FILES_LIMIT]))


def words_of(text: str) -> list[str]:
    """The words of an argument file: blanks part them, quotes hold them together, ``#`` opens a comment, and
    a backslash within quotes takes the next character."""
    found: list[str] = []
    for line in text.splitlines():
        word, quote, begun, at = "", "", False, 0
        while at < len(line):
            sign = line[at]
            if quote:
                if sign == "\\" and at + 1 < len(line):
                    at += 1
                    word += line[at]
                elif sign == quote:
                    quote = ""
                else:
                    word += sign
            elif sign in "\"'":
                quote, begun = sign, True
            elif sign == "#" and not begun:
                break
            elif sign.isspace():
                if begun:
                    found.append(word)
                word, begun = "", False
            else:
                word, begun = word + sign, True
            at += 1
        if begun:
            found.append(word)
    return found


def heap_options(words: Iterable[str]) -> HeapOptions:
    """What options say about memory; of several of one kind the last counts, as in HotSpot."""
    seen = HeapOptions()
    for word in words:
        name, _, value = word.partition("=")
        change: dict[str, object] = {}
        if word.startswith(("-Xms", "-Xmx")):
            change = {"least" if word[3] == "s" else "most": _size(word[4:])}
        elif name in _SIZES:
            change = {_SIZES[name]: _size(value)}
        elif name in _PERCENTAGES:
            change = {_PERCENTAGES[name]: _percent(value)}
        elif name == "-XX:HeapDumpPath":
            change = {"dump_path": value}
        elif word[5:] == "HeapDumpOnOutOfMemoryError":
            change = {"dumps": word[4] == "+"}
        elif word[5:] in ("ExitOnOutOfMemoryError", "CrashOnOutOfMemoryError"):
            change = {"ends": word[4] == "+"}
        seen = msgspec.structs.replace(seen, **change)
    return seen


_SIZES: Final = {"-XX:MaxHeapSize": "most", "-XX:InitialHeapSize": "least"}
_PERCENTAGES: Final = {"-XX:MaxRAMPercentage": "most_percent", "-XX:InitialRAMPercentage": "least_percent"}


def _name(program: str) -> str:
    """A program's name that stays the same from version to version; what is no name is ``java``."""
    name = _VERSION.sub("", program.strip())
    return name if _PROGRAM.fullmatch(name) else JAVA


def _size(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _UNITS[found[2].lower()] if found else None


def _percent(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,3}(\.\d{0,6})?", text, re.ASCII) else None
