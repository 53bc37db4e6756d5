"""What a script of `checks.facts.shell` printed, read back as answers.

Pure: bytes in, answers out. Whatever the far side sent, however torn, wrong or hostile, ends as an answer, as
`Failed`, or as an ask that is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from checks.facts.answered import Failed, ProcessTable, Sockets
from checks.facts.asks import (
    Ask,
    AskClock,
    CompareClocks,
    HashFile,
    ListListeners,
    ListProcesses,
    ReadFile,
    RunCommand,
    StatFilesystem,
    StatPath,
    path_of,
)
from checks.facts.child import Output
from checks.facts.pathinfo import Space, Stat
from checks.facts.processtable import Process
from checks.facts.shell import COMMAND_LIMIT, LONG_S, SHORT_S, Script, Section

KINDS: Final = {"d": "directory", "p": "fifo", "s": "socket", "v": "device"}
_CAUSES: Final = {
    "No such file or directory": "absent",
    "Not a directory": "absent",
    "Permission denied": "denied",
    "Operation not permitted": "denied",
    "Connection timed out": "timeout",
}
_CLOCK_YES: Final = ("NTPSynchronized=yes", "clock synchronized: yes", "NTP synchronized: yes")
_CLOCK_NO: Final = ("NTPSynchronized=no", "clock synchronized: no", "NTP synchronized: no")
_NOBODY_US: Final = 16_000_000


class Timing(msgspec.Struct, frozen=True):
    """When the script was sent and when its first section had come back, in Unix seconds of the agent."""

    sent: float
    received: float


class Told(msgspec.Struct):
    """What a round gave. `hung` are the asks that were ended for taking too long, `stuck` the pids that did
    not even die then; asks that are in neither part were not reached."""

    answers: dict[Ask, Any]
    hung: tuple[Ask, ...] = ()
    stuck: tuple[int, ...] = ()


class _Part(msgspec.Struct):
    """A section's output, and whether it was cut short."""

    section: Section
    out: bytes
    status: int
    late: bool
    whole: bool


def read_answers(script: Script, output: bytes, errors: bytes, timing: Timing) -> Told:
    """The answers in what the script printed on its two channels."""
    told = Told({})
    reader = _Reader(script, errors, timing)
    for part in _parts(script, output, told):
        reader.read(part, told)
        if not part.whole:
            break
    return told


def _parts(script: Script, output: bytes, told: Told) -> Sequence[_Part]:
    """The output cut at its frames; the last part may be torn."""
    late, stuck = f"\n{script.nonce} late\n".encode(), f"\n{script.nonce} stuck ".encode()
    parts, at = [], 0
    for number, section in enumerate(script.sections):
        mark = f"\n{script.nonce} {number} ".encode()
        end = output.find(mark, at)
        out = output[at:] if end < 0 else output[at:end]
        line = b"" if end < 0 else output[end + len(mark) :].split(b"\n", 1)[0]
        if stuck in out:
            out, _, pids = out.partition(stuck)
            told.stuck = tuple(int(pid) for pid in pids.split(b"\n", 1)[0].split() if pid.isdigit())
        was_late = late in out
        out = out.replace(late, b"")
        status = int(line) if line.isdigit() else -1
        parts.append(_Part(section, out, status, was_late, end >= 0))
        if end < 0:
            break
        at = end + len(mark) + len(line) + 1
    return parts


