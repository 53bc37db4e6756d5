"""The agent's own folder: whether it is private, whole, and has room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from agent.config import Config, load_config
from agent.examine.symptom import Symptom
from agent.operator import account
from agent.ownership import remedy
from agent.paths import State
from checks.errors import BadInput
from checks.units import size_text

MB: Final = 1_000_000
FEW_FILES: Final = 1000
MOST_FILES: Final = 20_000
"""Files that are looked at one by one: more than a spool ever keeps."""

LARGEST_LOG: Final = 3 * MB
"""The agent turns its log over at 1 MB and keeps one older: more is not its own doing."""


def look(state: State) -> Iterator[Symptom]:
    """Everything about the folder, the configuration in it and the disk it lies on."""
    found = folder(state)
    yield found
    config = Config()
    try:
        config = load_config(state)
    except BadInput as error:
        yield Symptom(
            "config", str(error), f"{config_remedy(state)}, or remove it: its defaults are sound", "fail"
        )
    else:
        if state.config.exists():
            yield Symptom("config", f"{state.config} is read")
    if state.root.is_dir():
        yield room(state, config)
        yield from log(state)
        yield from leavings(state)
        yield from strangers(state)


def folder(state: State) -> Symptom:
    """Whether the state folder is there, private and writable."""
    root = state.root
    if root.is_symlink() and not root.exists():
        return Symptom("state", f"{root} leads nowhere", f"rm {root}", "fail")
    if not root.exists():
        return Symptom("state", f"{root} is not there yet; enrolment makes it")
    if not root.is_dir():
        return Symptom("state", f"{root} is not a folder", f"mv {root} {root}.old", "fail")
    found = root.stat()
    if os.name == "posix" and found.st_uid != os.geteuid():
        return Symptom(
            "state",
            f"{root} belongs to user id {found.st_uid}",
            remedy(root, found.st_uid),
            "fail",
        )
    if os.name == "posix" and found.st_mode & 0o077:
        return Symptom("state", f"others can look into {root}", f"chmod 700 {root}", "fail")
    probe = root / f".probe.{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        cure = f"make room or make it writable: df -h {root}"
        if error.errno == errno.EACCES:
            cure = f"chmod 700 {root}"
        return Symptom("state", f"{root}: {error.strerror}", cure, "fail")
    finally:
        with suppress(OSError):
            probe.unlink()
    return Symptom("state", f"{root} is private and writable")


def room(state: State, config: Config) -> Symptom:
    """The room on the disk, beside what the spool may still want of it."""
    if not hasattr(os, "statvfs"):
        return Symptom("disk", "its room is not looked at on this system")
    seen = os.statvfs(state.root)
    free = seen.f_bavail * (seen.f_frsize or seen.f_bsize)
    used = _size_of(state.spool)
    limits = config.spool
    wanted = max(0.0, limits.max_mb * MB - used)
    keep = limits.keep_free_mb * MB
    said = f"{size_text(free)} free, the spool has {size_text(used)} of {size_text(limits.max_mb * MB)}"
    look = f"df -h {state.root}; make room, or lower max_mb and keep_free_mb under [spool] in {state.config}"
    if seen.f_files and seen.f_favail < FEW_FILES:
        return Symptom("disk", f"room for {seen.f_favail} more files only", f"df -i {state.root}", "fail")
    if free < keep:
        less = f", less than the {size_text(keep)} that are left to others: old runs are given up"
        return Symptom("disk", said + less, look, "fail")
    if used > 0.9 * limits.max_mb * MB:
        return Symptom("disk", f"{said}: the oldest runs will be given up", "firstlight spool list", "warn")
    if free - keep < wanted:
        return Symptom("disk", f"{said}, for which there is no room", look, "note")
    return Symptom("disk", said)


def log(state: State) -> Iterator[Symptom]:
    """The agent's own log, which is bounded; where it is not, something else writes there."""
    size = sum(_size(path) for path in (state.log, state.log.with_name(state.log.name + ".1")))
    if size > LARGEST_LOG:
        yield Symptom(
            "log",
            f"{state.log.parent} holds {size_text(size)}: it is not turned over",
            f"ls -la {state.log.parent}; remove what is not the agent's",
            "warn",
        )
    elif size:
        yield Symptom("log", f"{state.log}, {size_text(size)}")


def leavings(state: State) -> Iterator[Symptom]:
    """Files that were set aside because they were damaged."""
    for path in sorted(state.root.glob("*.damaged")):
        yield Symptom(
            "state",
            f"{path} was found damaged and set aside",
            f"send it to the vendor, then: rm {path}",
            "note",
        )


def strangers(state: State) -> Iterator[Symptom]:
    """Files in the folder that are another account's, as what root edited or copied into it may be."""
    if os.name != "posix" or state.root.stat().st_uid != os.geteuid():
        return
    found = [path for path in islice(state.root.rglob("*"), MOST_FILES) if _owner(path) != os.geteuid()]
    if found:
        who = account()
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield Symptom(
            "state",
            f"{found[0]}{more}: not {who}'s, who the agent runs as",
            f"as root: chown -R {who}: {state.root}",
            "fail",
        )


def config_remedy(state: State) -> str:
    """What helps where the configuration cannot be used."""
    if state.config.exists() and not os.access(state.config, os.R_OK):
        return f"as root: chown {account()}: {state.config}"
    return f"mend {state.config}"


def _owner(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_uid
    return os.geteuid()


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _size_of(folder: Path) -> int:
    return sum(_size(path) for place in ("pending", "sent", "quarantine") for path in _files(folder / place))


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []
