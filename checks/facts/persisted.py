"""What kernel parameters will be after the next start, as the files of sysctl.d(5) say, beside what they are.

Files of one name mask each other by folder; of all that are left the later name wins. A key may hold globs,
and a key without a value takes one out of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, ReadFile, StatPath
from checks.facts.kernel import OSRELEASE, kernel_release
from checks.facts.secrets import names_a_secret
from checks.facts.system import CONTAINER_ASKS, container_of, sysctl_path

if TYPE_CHECKING:
    from checks.facts.host import Host

FOLDERS: Final = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
"""By precedence: a file in an earlier one masks those of its name in later ones."""

OLD_FILE: Final = "/etc/sysctl.conf"

_SYSTEMD: Final = "/run/systemd/system"
_ROOT: Final = "/proc/sys"
_GLOB: Final = r"[*?\[]"
_LINE_LIMIT: Final = 4096
_FILES_READ: Final = 200
_KEYS_KEPT: Final = 1000


class Assignment(msgspec.Struct, frozen=True):
    """A line of a file: `key` with dots between its parts (a dot inside one is ``/``), `value` with single
    blanks, None where the line only takes the key out of globs. `optional`: the key may be missing."""

    key: str
    value: str | None
    optional: bool = False


class Persisted(msgspec.Struct, frozen=True):
    """A parameter that a file sets: what it will be and what it is, None where the kernel has no such one.

    `unread` says why the running value is not known.
    """

    key: str
    value: str
    file: str
    running: str | None
    unread: str = ""

    @property
    def holds(self) -> bool:
        """Whether it stays as it is. A parameter that does not exist now will hardly exist then."""
        return self.running is None or _same(self.running, self.value)


class Parameters(msgspec.Struct, frozen=True):
    """All parameters that files set, by key. `container` is empty on a machine."""

    parameters: tuple[Persisted, ...]
    container: str = ""


@fact
class PersistedParameters(Fact, frozen=True):
    """Kernel parameters by file and by kernel; of `names` only, where some are given."""

    value_type: ClassVar[type] = Parameters
    names: tuple[str, ...] | str = ()

    def describe(self) -> str:
        return f"read *.conf in {', '.join(FOLDERS)}, {OLD_FILE}, and the same parameters in {_ROOT}"

    def asks(self) -> tuple[Ask, ...]:
        files = (*(f"{folder}/<each .conf>" for folder in FOLDERS), f"{_ROOT}/<each parameter>")
        folders = (ListFolder(_ROOT), ListFolder(f"{_ROOT}/<part of a glob>"))
        return (*self._first(), *(ReadFile(path) for path in files), *folders)

    def _first(self) -> tuple[Ask, ...]:
        start = (ReadFile(OLD_FILE), ReadFile(OSRELEASE), StatPath(_SYSTEMD), *CONTAINER_ASKS)
        return (*(ListFolder(folder) for folder in FOLDERS), *start)

    def read(self, host: Host) -> Parameters:
        host.want(self._first())
        kernel_release(host)  # a system that shows no kernel has none of these files for another reason
        container = container_of(host)
        if container:
            return Parameters((), container)
        wanted = _effective(host, [(path, parse_sysctl(text)) for path, text in _texts(host)])
        if self.names:
            wanted = {key: wanted[key] for key in sorted(wanted) if key in self.names}
        if len(wanted) > _KEYS_KEPT:
            raise NotReadable(f"more than {_KEYS_KEPT} parameters are set by files", "too-large")
        paths = {key: sysctl_path(key) for key in wanted if not _secret(key)}
        host.want(ReadFile(path) for path in paths.values())
        found = (_beside(host, key, *wanted[key], path) for key, path in sorted(paths.items()))
        return Parameters(tuple(found))

    @classmethod
    def settled(cls, value: Parameters) -> dict[str, Any]:
        """What the files say, by key: the running value is that of `Sysctl`."""
        return {each.key: each.value for each in value.parameters}


def _texts(host: Host) -> list[tuple[str, str]]:
    """Paths and texts of the files that count, in the order in which they are read at a start."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        for name, kind in _conf_names(host, folder):
            # What is no file (a link to /dev/null) masks the others of its name and says nothing.
            chosen.setdefault(name, f"{folder}/{name}" if kind == "file" else "")
    paths = [chosen[name] for name in sorted(chosen) if chosen[name]]
    if len(paths) > _FILES_READ:
        raise NotReadable(f"more than {_FILES_READ} files set parameters", "too-large")
    host.want(ReadFile(path) for path in paths)
    texts = [(path, host.read_text(path)) for path in paths]
    if not _reads_old_file(host):
        return texts
    try:
        old = host.read_text(OLD_FILE)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return texts
    return [*texts, (OLD_FILE, old)]


def _reads_old_file(host: Host) -> bool:
    """Whether /etc/sysctl.conf counts by itself: with procps it comes last, systemd does not read it.

    Distributions with systemd that want it read have a link to it among the others.
    """
    try:
        host.stat(_SYSTEMD)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return True
    return False


