"""Running Java programs: their version, and the few of their options that decide about memory.

Of a command line only these options are kept, never the rest of it: ``-Dpassword=…`` stands there as well.
Options from the environment (JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS) are not seen, because the environment of a
process holds its secrets.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListProcesses, ReadFile, RunCommand, StatFilesystem, StatPath
from checks.facts.cmdline import command_lines
from checks.facts.host import MOUNT_TABLE
from checks.facts.javaoptions import JAVA, HeapOptions, Launch, heap_options, launch_of, words_of
from checks.facts.process import named, refuse_if_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checks.facts.host import Host

LIMIT: Final = 50
"""Java processes that are looked at."""

ARGUMENTS_LIMIT: Final = 256 * 1024
_PID: Final = "<pid of java>"
_ASKS: Final[tuple[Ask, ...]] = (ListProcesses(), ReadFile(MOUNT_TABLE), ReadFile(f"/proc/{_PID}/cmdline"))


class DumpPlace(msgspec.Struct, frozen=True):
    """Where a heap dump would go: the folder, whether it is there, and the bytes that it has room for."""

    folder: str
    exists: bool
    available: int = 0
    unread: str = ""


class Jvm(msgspec.Struct, frozen=True):
    """A running Java program. `version` as its release file writes it (``17.0.15``, ``1.8.0_392``), empty
    where that could not be read.

    `heap` are its options; `unread` says which further options could not be read. `memory_limit` are the
    bytes its control group allows, None without a limit. `dump` tells of the place of a heap dump.
    """

    pid: int
    version: str
    heap: HeapOptions
    memory_limit: int | None = None
    unread: tuple[str, ...] = ()
    dump: DumpPlace | None = None


@fact
class JavaPrograms(Fact, frozen=True):
    """The names of the Java programs that run: main class, module or archive, without its version."""

    value_type: ClassVar[Any] = list[str]

    def describe(self) -> str:
        return f"read /proc/{_PID}/cmdline, keep the names of main classes and archives"

    def asks(self) -> tuple[Ask, ...]:
        return _ASKS

    def read(self, host: Host) -> list[str]:
        return sorted({launch.program for _, launch in _launches(host)})


@fact
class JavaOptions(Fact, frozen=True):
    """Version and memory options of the Java programs of one name."""

    value_type: ClassVar[Any] = tuple[Jvm, ...]
    deadline_s: ClassVar[float] = 15.0
    program: str

    def describe(self) -> str:
        return (
            f"read /proc/{_PID}/cmdline of {self.program} and its argument files, keep what is about memory; "
            "read its release file and control group; look at where its heap dump would go"
        )

    def asks(self) -> tuple[Ask, ...]:
        return (
            *_ASKS,
            ReadFile(f"/proc/{_PID}/cwd/<argument file of java>"),
            ReadFile("/<argument file of java>"),
            ReadFile(f"/proc/{_PID}/cgroup"),
            ReadFile("/sys/fs/cgroup/<control group of java>/memory.max"),
            ReadFile("/sys/fs/cgroup/memory/<control group of java>/memory.limit_in_bytes"),
            RunCommand(("readlink", "-f", f"/proc/{_PID}/exe")),
            ReadFile("/<home of java>/release"),
            StatPath("/<folder of the heap dump>"),
            StatFilesystem("/<folder of the heap dump>"),
        )

    def read(self, host: Host) -> tuple[Jvm, ...]:
        found = [(pid, launch) for pid, launch in _launches(host) if launch.program == self.program]
        host.want(ReadFile(f"/proc/{pid}/cgroup") for pid, _ in found)
        return tuple(_jvm(host, pid, launch) for pid, launch in found)

    @classmethod
    def settled(cls, value: tuple[Jvm, ...]) -> list[dict[str, Any]]:
        """Versions and options, each once: pids are new with every start, and room moves."""
        seen = [{"version": each.version} | msgspec.to_builtins(each.heap) for each in value]
        return [each for at, each in enumerate(seen) if each not in seen[:at]]


def _launches(host: Host) -> list[tuple[int, Launch]]:
    found = named(host.processes(), JAVA)[:LIMIT]
    if not found:
        refuse_if_hidden(host)
    lines = command_lines(host, [process.pid for process in found])
    return [(pid, launch_of(words)) for pid, words in lines.items() if words and words[0]]


def _jvm(host: Host, pid: int, launch: Launch) -> Jvm:
    words, unread = list(launch.options), []
    for name in launch.files:
        path = posixpath.join(f"/proc/{pid}/cwd", name)
        try:
            text = host.read_text(path, ARGUMENTS_LIMIT)
        except NotReadable as problem:
            unread.append(f"@{name}: {problem.cause}")
        else:
            words += launch_of((JAVA, *words_of(text))).options
    heap = heap_options(words)
    return Jvm(
        pid,
        _version(host, pid, launch.binary),
        heap,
        _memory_limit(host, pid),
        tuple(unread),
        _dump_place(host, pid, heap) if heap.dumps else None,
    )


def _version(host: Host, pid: int, binary: str) -> str:
    """JAVA_VERSION of the release file in the home of the program; links are followed where need be."""
    for home in _homes(host, pid, binary):
        try:
            text = host.read_text(f"{home}/release", 64 * 1024)
        except NotReadable:
            continue
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "JAVA_VERSION":
                return value.strip().strip('"')[:40]
    return ""


def _homes(host: Host, pid: int, binary: str) -> Iterator[str]:
    """Where the release file may be: two folders above the program, and for Java 8 three."""
    if binary.startswith("/"):
        yield from _above(binary)
    try:
        done = host.execute(RunCommand(("readlink", "-f", f"/proc/{pid}/exe")))
    except NotReadable:
        return
    real = done.out.decode(errors="replace").strip()
    if done.status == 0 and real.startswith("/") and not real.startswith("/proc/") and "\n" not in real:
        yield from _above(real)


def _above(binary: str) -> Iterator[str]:
    home = posixpath.dirname(posixpath.dirname(posixpath.normpath(binary)))
    if home.strip("/"):
        yield home
    if posixpath.basename(home) == "jre":
        yield posixpath.dirname(home)


def _memory_limit(host: Host, pid: int) -> int | None:
    """The lowest limit of the control groups that a process is in, of version 2 or 1."""
    try:
        text = host.read_text(f"/proc/{pid}/cgroup", 64 * 1024)
    except NotReadable:
        return None
    paths: list[str] = []
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if ".." in group or not group.strip("/"):
            continue
        if number == "0":
            paths += [f"/sys/fs/cgroup{each}/memory.max" for each in _upwards(group)]
        elif "memory" in controllers.split(","):
            paths += [f"/sys/fs/cgroup/memory{each}/memory.limit_in_bytes" for each in _upwards(group)]
    host.want(map(ReadFile, paths))
    limits = [limit for limit in (_number_in(host, path) for path in paths) if limit is not None]
    return min(limits, default=None)


def _upwards(group: str) -> list[str]:
    parts = group.strip("/").split("/")[:20]
    return ["/" + "/".join(parts[: at + 1]) for at in range(len(parts))]


def _number_in(host: Host, path: str) -> int | None:
    """A limit in bytes; None where there is none, or one that is larger than any memory (v1's way)."""
    try:
        text = host.read_text(path, 100).strip()
    except NotReadable:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 and int(text) < 2**60 else None


def _dump_place(host: Host, pid: int, heap: HeapOptions) -> DumpPlace:
    """Where a dump would go. A path that is a folder takes the file; else it names the file itself. Without
    one it is the folder that the program was started in."""
    given = posixpath.join(f"/proc/{pid}/cwd", heap.dump_path)
    for folder in _candidates(given, heap.dump_path):
        try:
            seen = host.stat(folder)
            if seen.mode & 0o170000 != 0o040000:
                continue
            room = host.statvfs(folder).available
        except NotReadable as problem:
            if problem.cause == "absent":
                continue
            return DumpPlace(heap.dump_path or ".", True, 0, problem.reason)
        return DumpPlace(heap.dump_path or ".", True, room)
    return DumpPlace(heap.dump_path or ".", False)


def _candidates(path: str, given: str) -> Sequence[str]:
    path = path.rstrip("/") or "/"
    parent = posixpath.dirname(path)
    return (path, parent) if given and not given.endswith("/") and parent.strip("/") else (path,)
