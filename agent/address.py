"""The collector's address, as people type it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from checks.errors import BadInput


def checked_url(url: str, *, insecure_http: bool = False) -> str:
    """The collector's address without a trailing slash; raises `BadInput` for what is none or is unsafe."""
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise BadInput(f"{url}: not an address; it looks like https://firstlight.example.com") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        raise BadInput(f"{url}: not an address; it looks like https://firstlight.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadInput(
            "the collector's address holds no user, query or fragment; the token goes into --token"
        )
    if parts.scheme == "http" and not insecure_http and not is_loopback(url):
        raise BadInput(
            f"{url}: without TLS anyone on the way can read results and pose as the collector; "
            "use https://, or --insecure-http if you accept that"
        )
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether an address never leaves this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
