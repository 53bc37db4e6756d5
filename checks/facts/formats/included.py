"""What a configuration file includes: files and folders, within bounds that were said before the run.

A file may include only what lies in the folders named here; the plan shows these as templates, and anything
else is `NotReadable` with the cause ``not-approved``.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from checks.fact import NotReadable
from checks.facts.asks import Ask, ListFolder, ReadFile, covered

if TYPE_CHECKING:
    from checks.facts.host import Host

MAX_DEPTH: Final = 10
MAX_FILES: Final = 200
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_FOLDERS: Final = 200

# Where a product's files lie beside a main file whose own folder is everybody's.
_BESIDE: Final = {"mysql": ("/etc/my.cnf.d", "/etc/mysql")}
# What the files that Red Hat and SUSE ship include from elsewhere.
_SHIPPED: Final = {
    "nginx": ("/usr/share/nginx/modules",),
    "sshd": ("/etc/crypto-policies/back-ends", "/usr/etc/ssh/sshd_config.d"),
}
_SHARED: Final = ("/", "/etc", "/usr/local/etc", "/opt", "/home", "/root", "/tmp", "/var", "/usr")  # noqa: S108


class Included:
    """What `main` includes, read through `host` as far as `asks` allow. Without a host nothing is read."""

    def __init__(self, main: str, host: Host | None = None, asks: tuple[Ask, ...] = ()) -> None:
        self.main, self._host, self._asks = main, host, asks
        self._files = self._bytes = self._folders = 0

    @property
    def folder(self) -> str:
        """The folder that the main file lies in."""
        return posixpath.dirname(self.main)

    @property
    def reads(self) -> bool:
        """Whether there is a host to read more from."""
        return self._host is not None

    def text(self, path: str, said: str, *, optional: bool = False, depth: int = 0) -> str | None:
        """An included file's text; None for one that is not there, where that does no harm.

        `said` is where the include stands, ``/etc/a.conf:7``; `depth` how many files deep this one is.
        """
        from checks.facts.files import text_of

        if depth > MAX_DEPTH:
            raise NotReadable(f"{said}: files include each other more than {MAX_DEPTH} deep", "parse")
        self._files += 1
        if self._files > MAX_FILES:
            raise NotReadable(f"{self.main} includes more than {MAX_FILES} files", "too-large")
        path = posixpath.normpath(path)
        host = self._let(ReadFile(path), f"{said} includes {path}")
        try:
            data = host.read_bytes(path)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            if optional:
                return None
            # Not "absent": the file that was asked about is there.
            raise NotReadable(f"{said} includes {path}, which is not there", "failed") from problem
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            size = MAX_BYTES // 1048576
            raise NotReadable(f"{self.main} includes more than {size} MiB", "too-large")
        return text_of(path, data)

    def want(self, paths: Iterable[str]) -> None:
        """Say which files will be read next, so that they come in one round."""
        if self._host is not None:
            self._host.want([ask for ask in map(ReadFile, paths) if covered(ask, self._asks)])

    def want_folders(self, folders: Iterable[str]) -> None:
        """Say which folders will be listed next."""
        if self._host is not None:
            self._host.want([ask for ask in map(ListFolder, folders) if covered(ask, self._asks)])

    def files_in(self, folder: str, said: str, *, suffix: str = "", optional: bool = False) -> list[str]:
        """Paths of what lies in a folder and is no folder, by name, without hidden ones."""
        folder = posixpath.normpath(folder)
        host = self._let(ListFolder(folder), f"{said} includes {folder}")
        self._folders += 1
        if self._folders > MAX_FOLDERS:
            raise NotReadable(f"{self.main} includes more than {MAX_FOLDERS} folders", "too-large")
        try:
            entries = host.list_folder(folder)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            if optional:
                return []
            raise NotReadable(f"{said} includes {folder}, which is not there", "failed") from problem
        names = [entry.name for entry in entries if entry.type != "directory"]
        return [f"{folder}/{name}" for name in names if name.endswith(suffix) and not name.startswith(".")]

    def matching(self, pattern: str, said: str) -> list[str]:
        """Paths that a shell's pattern fits, by name; a pattern without signs stands for itself.

        What does not fit anything is no mistake, as with glob(3).
        """
        pattern = posixpath.normpath(pattern)
        if not _is_pattern(pattern):
            return [pattern]
        found = ["/"]
        steps = pattern.strip("/").split("/")
        for number, step in enumerate(steps):
            if not _is_pattern(step):
                found = [posixpath.join(at, step) for at in found]
                continue
            last = number == len(steps) - 1
            found = [path for at in found for path in self._fitting(at, step, last, said)]
        return found

    def _fitting(self, folder: str, step: str, last: bool, said: str) -> list[str]:
        host = self._let(ListFolder(folder), f"{said} includes {posixpath.join(folder, step)}")
        self._folders += 1
        if self._folders > MAX_FOLDERS:
            raise NotReadable(f"{self.main} includes more than {MAX_FOLDERS} folders", "too-large")
        try:
            entries = host.list_folder(folder)
        except NotReadable as problem:
            # A folder that is not there, or that is a file, holds nothing that fits.
            if problem.cause in ("absent", "unsupported"):
                return []
            raise
        # What a link leads to is told where it can be; a pattern's last part is for files.
        wanted = [entry.name for entry in entries if (entry.type != "directory") is last]
        return [
            posixpath.join(folder, name)
            for name in wanted
            if fnmatch.fnmatchcase(name, step) and name.startswith(".") is step.startswith(".")
        ]

    def _let(self, ask: Ask, what: str) -> Host:
        if self._host is None:
            raise NotReadable(f"{what}, and only this file was given", "unsupported")
        if not covered(ask, self._asks):
            raise NotReadable(
                f"{what}, which lies outside the folders of the plan; name its folder in `include`",
                "not-approved",
            )
        return self._host


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def asks_of_includes(format: str, path: str, include: tuple[str, ...]) -> tuple[Ask, ...]:
    """What reading a file of this format may ask beside the file itself."""
    from checks.facts.formats import WITH_INCLUDES

    if format not in WITH_INCLUDES or not path.startswith("/"):
        return ()
    folder = posixpath.dirname(posixpath.normpath(path))
    if format == "systemd":
        from checks.facts.formats.systemd import drop_in_folders

        near = drop_in_folders(path)
        return tuple(ListFolder(each) for each in near) + tuple(
            ReadFile(f"{each}/<drop-in>.conf") for each in near
        )
    folders = list(_BESIDE.get(format, ())) if folder in _SHARED else [folder]
    folders += _SHIPPED.get(format, ())
    folders += [posixpath.normpath(each) for each in include if each.startswith("/")]
    asks: list[Ask] = []
    for each in dict.fromkeys(folders):
        if each.strip("/"):
            # The folder of sshd holds its private keys as well; these stay out of reach.
            ending = ".conf" if format == "sshd" and each == folder else ""
            asks += [ListFolder(each), ListFolder(f"{each}/<folder>")]
            asks.append(ReadFile(f"{each}/<included file>{ending}"))
    if format == "postgresql":
        asks.append(ReadFile("/<data directory>/postgresql.auto.conf"))
    return tuple(asks)
