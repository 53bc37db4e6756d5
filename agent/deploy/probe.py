"""What is over there already, and whether a build can run there at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.deploy.far import RootShell
from agent.deploy.package import Built, Package
from agent.deploy.scripts import PROBE, script
from checks.errors import BadInput

ROOM_FACTOR = 5
"""An archive and what it unpacks to, beside the release before, take about this many times its size."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things go on the far side. All plain absolute paths."""

    prefix: str = "/opt/firstlight"
    state: str = "/var/lib/firstlight"
    user: str = "firstlight"
    link: str = "/usr/local/bin/firstlight"

    def values(self) -> dict[str, str]:
        return {"prefix": self.prefix, "state": self.state, "user": self.user, "link": self.link}


_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]*){2,8}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


def checked(place: Place) -> Place:
    """The place; raises `BadInput` for names that a script or a unit file would stumble over.

    A prefix of one part (``/opt``) is refused, because removal takes the whole of it.
    """
    for option, path in (("--prefix", place.prefix), ("--state", place.state), ("--link", place.link)):
        if not _PATH.fullmatch(path) or ".." in path.split("/"):
            raise BadInput(f"{option} {path!r:.100}: an absolute path of two or more plain names is right")
    if place.state == place.prefix or place.state.startswith(place.prefix + "/"):
        raise BadInput(f"--state {place.state}: has to lie outside {place.prefix}, which upgrades change")
    if not _USER.fullmatch(place.user) or place.user == "root":
        raise BadInput(
            f"--user {place.user!r:.60}: a name of small letters and digits is right, and not root"
        )
    return place


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found; `release` is what is in use, `enrolled` whether there is an identity,
    `checked` whether the agent ever made a check.
    """

    kernel: str
    machine: str
    libc: str
    release: str
    runs: bool
    enrolled: bool
    checked: bool
    user: bool
    made_user: bool
    systemd: bool
    free_kb: int | None
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kernel} {self.machine}, {self.libc or 'libc unknown'}{', systemd' * self.systemd}"


def probe(shell: RootShell, place: Place) -> Found:
    """Look, and change nothing."""
    seen = shell.run(script(PROBE, **place.values())).values
    adds = any(f"has_{name}" in seen for name in ("useradd", "adduser"))
    turns = any(f"has_{name}" in seen for name in ("runuser", "su"))
    missing = [name for name in ("tar", "gzip", "sha256sum") if f"has_{name}" not in seen]
    missing += [] if adds else ["useradd"]
    missing += [] if turns else ["runuser"]
    libc = re.search(r"(\d+\.\d+)(?!.*\d\.\d)", seen.get("libc", ""))
    free = seen.get("free_kb", "")
    return Found(
        kernel=seen.get("kernel", ""),
        machine=seen.get("machine", ""),
        libc="musl" if "musl" in seen and not libc else f"glibc {libc[1]}" if libc else "",
        release=seen.get("release", ""),
        runs="runs" in seen,
        enrolled="enrolled" in seen,
        checked="checked" in seen,
        user="user" in seen,
        made_user="made_user" in seen,
        systemd="systemd" in seen,
        free_kb=int(free) if free.isdecimal() else None,
        missing=tuple(missing),
    )


def refuse_unfit(found: Found, package: Package) -> None:
    """Raise `BadInput` with what would be right where this build cannot run, or there is no room for it."""
    built = package.built
    if found.kernel != "Linux":
        raise BadInput(f"it runs {found.kernel or 'something unknown'}; the standalone build is for Linux")
    if built.platform and f"linux-{found.machine}" != built.platform:
        raise BadInput(
            f"it is a {found.machine}, the build is for {built.platform}; run make dist on such a machine"
        )
    if found.libc == "musl":
        raise BadInput("its C library is musl, the build needs glibc; install the wheel into a Python there")
    if _older(found.libc, built):
        raise BadInput(
            f"it has {found.libc}, the build needs {built.glibc} or newer; build on a machine as old as that"
        )
    if found.missing:
        raise BadInput(f"it lacks {', '.join(found.missing)}; install what brings it")
    needed = ROOM_FACTOR * package.path.stat().st_size // 1024
    if found.free_kb is not None and found.free_kb < needed:
        raise BadInput(f"there are {found.free_kb // 1024} MiB free, and {needed // 1024} MiB are needed")


def _older(libc: str, built: Built) -> bool:
    there, needed = _version(libc), _version(built.glibc)
    return bool(there and needed and there < needed)


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()
