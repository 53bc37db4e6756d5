"""How an HTTP request is made: requests, over connections that a `Dialer` opened, under one deadline.

Nothing of the agent's own surroundings enters it: no proxy and no .netrc of the environment, no cookies.
"""

from __future__ import annotations

import socket
import zlib
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from checks.fact import NotReadable
from checks.facts.deadline import Deadline
from checks.facts.dial import NotConnected
from checks.facts.http import BODY_LIMIT, MAX_HOPS, Fetch, Said, header_lines, looked_up
from checks.facts.named_secret import secret_if_named, secret_of
from checks.facts.secrets import masked
from checks.facts.tlscontext import VERIFIED, ascii_host, context, open_context, words

if TYPE_CHECKING:
    import ssl

    from checks.facts.dial import Dialer

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_GZIP_OR_ZLIB: Final = 47
"""zlib's window bits for either, told from the header."""


def fetch(ask: Fetch, dialer: Dialer) -> Said:
    """The answer, or what hindered it. Raises `NotReadable` where the request cannot even be tried."""
    headers = {"User-Agent": "firstlight", "Accept": "*/*", "Accept-Encoding": "gzip"} | header_lines(ask)
    if ask.bearer:
        headers["Authorization"] = f"Bearer {secret_of(ask.bearer).reveal()}"
    login = (ask.user, secret_if_named(ask.password).reveal()) if ask.user else None
    trusted = context(ask.ca) if ask.verify else open_context()
    hops: list[str] = []
    began = monotonic()
    with Deadline(float(ask.timeout)) as deadline, requests.Session() as session:
        session.trust_env = False
        session.mount("http://", Through(dialer, deadline, trusted))
        session.mount("https://", Through(dialer, deadline, trusted))
        try:
            return _follow(session, ask, headers, login, hops, began, deadline)
        except NotConnected as problem:
            return Said(problem.connection.outcome, problem.connection.detail, hops=tuple(hops))
        except (requests.RequestException, OSError, zlib.error, ValueError) as problem:
            if deadline.passed or _is_timeout(problem):
                said = f"no whole answer within {deadline.seconds:g} s"
                return Said("timeout", said, hops=tuple(hops))
            outcome, detail = _told(problem)
            return Said(outcome, detail, hops=tuple(hops))


def _follow(
    session: requests.Session,
    ask: Fetch,
    headers: dict[str, str],
    login: tuple[str, str] | None,
    hops: list[str],
    began: float,
    deadline: Deadline,
) -> Said:
    url, method, body = ask.url, ask.method, looked_up(ask.body).encode() or None
    home, seen = _origin(url), set()
    while True:
        hops.append(_shown(url) if hops else url[:500])
        seen.add((method, url))
        session.cookies.clear()
        given = headers if _origin(url) == home else {"User-Agent": "firstlight", "Accept-Encoding": "gzip"}
        answer = session.request(
            method,
            url,
            headers=given,
            data=body,
            auth=login if _origin(url) == home else None,
            timeout=deadline.left,
            allow_redirects=False,
            stream=True,
        )
        with closing(answer):
            goal = answer.headers.get("location", "") if answer.status_code in _REDIRECTS else ""
            if not (goal and ask.follow):
                data, cut = _body(answer)
                if deadline.passed:
                    raise TimeoutError
                took = round((monotonic() - began) * 1000, 3)
                kept = tuple((name[:200], value[:4000]) for name, value in answer.headers.items())
                return Said("answered", "", answer.status_code, took, tuple(hops), kept, data, cut)
        url = _next(url, goal)
        if answer.status_code == 303 or (answer.status_code in (301, 302) and method == "POST"):
            method, body = "HEAD" if method == "HEAD" else "GET", None
        if (method, url) in seen:
            return Said("redirects", f"redirected in a circle, back to {_shown(url)}", hops=tuple(hops))
        if len(hops) > MAX_HOPS:
            return Said("redirects", f"more than {MAX_HOPS} redirects", hops=tuple(hops))


def _origin(url: str) -> tuple[str, str, int]:
    """What a login was given for; it goes nowhere else."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _shown(url: str) -> str:
    """Where a redirect led, without what a login puts into its query."""
    return masked(url.partition("?")[0])[:500]


def _next(url: str, goal: str) -> str:
    """Where a redirect leads; the bytes of a header are those of UTF-8 where they are anything."""
    with suppress(ValueError):
        goal = goal.encode("latin-1").decode()
    found = urldefrag(urljoin(url, goal)).url
    if urlsplit(found).scheme not in ("http", "https"):
        raise requests.exceptions.InvalidURL(f"redirected to {_shown(found)}")
    return found


def _body(answer: requests.Response) -> tuple[bytes, bool]:
    """At most `BODY_LIMIT` bytes of the body, unpacked; and whether there is more."""
    packed = answer.headers.get("content-encoding", "").strip().lower()
    raw = answer.raw.read(BODY_LIMIT + 1, decode_content=False)
    if packed in ("", "identity"):
        return raw[:BODY_LIMIT], len(raw) > BODY_LIMIT
    if packed not in ("gzip", "x-gzip", "deflate"):
        raise requests.exceptions.ContentDecodingError(f"packed as {packed[:40]}, which was not asked for")
    data = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(raw, BODY_LIMIT + 1) if raw else b""
    return data[:BODY_LIMIT], len(data) > BODY_LIMIT or len(raw) > BODY_LIMIT


class Through(HTTPAdapter):
    """Sends over what a dialer opens. TLS is verified, or not, by the context alone."""

    def __init__(self, dialer: Dialer, deadline: Deadline, how: ssl.SSLContext) -> None:
        self._dialer, self._deadline, self._how = dialer, deadline, how
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._how)
        dialer, deadline = self._dialer, self._deadline

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                host = ascii_host(self.host)
                return deadline.watch(dialer.connect(host, self.port or 80, deadline.left))

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                host = ascii_host(self.host)
                return deadline.watch(dialer.connect(host, self.port or 443, deadline.left))

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

            def _validate_conn(self, conn: Any) -> None:
                """Without a warning for what the profile asked for."""
                if conn.is_closed:
                    conn.connect()

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says what is trusted, and not the list that requests brings along."""


def _is_timeout(problem: BaseException) -> bool:
    return isinstance(problem, TimeoutError | requests.Timeout) or any(
        isinstance(each, TimeoutError) for each in _causes(problem)
    )


def _told(problem: BaseException) -> tuple[str, str]:
    """Outcome and words of what went wrong underneath the layers that wrapped it."""
    import ssl

    for each in _causes(problem):
        if isinstance(each, ssl.SSLCertVerificationError):
            cause = VERIFIED.get(each.verify_code, "untrusted")
            return f"tls-{cause}", each.verify_message.rstrip(".")
        if isinstance(each, NotReadable):
            return each.cause, each.reason
        if isinstance(each, ssl.SSLError):
            return "tls", words(each)
    deepest = [*_causes(problem)][-1]
    return "broken", masked(words(deepest))


def _causes(problem: BaseException) -> list[BaseException]:
    """The error and all that it wraps, in arguments, reasons and causes; the outermost first."""
    found: list[BaseException] = []
    todo: list[object] = [problem]
    while todo and len(found) < 50:
        each = todo.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            todo += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
    return found
