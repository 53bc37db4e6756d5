"""Whether mounts that a server or daemon stands behind answer, told without waiting for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, StatPath
from checks.facts.host import MOUNT_TABLE

if TYPE_CHECKING:
    from checks.facts.host import Host

_SILENT: Final = ("timeout", "stuck")


@fact
class RemoteMounts(Fact, frozen=True):
    """Mount points of network and FUSE filesystems."""

    value_type: ClassVar[Any] = list[str]

    def describe(self) -> str:
        return f"read {MOUNT_TABLE}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MOUNT_TABLE),)

    def read(self, host: Host) -> list[str]:
        from checks.facts.mounttable import remote_points

        mounts = host.mounts()
        if not mounts:
            host.only_here("the mounts of a system without a mount table")
        return remote_points(mounts)


class MountAnswer(msgspec.Struct, frozen=True):
    """What came of a stat: `outcome` is ``answered``, ``timeout``, ``stuck`` (its reader cannot even be
    ended) or ``dead`` (it is mounted, and cannot be reached)."""

    outcome: str
    type: str = ""
    source: str = ""
    detail: str = ""


@fact
class MountAnswers(Fact, frozen=True):
    """Whether what is mounted at a point answers a stat.

    Whoever may not look into it was answered as well. A reader that hangs is ended, and one that cannot be
    ended is never joined by another (`checks.facts.remote`).
    """

    value_type: ClassVar[type] = MountAnswer
    point: str

    def describe(self) -> str:
        return f"stat {self.point}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(MOUNT_TABLE), StatPath(self.point))

    def read(self, host: Host) -> MountAnswer:
        from checks.facts.mounttable import mount_of
        from checks.facts.secrets import masked

        host.want(self.asks())
        mount = mount_of(host.mounts(), self.point)
        mounted = mount is not None and mount.point == self.point
        told = (mount.type, masked(mount.source)) if mount is not None and mounted else ("", "")
        try:
            host.stat(self.point)
        except NotReadable as problem:
            if problem.cause == "denied":
                return MountAnswer("answered", *told, problem.reason)
            if problem.cause in _SILENT:
                return MountAnswer(problem.cause, *told, problem.reason)
            if mounted and problem.cause in ("absent", "failed"):
                # Stale file handle, Transport endpoint is not connected, Host is down: the mount is there.
                return MountAnswer("dead", *told, problem.reason)
            raise
        return MountAnswer("answered", *told)

    @classmethod
    def settled(cls, value: MountAnswer) -> dict[str, str]:
        """What came of it and what is mounted, without the system's words."""
        return {name: getattr(value, name) for name in ("outcome", "type", "source")}
