"""The way to the collector: two POSTs, and what every possible answer means for a run.

TLS is always verified. An answer decides that a run is lost for good only in the collector's own words
(a problem document); a proxy's error page never does.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from checks.envelope import (
    HEADER_AGENT,
    HEADER_RUN,
    HEADER_SENT_AT,
    HEADER_SIGNATURE,
    Ack,
    Enrolled,
    Enrolment,
    Envelope,
    Problem,
)
from checks.errors import BadInput, UplinkError

if TYPE_CHECKING:
    from types import TracebackType

    from requests import Response

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read; a collector's are below 64 KiB."""

T = TypeVar("T")
RETRY = frozenset({408, 421, 425, 429})
HOLD = frozenset({401, 403})


class Answer(NamedTuple):
    status: int
    retry_after_s: float | None
    body: bytes
    date: str


class Uplink:
    """A connection to one collector, kept open over several runs. A context manager."""

    def __init__(
        self, url: str, *, ca: Path | None = None, connect_s: float = 5.0, read_s: float = 30.0
    ) -> None:
        import requests

        self.url, self.timeout = url, (connect_s, read_s)
        self.verify: str | bool = str(ca) if ca else True
        self.session = requests.Session()
        self.session.auth = _no_credentials  # otherwise requests would look into ~/.netrc
        if is_loopback(url):
            self.session.trust_env = False  # a proxy never reaches this machine's loopback

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

    def deliver(self, envelope: Envelope) -> Ack:
        """Send a run; the acknowledgement says that the collector has stored it. Raises `UplinkError`."""
        import gzip

        seal = envelope.seal
        headers = {
            HEADER_AGENT: seal.agent,
            HEADER_RUN: seal.run,
            HEADER_SIGNATURE: seal.signature,
            HEADER_SENT_AT: datetime.now(UTC).isoformat(),
            "Content-Encoding": "gzip",
        }
        answer = self._ask("POST", "/api/v1/runs", gzip.compress(envelope.body, 6, mtime=0), headers)
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
        from email.utils import parsedate_to_datetime

        answer = self._ask("GET", "/", b"", {})
        try:
            return (parsedate_to_datetime(answer.date) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0

    def _ask(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        fixed = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            with self.session.request(
                method,
                self.url + path,
                data=data,
                headers=fixed | headers,
                timeout=self.timeout,
                verify=self.verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._read(response)
        except requests.exceptions.SSLError as error:
            raise UplinkError(
                f"the certificate of {self.url} is not trusted ({_root(error)}); "
                "enrol again with --ca FILE if it is your own authority's",
                permanent=False,
            ) from error
        except requests.exceptions.Timeout as error:
            raise UplinkError(f"{self.url} did not answer in time", permanent=False) from error
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise UplinkError(f"{self.url} cannot be reached ({_root(error)})", permanent=False) from error

    def _read(self, response: Response) -> Answer:
        body = response.raw.read(ANSWER_LIMIT + 1, decode_content=False)
        if len(body) > ANSWER_LIMIT:
            raise UplinkError(
                f"{self.url} answered with more than {ANSWER_LIMIT} bytes; is it a Firstlight collector?",
                permanent=False,
                status=response.status_code,
            )
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        return Answer(response.status_code, retry_after_s, body, response.headers.get("Date", ""))

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UplinkError(
                f"{self.url} answered {answer.status}, but not as a Firstlight collector does",
                permanent=False,
                status=answer.status,
            ) from error

    def _refusal(self, answer: Answer) -> UplinkError:
        """What an answer other than 200 and 201 means."""
        problem = _problem(answer)
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


def _no_credentials(request: T) -> T:
    return request


def _problem(answer: Answer) -> Problem | None:
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
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
    from email.utils import parsedate_to_datetime

    try:
        wait = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(wait, 0.0), 86400.0)


def _root(error: BaseException) -> str:
    """The innermost reason of requests' nested errors, as one short line."""
    seen: BaseException = error
    for _ in range(10):
        inner = getattr(seen, "reason", None) or next(
            (a for a in seen.args if isinstance(a, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        seen = inner
    text = str(seen.strerror) if isinstance(seen, OSError) and seen.strerror else str(seen)
    return " ".join(text.rsplit(": ", 1)[-1].split())[:200] or type(seen).__name__
