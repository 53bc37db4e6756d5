"""Which certificates a server's configuration names, and the keys that belong to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, fact
from checks.facts.asks import Ask, ReadFile

if TYPE_CHECKING:
    from checks.facts.host import Host

FILE_LIMIT: Final = 1024 * 1024
LINE_LIMIT: Final = 2000
MOST: Final = 100

_CERTIFICATES: Final = frozenset(
    {
        "ssl_certificate",  # nginx, core of ngx_http_ssl_module
        "sslcertificatefile",  # Apache, mod_ssl
        "ssl_cert_file",  # PostgreSQL
        "ssl_cert",  # MySQL and MariaDB; Dovecot
        "tls_cert_file",  # Redis
        "smtpd_tls_cert_file",  # Postfix
        "ssl_options.certfile",  # RabbitMQ
    }
)
_KEYS: Final = frozenset(
    {
        "ssl_certificate_key",
        "sslcertificatekeyfile",
        "ssl_key_file",
        "ssl_key",
        "tls_key_file",
        "smtpd_tls_key_file",
        "ssl_options.keyfile",
    }
)
_DIRECTIVE: Final = re.compile(
    r"""^[ \t]*(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:=[ \t]*|[ \t])"""
    r"""(?:"(?P<double>/[^"\n]*)"|'(?P<single>/[^'\n]*)'|<?(?P<plain>/[^\s;"'#]+))"""
)


class Pair(msgspec.Struct, frozen=True):
    """The path of a certificate, and that of its key, empty where the text does not tell which it is."""

    certificate: str
    key: str = ""


@fact
class TlsFiles(Fact, frozen=True):
    """The certificates that a configuration file names by absolute path, each once, in their order.

    What it includes is not followed: name the included files. Known are the words of nginx, Apache,
    PostgreSQL, MySQL, Redis, RabbitMQ, Postfix and Dovecot.
    """

    value_type: ClassVar[Any] = tuple[Pair, ...]
    path: str

    def describe(self) -> str:
        return f"read which certificates {self.path} names"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> tuple[Pair, ...]:
        return pairs_in(host.read_text(self.path, FILE_LIMIT))


def pairs_in(text: str) -> tuple[Pair, ...]:
    """The pairs in a text. Certificates and keys belong together by their order, and where there are not as
    many of one as of the other nobody can tell."""
    certificates: list[str] = []
    keys: list[str] = []
    for line in text.splitlines():
        found = _DIRECTIVE.match(line[:LINE_LIMIT])
        if found is None:
            continue
        name = found["name"].lower().replace("-", "_")
        path = found["double"] or found["single"] or found["plain"]
        # A path that is put together while it runs is none yet.
        if "$" in path or not path.isprintable():
            continue
        if name in _CERTIFICATES:
            certificates.append(path)
        elif name in _KEYS:
            keys.append(path)
    return _paired(certificates, keys)


def _paired(certificates: Sequence[str], keys: Sequence[str]) -> tuple[Pair, ...]:
    fitting = keys if len(keys) == len(certificates) else [""] * len(certificates)
    pairs = [Pair(one, key) for one, key in zip(certificates, fitting, strict=True)]
    return tuple(dict.fromkeys(pairs))[:MOST]
