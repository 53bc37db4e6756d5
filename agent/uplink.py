"""The way to the collector: two POSTs, and what every possible answer means for a run.

TLS is always verified. An answer decides that a run is lost for good only in the collector's own words
(a problem document); a proxy's error page never does.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from agent.address import is_loopback
from agent.network import Way, environment_proxy
from agent.unreached import unreached, wants_a_login
from checks.envelope import (
    HEADER_AGENT,
    HEADER_NEW_SIGNATURE,
    HEADER_RUN,
    HEADER_SENT_AT,
    HEADER_SIGNATURE,
    Ack,
    Enrolled,
    Enrolment,
    Envelope,
    KeyChanged,
    Problem,
    keys_path,
)
from checks.errors import UplinkError

if TYPE_CHECKING:
    from types import TracebackType

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from requests import Response

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read; a collector's are below 64 KiB."""

SLOWEST = 4096
"""Bytes a second of an answer that a line has to carry, beyond the first `read_timeout_s` seconds."""

T = TypeVar("T")
RETRY = frozenset({408, 421, 425, 429})
HOLD = frozenset({401, 403})


HEADERS = {
    "User-Agent": "firstlight",
    "Accept-Encoding": "identity",
    "Accept": "*/*",
    "Connection": "keep-alive",
    "Content-Type": "application/json",
}
"""Of every request; beside these only what belongs to the one, ``Host`` and ``Content-Length``."""


class Answer(NamedTuple):
    status: int
    retry_after_s: float | None
    body: bytes
    date: str


