"""One HTTP request with its redirects: what came of it, and what was looked for in the answer.

Every connection is opened by the `Dialer`, so the request is made from the target's side. The body is looked
at and dropped; of it only what was asked for is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, Unavailable, fact
from checks.facts.asks import Ask, Talk
from checks.facts.config import VALUE_LIMIT, Setting
from checks.facts.named_secret import refuse_unnamed, secret_of
from checks.facts.secrets import holds_a_secret, masked, names_a_secret

if TYPE_CHECKING:
    from checks.facts.dial import Dialer
    from checks.facts.host import Host

Method = Literal["GET", "HEAD", "POST"]

MAX_TIMEOUT_S: Final = 120.0
MAX_HOPS: Final = 10
BODY_LIMIT: Final = 1024 * 1024
PIECE: Final = 4096
"""Characters that a pattern sees at a time: bounds what a slow one can cost."""

_PLACEHOLDER: Final = r"\{[A-Za-z_][A-Za-z0-9_]*\}"
_SECRET_HEADERS: Final = ("authorization", "proxy-authorization", "cookie", "set-cookie")


class Said(msgspec.Struct, frozen=True):
    """The answer as it is carried from the conversation to the fact: `outcome` as in `WebAnswer`."""

    outcome: str
    detail: str = ""
    status: int = 0
    latency_ms: float = 0.0
    hops: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut: bool = False


class WebAnswer(msgspec.Struct, frozen=True):
    """What came of a request.

    `outcome` is ``answered``, or why there is no answer: refused, timeout, dns, no-route, failed (as of a
    connect), ``tls-…`` with what is wrong with the certificate, ``tls``, ``broken`` (not HTTP), ``redirects``
    (too many, or a circle). `hops` are the addresses that were asked, the last one answered; `size` bytes of
    body were read, `cut` says that there were more than 1 MiB. The rest is what was looked for: None where it
    was not; `unread` is why no JSON could be looked into. `tunnelled`: the way to the target is in its time.
    """

    outcome: str
    detail: str = ""
    status: int = 0
    latency_ms: float = 0.0
    hops: tuple[str, ...] = ()
    size: int = 0
    cut: bool = False
    contains: bool | None = None
    matches: bool | None = None
    header: Setting | None = None
    json: Setting | None = None
    unread: Unavailable | None = None
    tunnelled: bool = False


class Fetch(Talk, frozen=True, tag="fetch"):
    """A request, its redirects followed where `follow` says so; `timeout` in seconds for all of it.

    `headers` are lines ``Name: value``; a value that names a secret (``env:TOKEN``) is looked up when it is
    sent, as are `password`, `bearer` and a `body` that names one. `ca` is a file on the agent's machine.
    """

    url: str
    method: str = "GET"
    headers: tuple[str, ...] | str = ()
    body: str = ""
    follow: bool | str = True
    verify: bool | str = True
    ca: str = ""
    user: str = ""
    password: str = ""
    bearer: str = ""
    timeout: float | str = 5.0

    @property
    def destination(self) -> tuple[str, int | str]:
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(self.url)
            return parts.hostname or self.url, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return self.url, 0

    def describe(self) -> str:
        notes = [f"as {self.user}" if self.user else "", "without verifying" if not self.verify else ""]
        notes += ["and its redirects" if self.follow else "", f"trusting {self.ca}" if self.ca else ""]
        return ", ".join([f"{self.method} {self.url}", *filter(None, notes)])

    def talk(self, dialer: Dialer) -> Said:
        from checks.facts.fetching import fetch

        return fetch(self, dialer)


@fact
class WebPage(Fact, frozen=True):
    """What comes of an HTTP request, and what of the answer is asked for.

    `contains` is a text in the body, `pattern` a regular expression found in it, `json` a dotted path into
    it, `header` the name of a header. Raises `BadInput` for a URL that holds a password or a token, and for a
    secret that is not named but given.
    """

    value_type: ClassVar[type] = WebAnswer
    deadline_s: ClassVar[float] = MAX_TIMEOUT_S + 10.0
    url: str
    method: str = "GET"
    headers: tuple[str, ...] | str = ()
    body: str = ""
    follow: bool | str = True
    verify: bool | str = True
    ca: str = ""
    user: str = ""
    password: str = ""
    bearer: str = ""
    timeout: float | str = 5.0
    contains: str = ""
    pattern: str = ""
    json: str = ""
    header: str = ""

    def __post_init__(self) -> None:
        refuse_secret_url(self.url)
        refuse_unnamed(self.password, f"{self.url} (password)")
        refuse_unnamed(self.bearer, f"{self.url} (bearer)")
        if holds_a_secret(self.body):
            raise BadInput(
                f"the body for {self.url} holds a secret; name what holds it: env:NAME or file:/path"
            )
        for line in self.headers if isinstance(self.headers, tuple) else ():
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name.strip()):
                raise BadInput(f"a header of {self.url} is written `Name: value`")
            if names_a_secret(name.strip()) or name.strip().lower() in _SECRET_HEADERS:
                refuse_unnamed(value.strip() or "?", f"header {name.strip()}")

    def describe(self) -> str:
        return self._ask().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._ask(),)

    def read(self, host: Host) -> WebAnswer:
        said: Said = host.talk(self._ask())
        text = said.body.decode("utf-8-sig", errors="replace")
        answered = said.outcome == "answered"
        json, unread = self._json(said, text) if self.json and answered else (None, None)
        return WebAnswer(
            said.outcome,
            said.detail,
            said.status,
            said.latency_ms,
            said.hops,
            len(said.body),
            said.cut,
            self.contains in text if self.contains and answered else None,
            found_in(text, self.pattern) if self.pattern and answered else None,
            self._header(said) if self.header and answered else None,
            json,
            unread,
            host.distant,
        )

    @classmethod
    def settled(cls, value: WebAnswer) -> dict[str, Any]:
        """What was said and what was found, without how long it took and how much of it there was."""
        kept = ("outcome", "status", "hops", "contains", "matches", "header", "json")
        return {name: getattr(value, name) for name in kept}

    def _ask(self) -> Fetch:
        timeout = self.timeout
        if not isinstance(timeout, str):
            timeout = min(max(float(timeout), 0.1), MAX_TIMEOUT_S)
        plain = {name: getattr(self, name) for name in Fetch.__struct_fields__ if name != "timeout"}
        return Fetch(**plain, timeout=timeout)

    def _header(self, said: Said) -> Setting:
        values = [value for name, value in said.headers if name.lower() == self.header.lower()]
        if not values:
            return Setting(False)
        if names_a_secret(self.header) or self.header.lower() in _SECRET_HEADERS:
            return Setting(True, withheld=True)
        return Setting(True, masked(", ".join(values))[:VALUE_LIMIT])

    def _json(self, said: Said, text: str) -> tuple[Setting | None, Unavailable | None]:
        """What stands at the path, or why that cannot be told: an error page is an answer as well."""
        from checks.facts.formats import MISSING, look_up

        if said.cut:
            return None, Unavailable(f"the answer of {self.url} is larger than 1 MiB", "too-large")
        try:
            value = look_up(text, "json", self.json, "the answer")
        except NotReadable as problem:
            return None, Unavailable(problem.reason, problem.cause)
        if value is MISSING:
            return Setting(False), None
        if names_a_secret(self.json):
            return Setting(True, withheld=True), None
        if len(str(value)) > VALUE_LIMIT:
            told = f"{self.json} in the answer is longer than {VALUE_LIMIT} characters"
            return None, Unavailable(told, "too-large")
        if isinstance(value, list):
            value = [masked(part) if isinstance(part, str) else part for part in value]
        return Setting(True, masked(value) if isinstance(value, str) else value), None


def refuse_secret_url(url: str) -> None:
    """Raise `BadInput` for what is no URL, or holds what looks secret: it would stand in every report."""
    from urllib.parse import parse_qsl, urlsplit

    if re.match(_PLACEHOLDER, url):
        return
    try:
        parts = urlsplit(url)
        named = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
        port = parts.port
    except ValueError:
        named, port = False, None
    if not named or port == 0 or re.search(r"[\x00-\x20\x7f]", url):
        raise BadInput(f"{masked(url)!r:.200} is no address; write http://host:port/path or https://…")
    if parts.username is not None or parts.password is not None:
        raise BadInput(f"the address of {parts.hostname} holds a user or password; use `user` and `password`")
    if any(names_a_secret(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise BadInput(f"the address of {parts.hostname} holds a secret; name it in `headers` or `bearer`")


def found_in(text: str, pattern: str) -> bool:
    """Whether a regular expression is found in a line; one that is very long is looked at in pieces."""
    try:
        sought = re.compile(pattern)
    except re.error as error:
        raise NotReadable(f"{pattern!r} is not a regular expression: {error}", "unsupported") from error
    return any(
        sought.search(line[at : at + PIECE])
        for line in text.splitlines() or [""]
        for at in range(0, max(1, len(line)), PIECE // 2)
    )


def header_lines(ask: Fetch) -> dict[str, str]:
    """Headers to send, secrets looked up. Raises `NotReadable` without one of them."""
    sent = {}
    for line in ask.headers if isinstance(ask.headers, tuple) else ():
        name, _, value = (part.strip() for part in line.partition(":"))
        sent[name] = looked_up(value)
    return sent


def looked_up(value: str) -> str:
    """The secret that a value names, or the value."""
    return secret_of(value).reveal() if re.match(r"env:[A-Za-z_]\w*$|file:/", value) else value
