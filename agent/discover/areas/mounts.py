"""Filesystems: their type, the options that matter, and that there is room on the local ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.answering import RemoteMounts
from checks.facts.disk import Mounts
from checks.facts.mountstate import MountAt

NAME = "mounts"

_TELLING = frozenset(
    {"ro", "rw", "noatime", "relatime", "strictatime", "nodiratime", "nosuid", "nodev", "noexec", "sync"}
    | {"dirsync", "discard", "nobarrier", "nolock", "hard", "soft", "usrquota", "grpquota", "prjquota"}
)
_TELLING_VALUES = frozenset({"data", "errors", "vers", "proto", "sec", "timeo", "retrans"})
"""Options that somebody chose (mount(8), ext4(5), nfs(5)); the others are how big, whose, or where it is."""


def facts(seen: Seen) -> Iterator[Fact]:
    yield Mounts()
    yield RemoteMounts()
    for point in (*_local(seen), *_remote(seen)):
        yield MountAt(point)


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    problem = seen.failure(Mounts())
    if problem is not None and problem.cause == "absent":
        yield Note(NAME, problem.reason)
    yield from seen.unread(NAME, "which filesystems there are", Mounts(), quiet=frozenset({"absent"}))
    yield from seen.unread(NAME, "which network filesystems there are", RemoteMounts(), quiet=NOT_THERE)
    for point in _local(seen):
        yield from _mount(seen, point)
        yield Entry(NAME, f"room.{slug(point)}", "disk.free", {"mount": point}, f"{point} has room to grow")
    for point in _remote(seen):
        yield from _mount(seen, point)
        yield Entry(
            NAME,
            f"answers.{slug(point)}",
            "net.nfs_responsive",
            {"mount": point},
            f"{point} is on another machine, which answers",
        )


def telling(options: Iterable[str]) -> list[str]:
    """Of a mount's options those that somebody chose."""
    return [each for each in options if each in _TELLING or each.partition("=")[0] in _TELLING_VALUES]


def _mount(seen: Seen, point: str) -> Iterator[Finding]:
    yield from seen.unread(NAME, f"how {point} is mounted", MountAt(point))
    found = seen.value(MountAt(point))
    if found is None:
        return
    parameters = {"mount": point, "own": True, "type": found.type, "required": telling(found.options)}
    why = f"{found.source} is mounted on {point}"
    yield Entry(NAME, f"mount.{slug(point)}", "disk.mount_opts", parameters, why)


def _local(seen: Seen) -> list[str]:
    return _usable(seen.value(Mounts()))


def _remote(seen: Seen) -> list[str]:
    return _usable(seen.value(RemoteMounts()))


def _usable(points: list[str] | None) -> list[str]:
    """Those that a profile can name."""
    return sorted(point for point in points or () if point.isprintable() and not {*point} & {*"{}<>"})


AREA = Area(NAME, "Filesystems", facts, findings)
