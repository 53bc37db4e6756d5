"""What a secret looks like in free text: one detector a kind, each compiled when a text first hints at it.

A hint is a plain word that every match of the detector contains, so that the texts of an ordinary run
compile no pattern at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

_NAMES: Final = (
    r"(?:(?<![A-Za-z])(?i:pass)|(?<=[a-z])Pass"
    r"|(?<!\bNO)(?i:passw(?:or)?d)"  # NOPASSWD is a word of sudoers
    r"|(?i:passphrase|passcode|pwd|secret|token|credentials?|authorization"
    r"|(?:api|access|private|secret|signing|encryption|account|auth)[-_. ]?key|connection[-_. ]?string))"
)
_NAME_HINTS: Final = ("pass", "pwd", "secret", "token", "credential", "authorization", "key", "string")

_DETECTORS: Final[tuple[tuple[tuple[str, ...], str, re.RegexFlag], ...]] = (
    # scheme://user:password@host, also with an empty user (Redis) or an @ or / in the password, but no port
    (
        ("://",),
        r"\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@]{0,200}:(?!\d{1,5}[/?#])(?P<secret>[^\s/?#]{1,500}|[^\s@]{1,500})@",
        re.IGNORECASE,
    ),
    (
        ("private key",),
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
        r"(?:.{0,20000}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|.*))",
        re.DOTALL,
    ),
    # JSON Web Token, RFC 7519
    (("eyj",), r"(?P<secret>\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)", re.NOFLAG),
    # AWS access key id
    (("akia", "asia"), r"(?P<secret>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)", re.NOFLAG),
    (
        ("ghp_", "gho_", "ghu_", "ghr_", "ghs_", "github_pat_", "glpat-", "xox"),
        r"(?P<secret>\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}))",
        re.NOFLAG,
    ),
    (("bearer", "basic"), r"\b(?:bearer|basic)\s+(?P<secret>[\w.~+/=-]{8,})", re.IGNORECASE),
    # password=…, token: …
    (
        _NAME_HINTS,
        rf"{_NAMES}[\"']?\s{{0,5}}(?:=>|:=|[:=])\s{{0,5}}"
        r"(?P<secret>\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'|[^\s\"',;&]{1,500})",
        re.NOFLAG,
    ),
    # --password …
    (_NAME_HINTS, rf"--(?:[a-z]+-)?{_NAMES}\s+(?P<secret>[^\s-]\S{{0,500}})", re.NOFLAG),
)
_MARKS: Final = {6: (":", "="), 7: ("--",)}
_ANY: Final = ("",)
"""What a text needs besides a hint, by a detector's place; most need nothing."""


@cache
def _compiled(place: int) -> re.Pattern[str]:
    return re.compile(_DETECTORS[place][1], _DETECTORS[place][2])


def fitting(text: str) -> Iterator[re.Pattern[str]]:
    """The detectors that a text hints at, sharpest first; a match's group ``secret`` is the secret."""
    lowered = text.lower()
    for place, (hints, _, _) in enumerate(_DETECTORS):
        if _has_one(lowered, _MARKS.get(place, _ANY)) and _has_one(lowered, hints):
            yield _compiled(place)


def _has_one(text: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - `any` costs three times as much, and this is done for every text
        if word in text:
            return True
    return False


@cache
def _secret_name() -> re.Pattern[str]:
    return re.compile(rf"{_NAMES}$")


@lru_cache(maxsize=4096)
def names_a_secret(name: str) -> bool:
    """Whether a key holds a secret whatever its value looks like: ``db.password``, ``X-Api-Key``."""
    lowered = name.lower()
    return _has_one(lowered, _NAME_HINTS) and _secret_name().search(name) is not None


@cache
def _harmless() -> re.Pattern[str]:
    return re.compile(
        r"(?:\*+|x+|<[^>]*>|\{[^}]*\}|\$\{?\w+\}?|true|false|yes|no|none|null|\[redacted:\w+\])",
        re.IGNORECASE,
    )


def is_harmless(value: str) -> bool:
    """Whether a value stands in the place of a secret without being one: a mask, a placeholder, a switch."""
    return _harmless().fullmatch(value) is not None
