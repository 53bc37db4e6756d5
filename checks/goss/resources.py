"""The resource types of goss, each with what its attributes are in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from checks.goss.attributes import (
    Attributes,
    Failed,
    Mapper,
    Said,
    given_empty,
    matched,
    one_condition,
    presence,
)
from checks.goss.conditions import Kind, Unmapped, condition
from checks.goss.resources_network import addr, dns, http, interface, port

FOR_EVER: Final = 1_000_000
"""More restarts than any service has: goss does not count them."""

_TYPES: Final = {
    "file": "file",
    "directory": "directory",
    "socket": "socket",
    "pipe": "fifo",
    "character-device": "device",
    "block-device": "device",
}


def _file(attributes: Attributes) -> Iterator[Said | Failed]:
    path = attributes.text("path", attributes.resource.id)
    if path.startswith("~"):
        raise Unmapped("a path that begins with ~ depends on who looks; write it out")
    if not path.startswith("/"):
        raise Unmapped("a path that does not begin with / depends on where goss is started; write it out")
    base = {"path": path}
    there = base | {"optional": True, "world_writable": True}
    kind = attributes.given.get("filetype")
    is_link = "linked-to" in attributes.given or (kind is not None and kind.value == "symlink")
    if is_link and attributes.given.get("exists") is not None and attributes.given["exists"].value is True:
        attributes.take("exists")
        yield "exists", "file.link", base
    else:
        yield from presence(attributes, "file.stat", base | {"world_writable": True})
    for name in ("owner", "group", "uid", "gid", "size"):
        if is_link and name in attributes.given:
            attributes.take(name)
            yield Failed(name, "of a link itself this cannot be told here, only of what it leads to")
        else:
            yield from one_condition(attributes, name, "text", "file.stat", there, name)
    yield from _mode(attributes, there, is_link)
    yield from _filetype(attributes, base)
    yield from one_condition(
        attributes, "linked-to", "text", "file.link", base | {"optional": True}, "target"
    )
    if given_empty(attributes, "contents") or given_empty(attributes, "contains"):
        yield from _hashes(attributes, base)
        return
    for said, failed in matched(attributes, "contents", "lines", "contains"):
        yield failed or ("contents", "file.text", base | {"optional": True, "text": said})
    yield from _hashes(attributes, base)


def _mode(attributes: Attributes, there: dict[str, Any], is_link: bool) -> Iterator[Said | Failed]:
    node = attributes.take("mode")
    if node is None:
        return
    text = node.raw if isinstance(node.value, int) else node.value
    if is_link:
        if isinstance(text, str) and text.lstrip("0") == "777":
            yield "mode", "file.link", {"path": there["path"], "optional": True}
        else:
            yield Failed("mode", "of a link itself this cannot be told here; under Linux it is always 0777")
    elif isinstance(text, str) and re.fullmatch(r"[0-7]{3,5}", text):
        yield "mode", "file.stat", there | {"mode": text}
    else:
        for said, failed in matched(attributes, "mode", "text"):
            yield failed or ("mode", "file.stat", there | {"mode_as": said})


def _filetype(attributes: Attributes, base: dict[str, Any]) -> Iterator[Said | Failed]:
    node = attributes.take("filetype")
    if node is None:
        return
    if node.value == "symlink":
        yield "filetype", "file.link", base | {"optional": True}
    elif isinstance(node.value, str) and node.value in _TYPES:
        wanted = {"optional": True, "world_writable": True, "type": _TYPES[node.value]}
        yield "filetype", "file.stat", base | wanted
    else:
        yield Failed(
            "filetype", f"it is one of {', '.join((*_TYPES, 'symlink'))}; no other is known here", node
        )


def _hashes(attributes: Attributes, base: dict[str, Any]) -> Iterator[Said | Failed]:
    node = attributes.take("sha256")
    if node is not None:
        if isinstance(node.value, str) and re.fullmatch(r"[0-9a-fA-F]{64}", node.value):
            wanted = {"optional": True, "world_writable": True, "hash": node.value}
            yield "sha256", "file.stat", base | wanted
        else:
            yield Failed("sha256", "a SHA-256 of 64 hex digits is all that is known here", node)
    for name in ("md5", "sha512"):
        for said, failed in matched(attributes, name, "text"):
            wanted = {"optional": True, "algorithm": name, "digits": said}
            yield failed or (name, "file.checksum", base | wanted)


def _command(attributes: Attributes) -> Iterator[Said | Failed]:
    command = attributes.text("exec", attributes.resource.id)
    timeout = attributes.seconds("timeout", 10.0)
    base: dict[str, Any] = {"command": command, "shell": True, "timeout": min(timeout, 60.0)}
    if timeout > 60:
        yield Failed("timeout", "no command may take longer than 60 s here; it is given as long as that")
    yield from one_condition(attributes, "exit-status", "text", "cmd.output", base, "status")
    for name in ("stdout", "stderr"):
        if given_empty(attributes, name):
            continue
        for said, failed in matched(attributes, name, "lines"):
            yield failed or (name, "cmd.text", base | {"stream": name, "text": said})


def _package(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"name": attributes.text("name", attributes.resource.id)}
    yield from presence(attributes, "pkg.version", base, "installed", "installed")
    if given_empty(attributes, "versions"):
        return
    yield from one_condition(
        attributes, "versions", "list", "pkg.version", base | {"optional": True}, "versions"
    )


def _service(attributes: Attributes) -> Iterator[Said | Failed]:
    base: dict[str, Any] = {"names": [attributes.text("name", attributes.resource.id)]}
    base["max_restarts"] = FOR_EVER
    for name, other in (("enabled", "running"), ("running", "enabled")):
        node = attributes.take(name)
        if node is None or node.value is None:
            continue
        if isinstance(node.value, bool):
            yield name, "svc.state", base | {name: node.value, other: None}
        else:
            yield Failed(name, f"{name} is true or false; other matchers are not known here", node)
    if (node := attributes.take("runlevels")) is not None and node.value != []:
        yield Failed("runlevels", "runlevels are not known here", node)


def _user(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"name": attributes.text("username", attributes.resource.id)}
    there = base | {"optional": True}
    yield from presence(attributes, "user.account", base)
    for name in ("uid", "gid", "home", "shell"):
        yield from one_condition(attributes, name, "text", "user.account", there, name)
    groups = attributes.given.get("groups")
    plain = groups is not None and isinstance(groups.value, list)
    if groups is not None and plain and all(isinstance(part.value, str) for part in groups.value):
        attributes.take("groups")
        names = [part.value for part in groups.value]
        if len({*names}) == len(names) and names:
            yield "groups", "user.account", there | {"groups": names}
        elif names:
            yield Failed("groups", "a group is named twice, which goss lets nobody meet", groups)
        return
    yield from one_condition(attributes, "groups", "list", "user.account", there, "all_groups")


def _group(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"name": attributes.text("groupname", attributes.resource.id)}
    yield from presence(attributes, "user.group", base)
    yield from one_condition(attributes, "gid", "text", "user.group", base | {"optional": True}, "gid")


def _process(attributes: Attributes) -> Iterator[Said | Failed]:
    name = attributes.text("comm", attributes.resource.id)
    node = attributes.take("running")
    if node is None:
        return
    if node.value is True:
        yield "running", "proc.running", {"name": name, "allow_root": True}
    elif node.value is False:
        yield "running", "proc.running", {"name": name, "allow_root": True, "min_count": 0, "max_count": 0}
    else:
        yield Failed("running", "running is true or false; other matchers are not known here", node)


def _kernel(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"name": attributes.text("name", attributes.resource.id)}
    yield from one_condition(attributes, "value", "text", "kern.param", base, "value")


def _mount(attributes: Attributes) -> Iterator[Said | Failed]:
    base = {"mount": attributes.text("mountpoint", attributes.resource.id)}
    there = base | {"optional": True}
    attributes.take("timeout")  # the mount table is read, which hangs nowhere
    yield from presence(attributes, "disk.mount", base)
    kinds: tuple[tuple[str, Kind, str], ...] = (
        ("opts", "list", "options"),
        ("vfs-opts", "list", "filesystem_options"),
        ("source", "text", "source"),
        ("filesystem", "text", "type"),
        ("usage", "text", "used"),
    )
    for name, kind, parameter in kinds:
        yield from one_condition(attributes, name, kind, "disk.mount", there, parameter)


def _matching(attributes: Attributes) -> Iterator[Said | Failed]:
    content, matches = attributes.take("content"), attributes.take("matches")
    attributes.take("as-reader")
    if content is None or matches is None:
        raise Unmapped("matching has content and matches")
    value = content.plain()
    what = attributes.resource.id
    if attributes.given.get("as-reader") is not None and attributes.given["as-reader"].value is True:
        said = condition(matches, "lines")
    else:
        said = condition(matches, "list" if isinstance(value, list) else "text")
    written = msgspec.json.encode(value, order="deterministic").decode()
    yield "matches", "goss.matching", {"what": what, "content": written, "matches": said}


MAPPERS: Final[dict[str, Mapper]] = {
    "addr": addr,
    "command": _command,
    "dns": dns,
    "file": _file,
    "group": _group,
    "http": http,
    "interface": interface,
    "kernel-param": _kernel,
    "matching": _matching,
    "mount": _mount,
    "package": _package,
    "port": port,
    "process": _process,
    "service": _service,
    "user": _user,
}
