"""The way to the collector as `config.toml` describes it: a proxy with its login, a certificate of our own.

Without a word in the configuration the environment decides, as for other programs: HTTPS_PROXY, HTTP_PROXY,
ALL_PROXY and NO_PROXY. A proxy's password is looked up when it is needed, and no message ever holds it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from agent.config import Network
from checks.errors import BadInput

DIRECT = "none"


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a collector. `proxy` is ``None`` where the environment decides, empty for no proxy.

    It may hold a password, so it is never shown; `shown` is the same without. `cert` are the files of our
    certificate and its key.
    """

    proxy: str | None = field(default=None, repr=False)
    shown: str = ""
    cert: tuple[str, str] | None = None


def way(network: Network, folder: Path) -> Way:
    """The way; paths are relative to `folder`. Raises `BadInput` with the setting and what would be right."""
    cert = _certificate(network, folder)
    if not network.proxy:
        if network.proxy_user or network.proxy_password:
            raise BadInput("[network] proxy_user and proxy_password belong to a proxy; set proxy, too")
        return Way(None, "", cert)
    if network.proxy == DIRECT:
        return Way("", "", cert)
    return Way(*_proxy(network), cert)


def environment_proxy(url: str) -> str:
    """The proxy that the environment names for an address, without its login; empty for none."""
    from requests.utils import get_environ_proxies, select_proxy

    found = select_proxy(url, get_environ_proxies(url)) or ""
    return without_login(found)


def without_login(address: str) -> str:
    """An address without user and password, fit to be shown."""
    head, separator, rest = address.rpartition("@")
    if not separator:
        return address
    return head.partition("://")[0] + "://" + rest if "://" in head else rest


def _proxy(network: Network) -> tuple[str, str]:
    parts = urlsplit(network.proxy)
    try:
        fits = parts.scheme == "http" and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            '[network] proxy holds a login; set proxy_user, and proxy_password = "file:/path" or "env:NAME"'
        )
    if not fits or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadInput(
            f"[network] proxy = {network.proxy!r}: not a proxy; it looks like http://proxy.example.com:3128, "
            f"or {DIRECT} for no proxy"
        )
    shown = network.proxy.rstrip("/")
    if not network.proxy_user:
        if network.proxy_password:
            raise BadInput("[network] proxy_password without proxy_user; set both, or neither")
        return shown, shown
    login = quote(network.proxy_user, safe="") + ":" + quote(_password(network.proxy_password), safe="")
    return f"http://{login}@{parts.netloc}", shown


def _password(where: str) -> str:
    from checks.fact import NotReadable
    from checks.facts.named_secret import refuse_unnamed, secret_if_named

    try:
        refuse_unnamed(where, "[network] proxy_password")
        return secret_if_named(where).reveal()
    except NotReadable as error:
        raise BadInput(f"[network] proxy_password: {error}") from None


def _certificate(network: Network, folder: Path) -> tuple[str, str] | None:
    if not network.client_cert:
        if network.client_key:
            raise BadInput(
                "[network] client_key without client_cert; set both, or a client_cert with both in it"
            )
        return None
    cert = folder / network.client_cert
    key = folder / (network.client_key or network.client_cert)
    for name, path, part in (
        ("client_cert", cert, b"CERTIFICATE-----"),
        ("client_key", key, b"PRIVATE KEY-----"),
    ):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise BadInput(f"[network] {name}: {path}: {error.strerror}") from error
        if part not in text:
            raise BadInput(
                f"[network] {name}: {path}: holds no {part.decode().strip('-').lower()} in PEM form"
            )
        if b"ENCRYPTED" in text and name == "client_key":
            raise BadInput(
                f"[network] {name}: {path}: is encrypted, and nobody is there to type its password"
            )
    return os.fspath(cert), os.fspath(key)
