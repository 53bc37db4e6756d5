"""A folder's own rights, and what below it everybody may write to. One find(1), GNU's or BusyBox's."""

from __future__ import annotations

import stat as modes
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand, StatPath
from checks.facts.host import MOUNT_TABLE

if TYPE_CHECKING:
    from checks.facts.child import Output
    from checks.facts.host import Host

WALK_S: Final = 20.0
KEPT: Final = 50

_GONE: Final = "No such file or directory"
_DENIED: Final = "Permission denied"


class Rights(msgspec.Struct, frozen=True):
    """What a path is and whose (`mode` in octal), and the first `KEPT` paths below it, relative to it and
    sorted, that everybody may write to.

    `open_count` are all of them; `unread` folders could not be looked into, so that more may lie there.
    """

    exists: bool
    type: str = ""
    owner: str = ""
    group: str = ""
    mode: str = ""
    open: tuple[str, ...] = ()
    open_count: int = 0
    unread: int = 0
    ignored: int = 0


@fact
class OpenPaths(Fact, frozen=True):
    """The rights of a path, and files and folders below it that everybody may write to.

    It stays on one filesystem, goes `depth` levels deep and takes 20 s at most. Folders with the sticky bit
    are not open; links, sockets and pipes are not looked at. `ignore` are patterns of relative paths.
    """

    value_type: ClassVar[type] = Rights
    deadline_s: ClassVar[float] = WALK_S + 3
    path: str
    depth: int | str = 12
    ignore: tuple[str, ...] | str = ()

    def describe(self) -> str:
        return f"stat {self.path}, {self._find().describe()}"

    def asks(self) -> tuple[Ask, ...]:
        # A template, so that it is not asked along with the rest, before the path has answered.
        return (StatPath(self.path), ReadFile(MOUNT_TABLE), self._find("<. once that has answered>"))

    def read(self, host: Host) -> Rights:
        from checks.facts.files import FileStat

        host.want((StatPath(self.path), ReadFile(MOUNT_TABLE)))
        # A mount that hangs is found out by the stat, so that no find is left hanging on it.
        info = FileStat(self.path).read(host)
        if not info.exists:
            return Rights(False)
        own = Rights(True, info.type, info.owner, info.group, info.mode)
        if info.type != "directory":
            return own
        self._refuse_remote(host)
        found, unread = found_in(host.execute(self._find()), self.path.rstrip("/") + "/.")
        kept = [path for path in found if not self._ignored(path)]
        return msgspec.structs.replace(
            own,
            open=tuple(kept[:KEPT]),
            open_count=len(kept),
            unread=unread,
            ignored=len(found) - len(kept),
        )

    def _find(self, itself: str = ".") -> RunCommand:
        """The walk; ``/.`` has a link to a folder followed, and nothing at the start taken for an option."""
        depth = ("-maxdepth", str(self.depth))
        kinds = ("(", "-type", "f", "-o", "-type", "d", "!", "-perm", "-1000", ")")
        argv = (
            "find",
            f"{self.path.rstrip('/')}/{itself}",
            "-xdev",
            *depth,
            *kinds,
            "-perm",
            "-0002",
            "-print0",
        )
        return RunCommand(argv, WALK_S)

    def _refuse_remote(self, host: Host) -> None:
        from checks.facts.mounttable import mount_of

        mount = mount_of(host.mounts(), self.path.rstrip("/") or "/")
        if mount is not None and mount.remote:
            raise NotReadable(
                f"{self.path} is on {mount.type} ({mount.point}): look at it on its server", "unsupported"
            )

    def _ignored(self, path: str) -> bool:
        from fnmatch import fnmatchcase

        return any(fnmatchcase(path, pattern) for pattern in self.ignore)


def found_in(output: Output, start: str) -> tuple[list[str], int]:
    """The paths that find printed (ended by zero bytes), relative to its start and sorted, and how many
    folders it could not look into. Raises `NotReadable` where it did not do its work."""
    if output.truncated or len(output.out) >= 1024 * 1024:
        raise NotReadable("find names more than 1 MiB of paths that everybody may write to", "too-large")
    said = [line for line in output.err.decode(errors="replace").splitlines() if line.strip()]
    unread = sum(line.endswith(_DENIED) for line in said)
    others = [line for line in said if not line.endswith((_DENIED, _GONE))]
    if output.status != 0 and others:
        raise NotReadable(others[-1][:200], "failed")
    if output.status != 0 and not said:
        raise NotReadable(f"find ended with {output.status}", "failed")
    names = [name.decode(errors="replace") for name in output.out.split(b"\0") if name]
    return sorted(name.removeprefix(start).lstrip("/") or "." for name in names), unread


def bits_of(mode: str) -> int:
    """The bits of an octal mode; raises `ValueError` for other text."""
    return modes.S_IMODE(int(mode or "0", 8))
