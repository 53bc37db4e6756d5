"""Configuration files of the products that run, and a few of the system: whose they are, and their modes."""

from __future__ import annotations

from collections.abc import Iterator

from agent.discover.areas import products
from agent.discover.areas.products import running_products
from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Finding, Seen, slug
from checks.fact import Fact
from checks.facts.files import FileStat
from checks.facts.foundfiles import FoundFiles

NAME = "files"

_SYSTEM = (
    *("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/sudoers", "/etc/fstab", "/etc/hosts"),
    *("/etc/crontab", "/etc/nsswitch.conf", "/etc/resolv.conf"),
)


def facts(seen: Seen) -> Iterator[Fact]:
    yield from products.facts(seen)
    for path in (*_SYSTEM, *config_patterns(seen)):
        yield FoundFiles(path)
    for path in _paths(seen):
        yield FileStat(path)


def config_patterns(seen: Seen) -> dict[str, str]:
    """Where the running products have their configuration, and whose it is; paths may hold patterns."""
    return {path: product.name for product in running_products(seen) for path in product.configs}


def config_files(seen: Seen) -> dict[str, str]:
    """The configuration files that were found, and of which product each is."""
    return {
        path: product
        for pattern, product in config_patterns(seen).items()
        for path in seen.value(FoundFiles(pattern)) or ()
        if _can_be_named(path)
    }


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    for pattern in (*_SYSTEM, *config_patterns(seen)):
        yield from seen.unread(NAME, pattern, FoundFiles(pattern), quiet=NOT_THERE)
    for path, why in _paths(seen).items():
        yield from seen.unread(NAME, path, FileStat(path))
        info = seen.value(FileStat(path))
        if info is None or not info.exists:
            continue
        parameters = {
            "path": path,
            "type": info.type,
            "owner": info.owner,
            "group": info.group,
            "mode": info.mode,
        }
        if int(info.mode, 8) & 0o002:
            parameters["world_writable"] = True
        yield Entry(NAME, f"stat.{slug(path)}", "file.stat", parameters, why)


def _paths(seen: Seen) -> dict[str, str]:
    system = [path for each in _SYSTEM for path in seen.value(FoundFiles(each)) or ()]
    found = dict.fromkeys(system, "a file of the system")
    return found | {path: f"configuration of {product}" for path, product in config_files(seen).items()}


def _can_be_named(path: str) -> bool:
    return path.isprintable() and not {*path} & {*"{}<>"}


AREA = Area(NAME, "Files", facts, findings)
