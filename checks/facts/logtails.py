"""The ends of logs, for people to read: of files, of the journal and of the kernel's own log.

Nothing is judged by them. They go into a diagnostic bundle, and only after redaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFrom, RunCommand, StatPath
from checks.facts.newest import fitting, is_pattern, split
from checks.facts.pathinfo import file_type
from checks.logs import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.facts.child import Output
    from checks.facts.host import Host

COMMAND_S: Final = 10.0
MOST_FILES: Final = 2000
_RAW: Final = r"<(\d{1,3})>"
_UNSEEN: Final = ("No journal files", "not seeing messages", "No journal boot entry")


class Tail(msgspec.Struct, frozen=True):
    """The last lines of one log, newest last. `name` is the file's path, or the command; `cut` says that
    older lines were left out. `mtime` is in Unix seconds and 0 where it is not a file's.
    """

    name: str
    text: str
    cut: bool = False
    mtime: int = 0


@fact
class FileTail(Fact, frozen=True):
    """The last lines of a file, or of the newest files whose names fit a pattern.

    At most `lines` lines and `size` bytes of each; files that were last written more than `since_s` seconds
    before the newest of them are left out (0: none is).
    """

    value_type: ClassVar[type] = tuple[Tail, ...]
    deadline_s: ClassVar[float] = 30.0
    path: str
    lines: int
    size: int
    newest: int = 1
    since_s: float = 0.0

    def describe(self) -> str:
        folder, name = split(self.path)
        if not is_pattern(name):
            return f"read the end of {self.path}"
        return f"list {folder}, read the ends of the newest {self.newest} that {name} stands for"

    def asks(self) -> tuple[Ask, ...]:
        folder, name = split(self.path)
        if not is_pattern(name):
            return (StatPath(self.path), ReadFrom(self.path, "<near its end>"))
        each = f"{folder.rstrip('/')}/<each name that fits>"
        return (ListFolder(folder), StatPath(each), ReadFrom(each, "<near its end>"))

    def read(self, host: Host) -> tuple[Tail, ...]:
        folder, name = split(self.path)
        paths = [self.path]
        if is_pattern(name):
            paths = [f"{folder.rstrip('/')}/{each}" for each in fitting(host, folder, name)]
        if len(paths) > MOST_FILES:
            raise NotReadable(f"{self.path} stands for more than {MOST_FILES} files", "too-large")
        host.want(StatPath(path) for path in paths)
        found = []
        for path in paths:
            try:
                seen = host.stat(path)
            except NotReadable as problem:
                if problem.cause != "absent" or len(paths) == 1:
                    raise
                continue
            if file_type(seen.mode) == "file":
                found.append((seen.mtime, path, seen.size))
            elif not is_pattern(name):
                raise NotReadable(f"{path} is a {file_type(seen.mode)}, not a file", "unsupported")
        return self._tails(host, sorted(found, reverse=True)[: self.newest])

    def _tails(self, host: Host, files: list[tuple[int, str, int]]) -> tuple[Tail, ...]:
        if self.since_s:
            # Against the newest of them: the clock of a target may differ from ours by more than the span.
            newest = max((mtime for mtime, _, _ in files), default=0)
            files = [file for file in files if newest - file[0] <= self.since_s]
        starts = {path: max(0, size - self.size) for _, path, size in files}
        host.want(ReadFrom(path, start) for path, start in starts.items())
        tails = []
        for mtime, path, _ in files:
            data = host.read_from(path, starts[path])[: self.size]
            text, cut = ending(data, self.lines, starts[path] > 0)
            tails.append(Tail(_written(path), text, cut, mtime))
        return tuple(tails)


@fact
class JournalTail(Fact, frozen=True):
    """The last lines of systemd's journal: of a unit (empty: of everything), of a priority and worse."""

    value_type: ClassVar[type] = tuple[Tail, ...]
    deadline_s: ClassVar[float] = 30.0
    unit: str
    priority: str
    lines: int
    size: int
    since_s: float

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def _ask(self) -> RunCommand:
        words = ["journalctl", "--no-pager", "-r", "-o", "short-iso", "-n", str(self.lines)]
        words += ["--since", f"-{self.since_s:.0f}s"]
        if self.priority:
            words += ["-p", self.priority]
        if self.unit:
            words += ["-u", self.unit]
        return RunCommand(tuple(words), COMMAND_S)

    def read(self, host: Host) -> tuple[Tail, ...]:
        text, cut = _shown(host, self._ask(), self.size)
        return (Tail(self._ask().describe().removeprefix("run "), text, cut or _full(text, self.lines)),)


