"""Secrets by name: ``env:NAME`` or ``file:/path`` stands in profiles and plans, the secret itself nowhere.

A secret is looked up on the agent's own machine, at the moment it is needed, and kept by nobody.
"""

from __future__ import annotations

import re
from typing import Final

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.secret import NONE, Secret

LIMIT: Final = 64 * 1024
_NAMED: Final = r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|\{[A-Za-z_][A-Za-z0-9_]*\}|"


def refuse_unnamed(where: str, what: str) -> None:
    """Raise `BadInput` where `where` is no name of a secret: it might be the secret itself, so it is not
    shown. Empty is right, and so is a placeholder."""
    if not re.fullmatch(_NAMED, where):
        raise BadInput(f"secret of {what}: write env:NAME or file:/path, never the secret")


def secret_of(where: str) -> Secret:
    """The secret, without the line end that editors leave. Raises `NotReadable` (failed) without one."""
    kind, _, name = where.partition(":")
    if kind == "env":
        import os

        secret = os.environ.get(name)
        if not secret:
            raise NotReadable(f"the environment variable {name} is not set")
        return Secret(secret)
    if kind != "file":
        raise NotReadable("a secret is named env:NAME or file:/path")
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib costs more than this whole read
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise NotReadable(f"the secret cannot be read: {name}: {error.strerror}") from error
    if len(data) > LIMIT:
        raise NotReadable(f"the secret cannot be read: {name} is larger than {LIMIT} bytes")
    return Secret(data.decode("utf-8-sig", errors="replace").rstrip("\r\n"))


def secret_if_named(where: str) -> Secret:
    """The secret, or none where none is named. Raises `NotReadable` (failed) where it cannot be had."""
    return secret_of(where) if where else NONE
