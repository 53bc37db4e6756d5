"""What a script of `checks.facts.shell` printed, read back as answers.

Pure: bytes in, answers out. Whatever the far side sent, however torn, wrong or hostile, ends as an answer, as
`Failed`, or as an ask that is still open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from checks.facts import shell_tables as tables
from checks.facts.answered import Failed
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
from checks.facts.host import FOLDER_LIMIT
from checks.facts.pathinfo import Entry
from checks.facts.shell import Script, Section, root_in
from checks.facts.shell_tables import Timing

KINDS: Final = {"d": "directory", "p": "fifo", "s": "socket", "v": "device"}
_CAUSES: Final = {
    "No such file or directory": "absent",
    "Not a directory": "absent",
    "Permission denied": "denied",
    "Operation not permitted": "denied",
    "Connection timed out": "timeout",
}
SIGNALLED: Final = 128
"""From here on an exit status means a signal."""
_NOT_RUN, _NOT_FOUND = 126, 127

PATH_MAX: Final = 4096
NAME_MAX: Final = 255
"""Bytes that a path (with its end) and a name in it may have on Linux."""


class Told(msgspec.Struct):
    """What a round gave. `hung` are the asks that were ended for taking too long, `stuck` the pids that did
    not even die then; asks that are in neither part were not reached."""

    answers: dict[Ask, Any]
    hung: tuple[Ask, ...] = ()
    stuck: tuple[int, ...] = ()


class _Part(msgspec.Struct):
    """A section's output. `torn`: it did not come to its own end; `late`: because it took too long; `stuck`:
    and could not even be ended."""

    section: Section
    out: bytes
    torn: bool
    late: bool
    stuck: bool
    status: int


def read_answers(script: Script, output: bytes, errors: bytes, timing: Timing) -> Told:
    """The answers in what the script printed on its two channels."""
    told = Told({})
    reader = _Reader(script, errors, timing)
    for part in _parts(script, output, told):
        reader.read(part, told)
    return told


def _parts(script: Script, output: bytes, told: Told) -> Sequence[_Part]:
    """The output cut at its frames; the last part may be torn.

    A section that a signal ended is torn as well: what it printed may be the half of what it had to say. So
    is one that was late, however it ended: its shell may have outlived its tools by a moment.
    """
    late, stuck = f"\n{script.nonce} late\n".encode(), f"\n{script.nonce} stuck ".encode()
    parts, at = [], 0
    for number, section in enumerate(script.sections):
        mark = f"\n{script.nonce} {number} ".encode()
        end = output.find(mark, at)
        out = output[at:] if end < 0 else output[at:end]
        stop = output.find(b"\n", end + len(mark)) if end >= 0 else -1
        line = output[end + len(mark) : stop] if stop >= 0 else b""
        status = int(line) if line.isdigit() and len(line) < 10 else -1
        out, is_stuck, pids = out.partition(stuck)
        if is_stuck:
            told.stuck = tuple(int(pid) for pid in pids.split(b"\n", 1)[0].split() if pid.isdigit())
        was_late = bool(is_stuck) or late in out
        torn = was_late or not 0 <= status < SIGNALLED
        parts.append(_Part(section, out.replace(late, b""), torn, was_late, bool(is_stuck), status))
        if stop < 0:
            break
        at = stop + 1
    return parts


class _Reader:
    def __init__(self, script: Script, errors: bytes, timing: Timing) -> None:
        self.script, self.timing = script, timing
        self.errors = errors.decode(errors="surrogateescape").split("\n")
        self.complaints = _complaints(self.errors)

    def read(self, part: _Part, told: Told) -> None:
        ask = part.section.asks[0]
        if type(ask) in _BY_PATH:
            self._paths(part, told)
        elif part.late:
            _give_up(ask, part, told)
        elif not part.torn:
            with suppress(ValueError, IndexError):
                told.answers[ask] = self._table(ask, part.out)
            told.answers.setdefault(ask, Failed(f"{ask.describe()}: the answer makes no sense", "parse"))

    def _table(self, ask: Ask, out: bytes) -> Any:
        match ask:
            case CompareClocks():
                return tables.offset(out, self.timing)
            case ListProcesses():
                return tables.processes(out)
            case ListListeners():
                return tables.listeners(out)
            case AskClock():
                return tables.clock(out)
            case RunCommand():
                return tables.command(out, ask.argv[0], self.script.nonce)
        raise ValueError(ask)

    def _paths(self, part: _Part, told: Told) -> None:
        """A section about several paths: first the kind of each, then what one process said of them.

        Where it was ended too early, only what is certain counts: the shell is known to have hung at the path
        whose kind it did not tell, but of the others nobody knows which one the process was at.
        """
        asks = part.section.asks
        head, read, body = part.out.partition(f"\n{self.script.nonce} read\n".encode())
        kinds = _kinds(head, len(asks))
        left = []
        for at, (ask, kind) in enumerate(zip(asks, kinds, strict=False)):
            failed = _by_kind(ask, kind)
            if failed is None:
                left.append(at)
            else:
                told.answers[ask] = failed
        if not read:
            if part.late and len(kinds) < len(asks):
                _give_up(asks[len(kinds)], part, told)
            return
        found = _BY_PATH[type(asks[0])](body, part.section, left, whole=not part.torn)
        for at in left:
            ask, root = asks[at], part.section.roots[at]
            complaint = self.complaints.get(root)
            if complaint is not None:
                told.answers[ask] = _complaint(ask, complaint)
            elif at in found:
                told.answers[ask] = found[at]
            elif not part.torn:
                told.answers[ask] = self._silence(ask, kinds[at], part.status)
            elif part.late and len(asks) == 1:
                _give_up(ask, part, told)

    def _silence(self, ask: Ask, kind: str, status: int) -> Failed:
        """Why a tool said nothing of a path, neither good nor bad."""
        if kind == "n":
            return _denied(ask)
        said = "no answer came back"
        if status in (_NOT_FOUND, _NOT_RUN):
            said = next((line.strip() for line in reversed(self.errors) if "not found" in line), said)
        return Failed(f"{path_of(ask)}: {said}"[:500])


def _kinds(head: bytes, count: int) -> list[str]:
    """The kinds told so far, in the order of the paths; a line that was torn off does not count."""
    kinds: list[str] = []
    for line in head.decode(errors="replace").split("\n")[:-1]:
        number, _, kind = line.partition(" ")
        if number != str(len(kinds)) or len(kinds) == count:
            break
        kinds.append(kind)
    return kinds


def _complaints(errors: Sequence[str]) -> dict[str, str]:
    """What tools said on standard error, by the root of the path that they said it of."""
    return {root: line for line in errors if (root := root_in(line))}


def _by_kind(ask: Ask, kind: str) -> Failed | None:
    """What the kind of a path alone already answers; None where more has to be said."""
    path = path_of(ask)
    if kind.startswith("l"):
        return _complaint(ask, kind[2:] or "the link leads nowhere")
    if kind == "a":
        # Only the shell's word is there, which tells no reasons.
        encoded = path.encode(errors="surrogateescape")
        if len(encoded) >= PATH_MAX or max(map(len, encoded.split(b"/"))) > NAME_MAX:
            return Failed(f"{path}: File name too long"[:500])
        return Failed(f"{path}: No such file or directory", "absent")
    if kind == "x":
        return _denied(ask)
    if isinstance(ask, ListFolder):
        if kind == "d":
            return None
        return _denied(ask) if kind == "c" else Failed(f"{path} is not a folder", "unsupported")
    if kind == "n" and isinstance(ask, ReadFrom):
        return _denied(ask)
    if kind in KINDS and isinstance(ask, ReadFile | HashFile | ReadFrom):
        return Failed(f"{path} is a {KINDS[kind]}, not a file", "unsupported")
    return None


def _denied(ask: Ask) -> Failed:
    return Failed(f"{path_of(ask)}: Permission denied", "denied", root=True)


def _complaint(ask: Ask, line: str) -> Failed:
    """A tool's own words, of which the last are the system's."""
    said = line.rpartition(": ")[2].strip()
    cause = _CAUSES.get(said, "failed")
    return Failed(f"{path_of(ask)}: {said}"[:500], cause, root=cause == "denied")


def _files(body: bytes, section: Section, left: Sequence[int], *, whole: bool) -> dict[int, Any]:
    """The contents, each between its header and the next one's. Of a torn body the last may be cut off."""
    found: dict[int, bytes] = {}
    starts: list[tuple[int, int, int]] = []
    at = 0
    for number in left:
        header = _header(section, number)
        start = body.find(header if not starts else b"\n" + header, at)
        if start >= 0:
            at = start + len(header) + bool(starts)
            starts.append((number, start, at))
    ends = [start for _, start, _ in starts[1:]]
    if whole:
        ends.append(len(body))
    for (number, _, begin), end in zip(starts, ends, strict=False):
        found[number] = body[begin:end]
    return found