class Uplink:
    """A connection to one collector, kept open over several runs. A context manager.

    `offset_s` is how far the collector's clock was ahead of ours at its last answer, in seconds and as exact
    as a ``Date`` is; None before there was one.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: Path | None = None,
        connect_s: float = 5.0,
        read_s: float = 30.0,
        way: Way | None = None,
    ) -> None:
        import requests

        self.url, self.timeout = url, (connect_s, read_s)
        self.verify: str | bool = str(ca) if ca else True
        self.offset_s: float | None = None
        self.way = way or Way()
        self.session = requests.Session()
        self.session.auth = _no_credentials  # otherwise requests would look into ~/.netrc
        self.session.cert = self.way.cert
        # Given with each request, because the environment's would win over the session's.
        self.proxies: dict[str, str] | None = None
        if self.way.proxy is not None:
            self.proxies = {"http": self.way.proxy, "https": self.way.proxy}
        elif is_loopback(url):
            self.session.trust_env = False  # the environment's proxy never reaches this machine's loopback

    def __enter__(self) -> Uplink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()

    def enrol(self, request: Enrolment) -> Enrolled:
        """Trade a token for an identity; raises `UplinkError`."""
        answer = self._ask("POST", "/api/v1/enrol", msgspec.json.encode(request), {})
        if answer.status not in (200, 201):
            raise self._refusal(answer)
        return self._decode(answer, Enrolled)

    def change_key(self, agent: str, body: bytes, signature: str, new_signature: str) -> KeyChanged:
        """Announce an agent's next key, signed by both; raises `UplinkError`."""
        headers = {HEADER_SIGNATURE: signature, HEADER_NEW_SIGNATURE: new_signature}
        answer = self._ask("POST", quote(keys_path(agent)), body, headers)
        if answer.status != 200:
            raise self._refusal(answer)
        return self._decode(answer, KeyChanged)

    def deliver(self, envelope: Envelope) -> Ack:
        """Send a run; the acknowledgement says that the collector has stored it. Raises `UplinkError`."""
        seal = envelope.seal
        headers = headers_of(envelope)
        answer = self._ask("POST", "/api/v1/runs", packed(envelope.body), headers)
        if answer.status not in (200, 201):
            raise self._refusal(answer)
        ack = self._decode(answer, Ack)
        if ack.run != seal.run:
            raise UplinkError(
                f"{self.url} answered for another run ({ack.run})", permanent=False, status=answer.status
            )
        return ack

    def clock_offset_s(self) -> float:
        """Reach the collector once; seconds by which its clock is ahead of ours. Raises `UplinkError`."""
        self._ask("GET", "/", b"", {})
        return self.offset_s or 0.0

    def rules(self, agent: str, key: Ed25519PrivateKey, pinned: str, *, limit: int) -> bytes | None:
        """The signed file of what is published for this agent, at most `limit` bytes; None for nothing.

        `pinned` is the short name of the collector's key that this agent goes by. Raises `UplinkError`.
        """
        from checks.signed import sign_request

        path = f"/api/v1/rules?key={quote(pinned)}"
        headers = {HEADER_AGENT: agent, HEADER_SIGNATURE: sign_request(agent, "GET", path, b"", key)}
        answer = self._ask("GET", path, b"", headers, limit)
        if answer.status not in (200, 204):
            raise self._refusal(answer)
        return answer.body if answer.status == 200 else None

    def _ask(
        self, method: str, path: str, data: bytes, headers: dict[str, str], limit: int = ANSWER_LIMIT
    ) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        try:
            with self.session.request(
                method,
                self.url + path,
                data=data,
                headers=HEADERS | headers,
                timeout=self.timeout,
                verify=self.verify,
                proxies=self.proxies,
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._read(response, limit)
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            found = unreached(self.url, error, self._proxy())
            raise UplinkError(found.words, permanent=False, cause=found.cause) from error

    def _proxy(self) -> str:
        """The proxy in use, fit to be shown."""
        if self.way.proxy is not None:
            return self.way.shown
        return environment_proxy(self.url) if self.session.trust_env else ""

    def _read(self, response: Response, limit: int) -> Answer:
        body = self._body(response, limit + 1)
        if len(body) > limit:
            raise UplinkError(
                f"{self.url} answered with more than {limit} bytes; is it a Firstlight collector?",
                permanent=False,
                status=response.status_code,
            )
        headers = response.headers
        retry_after_s = _seconds(headers.get("Retry-After"))
        offset = _offset_s(headers.get("Date", ""))
        if offset is not None:
            self.offset_s = offset + 0.5  # a Date is cut to whole seconds
        return Answer(response.status_code, retry_after_s, body, headers.get("Date", ""))

    def _body(self, response: Response, most: int) -> bytes:
        """At most so many bytes. What trickles in is not waited for: each byte alone would be in time."""
        body, began = bytearray(), time.monotonic()
        while len(body) < most and (piece := response.raw.read1(most - len(body), decode_content=False)):
            body += piece
            if time.monotonic() - began > self.timeout[1] + len(body) / SLOWEST:
                raise TimeoutError("it answers too slowly")
        return bytes(body)

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UplinkError(
                f"{self.url} answered {answer.status}, but not as a Firstlight collector does",
                permanent=False,
                status=answer.status,
            ) from error

    def _refusal(self, answer: Answer) -> UplinkError:
        """What an answer other than 200 and 201 means."""
        problem = _problem(answer)
        if answer.status == 407 and self._proxy():
            found = wants_a_login(self._proxy())
            return UplinkError(found.words, permanent=False, status=407, cause=found.cause)
        if answer.status >= 500 or answer.status in RETRY:
            words = f": {_words(problem)}" if problem else ""
            return UplinkError(
                f"{self.url} answered {answer.status}{words}",
                permanent=False,
                status=answer.status,
                retry_after_s=answer.retry_after_s,
            )
        if problem is None:
            return UplinkError(
                f"{self.url} answered {answer.status}, but not as a Firstlight collector does; "
                "check the address and what stands between",
                permanent=False,
                hold=True,
                status=answer.status,
            )
        hold = problem.hold or answer.status in HOLD
        return UplinkError(_words(problem), permanent=not hold, hold=hold, status=answer.status)


def headers_of(envelope: Envelope) -> dict[str, str]:
    """What the request that delivers a run says beside `HEADERS`."""
    return {
        HEADER_AGENT: envelope.seal.agent,
        HEADER_RUN: envelope.seal.run,
        HEADER_SIGNATURE: envelope.seal.signature,
        HEADER_SENT_AT: datetime.now(UTC).isoformat(),
        "Content-Encoding": "gzip",
    }


def packed(body: bytes) -> bytes:
    """A run's body as it goes over the wire: the same bytes each time."""
    import gzip

    return gzip.compress(body, 6, mtime=0)


def _no_credentials(request: T) -> T:
    return request


def _problem(answer: Answer) -> Problem | None:
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return problem if problem.status == answer.status else None


def _words(problem: Problem) -> str:
    """The collector's reason as one line."""
    text = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if problem.path:
        text += f" (at {problem.path})"
    return "".join(c if c.isprintable() else " " for c in text)[:500]


def _seconds(header: str | None) -> float | None:
    """Retry-After (RFC 9110 §10.2.3) in seconds; a date is turned into the wait from now."""
    if not header:
        return None
    if header.strip().isdecimal():
        return min(float(header), 86400.0)
    wait = _offset_s(header)
    return None if wait is None else min(max(wait, 0.0), 86400.0)


def _offset_s(date: str) -> float | None:
    """Seconds from now to an HTTP date; None where it is none."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        # A date without a zone cannot be compared; one beyond the calendar overflows.
        return (moment - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
