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
from checks.facts.shell import COMMAND_LIMIT, Script, Section, root_in

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

_USERS: Final = re.compile(r"users:\(\(.*\)\)")
_HOLDER: Final = re.compile(r"\",pid=(\d+),fd=\d+\)(?=,\(|\))")
_INODE: Final = re.compile(r" ino:(\d+)")
"""In a line of ss(8): who holds the socket, ``users:(("sshd",pid=1,fd=3))``, and its number."""

SIGNALLED: Final = 128
"""From here on an exit status means a signal."""
_NOT_RUN, _NOT_FOUND = 126, 127

PATH_MAX: Final = 4096
NAME_MAX: Final = 255
"""Bytes that a path (with its end) and a name in it may have on Linux."""


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
    """A section's output. `torn`: it did not come to its own end; `late`: because it took too long, and
    `stuck`: could not even be ended."""

    section: Section
    out: bytes
    torn: bool
    late: bool
    stuck: bool
    status: int

    @property
    def one_hung(self) -> bool:
        """Whether one of its asks has hung, and not only something on the way."""
        return self.torn and self.late


def read_answers(script: Script, output: bytes, errors: bytes, timing: Timing) -> Told:
    """The answers in what the script printed on its two channels."""
    told = Told({})
    reader = _Reader(script, errors, timing)
    for part in _parts(script, output, told):
        reader.read(part, told)
    return told


def _parts(script: Script, output: bytes, told: Told) -> Sequence[_Part]:
    """The output cut at its frames; the last part may be torn.

    A section that a signal ended is torn as well: what it printed may be the half of what it had to say.
    """
    late, stuck = f"\n{script.nonce} late\n".encode(), f"\n{script.nonce} stuck ".encode()
    parts, at = [], 0
    for number, section in enumerate(script.sections):
        mark = f"\n{script.nonce} {number} ".encode()
        end = output.find(mark, at)
        out = output[at:] if end < 0 else output[at:end]
        line, ended, _ = (b"", b"", b"") if end < 0 else output[end + len(mark) :].partition(b"\n")
        status = int(line) if ended and line.isdigit() else -1
        out, is_stuck, pids = out.partition(stuck)
        if is_stuck:
            told.stuck = tuple(int(pid) for pid in pids.split(b"\n", 1)[0].split() if pid.isdigit())
        torn = bool(is_stuck) or not 0 <= status < SIGNALLED
        was_late = bool(is_stuck) or late in out
        parts.append(_Part(section, out.replace(late, b""), torn, was_late, bool(is_stuck), status))
        if not ended:
            break
        at = end + len(mark) + len(line) + 1
    return parts


class _Reader:
    def __init__(self, script: Script, errors: bytes, timing: Timing) -> None:
        self.script, self.timing = script, timing
        self.errors = errors.decode(errors="surrogateescape").split("\n")
        self.complaints = _complaints(self.errors)
        self.tables: dict[type[Ask], Callable[[_Part], Any]] = {
            CompareClocks: self._offset,
            ListProcesses: self._processes,
            ListListeners: self._listeners,
            AskClock: self._clock,
            RunCommand: self._command,
        }

    def read(self, part: _Part, told: Told) -> None:
        ask = part.section.asks[0]
        if type(ask) not in self.tables:
            self._paths(part, told)
        elif part.one_hung:
            _give_up(ask, part, told)
        elif not part.torn:
            with suppress(ValueError, IndexError, StopIteration):
                told.answers[ask] = self.tables[type(ask)](part)
            told.answers.setdefault(ask, Failed(f"{ask.describe()}: the answer makes no sense", "parse"))

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
            if part.one_hung and len(kinds) < len(asks):
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
            elif part.one_hung and len(asks) == 1:
                _give_up(ask, part, told)

    def _silence(self, ask: Ask, kind: str, status: int) -> Failed:
        """Why a tool said nothing of a path, neither good nor bad."""
        if kind == "n":
            return _denied(ask)
        said = "no answer came back"
        if status in (_NOT_FOUND, _NOT_RUN):
            said = next((line.strip() for line in reversed(self.errors) if "not found" in line), said)
        return Failed(f"{path_of(ask)}: {said}"[:500])

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
        first = lines.index("first")
        last = next(at for at in range(first, len(lines)) if lines[at].startswith("users"))
        if not lines[0].startswith("self "):
            raise ValueError(lines[0])
        mine = int(lines[0].split()[1])
        found: dict[int, tuple[int, int, bool, str]] = {}
        for line in lines[1:first]:
            pid, parent, uid, user_space, name = line.split(" ", 4)
            found[int(pid)] = (int(parent), int(uid), user_space == "0", name)
        if not found:
            return Failed("this system has no /proc to read processes from", "unsupported")
        firsts = dict(line.split(" ", 1) for line in lines[first + 1 : last])
        users: dict[int, str] = {}
        for line in lines[last + 1 :]:
            fields = line.split(":")
            if len(fields) > 2 and fields[2].isdigit():
                users.setdefault(int(fields[2]), fields[0])
        return ProcessTable(
            tuple(
                Process(
                    pid, _whole_name(name, firsts.get(str(pid), "")), uid, users.get(uid, str(uid)), kernel
                )
                for pid, (_, uid, kernel, name) in sorted(found.items())
                if not _below(pid, mine, found)
            ),
            root=mine in found and found[mine][1] == 0,
        )

    def _listeners(self, part: _Part) -> Sockets:
        """Both of what ss says and of what was found without it."""
        lines = part.out.decode(errors="replace").split("\n")
        if lines[0] != "listeners":
            raise ValueError(lines[0])
        listening: set[str] = set()
        held: dict[int, set[str]] = {}
        denied = set()
        for line in lines[1:]:
            words = line.split()
            if words[:1] == ["listens"]:
                listening.add(words[1])
            elif words[:1] == ["holds"]:
                held.setdefault(int(words[1]), set()).add(words[2])
            elif words[:1] == ["denied"]:
                denied.add(int(words[1]))
            else:
                users = _USERS.search(line)
                inode = _INODE.search(line, users.end() if users else 0)
                if inode is None:
                    continue
                listening.add(inode[1])
                for pid in _HOLDER.findall(users[0]) if users else ():
                    held.setdefault(int(pid), set()).add(inode[1])
        # Who could not be looked into matters only where somebody is still sought.
        sought = listening.difference(*held.values())
        kept = {pid: frozenset(inodes) for pid, inodes in held.items()}
        return Sockets(frozenset(listening), kept, frozenset(denied if sought else ()))

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
    if kind in KINDS and isinstance(ask, ReadFile | HashFile):
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


_BY_PATH: Final[dict[type[Ask], Callable[..., dict[int, Any]]]] = {
    ReadFile: _files,
    StatPath: _lines,
    StatFilesystem: _lines,
    HashFile: _lines,
}


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
