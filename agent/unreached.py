"""Why a collector could not be reached, in a word for programs and a sentence for people.

The words: ``dns``, ``refused``, ``timeout``, ``no-route``, ``proxy``, ``proxy-login``, ``proxy-forbids``,
``not-tls``, ``untrusted``, ``wrong-name``, ``expired``, ``not-yet-valid``, ``client-certificate``, ``cut``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

EXPIRED, NOT_YET_VALID, WRONG_NAME, WRONG_IP = 10, 9, 62, 64
"""Codes of OpenSSL's verification (x509_vfy.h): expired, not valid yet, another's."""

_WANTS_A_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",  # TLS 1.3 has an alert of its own for it (RFC 8446 §6.2), TLS 1.2 has not
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
)
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


class Unreached(NamedTuple):
    cause: str
    words: str


def unreached(url: str, error: BaseException, proxy: str = "") -> Unreached:
    """What a failed request means. `proxy` is the one that was used, without its login."""
    chain = list(_chain(error))
    texts = " ".join(str(one) for one in chain)
    if proxy and any(type(one).__name__ == "ProxyError" for one in chain):
        return _at_the_proxy(url, proxy, chain, texts)
    if any(alert in texts for alert in _WANTS_A_CERTIFICATE):
        return Unreached(
            "client-certificate",
            f"{url} cannot be reached: it breaks off, as one does that wants a client certificate it trusts; "
            "set client_cert and client_key under [network] in config.toml",
        )
    for one in chain:
        found = _of(url, one)
        if found is not None:
            return found
    return Unreached("cut", f"{url} cannot be reached ({_line(chain[-1])})")


def wants_a_login(proxy: str) -> Unreached:
    """What the status 407 means."""
    return Unreached(
        "proxy-login",
        f"the proxy {proxy} wants a login that it accepts (407); set proxy_user and proxy_password under "
        "[network] in config.toml",
    )


def _of(url: str, error: BaseException) -> Unreached | None:
    import socket
    import ssl

    host = urlsplit(url).hostname or url
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(url, host, error)
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error):
            return Unreached(
                "not-tls", f"{url} cannot be reached: no TLS is spoken there; check address and port"
            )
        return None
    if isinstance(error, socket.gaierror):
        return Unreached(
            "dns",
            f"{url} cannot be reached: the name {host} is not known here ({error.strerror}); "
            "check the address and this machine's DNS",
        )
    if isinstance(error, ConnectionRefusedError):
        return Unreached("refused", f"{url} cannot be reached: the connection was refused")
    if isinstance(error, TimeoutError) or type(error).__name__ in ("ConnectTimeoutError", "ReadTimeoutError"):
        return Unreached("timeout", f"{url} did not answer in time")
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return Unreached("no-route", f"{url} cannot be reached: there is no way to it ({error.strerror})")
    return None


def _untrusted(url: str, host: str, error: ssl.SSLCertVerificationError) -> Unreached:
    code, said = error.verify_code, error.verify_message
    start = f"the certificate of {url} is not trusted"
    if code == EXPIRED:
        return Unreached(
            "expired", f"{start}: it has expired; renew it at the collector, or set this clock right"
        )
    if code == NOT_YET_VALID:
        return Unreached("not-yet-valid", f"{start}: it is not valid yet; is this machine's clock right?")
    if code in (WRONG_NAME, WRONG_IP):
        return Unreached("wrong-name", f"{start}: it is not for {host} ({said})")
    return Unreached(
        "untrusted", f"{start} ({said}); enrol again with --ca FILE if it is your own authority's"
    )


def _at_the_proxy(url: str, proxy: str, chain: list[BaseException], texts: str) -> Unreached:
    if "failed: 407" in texts or "failed: 401" in texts:
        return wants_a_login(proxy)
    if "Tunnel connection failed" in texts:
        said = texts.rpartition("Tunnel connection failed: ")[2][:100].strip("'\")( ")
        return Unreached("proxy-forbids", f"the proxy {proxy} does not lead to {url} ({said})")
    for one in chain:
        found = _of(proxy, one)
        if found is not None:
            return Unreached("proxy", f"the proxy {found.words}")
    return Unreached("proxy", f"the proxy {proxy} cannot be reached ({_line(chain[-1])})")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of, outermost first: libraries nest their reasons in three ways."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < 50:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
        waiting += [part for part in inner if isinstance(part, BaseException)]


def _line(error: BaseException) -> str:
    text = str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.rsplit(": ", 1)[-1].split())[:200] or type(error).__name__
