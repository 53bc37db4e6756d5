"""A unit of systemd with its drop-ins: what is read later wins, an empty assignment forgets what was before.

The keys are ``Section.Option``, such as ``Service.LimitNOFILE``. See systemd.unit(5) and systemd.syntax(7).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import all_or_last, all_or_one, wants_all
from checks.facts.formats.included import Included

_SYSTEM: Final = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_USER: Final = (
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
)
_ROOTS: Final = (_SYSTEM, _USER)

# Options that add up, by their beginnings: systemd.unit(5), systemd.service(5), systemd.exec(5) and others.
_ADDS_UP: Final = re.compile(
    r"Exec|Environment|PassEnvironment|UnsetEnvironment|Listen|On(?!.*JobMode|ClockChange"
    r"|TimezoneChange)|Condition|Assert|Wants|Requires|Requisite|BindsTo|PartOf|Upholds|Conflicts|Before$|After$"
    r"|Documentation|Alias|WantedBy|RequiredBy|Also|SupplementaryGroups|(ReadWrite|ReadOnly|Inaccessible|Exec"
    r"|NoExec)Paths|Bind(ReadOnly)?Paths|SystemCallFilter|(State|Cache|Logs|Runtime|Configuration)Directory$"
    r"|LoadCredential|SetCredential|DeviceAllow|IPAddress(Allow|Deny)|CapabilityBoundingSet|AmbientCapabilities"
)


def drop_in_folders(path: str) -> tuple[str, ...]:
    """The folders that may hold drop-ins of a unit, the strongest first."""
    folder, name = posixpath.split(posixpath.normpath(path))
    bare, _, kind = name.rpartition(".")
    names = [name]
    if "@" in bare and not bare.endswith("@"):
        names.append(f"{bare.partition('@')[0]}@.{kind}")
    dashes = [at for at, sign in enumerate(bare) if sign == "-"][:8]
    names += [f"{bare[: at + 1]}.{kind}" for at in reversed(dashes)]
    names.append(kind)
    roots: tuple[str, ...] = next((roots for roots in _ROOTS if folder in roots), (folder,))
    return tuple(f"{root}/{each}.d" for each in names for root in roots)


def look_up(text: str, key: str, path: str, included: Included) -> Any:
    """The value of ``Section.Option``: the last one, or all as a list for options that add up.

    ``Section.Option[]`` gives all since the last empty assignment.
    """
    key, everything = wants_all(key)
    texts = [(path, text), *_drop_ins(path, included)]
    values: list[str] = []
    for where, each in texts:
        for section, option, value in _assignments(each, where):
            if f"{section}.{option}" == key:
                if value:
                    values.append(value)
                else:
                    values.clear()
    if everything or _ADDS_UP.match(key.rpartition(".")[2]):
        return all_or_one(values, everything)
    return all_or_last(values, False)


def _drop_ins(path: str, included: Included) -> Iterator[tuple[str, str]]:
    """Drop-ins by their names; of equal names only the one in the strongest folder is read."""
    if not included.reads:
        return
    folders = drop_in_folders(path)
    included.want_folders(folders)
    chosen: dict[str, str] = {}
    for folder in folders:
        for file in included.files_in(folder, path, suffix=".conf", optional=True):
            chosen.setdefault(posixpath.basename(file), file)
    included.want(chosen.values())
    for _, file in sorted(chosen.items()):
        yield file, included.text(file, path, optional=True) or ""


def _assignments(text: str, path: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for number, line in _logical_lines(text):
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
            continue
        option, equals, value = line.partition("=")
        if not equals or not section:
            raise NotReadable(f"{path}:{number}: neither a [Section] nor an Option=value of one", "parse")
        yield section, option.strip(), value.strip()


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those joined by a blank that a backslash continues; comments between them are left out."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare[:1] in ("#", ";") or not (bare or parts):
            continue
        if not parts:
            first = number
        if bare.endswith("\\"):
            parts.append(bare[:-1].strip())
            continue
        joined = " ".join([*parts, bare]).strip()
        parts = []
        if joined:
            yield first, joined
    if parts and (joined := " ".join(parts).strip()):
        yield first, joined
