"""The files that a path with patterns stands for, as shells have them; any part of it may be a pattern."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Final

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ListFolder, StatPath
from checks.facts.newest import is_pattern
from checks.facts.pathinfo import file_type

if TYPE_CHECKING:
    from checks.facts.host import Host

MOST: Final = 500
_DEEP: Final = 20


@fact
class FoundFiles(Fact, frozen=True):
    """The paths of the regular files that an absolute path stands for, sorted; none where nothing fits.

    Links count as what they lead to. Hidden names fit only a pattern that begins with a dot.
    """

    value_type: ClassVar[Any] = tuple[str, ...]
    path: str

    def describe(self) -> str:
        return f"look which files {self.path} stands for"

    def asks(self) -> tuple[Ask, ...]:
        before, patterns = self._parts()
        # What is below the first pattern is known only once its folder was listed.
        below = f"{before}/<each name that fits>" if patterns else before
        folders = (ListFolder(before or "/"), ListFolder(below)) if patterns else ()
        return (*folders, StatPath(below))

    def read(self, host: Host) -> tuple[str, ...]:
        if not self.path.startswith("/") or self.path.count("/") > _DEEP:
            raise NotReadable(f"{self.path!r} is not an absolute path", "unsupported")
        before, patterns = self._parts()
        paths = [before]
        for at, part in enumerate(patterns):
            if not is_pattern(part):
                paths = [f"{path}/{part}" for path in paths]
                continue
            last = at == len(patterns) - 1
            host.want(ListFolder(path or "/") for path in paths)
            paths = [f"{path}/{name}" for path in paths for name in _fitting(host, path or "/", part, last)]
            if len(paths) > MOST:
                raise NotReadable(f"{self.path} stands for more than {MOST} files", "too-large")
        host.want(map(StatPath, paths))
        return tuple(sorted(path for path in paths if _is_file(host, path)))

    def _parts(self) -> tuple[str, list[str]]:
        """The path up to the first pattern, and the parts from there on."""
        parts = self.path.rstrip("/").split("/")
        first = next((at for at, part in enumerate(parts) if is_pattern(part)), len(parts))
        return "/".join(parts[:first]), parts[first:]


def _fitting(host: Host, folder: str, pattern: str, last: bool) -> list[str]:
    try:
        entries = host.list_folder(folder)
    except NotReadable as problem:
        if problem.cause not in ("absent", "unsupported"):
            raise
        return []
    # A link may lead to either; what it is shows itself in the next step.
    unwanted = "directory" if last else "file"
    return [
        entry.name
        for entry in entries
        if entry.type != unwanted
        and fnmatchcase(entry.name, pattern)
        and entry.name.startswith(".") == pattern.startswith(".")
        and "\n" not in entry.name
        and entry.name.isprintable()
    ]


def _is_file(host: Host, path: str) -> bool:
    try:
        return file_type(host.stat(path).mode) == "file"
    except NotReadable as problem:
        if problem.cause not in ("absent", "unsupported"):
            raise
        return False