class _Reader:
    def __init__(self, script: Script, errors: bytes, timing: Timing) -> None:
        self.script, self.timing = script, timing
        self.errors = errors.decode(errors="surrogateescape").splitlines()
        self.root = script.root.encode()
        self.readers: dict[type[Ask], Callable[[_Part], Any]] = {
            CompareClocks: self._offset,
            ListProcesses: self._processes,
            ListListeners: self._listeners,
            AskClock: self._clock,
            RunCommand: self._command,
        }

    def read(self, part: _Part, told: Told) -> None:
        asks = part.section.asks
        kind = type(asks[0])
        if kind in self.readers:
            if part.late or (not part.whole and told.stuck):
                told.hung += asks
                told.answers[asks[0]] = _late(asks[0], part, told.stuck)
            elif part.whole:
                with suppress(ValueError, IndexError):
                    told.answers[asks[0]] = self.readers[kind](part)
                told.answers.setdefault(
                    asks[0], Failed(f"{asks[0].describe()}: the answer makes no sense", "parse")
                )
            return
        self._paths(part, told)

    def _paths(self, part: _Part, told: Told) -> None:
        """A section about several paths: first the kind of each, then what one process said of them."""
        asks = part.section.asks
        head, read, body = part.out.partition(f"\n{self.script.nonce} read\n".encode())
        kinds = [line.partition(" ")[2] for line in head.decode(errors="replace").splitlines()]
        if not read:
            kinds = kinds[: len(asks)]
        ended = part.late or not part.whole
        at, left = 0, []
        for ask, kind in zip(asks, kinds, strict=False):
            failed = _by_kind(ask, kind)
            if failed is not None:
                told.answers[ask] = failed
            else:
                left.append(ask)
        if not read:
            if ended and len(kinds) < len(asks) and (part.late or told.stuck):
                self._give_up(asks[len(kinds)], part, told)
            return
        for number, ask in enumerate(left):
            answer, at = _BY_PATH[type(ask)](self, ask, left[number + 1 :], body, at, not ended)
            if answer is not None:
                told.answers[ask] = answer
            elif not ended:
                told.answers[ask] = self._complaint(ask)
            else:
                if part.late or told.stuck:
                    self._give_up(ask, part, told)
                return

    def _give_up(self, ask: Ask, part: _Part, told: Told) -> None:
        told.hung += (ask,)
        told.answers[ask] = _late(ask, part, told.stuck)

    def _complaint(self, ask: Ask) -> Failed:
        """Why a tool said nothing of a path, in its own words on standard error."""
        path = path_of(ask)
        named = self.script.root + path
        for line in self.errors:
            if named in line:
                said = line.rpartition(": ")[2].strip()
                cause = _CAUSES.get(said, "failed")
                return Failed(f"{path}: {said}"[:500], cause, root=cause == "denied")
        last = next((line for line in reversed(self.errors) if line.strip()), "nothing came back")
        return Failed(f"{path}: {last.strip()}"[:500])

    def file(
        self, ask: Ask, rest: Sequence[Ask], body: bytes, at: int, whole: bool
    ) -> tuple[bytes | None, int]:
        header = self._header(ask)
        start = body.find(header, at)
        if start < 0:
            return None, at
        start += len(header)
        ends = (body.find(b"\n" + self._header(other), start) for other in rest)
        end = next((found for found in ends if found >= 0), -1)
        if end < 0:
            return (body[start:], len(body)) if whole else (None, start)
        return body[start:end], end

    def line(self, ask: Ask, rest: Sequence[Ask], body: bytes, at: int, whole: bool) -> tuple[Any, int]:
        """The fields of the one line that is about this path."""
        del rest, whole
        tail = self.root + _path(ask) + b"\n"
        found = body.find(tail, at)
        if found < 0 and body.endswith(tail[:-1]):
            found = len(body) - len(tail) + 1
        if found < 0:
            return None, at
        fields = body[at:found].decode(errors="replace").rpartition("\n")[2]
        try:
            return _FIELDS[type(ask)](fields), found + len(tail)
        except (ValueError, IndexError):
            return Failed(f"{getattr(ask, 'path', '')}: the answer makes no sense", "parse"), found + len(
                tail
            )

    def _header(self, ask: Ask) -> bytes:
        return b"==> " + self.root + _path(ask) + b" <==\n"

    def _offset(self, part: _Part) -> tuple[float, float]:
        """The far clock against the middle of the way there and back; the half of it is the doubt."""
        seconds, _, fraction = part.out.decode().strip().partition(".")
        fine = fraction.isdigit()
        there = int(seconds) + (float(f"0.{fraction}") if fine else 0.5)
        half = max(0.0, (self.timing.received - self.timing.sent) / 2)
        offset = there - (self.timing.sent + self.timing.received) / 2
        return round(offset, 6), round(half + (0.0 if fine else 0.5), 6)

    def _processes(self, part: _Part) -> ProcessTable | Failed:
        lines = part.out.decode(errors="replace").split("\n")
        if not lines[0].startswith("self "):
            raise ValueError(lines[0])
        mine = int(lines[0].split()[1])
        found: dict[int, tuple[int, int, bool, str]] = {}
        names: dict[int, str] = {}
        users: dict[int, str] = {}
        at = 1
        while not lines[at].startswith("long"):
            pid, parent, uid, user_space, name = lines[at].split(" ", 4)
            found[int(pid)] = (int(parent), int(uid), user_space == "0", name)
            at += 1
        for line in lines[at + 1 :]:
            word, _, rest = line.partition(" ")
            number, _, text = rest.partition(" ")
            if number.isdigit() and word in ("first", "user"):
                (names if word == "first" else users).setdefault(int(number), text)
        if not found:
            return Failed("this system has no /proc to read processes from", "unsupported")
        return ProcessTable(
            tuple(
                Process(pid, _whole_name(name, names.get(pid, "")), uid, users.get(uid, str(uid)), kernel)
                for pid, (_, uid, kernel, name) in sorted(found.items())
                if not _below(pid, mine, found)
            ),
            root=mine in found and found[mine][1] == 0,
        )

    def _listeners(self, part: _Part) -> Sockets:
        lines = part.out.decode(errors="replace").splitlines()
        if not lines[0].startswith("listening"):
            raise ValueError(lines[0])
        held: dict[int, set[str]] = {}
        denied = set()
        for line in lines[1:]:
            words = line.split()
            if words[:1] == ["holds"] and len(words) == 3:
                held.setdefault(int(words[1]), set()).add(words[2])
            elif words[:1] == ["denied"]:
                denied.add(int(words[1]))
        kept = {pid: frozenset(inodes) for pid, inodes in held.items()}
        return Sockets(frozenset(lines[0].split()[1:]), kept, frozenset(denied))

    def _clock(self, part: _Part) -> int | Failed | None:
        text = part.out.decode(errors="replace")
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "maxerror":
                return int(value.split()[0])
        if any(word in text for word in _CLOCK_YES):
            return None
        if any(word in text for word in _CLOCK_NO):
            return _NOBODY_US
        return Failed("neither adjtimex nor timedatectl tells the clock's state there", "unsupported")

    def _command(self, part: _Part) -> Output | Failed:
        name = part.section.asks[0].argv[0]  # type: ignore[attr-defined]
        if part.out.endswith(f"\n{self.script.nonce} absent\n".encode()):
            return Failed(f"{name} is not installed", "absent")
        out, _, rest = part.out.partition(f"\n{self.script.nonce} err\n".encode())
        err, _, status = rest.rpartition(f"{self.script.nonce} status ".encode())
        return Output(int(status), out[:COMMAND_LIMIT], err.removesuffix(b"\n"), len(out) > COMMAND_LIMIT)


