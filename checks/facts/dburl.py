"""Where a database is: ``postgresql://monitor@db1:5432/erp``, which never holds a password."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from checks.errors import BadInput

Product = Literal["postgresql", "mysql", "mssql", "oracle"]
Tls = Literal["auto", "require", "verify", "off"]

_PRODUCTS: Final[dict[str, tuple[Product, int]]] = {
    "postgresql": ("postgresql", 5432),
    "postgres": ("postgresql", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "mssql": ("mssql", 1433),
    "sqlserver": ("mssql", 1433),
    "oracle": ("oracle", 1521),
}
_OPEN: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_WANTED: Final = "write postgresql://user@host:port/database (or mysql, mariadb, mssql, oracle)"


class Address(msgspec.Struct, frozen=True):
    """One database of one server. MariaDB speaks as MySQL does, so its product is ``mysql``; `database` is
    the service name of Oracle."""

    product: Product
    host: str
    port: int
    user: str = ""
    database: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.product} at {host}:{self.port}" + (
            f", database {self.database}" if self.database else ""
        )


def address_of(url: str) -> Address:
    """The parts of a URL. Raises `BadInput` for what is none, and for one that holds a password, which is
    not shown."""
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput(f"this is no address of a database; {_WANTED}") from None
    if parts.password is not None:
        raise BadInput("the address of a database holds no password; name it: `password: env:NAME`")
    if parts.scheme.lower() not in _PRODUCTS or not parts.hostname or "@" in parts.path:
        raise BadInput(f"{_harmless(url)} is no address of a database; {_WANTED}")
    if parts.query or parts.fragment:
        raise BadInput(
            f"the address of a database ends with its name; set `tls` and `ca` beside it; {_WANTED}"
        )
    product, usual = _PRODUCTS[parts.scheme.lower()]
    return Address(
        product, parts.hostname, port or usual, unquote(parts.username or ""), unquote(parts.path.strip("/"))
    )


def refuse_bad_url(url: str) -> None:
    """Raise `BadInput` as `address_of` does; what is still to be filled in, or empty, is left alone."""
    if url and not is_open(url):
        address_of(url)


def is_open(text: str) -> bool:
    """Whether it is a parameter that still has to be filled in: one in braces, and nothing beside it, so
    that braces let nothing pass."""
    return _OPEN.fullmatch(text) is not None


def _harmless(url: str) -> str:
    """What can be shown of something that may hold a secret anywhere."""
    return repr(url[:60]) if re.fullmatch(r"\w+://[\w:/.-]*", url) else "this"
