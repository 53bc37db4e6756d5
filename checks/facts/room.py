"""Room at a path that may not be there yet: that of the nearest folder above it which is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, StatFilesystem, StatPath
from checks.facts.pathinfo import file_type

if TYPE_CHECKING:
    from checks.facts.host import Host


class Room(msgspec.Struct, frozen=True):
    """Bytes of the filesystem, and those ordinary users have left; `at` is the path that is there."""

    at: str
    total: int
    free: int


@fact
class RoomAt(Fact, frozen=True):
    """The room that something to be put at a path will find."""

    value_type: ClassVar[type] = Room
    path: str

    def describe(self) -> str:
        return f"stat {self.path} and the folders above it, statvfs the nearest that is there"

    def asks(self) -> tuple[Ask, ...]:
        return tuple(ask(path) for path in upwards(self.path) for ask in (StatPath, StatFilesystem))

    def read(self, host: Host) -> Room:
        paths = upwards(self.path)
        host.want(StatPath(path) for path in paths)
        for path in paths:
            try:
                kind = file_type(host.stat(path).mode)
            except NotReadable as problem:
                if problem.cause != "absent":
                    raise
                continue
            if path != paths[0] and kind != "directory":
                raise NotReadable(f"{path} is a {kind}, so nothing can be put below it", "unsupported")
            space = host.statvfs(path)
            if not space.total:
                raise NotReadable(f"{path} is on a filesystem without a size", "unsupported")
            return Room(path, space.total, space.available)
        raise NotReadable(f"{self.path}: nothing above it is there", "absent")

    @classmethod
    def settled(cls, value: Room) -> dict[str, Any]:
        """Where it lies and the size of that, to three digits; what is free moves with every file."""
        from checks.units import size_text

        return {"at": value.at, "total": size_text(value.total)}


def upwards(path: str) -> tuple[str, ...]:
    """A path and all above it, the nearest first. Of a Windows path up to its drive."""
    if path[1:3] in (":\\", ":/"):
        from pathlib import PureWindowsPath

        pure = PureWindowsPath(path)
        return tuple(str(each) for each in (pure, *pure.parents))
    parts = [part for part in path.split("/") if part]
    rooted = "/" if path.startswith("/") else ""
    found = [rooted + "/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return (path, *found[1:], "/") if rooted and parts else (path,)
