"""Finding one key in the text of a configuration file. Nothing else of the file is kept.

`look_up` is the door; each format has a room of its own, imported when a file of it is met.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, Plain
from checks.facts.formats.included import Included

__all__ = [
    "FORMATS",
    "MISSING",
    "WITH_INCLUDES",
    "Choice",
    "Format",
    "Included",
    "Plain",
    "format_of",
    "look_up",
]

Format = Literal[
    "env",
    "ini",
    "json",
    "keyvalue",
    "mysql",
    "nginx",
    "postgresql",
    "properties",
    "sshd",
    "systemd",
    "toml",
    "xml",
    "yaml",
]
"""``keyvalue`` is a name and a value a line; the names of products read what the product's file includes."""

Choice = Literal["auto", Format]
"""A format, or to tell it from the file's name."""

FORMATS: Final[tuple[str, ...]] = get_args(Format)
WITH_INCLUDES: Final = ("mysql", "nginx", "postgresql", "sshd", "systemd")

_NAMES: Final[dict[str, Format]] = {
    "nginx.conf": "nginx",
    "postgresql.conf": "postgresql",
    "postgresql.auto.conf": "postgresql",
    "my.cnf": "mysql",
    "mariadb.cnf": "mysql",
    "mysqld.cnf": "mysql",
    "sshd_config": "sshd",
    "ssh_config": "keyvalue",
    "redis.conf": "keyvalue",
    "sysctl.conf": "keyvalue",
    "rabbitmq.conf": "keyvalue",
    "os-release": "env",
    "environment": "env",
    ".env": "env",
}
_FOLDERS: Final[tuple[tuple[str, Format], ...]] = (
    ("/etc/default/", "env"),
    ("/etc/sysconfig/", "env"),
    ("/nginx/", "nginx"),
    ("/my.cnf.d/", "mysql"),
    ("/etc/mysql/", "mysql"),
    ("/sshd_config.d/", "sshd"),
    ("/sysctl.d/", "keyvalue"),
    ("/etc/postgresql/", "postgresql"),
)
_CONFIGURATION: Final = ("conf", "cnf", "cfg", "")
"""Extensions that tell nothing by themselves, so that the folder may."""

_UNITS: Final[dict[str, Format]] = dict.fromkeys(
    ("service", "socket", "timer", "mount", "automount", "target", "slice"), "systemd"
)
_EXTENSIONS: Final[dict[str, Format]] = {
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "toml": "toml",
    "xml": "xml",
    "properties": "properties",
    "env": "env",
    **_UNITS,
}


def format_of(path: str) -> Format:
    """The format told by a file's well-known name, its extension or its folder; ini for all others."""
    name = path.replace("\\", "/").rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name.lstrip(".") else ""
    if name in _NAMES:
        return _NAMES[name]
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    if extension in _CONFIGURATION or path.startswith(("/etc/default/", "/etc/sysconfig/")):
        for folder, format in _FOLDERS:
            if folder in path:
                return format
    return "ini"


def look_up(text: str, format: str, key: str, path: str, included: Included | None = None) -> Any:
    """The value of `key`: a scalar, a list of scalars, or `MISSING`.

    How a key is written is the format's matter: ``section.key`` in an ini file, a dotted path with list
    indexes from 0 (``servers[0].port``) in yaml, json and toml, ``Server/Service/Connector[2]/@port`` from 1
    in xml, ``http.server[2].listen`` from 1 in nginx, the name alone in most others. ``key[]`` gives all
    values of a key that stands there several times, as a list.

    `included` reads what the file includes; without it a file that includes others is not readable. Raises
    `NotReadable` with cause ``parse`` and the line of the mistake, or ``unsupported`` where the key names a
    section and not a value.
    """
    more = included or Included(path)
    if format in ("json", "yaml", "toml"):
        from checks.facts.formats.tree import look_up_tree

        return look_up_tree(text, format, key, path)
    if format == "ini":
        from checks.facts.formats.ini import look_up_ini

        return look_up_ini(text, key, path)
    if format == "xml":
        from checks.facts.formats.xml import look_up_xml

        return look_up_xml(text, key, path)
    if format in ("env", "keyvalue", "properties"):
        from checks.facts.formats import env, keyvalue, properties

        pairs = {"env": env, "keyvalue": keyvalue, "properties": properties}[format]
        return pairs.look_up(text, key, path)
    if format in WITH_INCLUDES:
        from checks.facts.formats import mysql, nginx, postgresql, sshd, systemd

        products = {
            "mysql": mysql,
            "nginx": nginx,
            "postgresql": postgresql,
            "sshd": sshd,
            "systemd": systemd,
        }
        return products[format].look_up(text, key, path, more)
    raise NotReadable(f"{format!r} is not a format of {path}: {', '.join(FORMATS)}", "unsupported")
