"""The site file: a site's targets, how each is reached, which roles it has and with what it is variable.

It names where a secret can be had, never the secret. How the routes are resolved is `agent.targets.route`'s
business, what is checked where that of `checks.plan`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from checks.nodes import NAME, WORD, line, mapping, name, texts
from checks.profile_source import read_variables
from checks.yamlfile import Node, load_file

_SITE_KEYS: Final = ("site", "profile", "variables", "defaults", "targets")
_ROUTE_KEYS: Final = ("user", "port", "via", "sudo", "identity", "password", "passphrase")
_TARGET_KEYS: Final = ("address", "local", *_ROUTE_KEYS, "roles", "tags", "variables")

_ADDRESS: Final = re.compile(r"[A-Za-z0-9_\[:][A-Za-z0-9._:%\]-]{0,252}")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\$-]{0,99}")
_JUMP: Final = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9._\\$-]*@)?(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_PASSWORD: Final = re.compile(r"(:)[^@]*@")
"""What people write before an address that may be a secret, so that no message shows it."""

_SECRET: Final = re.compile(r"prompt|env:[A-Za-z_][A-Za-z0-9_]*|keyring(?::[^\s:]{1,100})?")


class SiteTarget(msgspec.Struct, frozen=True):
    """One target as the file has it; what is empty or None is left to ssh_config and the defaults.

    `here` is the machine that the agent runs on. `via` is another target or a host ``user@name:port``.
    `password` and `passphrase` say where the secret is: ``prompt``, ``env:NAME`` or ``keyring:SERVICE``.
    """

    name: str
    address: str = ""
    here: bool = False
    user: str = ""
    port: int | None = None
    via: str = ""
    sudo: bool = False
    identity: str = ""
    password: str = ""
    passphrase: str = ""
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    variables: dict[str, Node] = {}


class Site(msgspec.Struct, frozen=True):
    """A site file as loaded; `profile` is the one it asks for, empty where it names none."""

    where: str
    id: str
    profile: str
    variables: dict[str, Node]
    targets: dict[str, SiteTarget]

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        return {target.name: target.roles for target in self.targets.values()}


def load_site(path: Path) -> Site:
    """The site in a file; raises `BadProfile` with file and line."""
    root = load_file(path)
    keys = mapping(root, _SITE_KEYS, "a site file")
    for required in ("site", "targets"):
        if required not in keys:
            raise root.wrong(f"lacks the key {required}: a site file has site and targets")
    defaults = _defaults(keys.get("defaults"), path.parent)
    listed = keys["targets"]
    if not isinstance(listed.value, dict) or not listed.value:
        raise listed.wrong("targets are a mapping of names: {targets: {db1: {address: 10.0.0.5}}}")
    targets = {}
    for target_name, node in listed.value.items():
        if not NAME.fullmatch(target_name):
            raise node.wrong(f"{target_name!r:.100} is no name; use letters, digits, dots, _ and -")
        targets[target_name] = _target(target_name, node, defaults, path.parent)
    _refuse_lost_jumps(targets, listed.value, defaults)
    return Site(
        str(path),
        name(keys["site"], NAME),
        _profile(keys.get("profile"), path),
        read_variables(keys.get("variables")),
        targets,
    )


def _profile(node: Node | None, path: Path) -> str:
    """A profile's name; a file is named from where the site file lies."""
    if node is None:
        return ""
    named = line(node, 1000)
    if "/" in named or named.endswith((".yaml", ".yml")):
        return str(path.parent / Path(named).expanduser())
    return named


def _defaults(node: Node | None, folder: Path) -> dict[str, Node]:
    """What targets have unless they say otherwise. A mistake is one even where no target takes it."""
    if node is None or node.value is None:
        return {}
    keys = mapping(node, _ROUTE_KEYS, "`defaults`")
    _routed(SiteTarget("defaults"), keys, folder)
    return keys