@fact
class KernelTail(Fact, frozen=True):
    """The kernel's own log since the start, of a priority and worse: from the journal, else from dmesg."""

    value_type: ClassVar[type] = tuple[Tail, ...]
    deadline_s: ClassVar[float] = 30.0
    priority: str
    lines: int
    size: int

    def describe(self) -> str:
        return f"{self._journal().describe()}; where that shows nothing run dmesg -r"

    def asks(self) -> tuple[Ask, ...]:
        return (self._journal(), RunCommand(("dmesg", "-r"), COMMAND_S))

    def _journal(self) -> RunCommand:
        words = ("journalctl", "--no-pager", "-r", "-k", "-b", "-o", "short-iso", "-n", str(self.lines))
        return RunCommand((*words, "-p", self.priority), COMMAND_S)

    def read(self, host: Host) -> tuple[Tail, ...]:
        journal, dmesg = self.asks()
        assert isinstance(journal, RunCommand) and isinstance(dmesg, RunCommand)
        try:
            text, cut = _shown(host, journal, self.size)
        except NotReadable:
            text, cut = "", False
        if text:
            return (Tail(journal.describe().removeprefix("run "), text, cut or _full(text, self.lines)),)
        done = host.execute(dmesg)
        if done.status != 0 and not done.out:
            said = done.err.decode(errors="replace").strip()
            raise NotReadable(f"dmesg: {said or f'exit status {done.status}'}"[:300], "denied")
        data = b"\n".join(_of_level(done.out.splitlines(), PRIORITIES.index(self.priority)))
        text, cut = ending(data[-self.size :], self.lines, len(data) > self.size)
        return (Tail("dmesg", text, cut or done.truncated),)


def ending(data: bytes, lines: int, begins_inside: bool) -> tuple[str, bool]:
    """The last lines of some bytes, and whether any was left out; a line that is cut at its front is."""
    if begins_inside:
        data = data[data.find(b"\n") + 1 :]
    rows = data.splitlines()
    kept = rows[-lines:]
    text = "".join(row.replace(b"\0", b"").decode(errors="replace") + "\n" for row in kept)
    return text, begins_inside or len(kept) < len(rows)


def _shown(host: Host, ask: RunCommand, size: int) -> tuple[str, bool]:
    """What journalctl shows, oldest first; it is asked for the newest first, so that a bound costs old ones.

    Raises `NotReadable` where there is no journal, or none for this reader.
    """
    done = host.execute(ask)
    said = done.err.decode(errors="replace").strip()
    rows = [row for row in done.out.splitlines() if not row.startswith(b"-- ")]
    if (done.status != 0 and not done.truncated) or (not rows and _unseen(done)):
        raise NotReadable(f"journalctl: {said or f'exit status {done.status}'}"[:300], "denied")
    if done.truncated and rows:
        rows.pop()
    kept, total = [], 0
    for row in rows:
        total += len(row) + 1
        if total > size:
            break
        kept.append(row)
    text = "".join(row.decode(errors="replace") + "\n" for row in reversed(kept))
    return text, done.truncated or len(kept) < len(rows)


def _unseen(done: Output) -> bool:
    said = done.err.decode(errors="replace") + done.out.decode(errors="replace")
    return any(words in said for words in _UNSEEN)


def _full(text: str, lines: int) -> bool:
    """Whether as many lines came as were asked for: there may be more."""
    return text.count("\n") >= lines


def _of_level(lines: list[bytes], worst: int) -> Iterator[bytes]:
    """The raw lines of dmesg that are of a level or worse, each with the lines that continue it.

    The lowest three bits of the number in front are the level, the others the facility. Lines that continue
    one whose front is gone are left out.
    """
    level = worst + 1
    for line in lines:
        found = re.match(_RAW.encode(), line)
        level = int(found[1]) & 7 if found else level
        if level <= worst:
            yield line


def _written(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")