def _header(section: Section, number: int) -> bytes:
    path = path_of(section.asks[number]).encode(errors="surrogateescape")
    return b"==> " + section.roots[number].encode() + path + b" <==\n"


def _lines(body: bytes, section: Section, left: Sequence[int], *, whole: bool) -> dict[int, Any]:
    """What stands before each path's root, on the same line."""
    del whole
    found: dict[int, Any] = {}
    for number in left:
        before, root, _ = body.partition(section.roots[number].encode())
        if root:
            ask = section.asks[number]
            fields = before.rpartition(b"\n")[2].decode(errors="replace")
            try:
                found[number] = _FIELDS[type(ask)](fields)
            except (ValueError, IndexError):
                found[number] = Failed(f"{path_of(ask)}: the answer makes no sense", "parse")
    return found


def _rest(body: bytes, section: Section, left: Sequence[int], *, whole: bool) -> dict[int, Any]:
    """All that came, of a section about one file."""
    del section
    return dict.fromkeys(left, body) if whole else {}


def _names(body: bytes, section: Section, left: Sequence[int], *, whole: bool) -> dict[int, Any]:
    """The names in a folder, each behind its kind and the root."""
    if not whole:
        return {}
    path = path_of(section.asks[0])
    pieces = re.split(
        rb"(?:^|\n)([a-z]) " + re.escape(section.roots[0].encode()) + b" ", body.removesuffix(b"\n")
    )
    found = [
        Entry(name.decode(errors="surrogateescape"), _ENTRY_TYPES.get(kind.decode(), "device"))
        for kind, name in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    if len(found) > FOLDER_LIMIT:
        return dict.fromkeys(left, Failed(f"{path} holds more than {FOLDER_LIMIT} names", "too-large"))
    return dict.fromkeys(left, tuple(sorted(found, key=lambda entry: entry.name)))


_ENTRY_TYPES: Final = {"f": "file", "d": "directory", "p": "fifo", "s": "socket", "l": "link"}


_BY_PATH: Final[dict[type[Ask], Callable[..., dict[int, Any]]]] = {
    ReadFile: _files,
    StatPath: _lines,
    StatFilesystem: _lines,
    HashFile: _lines,
    ReadFrom: _rest,
    ListFolder: _names,
}


_FIELDS: Final[dict[type[Ask], Callable[[str], Any]]] = {
    StatPath: tables.stat,
    StatFilesystem: tables.space,
    HashFile: tables.digest,
}


def _give_up(ask: Ask, part: _Part, told: Told) -> None:
    """This ask has hung, and what hung with it was ended or could not be."""
    what = path_of(ask) or ask.describe()
    said = f"{what} did not answer within {part.section.limit_s} s"
    cause = "timeout"
    if part.stuck:
        said += f", and pid {', '.join(map(str, told.stuck[:5]))} is stuck with it"
        cause = "stuck"
    told.hung += (ask,)
    told.answers[ask] = Failed(said, cause)
