"""One key of a configuration file; and whether it equals a secret, told as true or false only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.files import text_of
from checks.facts.formats import MISSING, Plain, format_of, look_up
from checks.facts.secrets import masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.host import Host

VALUE_LIMIT: Final = 2000
SECRET_LIMIT: Final = 64 * 1024

_NAMED = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|\{secret\}")


class Setting(msgspec.Struct, frozen=True):
    """What a key holds: a scalar or a list of them. `withheld`: not kept, because its name looks secret."""

    found: bool
    value: Plain | list[Plain] = None
    withheld: bool = False


@fact
class ConfigValue(Fact, frozen=True):
    """One key of an ini, yaml or json file; format ``auto`` is told from the file's extension."""

    value_type: ClassVar[type] = Setting
    path: str
    format: str
    key: str

    def describe(self) -> str:
        return f"read {self.key} in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> Setting:
        value = _value(host, self.path, self.format, self.key)
        if value is MISSING:
            return Setting(False)
        if names_a_secret(self.key):
            return Setting(True, withheld=True)
        if len(str(value)) > VALUE_LIMIT:
            raise NotReadable(
                f"{self.key} in {self.path} is longer than {VALUE_LIMIT} characters", "too-large"
            )
        if isinstance(value, list):
            return Setting(True, [masked(part) if isinstance(part, str) else part for part in value])
        return Setting(True, masked(value) if isinstance(value, str) else value)


@fact
class SecretMatches(Fact, frozen=True):
    """Whether a key holds the very secret that ``env:NAME`` or ``file:PATH`` holds; neither is ever kept.

    Raises `BadInput` when it is made with anything else, which might be the secret itself.
    """

    value_type: ClassVar[type] = bool
    path: str
    format: str
    key: str
    secret: str

    def __post_init__(self) -> None:
        if not _NAMED.fullmatch(self.secret):
            raise BadInput(
                f"secret of {self.key} in {self.path}: write env:NAME or file:/path, never the secret"
            )

    def describe(self) -> str:
        return f"compare {self.key} in {self.path} with the secret of {self.secret}"

    def asks(self) -> tuple[Ask, ...]:
        kind, _, name = self.secret.partition(":")
        return (ReadFile(self.path), ReadFile(name)) if kind == "file" else (ReadFile(self.path),)

    def read(self, host: Host) -> bool:
        import hmac

        value = _value(host, self.path, self.format, self.key)
        if value is MISSING:
            raise NotReadable(f"{self.key} is not set in {self.path}", "absent")
        return hmac.compare_digest(str(value).encode(), _secret(host, self.secret).encode())


def _value(host: Host, path: str, format: str, key: str) -> Any:
    return look_up(
        text_of(path, host.read_bytes(path)), format_of(path) if format == "auto" else format, key, path
    )


def _secret(host: Host, where: str) -> str:
    """The secret, without the line end that editors leave; a missing one is ``failed``: the key is there."""
    kind, _, name = where.partition(":")
    if kind == "env":
        import os

        secret = os.environ.get(name)
        if not secret:
            raise NotReadable(f"the environment variable {name} is not set", "failed")
        return secret
    try:
        return host.read_text(name, SECRET_LIMIT).rstrip("\r\n")
    except NotReadable as problem:
        raise NotReadable(f"the secret cannot be read: {problem}", "failed") from problem
