"""The newest of the files that a name or a pattern stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, StatPath
from checks.facts.pathinfo import file_type

if TYPE_CHECKING:
    from checks.facts.host import Host

MOST_FILES: Final = 2000
_GLOB: Final = "*?["


class Newest(msgspec.Struct, frozen=True):
    """The newest regular file: `mtime` in Unix seconds, `size` in bytes; `count` files the pattern has."""

    found: bool
    path: str = ""
    mtime: int = 0
    size: int = 0
    count: int = 0


@fact
class NewestFile(Fact, frozen=True):
    """The newest file of a path whose last part may be a pattern of shells (``*``, ``?``, ``[…]``)."""

    value_type: ClassVar[type] = Newest
    path: str

    def describe(self) -> str:
        folder, name = split(self.path)
        return f"list {folder}, stat what {name} stands for" if is_pattern(name) else f"stat {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        folder, name = split(self.path)
        if not is_pattern(name):
            return (StatPath(self.path),)
        return (ListFolder(folder), StatPath(f"{folder.rstrip('/')}/<each name that fits>"))

    def read(self, host: Host) -> Newest:
        folder, name = split(self.path)
        if is_pattern(folder):
            raise NotReadable(f"{self.path}: only the last part of a path can be a pattern", "unsupported")
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
                if problem.cause != "absent":  # it may have gone meanwhile
                    raise
                continue
            if file_type(seen.mode) == "file":
                found.append((seen.mtime, path, seen.size))
            elif not is_pattern(name):
                raise NotReadable(f"{path} is a {file_type(seen.mode)}, not a file", "unsupported")
        if not found:
            return Newest(False)
        mtime, path, size = max(found)
        return Newest(True, _text(path), mtime, size, len(found))

    @classmethod
    def settled(cls, value: Newest) -> dict[str, Any]:
        """Whether there is any: such files are written again and again."""
        return {"found": value.found}


def split(path: str) -> tuple[str, str]:
    """The folder and the last part of a path, which may be one of Windows."""
    windows = path[1:3] in (":\\", ":/")
    cut = max(path.rfind("/"), path.rfind("\\") if windows else -1)
    folder = path[: max(cut, 0)]
    return (folder + "\\" if windows and len(folder) == 2 else folder or "/"), path[cut + 1 :]


def is_pattern(text: str) -> bool:
    return any(each in text for each in _GLOB)


def fitting(host: Host, folder: str, pattern: str) -> list[str]:
    """Names that a pattern stands for; like a shell's it has a hidden one only where it says the dot."""
    from fnmatch import fnmatchcase

    try:
        entries = host.list_folder(folder)
    except NotReadable as problem:
        if problem.cause != "absent":
            raise
        return []
    return [
        entry.name
        for entry in entries
        if entry.type == "file"
        and fnmatchcase(entry.name, pattern)
        and entry.name.startswith(".") == pattern.startswith(".")
    ]


def _text(path: str) -> str:
    """A name in a report is text, whatever its bytes are."""
    return path.encode(errors="surrogateescape").decode(errors="replace")
