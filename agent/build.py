"""What build of Firstlight this is: its version, when and of what it was made, and what is inside.

A standalone build carries that in BUILD.json beside its executable; an environment is asked itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from agent import __version__
from checks.errors import FirstlightError

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackageMetadata

FILE = "BUILD.json"
LICENCES = "LICENSES.txt"
NOT_STATED = "not stated"


class Component(msgspec.Struct, frozen=True):
    """One part with its version and its licence, by SPDX where its maker says so."""

    name: str
    version: str
    licence: str


class Build(msgspec.Struct, frozen=True):
    """One build. `commit` and `built` (ISO 8601, UTC) are empty where nobody told; `glibc` is the oldest that
    can run a standalone build, empty for an environment.
    """

    version: str
    kind: Literal["standalone", "environment"]
    commit: str
    built: str
    python: str
    platform: str
    glibc: str
    built_on: str
    components: tuple[Component, ...]


def this_build() -> Build:
    """What is running now. Raises `FirstlightError` where a standalone build lacks its file."""
    if not getattr(sys, "frozen", False):
        return _environment()
    path = Path(sys.executable).parent / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Build)
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise FirstlightError(f"{path}: {why}; unpack the whole archive again") from error


def described(build: Build) -> str:
    """The build and its components in words, a line each."""
    lines = [f"firstlight {build.version}", f"build      {_made(build)}", f"python     {build.python}"]
    here = _glibc_here()
    needs = f", runs from glibc {build.glibc} on" if build.glibc else ""
    lines.append(f"platform   {build.platform}{needs}{f' (here: {here})' if here else ''}")
    if build.kind == "standalone":
        lines.append(f"licences   {Path(sys.executable).parent / LICENCES}")
    lines += ["", "Components, each with its version and licence:"]
    names = max((len(each.name) for each in build.components), default=0)
    versions = max((len(each.version) for each in build.components), default=0)
    lines += [
        f"  {each.name:<{names}}  {each.version:<{versions}}  {each.licence}" for each in build.components
    ]
    return "\n".join(lines) + "\n"


def licence_of(metadata: PackageMetadata) -> str:
    """The licence that a distribution's metadata states (PEP 639, or what stood before it)."""
    expression, words = metadata["License-Expression"], metadata["License"] or ""
    if expression:
        return str(expression)
    classified = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License :: OSI Approved ::")
    ]
    if words and "\n" not in words and len(words) <= 60:
        return str(words)
    return " or ".join(classified) or NOT_STATED


def component_of(distribution: Distribution) -> Component:
    metadata = distribution.metadata
    return Component(metadata["Name"] or "?", distribution.version, licence_of(metadata))


def _environment() -> Build:
    import platform
    import sysconfig

    found = {each.name.lower(): each for each in _installed()}
    return Build(
        version=__version__,
        kind="environment",
        commit=_commit(),
        built="",
        python=platform.python_version(),
        platform=sysconfig.get_platform(),
        glibc="",
        built_on="",
        components=tuple(found[name] for name in sorted(found)),
    )


def _installed() -> Iterator[Component]:
    """What is installed beside us: an environment of its own holds nothing else."""
    from importlib.metadata import distributions

    for distribution in distributions():
        with suppress(KeyError, TypeError, ValueError):  # one whose metadata is damaged
            yield component_of(distribution)


def _commit() -> str:
    """The commit that pip installed from, where it was told one (PEP 610)."""
    from importlib.metadata import PackageNotFoundError, distribution

    with suppress(PackageNotFoundError, msgspec.MsgspecError, AttributeError):
        told = msgspec.json.decode(distribution("firstlight").read_text("direct_url.json") or "{}")
        return str(told.get("vcs_info", {}).get("commit_id", ""))[:40]
    return ""


def _made(build: Build) -> str:
    if build.kind == "environment":
        commit = f", installed from commit {build.commit}" if build.commit else ""
        return f"an environment of Python packages in {sys.prefix}{commit}"
    commit = f"of commit {build.commit}" if build.commit else "of a commit not told"
    when = build.built[:16].replace("T", " ")
    return f"standalone, {commit}, made {when} UTC on {build.built_on}"


def _glibc_here() -> str:
    """``glibc 2.36``; empty where the C library is another one."""
    with suppress(AttributeError, ValueError, OSError):
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    return ""
