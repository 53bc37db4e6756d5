"""The shell's face of the asks: one POSIX script for all that is asked of a machine at once.

The script is a text for `sh -s` and needs nothing but what POSIX and Linux (coreutils or BusyBox) have. Its
sections are framed by a nonce that no file on the machine can know, each with its exit status; what they
print is read by `checks.facts.shell_answers`. Nothing is written on the machine.

A watchdog beside the sections ends one that takes too long, with all it started, and another ends everything
when the connection is gone. Both are subshells of the script, because not every machine has timeout(1).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from math import ceil
from shlex import quote
from typing import Final

import msgspec

from checks.facts.asks import (
    Ask,
    AskClock,
    CompareClocks,
    HashFile,
    ListFolder,
    ListListeners,
    ListProcesses,
    ReadFile,
    ReadFrom,
    RunCommand,
    StatFilesystem,
    StatPath,
    path_of,
)
from checks.facts.host import FILE_LIMIT, FOLDER_LIMIT
from checks.facts.shell_texts import (
    BARE,
    CLOCK,
    COMMAND,
    FOLDER,
    KINDS,
    LISTENERS,
    ME,
    PRELUDE,
    PROCESSES,
    REAP,
    WATCH,
    WITH,
)

SHORT_S: Final = 5
LONG_S: Final = 30
"""Seconds that a section may take: reads of files and tables, and those that take their time (hashes)."""

AT_ONCE: Final = 256
"""Paths that share a section: a shell copies all of its arguments for each that is added."""

COMMAND_LIMIT: Final = 1024 * 1024
"""Bytes kept of a command's output, as for one that runs here."""

STAT_FORM: Final = "%f:%u:%g:%s:%Y:%U:%G:%n"
SPACE_FORM: Final = "%S:%b:%f:%a:%c:%d:%n"


class Section(msgspec.Struct, frozen=True):
    """A part of the script: the asks it answers in the order of their paths, its text, its time in seconds.

    `roots` stand before the paths of the asks, each as a spelling of ``/`` of its own that no file on the
    machine can know: they tell what was said of which path, whatever its name is.
    """

    asks: tuple[Ask, ...]
    text: str
    limit_s: int
    roots: tuple[str, ...] = ()


class Script(msgspec.Struct, frozen=True):
    """A round: the text to send, its sections, and the nonce that frames them."""

    text: str
    sections: tuple[Section, ...]
    nonce: str

    @property
    def longest_s(self) -> int:
        """Seconds that its slowest section may take."""
        return max((section.limit_s for section in self.sections), default=SHORT_S)


def start(nonce: str) -> str:
    """What a shell is told before its first round; it answers ``<nonce> go``."""
    watch = WATCH.replace("@SHORT@", str(SHORT_S)).replace("@ME@", ME)
    return PRELUDE.replace("@NONCE@", nonce) + REAP + watch + KINDS


def compose(asks: Sequence[Ask], nonce: str, *, apart: bool = False) -> Script:
    """The script that answers these asks; the same kinds share a process.

    `apart` gives each path a section of its own, for the round after one of them hung. Both standard output
    and standard error end with a frame, so that it can be known when all of both has come.
    """
    sections = tuple(_sections(asks, _Roots(), apart))
    script = Script("", sections, nonce)
    lines = [f"{{ watch {script.longest_s}"]
    for at, section in enumerate(sections):
        signal = "WINCH" if section.limit_s > SHORT_S else "URG"
        lines.append(f"kill -{signal} $D; ( {section.text.strip()}\n) </dev/null 3<&- & wait $!; s=$?")
        lines.append(f'echo "\n$N {at} $s"')
    lines.append('unwatch; echo "$N end" >&2; echo "\n$N end"; }\n')
    return msgspec.structs.replace(script, text="\n".join(lines))


def new_nonce() -> str:
    return secrets.token_hex(16)


class _Roots:
    """Spellings of ``/``: 48 bits at random that all of a script share, and the number of each."""

    def __init__(self) -> None:
        self._shared, self._count = _spelt(secrets.randbits(_SHARED_BITS), _SHARED_BITS), 0

    def new(self) -> str:
        self._count += 1
        return self._shared + _spelt(self._count, _OWN_BITS)


def _spelt(number: int, bits: int) -> str:
    """A number as a path that leads nowhere: ``/.`` is a 1 and ``/`` a 0, between two more dots."""
    return "/." + "".join("/." if number >> at & 1 else "/" for at in range(bits)) + "/."


_SHARED_BITS: Final = 48
_OWN_BITS: Final = 24
_ROOT: Final = re.compile(rf"(?:/\.?){{{_SHARED_BITS + _OWN_BITS + 3}}}/\.")


