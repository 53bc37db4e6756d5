"""How a target is reached: the site file first, then ssh_config(5), then the defaults of ssh(1)."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.targets.lean import import_paramiko
from agent.targets.sitefile import SiteTarget
from checks.errors import BadInput, Unreachable

if TYPE_CHECKING:
    from paramiko import SSHConfig

SSH_PORT: Final = 22
USER_CONFIG: Final = "~/.ssh/config"
SYSTEM_CONFIG: Final = "/etc/ssh/ssh_config"
KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
SYSTEM_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
DEFAULT_KEYS: Final = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
MAX_JUMPS: Final = 8

_MATCH_EXEC: Final = re.compile(r"^\s*match\s.*\bexec\b", re.IGNORECASE | re.MULTILINE)


class Route(msgspec.Struct, frozen=True):
    """Everything that connecting needs. `key_name` is what the host's key is known under.

    `identities` are private key files in the order to try; with `identities_only` no other key of the agent
    is offered. The first of `known_hosts` is where a newly trusted key is written. `jumps` are the hosts on
    the way, the first of them reached directly.
    """

    name: str
    host: str
    port: int
    user: str
    key_name: str
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    known_hosts: tuple[str, ...] = ()
    password: str = ""
    passphrase: str = ""
    sudo: bool = False
    jumps: tuple[Route, ...] = ()

    def __str__(self) -> str:
        """``ssh deploy@10.0.0.5:22 via admin@bastion:22, with sudo``"""
        via = "".join(f" via {jump.user}@{jump.host}:{jump.port}" for jump in reversed(self.jumps))
        return f"ssh {self.user}@{self.host}:{self.port}{via}{', with sudo' if self.sudo else ''}"


class Router:
    """Makes the routes of a site's targets. `config` is an ssh_config file; without one the usual two."""

    def __init__(self, targets: Mapping[str, SiteTarget], config: Path | None = None) -> None:
        self._targets = targets
        self._config = _load(config)

    def route(self, target: SiteTarget) -> Route:
        """The route of a target. Raises `BadInput` for a configuration that leads nowhere."""
        return self._route(target, ())

    def _route(self, target: SiteTarget, seen: tuple[str, ...]) -> Route:
        if target.name in seen or len(seen) > MAX_JUMPS:
            raise BadInput(f"target {(seen or (target.name,))[0]}: its jump hosts lead in a circle")
        seen = (*seen, target.name)
        asked = target.address.strip("[]") if target.address.startswith("[") else target.address
        found: dict[str, Any] = self._lookup(asked)
        if "proxycommand" in found and not target.via:
            raise BadInput(
                f"target {target.name}: ssh_config gives it a ProxyCommand, which is not run here; "
                "use ProxyJump there, or `via` in the site file"
            )
        host = str(found.get("hostname", asked))
        port = target.port or int(found.get("port", SSH_PORT))
        listed = [target.identity] if target.identity else list(found.get("identityfile", ()))
        known = str(found.get("userknownhostsfile", "")).split() or list(KNOWN_HOSTS)
        system = str(found.get("globalknownhostsfile", "")).split() or list(SYSTEM_KNOWN_HOSTS)
        alias = str(found.get("hostkeyalias", ""))
        return Route(
            target.name,
            host,
            port,
            target.user or str(found.get("user", "")) or login(),
            alias or key_name(host, port),
            tuple(_path(name) for name in listed or DEFAULT_KEYS),
            bool(target.identity) or str(found.get("identitiesonly", "no")).lower() == "yes",
            tuple(_path(name) for name in (*known, *system) if name.lower() != "none"),
            target.password,
            target.passphrase,
            target.sudo,
            self._jumps(target, found, seen),
        )

    def _jumps(
        self, target: SiteTarget, found: Mapping[str, Any], seen: tuple[str, ...]
    ) -> tuple[Route, ...]:
        hops = [target.via] if target.via else []
        if not hops and str(found.get("proxyjump", "none")).lower() != "none":
            hops = [hop.strip() for hop in str(found["proxyjump"]).split(",")]
        jumps: list[Route] = []
        for hop in hops:
            route = self._route(self._targets.get(hop) or jump_target(hop), seen)
            # Only the first of several hops is reached over the jump hosts of its own.
            jumps += [
                *(route.jumps if not jumps else ()),
                msgspec.structs.replace(route, jumps=(), sudo=False),
            ]
        return tuple(jumps)

    def _lookup(self, host: str) -> dict[str, Any]:
        if self._config is None:
            return {}
        try:
            return dict(self._config.lookup(host))
        except Exception as problem:  # a parser's border: Match exec, canonical names, …
            raise BadInput(f"ssh_config cannot be applied to {host}: {problem}") from problem


def jump_target(text: str) -> SiteTarget:
    """A jump host as ProxyJump writes it: ``[user@]host[:port]``, also after ``ssh://``."""
    rest = text.removeprefix("ssh://")
    user, _, place = rest.rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        host, port = place, ""
    return SiteTarget(rest, address=host, user=user, port=int(port) if port else None)


def key_name(host: str, port: int) -> str:
    """What known_hosts files call a host: ``host``, or ``[host]:port`` off the usual port."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as problem:
        raise Unreachable("nobody's login name is known here; give the target a user", "failed") from problem


def _load(config: Path | None) -> SSHConfig | None:
    """The first value of a keyword counts, so the user's file stands before the system's."""
    paths = [config] if config else [Path(USER_CONFIG).expanduser(), Path(SYSTEM_CONFIG)]
    texts = []
    for path in paths:
        try:
            texts.append(path.read_text(errors="replace"))
        except OSError as error:
            if config is not None:
                raise BadInput(f"{path}: {error.strerror}; -F takes an ssh_config file") from error
    import_paramiko(invoke=any(_MATCH_EXEC.search(text) for text in texts))
    if not any(text.strip() for text in texts):
        return None
    from paramiko import SSHConfig

    try:
        return SSHConfig.from_text("\n".join(f"{text}\nHost *" for text in texts))
    except Exception as problem:  # the parser raises what it likes
        raise BadInput(f"{' or '.join(map(str, paths))}: not an ssh_config: {problem}") from problem


def _path(name: str) -> str:
    return os.path.expanduser(os.path.expandvars(name))  # noqa: PTH111  # a text for paramiko and messages
