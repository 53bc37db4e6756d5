"""One key of a configuration file; and whether it equals a secret, told as true or false only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.files import text_of
from checks.facts.formats import MISSING, Included, Plain, format_of, look_up
from checks.facts.formats.included import asks_of_includes
from checks.facts.secrets import masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.host import Host

VALUE_LIMIT: Final = 2000
SECRET_LIMIT: Final = 64 * 1024

_GIVEN = r"([A-Za-z][\w.-]{0,100})[\"']?\s*[=:]\s*[\"']?(?!\*\*\*)[^\s\"']"
_KEY_FILE = r"(/[\w.@+-]{1,100}){1,20}(\.(pem|key|crt|cer|der|p12|pfx|jks)|/ssh_host_\w+_key)"
_UPSTREAM = r"(^|\.|\])(proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass(\[\d*\])?$"
_NAMED = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|\{secret\}")


class Setting(msgspec.Struct, frozen=True):
    """What a key holds: a scalar or a list of them. `withheld`: not kept, because its name looks secret."""

    found: bool
    value: Plain | list[Plain] = None
    withheld: bool = False


@fact
class ConfigValue(Fact, frozen=True):
    """One key of a configuration file; format ``auto`` is told from the file's name.

    `include` names folders beside the file's own that it may include files from.
    """

    value_type: ClassVar[type] = Setting
    path: str
    format: str
    key: str
    include: tuple[str, ...] | str = ()

    def id(self) -> str:
        return _id(self)

    def describe(self) -> str:
        return f"read {self.key} in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return _asks(self)

    def read(self, host: Host) -> Setting:
        value = _value(host, self)
        if value is MISSING:
            return Setting(False)
        if _names_a_secret(self.key) and not (_is_key_file(self.key, value) or _is_upstream(self)):
            return Setting(True, withheld=True)
        if len(str(value)) > VALUE_LIMIT:
            raise NotReadable(
                f"{self.key} in {self.path} is longer than {VALUE_LIMIT} characters", "too-large"
            )
        seen = [masked(part) if isinstance(part, str) else part for part in _listed(value)]
        if any(isinstance(part, str) and _gives_a_secret(part) for part in seen):
            return Setting(True, withheld=True)
        return Setting(True, seen if isinstance(value, list) else seen[0])


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
    include: tuple[str, ...] | str = ()

    def id(self) -> str:
        return _id(self)

    def __post_init__(self) -> None:
        if not _NAMED.fullmatch(self.secret):
            raise BadInput(
                f"secret of {self.key} in {self.path}: write env:NAME or file:/path, never the secret"
            )

    def describe(self) -> str:
        return f"compare {self.key} in {self.path} with the secret of {self.secret}"

    def asks(self) -> tuple[Ask, ...]:
        kind, _, name = self.secret.partition(":")
        return (*_asks(self), ReadFile(name)) if kind == "file" else _asks(self)

    def read(self, host: Host) -> bool:
        import hmac

        value = _value(host, self)
        if value is MISSING:
            raise NotReadable(f"{self.key} is not set in {self.path}", "absent")
        return hmac.compare_digest(str(value).encode(), _secret(host, self.secret).encode())


def _id(fact: ConfigValue | SecretMatches) -> str:
    """The fact's id as it was before there was `include`, where it names nothing."""
    names = [name for name in fact.__struct_fields__ if name != "include" or fact.include]
    fields = ", ".join(f"{name}={getattr(fact, name)}" for name in names)
    return f"{type(fact).__name__}({fields})"


def _folders(fact: ConfigValue | SecretMatches) -> tuple[str, ...]:
    """What `include` names; a text only while it is a placeholder."""
    return () if isinstance(fact.include, str) else tuple(fact.include)


def _format(fact: ConfigValue | SecretMatches) -> str:
    return format_of(fact.path) if fact.format == "auto" else fact.format


def _asks(fact: ConfigValue | SecretMatches) -> tuple[Ask, ...]:
    return (ReadFile(fact.path), *asks_of_includes(_format(fact), fact.path, _folders(fact)))


def _value(host: Host, fact: ConfigValue | SecretMatches) -> Any:
    text = text_of(fact.path, host.read_bytes(fact.path))
    included = Included(fact.path, host, _asks(fact))
    return look_up(text, _format(fact), fact.key, fact.path, included)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names_a_secret(key: str) -> bool:
    """Whether the key, or what its choices name, looks secret: ``property[name=db.password]/value`` does."""
    chosen = re.findall(r"=\s*[\"']?([^\[\]\"']+)", key)
    return any(names_a_secret(name.strip("/@ ")) for name in (key, *chosen))


def _is_key_file(key: str, value: Any) -> bool:
    """Whether what is called a key is the path of one: ``ssl_certificate_key``, ``HostKey``."""
    named = re.search(r"key(\[\])?$", key, re.IGNORECASE)
    return named is not None and all(
        isinstance(part, str) and re.fullmatch(_KEY_FILE, part) for part in _listed(value)
    )


def _is_upstream(fact: ConfigValue) -> bool:
    """Whether what is called a pass is where nginx passes requests on to; elsewhere it is a password."""
    return _format(fact) == "nginx" and re.search(_UPSTREAM, fact.key) is not None


def _gives_a_secret(text: str) -> bool:
    """Whether a masked text still gives something secret a value: ``-Dkeystore.pass=x``."""
    return any(names_a_secret(found[1]) for found in re.finditer(_GIVEN, text))


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
