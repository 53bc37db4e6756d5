"""Passwords, passphrases and private keys: asked for once, held in memory, never written down.

Everything that may have to ask a person happens in `prepare`, before anything is connected: a prompt in the
middle of fifty connections is of no use to anybody.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.targets.route import SSH_PORT, Route
from agent.targets.sshagent import SshAgent
from checks.errors import BadInput
from checks.secret import Secret

if TYPE_CHECKING:
    from paramiko import PKey


class Credentials:
    """What logging in takes, for all routes of a run."""

    def __init__(self) -> None:
        self._secrets: dict[tuple[str, str], Secret] = {}
        self._keys: dict[str, PKey | None] = {}
        self._notes: dict[str, str] = {}
        self._agent: SshAgent | None = None

    def prepare(self, routes: Iterable[Route]) -> None:
        """Load the keys of these routes and ask for what they need.

        Raises `BadInput` where a secret is not to be had where the site file says.
        """
        for route in routes:
            self._from_agent()
            for each in (*route.jumps, route):
                self.password(each)
                for path in each.identities:
                    self._load(path, each)

    def password(self, route: Route) -> Secret | None:
        if not route.password:
            return None
        port = "" if route.port == SSH_PORT else f":{route.port}"
        return self._secret(route.password, f"{route.user}@{route.host}{port}", "password")

    def named(self, source: str, about: str, kind: str) -> Secret:
        """A secret from ``prompt``, ``env:NAME`` or ``keyring:SERVICE``, asked for once. `BadInput`."""
        return self._secret(source, about, kind)

    def keys(self, route: Route) -> list[PKey]:
        """The keys to offer: the route's own, each with its certificate first, then those of the agent."""
        own = [
            each
            for path in route.identities
            if (key := self._keys.get(path)) is not None
            for each in (key, *_without_certificate(key))
        ]
        held = self._from_agent()
        if route.identities_only:
            public = {blob for path in route.identities if (blob := _public_blob(path))}
            held = [key for key in held if key.asbytes() in public]
        mine = {key.asbytes() for key in own}
        return own + [key for key in held if key.asbytes() not in mine]

    def _load(self, path: str, route: Route) -> None:
        """A key that lies there; one under a passphrase is left to the agent, unless that can be had."""
        if path in self._keys:
            return
        self._keys[path] = None
        if not Path(path).is_file():
            return
        from paramiko import PKey

        try:
            self._keys[path] = PKey.from_path(path)
            return
        except Exception as problem:  # noqa: BLE001  # each backend has its own way to say "passphrase"
            if _public(path) is not None:
                return  # it names a key of the agent
            if not _wants_passphrase(problem):
                self._notes[path] = f"{path} is no private key that can be used here: {problem!s:.200}"
                return
        source = route.passphrase
        if not source and _public_blob(path) not in {key.asbytes() for key in self._from_agent()}:
            source = "prompt" if sys.stdin.isatty() and route.identities_only else ""
        if not source:
            self._notes[path] = f"{path} is under a passphrase, and the site file says none for it"
            return
        phrase = self._secret(source, path, "passphrase")
        try:
            # paramiko hands it on to cryptography, which takes bytes, whatever its own annotation says.
            self._keys[path] = PKey.from_path(path, phrase.reveal().encode())  # type: ignore[arg-type]
        except Exception as problem:
            raise BadInput(f"{path}: the passphrase does not open it") from problem

    def unusable(self, route: Route) -> list[str]:
        """Why some of the route's key files are not offered, one line each."""
        return [self._notes[path] for path in route.identities if path in self._notes]

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()

    def _from_agent(self) -> list[PKey]:
        if self._agent is None:
            self._agent = SshAgent()
        return self._agent.keys

    def _secret(self, source: str, about: str, kind: str) -> Secret:
        found = self._secrets.get((source, about))
        if found is None:
            found = self._secrets[source, about] = Secret(_fetch(source, about, kind))
        return found


def _fetch(source: str, about: str, kind: str) -> str:
    where, _, name = source.partition(":")
    if where == "env":
        secret = os.environ.get(name)
        if not secret:
            raise BadInput(
                f"the {kind} of {about} should be in the environment variable {name}, which is not set"
            )
        return secret
    if where == "keyring":
        return _from_keyring(name or "firstlight", about, kind)
    if not sys.stdin.isatty():
        raise BadInput(f"the {kind} of {about} has to be asked for, and there is no terminal; use env:NAME")
    import click

    asked: str = click.prompt(f"{kind} of {about}", hide_input=True, err=True)
    return asked


def _from_keyring(service: str, about: str, kind: str) -> str:
    try:
        import keyring
    except ModuleNotFoundError as missing:
        from checks.extras import remedy

        raise BadInput(
            f"the {kind} of {about} should be in the keyring, but the package keyring is not installed; "
            f"{remedy('keyring')}"
        ) from missing
    try:
        secret = keyring.get_password(service, about)
    except Exception as problem:  # each backend has errors of its own; none there is one of them
        raise BadInput(f"the {kind} of {about} cannot be had from the keyring: {problem!s:.200}") from problem
    if not secret:
        raise BadInput(f"the keyring has no {kind} of {about} under {service}; keyring set {service} {about}")
    return str(secret)


def _wants_passphrase(problem: Exception) -> bool:
    words = str(problem).lower()
    return any(word in words for word in ("password", "passphrase", "encrypted"))


def _without_certificate(key: PKey) -> list[PKey]:
    """The key alone, where it has a certificate: that may have expired, and the key be known by itself."""
    if getattr(key, "public_blob", None) is None:
        return []
    alone = copy.copy(key)
    alone.public_blob = None
    return [alone]


def _public_blob(path: str) -> bytes | None:
    """The public key of a private one as the agent names it: in the file beside it, or there itself."""
    return _public(path + ".pub") or _public(path)


def _public(path: str) -> bytes | None:
    import base64
    import binascii

    try:
        fields = Path(path).read_text().split()
        blob = base64.b64decode(fields[1], validate=True)
    except (OSError, IndexError, UnicodeDecodeError, binascii.Error):
        return None
    return blob if fields[0].encode() in blob[:100] else None