def root_in(text: str) -> str:
    """The root (`Section.roots`) that stands in a text, or nothing."""
    found = _ROOT.search(text)
    return found[0] if found else ""


def _sections(asks: Sequence[Ask], roots: _Roots, apart: bool) -> list[Section]:
    """The clock comparison comes first: what runs before it would count as travel time."""
    sections = [Section((ask,), "date +%s.%N", SHORT_S) for ask in asks if isinstance(ask, CompareClocks)]
    for table, text in _TABLES.items():
        found = tuple(ask for ask in asks if type(ask) is table)
        if found:
            sections.append(Section(found[:1], text, SHORT_S))
    for kind, make in _BY_PATH.items():
        paths = [ask for ask in asks if type(ask) is kind]
        size = 1 if apart or kind in _ALONE else AT_ONCE
        for group in (tuple(paths[at : at + size]) for at in range(0, len(paths), size)):
            own = tuple(roots.new() for _ in group)
            limit = LONG_S if kind is HashFile else SHORT_S
            sections.append(Section(group, make(group, own), limit, own))
    for ask in asks:
        if isinstance(ask, RunCommand):
            sections.append(Section((ask,), _run(ask), max(SHORT_S, ceil(ask.timeout))))
    return sections


def _run(ask: RunCommand) -> str:
    argv = " ".join(map(quote, ask.argv))
    given = dict(ask.environment)
    fed = ""
    if ask.secret_environment or ask.secret_stdin:
        from checks.facts.named_secret import secret_if_named, secret_of

        given |= {name: secret_of(where).reveal() for name, where in ask.secret_environment}
        fed = secret_if_named(ask.secret_stdin).reveal()
    # What is secret is a word of this script and of a shell's own command, never of a program's arguments.
    exports = " ".join(f"{name}={quote(value)}; export {name};" for name, value in given.items())
    start = WITH.replace("@EXPORTS@", exports) if given else BARE
    wanted = " || ".join(f"[ -e {quote(path)} ]" for path in ask.if_there) or "true"
    unwanted = " || ".join(f"[ -e {quote(path)} ]" for path in ask.unless_there) or "false"
    text = COMMAND.replace("@WANTED@", wanted).replace("@UNWANTED@", unwanted)
    text = text.replace("@NAME@", quote(ask.argv[0])).replace("@LIMIT@", str(COMMAND_LIMIT + 1))
    text = text.replace("@ARGV@", argv).replace("@EXEC@", start)
    return text.replace("@FED@", f"say {quote(fed)} |" if fed else "")


def _kinds(asks: Sequence[Ask], roots: Sequence[str], keep: str) -> str:
    """Tell the kind of each path; those of the kinds in the pattern `keep` become the arguments."""
    lines = ["set --"]
    for at, (ask, root) in enumerate(zip(asks, roots, strict=True)):
        path = quote(path_of(ask))
        lines.append(f'kind {path}; echo "{at} $k"; case $k in {keep}) set -- "$@" {root}{path} ;; esac')
    return "\n".join([*lines, 'echo "\n$N read"; [ $# -eq 0 ] ||'])


def _read(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fn]")} head -v -c {FILE_LIMIT + 1} -- "$@"'


def _stat(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fndpsv]")} stat -L -c {STAT_FORM} -- "$@"'


def _space(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fndpsv]")} stat -f -c {SPACE_FORM} -- "$@"'


def _hash(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    return f'{_kinds(asks, roots, "[fn]")} sha256sum -- "$@"'


def _from(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    (ask,) = asks
    assert isinstance(ask, ReadFrom)
    keep = f'{_kinds(asks, roots, "f")} tail -c +{int(ask.offset) + 1} -- "$@"'
    return f"{keep} | head -c {FILE_LIMIT}"


def _list(asks: Sequence[Ask], roots: Sequence[str]) -> str:
    (ask,) = asks
    text = FOLDER.replace("@PATH@", quote(path_of(ask))).replace("@ROOT@", roots[0])
    return text.replace("@LIMIT@", str(FOLDER_LIMIT))


_ALONE: Final = (ListFolder, ReadFrom)
"""What cannot share a process with others of its kind."""

_TABLES: Final[dict[type[Ask], str]] = {
    ListProcesses: PROCESSES,
    ListListeners: LISTENERS,
    AskClock: CLOCK,
}
_BY_PATH: Final[dict[type[Ask], Callable[[Sequence[Ask], Sequence[str]], str]]] = {
    ReadFile: _read,
    StatPath: _stat,
    StatFilesystem: _space,
    HashFile: _hash,
    ReadFrom: _from,
    ListFolder: _list,
}
