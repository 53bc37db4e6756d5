"""How a target is reached: the site file first, then ssh_config(5), then the defaults of ssh(1)."""

from __future__ import annotations

import getpass
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from agent.targets.sitefile import SiteTarget
from agent.targets.sshconfig import SshConfig, load_config
from checks.errors import BadInput, Unreachable

SSH_PORT: Final = 22
KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
SYSTEM_KNOWN_HOSTS: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
DEFAULT_KEYS: Final = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
MAX_JUMPS: Final = 8

_TOKEN: Final = re.compile("%(.?)")


class Route(msgspec.Struct, frozen=True):
    """Everything that connecting needs. `key_name` is what the host's key is known under.

    `identities` are private key files in the order to try; with `identities_only` no other key of the agent
    is offered. `known_hosts` are all files that may know the host, `learns_in` is the one that a newly
    trusted key is written to, empty where there is none. `jumps` are the hosts on the way, the first of them
    reached directly. `trust_command` is what to type to trust the keys of this host and its jumps.
    """

    name: str
    host: str
    port: int
    user: str
    key_name: str
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    known_hosts: tuple[str, ...] = ()
    learns_in: str = ""
    password: str = ""
    passphrase: str = ""
    sudo: bool = False
    jumps: tuple[Route, ...] = ()
    trust_command: str = ""

    def __str__(self) -> str:
        """``ssh deploy@10.0.0.5:22 via admin@bastion:22, with sudo``"""
        via = "".join(f" via {jump.user}@{jump.host}:{jump.port}" for jump in reversed(self.jumps))
        return f"ssh {self.user}@{self.host}:{self.port}{via}{', with sudo' if self.sudo else ''}"


class Router:
    """Makes the routes of a site's targets, each once.

    `config` is an ssh_config file, without one the usual two; `site_file` is where the targets stand, for
    what people are told to type.
    """

    def __init__(
        self, targets: Mapping[str, SiteTarget], config: Path | None = None, site_file: str = ""
    ) -> None:
        self._targets = targets
        self._config: SshConfig = load_config(config)
        options = [*(["-s", site_file] if site_file else []), *(["-F", str(config)] if config else [])]
        self._trust = ["firstlight", "trust", *options]
        self._made: dict[str, Route] = {}

    def route(self, target: SiteTarget) -> Route:
        """The route of a target. Raises `BadInput` for a configuration that leads nowhere."""
        if target.name not in self._made:
            command = shlex.join([*self._trust, target.name])
            route = msgspec.structs.replace(self._route(target, ()), trust_command=command)
            self._made[target.name] = route
        return self._made[target.name]

    def _route(self, target: SiteTarget, seen: tuple[str, ...]) -> Route:
        if target.name in seen or len(seen) > MAX_JUMPS:
            raise BadInput(f"target {(seen or (target.name,))[0]}: its jump hosts lead in a circle")
        seen = (*seen, target.name)
        asked = target.address.removeprefix("[").removesuffix("]")
        found = self._config.lookup(asked)
        if found.command and not target.via:
            raise BadInput(
                f"target {target.name}: {self._config.where} gives it a ProxyCommand, which is not run here; "
                "use ProxyJump there, or `via` in the site file"
            )
        port = target.port or found.port or SSH_PORT
        user = target.user or found.user or login()
        name = found.alias or key_name(found.host, port)
        tokens = {
            "%": "%",
            "d": _expanded("~"),
            "h": found.host,
            "k": found.alias or found.host,
            "n": asked,
            "p": str(port),
            "r": user,
        }

        def files(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(self._path(each, tokens) for each in names if each.lower() != "none")

        keys = files(DEFAULT_KEYS if found.identities is None else found.identities)
        own = files(KNOWN_HOSTS if found.known_hosts is None else found.known_hosts)
        of_all = SYSTEM_KNOWN_HOSTS if found.system_known_hosts is None else found.system_known_hosts
        return Route(
            target.name,
            found.host,
            port,
            user,
            name,
            identities=(_expanded(target.identity),) if target.identity else keys,
            identities_only=bool(target.identity) or found.identities_only,
            known_hosts=(*own, *files(of_all)),
            learns_in=own[0] if own else "",
            password=target.password,
            passphrase=target.passphrase,
            sudo=target.sudo,
            jumps=self._jumps(target, found.jumps, seen),
        )

    def _jumps(self, target: SiteTarget, found: tuple[str, ...], seen: tuple[str, ...]) -> tuple[Route, ...]:
        jumps: list[Route] = []
        for hop in (target.via,) if target.via else found:
            named = self._targets.get(hop)
            route = self._route(jump_target(hop) if named is None or named.here else named, seen)
            # Only the first of several hops is reached over the jump hosts of its own.
            jumps += [
                *(route.jumps if not jumps else ()),
                msgspec.structs.replace(route, jumps=(), sudo=False),
            ]
        return tuple(jumps)

    def _path(self, name: str, tokens: Mapping[str, str]) -> str:
        """A file's name as ssh_config writes it, with what its tokens stand for."""

        def meant(found: re.Match[str]) -> str:
            if found[1] == "u":
                return login()
            if found[1] not in tokens:
                raise BadInput(f"{self._config.where}: {name:.200}: {found[0]!r} is not understood here")
            return tokens[found[1]]

        return _expanded(_TOKEN.sub(meant, name))


def jump_target(text: str) -> SiteTarget:
    """A host as ProxyJump writes it: ``[user@]host[:port]``, also after ``ssh://``. Raises `BadInput`."""
    rest = text.removeprefix("ssh://")
    user, _, place = rest.rpartition("@")
    host, port = place, ""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:  # more of them are an IPv6 address
        host, _, port = place.partition(":")
    if not host or host.startswith("-") or not (port == "" or (port.isdecimal() and 0 < int(port) < 65536)):
        raise BadInput(f"{_without_password(text)!r:.100} is no host; write it as user@host:port")
    return SiteTarget(rest, address=host, user=user, port=int(port) if port else None)


def key_name(host: str, port: int) -> str:
    """What known_hosts files call a host: ``host``, or ``[host]:port`` off the usual port."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as problem:
        raise Unreachable("nobody's login name is known here; give the target a user", "failed") from problem


def _without_password(text: str) -> str:
    """``user:secret@host`` is how some write it; what may be a secret is not shown."""
    return re.sub(r":[^@]*@", ":…@", text)


def _expanded(name: str) -> str:
    return os.path.expanduser(os.path.expandvars(name))  # noqa: PTH111  # a text for paramiko and messages