def _conf_names(host: Host, folder: str) -> list[tuple[str, str]]:
    try:
        entries = host.list_folder(folder)
    except NotReadable as problem:
        if problem.cause in ("absent", "unsupported"):
            return []
        raise
    return [(entry.name, entry.type) for entry in entries if entry.name.endswith(".conf")]


def parse_sysctl(text: str) -> list[Assignment]:
    """The assignments in a file's text, in order; lines that are none are passed over, as at a start."""
    found = []
    for line in text.splitlines():
        line = line[:_LINE_LIMIT].strip()
        if not line or line[0] in "#;":
            continue
        optional = line.startswith("-")
        name, equals, value = line.lstrip("-").partition("=")
        key = canonical_key(name.strip())
        if key and (equals or optional):
            said = " ".join(value.split()) if equals else None
            found.append(Assignment(key, said, optional))
    return found


def canonical_key(name: str) -> str:
    """The key with dots between its parts; empty where it is none.

    Where a slash comes before any dot, slashes are between the parts and dots belong to names (sysctl.d(5)).
    """
    first = re.search(r"[./]", name)
    if first is not None and first[0] == "/":
        name = name.translate(str.maketrans("./", "/."))
    name = name.strip(".")
    return name if re.fullmatch(r"[A-Za-z0-9_.:/@+*?\[\]!-]{1,250}", name) else ""


def _effective(host: Host, files: Iterable[tuple[str, list[Assignment]]]) -> dict[str, tuple[str, str]]:
    """What each key will be, and the file that says so: the last one, but globs yield to what is named."""
    plain: dict[str, tuple[str, str]] = {}
    globs: dict[str, tuple[str, str]] = {}
    taken_out: set[str] = set()
    for path, assignments in files:
        for each in assignments:
            if each.value is None:
                taken_out.add(each.key)
                continue
            into = globs if re.search(_GLOB, each.key) else plain
            into.pop(each.key, None)  # so that the last one comes last among globs as well
            into[each.key] = each.value, path
    merged: dict[str, tuple[str, str]] = {}
    for pattern, said in globs.items():
        for key in expanded(host, pattern):
            if not any(fnmatchcase(key, out) for out in taken_out):
                merged[key] = said
    return merged | {key: said for key, said in plain.items() if _is_name(key)}


def _is_name(key: str) -> bool:
    try:
        sysctl_path(key)
    except NotReadable:
        return False
    return True


def expanded(host: Host, pattern: str) -> list[str]:
    """The kernel's parameters that a glob means; each part of it is matched by itself."""
    found = [""]
    parts = pattern.split(".")
    for at, part in enumerate(parts):
        if not re.search(_GLOB, part):
            found = [f"{base}.{part}".lstrip(".") for base in found]
            continue
        kind = "file" if at == len(parts) - 1 else "directory"
        found = [
            f"{base}.{name}".lstrip(".")
            for base in found
            for name in _below(host, base, kind)
            if fnmatchcase(name, part)
        ]
        if len(found) > _KEYS_KEPT:
            raise NotReadable(f"{pattern} means more than {_KEYS_KEPT} parameters", "too-large")
    return [key for key in found if _is_name(key)]


def _below(host: Host, base: str, kind: str) -> list[str]:
    try:
        entries = host.list_folder(sysctl_path(base) if base else _ROOT)
    except NotReadable as problem:
        if problem.cause in ("absent", "unsupported"):
            return []
        raise
    return [entry.name.replace(".", "/") for entry in entries if entry.type == kind]


def _beside(host: Host, key: str, value: str, file: str, path: str) -> Persisted:
    file = file.encode(errors="replace").decode()  # a name need not be UTF-8
    try:
        running = " ".join(host.read_text(path, 64 * 1024).split())
    except NotReadable as problem:
        if problem.cause == "absent":
            return Persisted(key, value, file, None)
        return Persisted(key, value, file, None, problem.reason)
    return Persisted(key, value, file, running)


def _secret(key: str) -> bool:
    """Whether a parameter is one that nobody should read: the key of stable addresses or of TCP fast open."""
    return names_a_secret(key)


def _same(running: str, value: str) -> bool:
    """Equal words, numbers in any base that the kernel takes."""
    mine, other = running.split(), value.split()
    return len(mine) == len(other) and all(map(_equal, mine, other))


def _equal(one: str, other: str) -> bool:
    return one == other or (_integer(one) is not None and _integer(one) == _integer(other))


def _integer(word: str) -> int | None:
    """A number as the kernel reads it: hexadecimal after ``0x``, octal after ``0``."""
    if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", word):
        return int(word, 16)
    if re.fullmatch(r"0[0-7]{1,22}", word):
        return int(word, 8)
    return int(word) if re.fullmatch(r"-?\d{1,20}", word, re.ASCII) else None
