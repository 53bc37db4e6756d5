"""Names of machines and addresses replaced by tokens, the same for the same value, and the way back.

A token is keyed with the secret of the site, which the collector never has, so it cannot be guessed from
outside. What each stands for is kept on this machine only (``masks.json``), for `firstlight unmask`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from agent.config import RedactionRules
from agent.durable import write_durably
from agent.lock import exclusive
from agent.paths import State

LIMIT: Final = 50_000
"""Tokens that are kept; beyond that the oldest go."""

READ_LIMIT: Final = 32 * 1024 * 1024

TOKEN: Final = re.compile(r"(?<![\w-])(?:ip(?:-[0-9a-f]{4})?|host|user)-[0-9a-f]{8}(?:[0-9a-f]{4})?(?![\w-])")

_IPV4: Final = r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"
_IPV6: Final = (
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){0,7}"
    r"(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4})(?![\w:])"
)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_ENDINGS: Final = [
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "mil",
    "int",
    "cn",
    "hk",
    "tw",
    "jp",
    "kr",
    "sg",
    "de",
    "fr",
    "uk",
    "us",
    "eu",
    "ru",
    "in",
    "nl",
    "ch",
    "at",
    "it",
    "es",
    "se",
    "no",
    "dk",
    "fi",
    "pl",
    "cz",
    "be",
    "br",
    "ca",
    "au",
    "local",
    "lan",
    "internal",
    "intranet",
    "corp",
    "home",
    "localdomain",
    "private",
    "arpa",
    "example",
    "test",
]
_AUTHORITY: Final = rf"(?<=://)(?:[^\s/@]{{1,100}}@)?(?P<host>{_LABEL}(?:\.{_LABEL}){{0,8}})(?![\w.-])"

EVERYWHERE: Final = frozenset(("localhost", "local", "localhost.localdomain", "ip6-localhost"))
"""Names that tell nothing of a site."""

_PUBLIC: Final = re.compile(
    r"(?:[\w-]+\.)*(?:debian\.org|ubuntu\.com|kernel\.org|freedesktop\.org|postgresql\.org|nginx\.org|redis\.io"
    r"|rabbitmq\.com|mysql\.com|mariadb\.org|python\.org|openssh\.com|github\.com|ietf\.org|example\.(?:com|org))",
    re.IGNORECASE,
)
"""Where documentation lies and packages come from: remedies name it."""


class Masks:
    """Masks the kinds of names that a site's rules ask for, in texts and as whole names."""

    def __init__(
        self,
        rules: RedactionRules,
        secret: Callable[[], str],
        hosts: Iterable[str] = (),
        domains: Iterable[str] = (),
    ) -> None:
        """`hosts` are names that are known to be of machines, whatever they look like, and `domains` those
        that the site's names end with beside the public ones.
        """
        self.kinds = frozenset(rules.mask)
        self.subnets = rules.subnets
        self._secret = secret
        self._known = _machines(hosts)
        self._names: re.Pattern[str] | None = None
        self._full = re.compile(_full_name(domains), re.IGNORECASE)
        self._stand_for: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def know(self, hosts: Iterable[str]) -> None:
        """More names of machines."""
        more = _machines(hosts) - self._known
        if more:
            self._known |= more
            self._names = None

    def name(self, name: str) -> str:
        """The token for a machine's name; a token stays, and so does what names a role (``site/db``)."""
        if "host" not in self.kinds or not name or name.lower() in EVERYWHERE or name.startswith("site/"):
            return self.sub(name)
        if TOKEN.fullmatch(name):
            return name
        if _is_address(name):
            return self._address(name) if "ip" in self.kinds else name
        return self._token("host", name)

    def person(self, name: str) -> str:
        """The token for who ran something, where a site masks that too."""
        if "user" not in self.kinds or not name or TOKEN.fullmatch(name):
            return name
        return self._token("user", name)

    def sub(self, text: str) -> str:
        """A text with every address and name of a machine in it masked."""
        if "host" in self.kinds:
            text = self._hosts(text)
        if "ip" in self.kinds and ("." in text or ":" in text):
            text = _compiled(_IPV6).sub(lambda match: self._address(match[0]), text)
            text = _compiled(_IPV4).sub(lambda match: self._address(match[0]), text)
        return text

    def stands_for(self) -> dict[str, str]:
        """What was masked so far: token → value."""
        return dict(self._stand_for)

    def _hosts(self, text: str) -> str:
        if self._known:
            if self._names is None:
                self._names = _named(self._known)
            text = self._names.sub(self._host, text)
        if "://" in text:
            text = _compiled(_AUTHORITY).sub(self._authority, text)
        if "." in text:
            text = self._full.sub(self._host, text)
        return text

    def _host(self, match: re.Match[str]) -> str:
        found = match[0]
        bare = found.rstrip(".")
        if bare.lower() in EVERYWHERE or TOKEN.fullmatch(bare) or _PUBLIC.fullmatch(bare):
            return found
        return self._token("host", bare) + found[len(bare) :]

    def _authority(self, match: re.Match[str]) -> str:
        host = match["host"]
        known = host.lower() in EVERYWHERE or TOKEN.fullmatch(host) or _PUBLIC.fullmatch(host)
        if known or _compiled(_IPV4).fullmatch(host):
            return match[0]
        return match[0][: len(match[0]) - len(host)] + self._token("host", host)

    def _address(self, text: str) -> str:
        from ipaddress import ip_address, ip_network

        try:
            address = ip_address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified or _is_a_netmask(text):
            return text
        plain = str(address)
        if not self.subnets:
            return self._token("ip", plain)
        net = str(ip_network(f"{plain}/{24 if address.version == 4 else 64}", strict=False))
        return self._token(f"ip-{self._digest('net', net)[:4]}", plain)

    def _token(self, kind: str, value: str) -> str:
        key = f"{kind} {value.lower()}"
        found = self._tokens.get(key)
        if found is None:
            digest = self._digest(kind[:4], value.lower())
            found = f"{kind}-{digest[:8]}"
            if self._stand_for.get(found, value.lower()).lower() != value.lower():
                found = f"{kind}-{digest[:12]}"
            self._tokens[key] = found
            self._stand_for[found] = value
        return found

    def _digest(self, kind: str, value: str) -> str:
        secret = b"firstlight-mask-v1\0" + self._secret().encode()
        return hmac.digest(secret, f"{kind}\0{value}".encode(errors="surrogatepass"), hashlib.sha256).hex()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _full_name(domains: Iterable[str]) -> str:
    """Names with a dot that end as names of machines do."""
    endings = "|".join([*map(re.escape, sorted(domains, key=len, reverse=True)), *_ENDINGS])
    return rf"(?<![\w.{{-])(?:{_LABEL}\.){{1,8}}(?:{endings})(?![\w}}-]|\.[A-Za-z0-9])"


