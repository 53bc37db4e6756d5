"""What can be wrong with an agent's own installation, found out one thing at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from agent.config import load_config
from agent.delivery import connect
from agent.identity import Identity, load_identity, read_key
from agent.paths import State
from agent.spool import Spool
from checks.errors import BadInput, FirstlightError, UplinkError

PACKAGES = ("agent", "checks", "reports", "server")
SKEW_S = 300.0
"""The collector marks runs of a clock that is further off than this (and holds them beyond 24 h)."""


class Symptom(NamedTuple):
    """One thing looked at; `remedy` is what to type, empty where all is well."""

    about: str
    found: str
    remedy: str = ""


def examine(state: State) -> Iterator[Symptom]:
    """Look at everything, never stopping at the first trouble."""
    yield packages(Path(__file__).parent.parent)
    yield folder(state)
    try:
        identity = load_identity(state)
    except BadInput as error:
        yield Symptom("identity", str(error), "firstlight enrol URL --token TOKEN")
        return
    if identity is None:
        yield Symptom(
            "identity", "not enrolled; checks work, nothing is sent", "firstlight enrol URL --token TOKEN"
        )
        return
    yield key(state, identity)
    yield collector(state, identity)
    yield from spool(state)


def packages(home: Path) -> Symptom:
    """Whether our packages come from one place: their names are common, and another project may bear one."""
    strangers = []
    for name in PACKAGES:
        spec = PathFinder.find_spec(name)
        where = Path(spec.origin).parent if spec and spec.origin else None
        if spec and (where is None or where.resolve() != (home / name).resolve()):
            place = where or next(iter(spec.submodule_search_locations or []), "an unknown place")
            strangers.append(f"{name} comes from {place}")
    if strangers:
        return Symptom(
            "packages",
            "; ".join(strangers) + f", and not from {home}",
            "install Firstlight into an environment of its own: pipx install firstlight; "
            "unset PYTHONPATH, and start it outside that folder",
        )
    return Symptom("packages", f"all from {home}")


def folder(state: State) -> Symptom:
    """Whether the state folder is there, private and writable."""
    root = state.root
    if not root.exists():
        return Symptom("state", f"{root} is not there yet; enrolment makes it")
    found = root.stat()
    if os.name == "posix" and found.st_uid != os.geteuid():
        return Symptom(
            "state", f"{root} belongs to user id {found.st_uid}", "run as that user, or set FIRSTLIGHT_STATE"
        )
    if os.name == "posix" and found.st_mode & 0o077:
        return Symptom("state", f"others can look into {root}", f"chmod 700 {root}")
    probe = root / f".probe.{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        return Symptom("state", f"{root}: {error.strerror}", f"make room or make it writable: df -h {root}")
    finally:
        with suppress(OSError):
            probe.unlink()
    return Symptom("state", f"{root} is private and writable")


def key(state: State, identity: Identity) -> Symptom:
    path = state.root / identity.key_file
    try:
        read_key(path)
    except FirstlightError as error:
        return Symptom("identity", str(error), f"firstlight enrol {identity.url} --token TOKEN")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return Symptom("identity", f"others can read the private key {path}", f"chmod 600 {path}")
    sites = ", ".join(identity.sites)
    return Symptom("identity", f"agent {identity.agent} for {sites}, this machine is {identity.target}")


def collector(state: State, identity: Identity) -> Symptom:
    try:
        with connect(state, identity, load_config(state)) as uplink:
            offset = uplink.clock_offset_s()
    except BadInput as error:
        return Symptom("collector", str(error), f"mend or remove {state.config}")
    except UplinkError as error:
        return Symptom(
            "collector", str(error), f"curl -v {identity.url}/ shows where it ends; runs wait meanwhile"
        )
    if abs(offset) > SKEW_S:
        return Symptom(
            "collector",
            f"{identity.url} answers, but its clock is {offset:+.0f} s from ours",
            "synchronise this machine's clock: timedatectl set-ntp true, or chronyc makestep",
        )
    return Symptom("collector", f"{identity.url} answers")


def spool(state: State) -> Iterator[Symptom]:
    found = Spool(state.spool)
    try:
        waiting, refused = found.pending(), list(found.refused.glob("*.run"))
    except BadInput as error:
        yield Symptom("spool", str(error), f"ls -ld {state.spool}/*")
        return
    held = [entry for entry in waiting if entry.note()]
    if held:
        yield Symptom("spool", f"{len(held)} runs are held: {held[0].note()}", "firstlight spool list")
    elif waiting:
        yield Symptom("spool", f"{len(waiting)} runs wait", "firstlight send")
    else:
        yield Symptom("spool", "nothing waits")
    if refused:
        yield Symptom("quarantine", f"{len(refused)} runs were refused or damaged", "firstlight spool list")