def _target(name_: str, node: Node, defaults: Mapping[str, Node], folder: Path) -> SiteTarget:
    own = mapping(node, _TARGET_KEYS, "a target") if node.value is not None else {}
    target = SiteTarget(
        name_,
        here=_flag(own["local"]) if "local" in own else False,
        roles=tuple(name(word, WORD) for word in texts(own.get("roles"))),
        tags=tuple(name(word, WORD) for word in texts(own.get("tags"))),
        variables=read_variables(own.get("variables")),
    )
    if target.here:
        wrong = next((key for key in ("address", *_ROUTE_KEYS) if key in own), None)
        if wrong is not None:
            raise own[wrong].wrong(f"target {name_} is local, so it has no {wrong}")
        return target
    if not _given(own, "address"):
        raise node.wrong(f"target {name_} has no address; give one, or say `local: true` for this machine")
    address = _address(own["address"])
    return _routed(msgspec.structs.replace(target, address=address), {**defaults, **own}, folder)


def _routed(target: SiteTarget, keys: Mapping[str, Node], folder: Path) -> SiteTarget:
    """The target with what says how it is reached; a key without a value takes its default back."""
    keys = {key: node for key, node in keys.items() if _given(keys, key)}
    identity = Path(line(keys["identity"], 1000)).expanduser() if "identity" in keys else None
    return msgspec.structs.replace(
        target,
        user=_text(keys["user"], _USER, "a user's name") if "user" in keys else "",
        port=_port(keys["port"]) if "port" in keys else None,
        via=_via(keys["via"]) if "via" in keys else "",
        sudo=_flag(keys["sudo"]) if "sudo" in keys else False,
        identity=str(folder / identity) if identity is not None else "",
        password=_secret(keys["password"], "password") if "password" in keys else "",
        passphrase=_secret(keys["passphrase"], "passphrase") if "passphrase" in keys else "",
    )


def _refuse_lost_jumps(
    targets: Mapping[str, SiteTarget], nodes: Mapping[str, Node], defaults: Mapping[str, Node]
) -> None:
    """A `via` leads to a target of the file or to a host, and never back to where it came from."""
    for target in targets.values():
        seen, at = [target.name], target
        while at.via and at.via in targets:
            node = nodes[at.name]
            place = node.value.get("via", defaults.get("via", node)) if node.value else node
            if at.via in seen:
                raise place.wrong(
                    f"target {target.name} is reached via {' via '.join([*seen[1:], at.via])}: a circle"
                )
            at = targets[at.via]
            seen.append(at.name)
            if at.here:
                raise place.wrong(f"via {at.name} leads nowhere: that is this machine")


def _given(keys: Mapping[str, Node], key: str) -> bool:
    """Whether a key has a value."""
    return key in keys and keys[key].value is not None


def _text(node: Node, form: re.Pattern[str], what: str) -> str:
    text = node.raw
    if isinstance(node.value, dict | list) or not text or not form.fullmatch(text):
        shown = _PASSWORD.sub(r"\1…@", node.raw or "nothing")
        raise node.wrong(f"expected {what}, not {shown!r:.60}")
    return text


def _address(node: Node) -> str:
    text = _text(node, _ADDRESS, "an address such as 10.0.0.5 or db1.example")
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        raise node.wrong(f"an address holds no port; write address: {host} and port: {port}")
    return text


def _via(node: Node) -> str:
    text = _text(node, _JUMP, "a target or a host such as user@bastion:22")
    found = _JUMP.fullmatch(text)
    if found and found["port"] and not 0 < int(found["port"]) < 65536:
        raise node.wrong(f"expected a port from 1 to 65535, not {found['port']}")
    return text


def _port(node: Node) -> int:
    port = node.value
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise node.wrong(f"expected a port from 1 to 65535, not {node.raw or 'nothing'!r:.60}")
    return port


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        words = {"yes": True, "on": True, "no": False, "off": False}
        if node.value in words:
            return words[node.value]
        raise node.wrong(f"expected true or false, not {node.raw or 'nothing'!r:.60}")
    return node.value


def _secret(node: Node, key: str) -> str:
    """Where a secret is. What is written there may be the secret itself, so the message never shows it."""
    text = node.raw or ""
    if isinstance(node.value, dict | list) or not _SECRET.fullmatch(text):
        raise node.wrong(f"{key} says where the secret is, never what: prompt, env:NAME or keyring:SERVICE")
    return text