def _machines(names: Iterable[str]) -> set[str]:
    """Those of the names that tell something of a site; addresses are masked as what they are."""
    lowered = {name.lower() for name in names if name}
    return {name for name in lowered if name not in EVERYWHERE and not _is_address(name)}


def _is_address(name: str) -> bool:
    return re.fullmatch(r"[\d.]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]*", name) is not None


def _named(names: Iterable[str]) -> re.Pattern[str]:
    """Known names, alone or with more labels behind them (``db1``, ``db1.prod.example``)."""
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w.{{-])(?:{words})(?:\.{_LABEL}){{0,8}}(?![\w}}-])", re.IGNORECASE)


def _is_a_netmask(text: str) -> bool:
    if not text.startswith("255."):
        return False
    bits = "".join(f"{int(part):08b}" for part in text.split("."))
    return "01" not in bits


def load_masks(at: State) -> dict[str, str]:
    """What tokens stand for, as far as this machine made them; empty where nothing was masked yet."""
    return _read(at.masks)


def keep_masks(at: State, made: dict[str, str]) -> None:
    """Remember what tokens stand for. Raises `OSError`."""
    if not made or made.items() <= load_masks(at).items():
        return
    at.prepare()
    with exclusive(at.masks_lock):
        kept = load_masks(at) | made
        bounded = dict(list(kept.items())[-LIMIT:])
        write_durably(at.masks, msgspec.json.encode(bounded) + b"\n")


def unmasked(text: str, stand_for: dict[str, str]) -> str:
    """The text with every token replaced that is known here."""
    return TOKEN.sub(lambda match: stand_for.get(match[0], match[0]), text)


def _read(path: Path) -> dict[str, str]:
    with suppress(OSError, msgspec.MsgspecError), path.open("rb") as file:
        return msgspec.json.decode(file.read(READ_LIMIT), type=dict[str, str])
    return {}