_BY_PATH: Final[dict[type[Ask], Callable[..., tuple[Any, int]]]] = {
    ReadFile: _Reader.file,
    StatPath: _Reader.line,
    StatFilesystem: _Reader.line,
    HashFile: _Reader.line,
}


def _path(ask: Ask) -> bytes:
    return path_of(ask).encode(errors="surrogateescape")


def _by_kind(ask: Ask, kind: str) -> Failed | None:
    """What the kind of a path alone already answers; None where more has to be said."""
    path = path_of(ask)
    if kind.startswith("l "):
        said = kind.rpartition(": ")[2]
        cause = _CAUSES.get(said, "absent")
        return Failed(f"{path}: {said}", cause, root=cause == "denied")
    if kind == "a":
        return Failed(f"{path}: No such file or directory", "absent")
    if kind == "x" or (kind == "n" and isinstance(ask, ReadFile | HashFile)):
        return Failed(f"{path}: Permission denied", "denied", root=True)
    if kind in KINDS and isinstance(ask, ReadFile | HashFile):
        return Failed(f"{path} is a {KINDS[kind]}, not a file", "unsupported")
    return None


def _stat(fields: str) -> Stat:
    mode, uid, gid, size, mtime, user, group, _ = fields.split(":", 7)
    return Stat(int(mode, 16), int(uid), int(gid), int(size), int(mtime), _name(user, uid), _name(group, gid))


def _name(name: str, number: str) -> str:
    return number if name in ("", "UNKNOWN") else name


def _space(fields: str) -> Space:
    block, total, free, available, inodes, inodes_free, _ = fields.split(":", 6)
    size = int(block)
    return Space(size * int(total), size * int(free), size * int(available), int(inodes), int(inodes_free))


def _digest(fields: str) -> str:
    digest = fields.split()[0].lstrip("\\")
    if len(digest) != 64:
        raise ValueError(digest)
    return digest


_FIELDS: Final[dict[type[Ask], Callable[[str], Any]]] = {
    StatPath: _stat,
    StatFilesystem: _space,
    HashFile: _digest,
}


def _whole_name(name: str, first: str) -> str:
    return first if first and first.startswith(name) else name


def _below(pid: int, top: int, found: dict[int, tuple[int, int, bool, str]]) -> bool:
    """Whether a process is the script itself or was started by it."""
    for _ in range(100):
        if pid == top:
            return True
        if pid not in found:
            return False
        pid = found[pid][0]
    return False


def _late(ask: Ask, part: _Part, stuck: tuple[int, ...]) -> Failed:
    what = path_of(ask) or ask.describe()
    limit = LONG_S if part.section.long else SHORT_S
    if stuck:
        pids = ", ".join(map(str, stuck[:5]))
        return Failed(f"{what} did not answer within {limit} s, and pid {pids} is stuck with it", "stuck")
    return Failed(f"{what} did not answer within {limit} s", "timeout")
