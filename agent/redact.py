"""Secrets taken out of what is about to leave memory: results, messages and readings.

Detectors look at free text only, never at numbers, ids, statuses or keys. They are the last net: a check
that could meet a secret compares it at read time and never has it in its reading. Evaluate first, redact
second. The same secret of a site always has the same token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from checks.fact import Known, Reading, Redacted, Unavailable
from checks.model import Message, Result, Scalar
from checks.snapshot import Readings, Snapshot

_NAMES: Final = (
    r"(?:(?<![A-Za-z])(?i:pass)|(?<=[a-z])Pass"
    r"|(?i:passw(?:or)?d|passphrase|passcode|pwd|secret|token|credentials?|authorization"
    r"|(?:api|access|private|secret|signing|encryption|account|auth)[-_. ]?key|connection[-_. ]?string))"
)

SECRET_NAME: Final = re.compile(rf"{_NAMES}$")
"""A key of this kind holds a secret whatever its value looks like: ``db.password``, ``X-Api-Key``."""

_SHARP: Final = (
    # scheme://user:password@host, also with an empty user (Redis) or an @ or / in the password, but no port
    re.compile(
        r"\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@]{0,200}:(?!\d{1,5}[/?#])(?P<secret>[^\s/?#]{1,500}|[^\s@]{1,500})@",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
        r"(?:.{0,20000}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|.*))",
        re.DOTALL,
    ),
    re.compile(r"(?P<secret>\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),  # JSON Web Token, RFC 7519
    re.compile(r"(?P<secret>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"),  # AWS access key id
    re.compile(
        r"(?P<secret>\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}))"
    ),
    re.compile(r"\b(?:bearer|basic)\s+(?P<secret>[\w.~+/=-]{8,})", re.IGNORECASE),
)

_NAMED: Final = re.compile(
    rf"{_NAMES}[\"']?\s{{0,5}}(?:=>|:=|[:=])\s{{0,5}}"
    r"(?P<secret>\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'|[^\s\"',;&]{1,500})"
)

_FLAG: Final = re.compile(rf"--(?:[a-z]+-)?{_NAMES}\s+(?P<secret>[^\s-]\S{{0,500}})")

_HINT: Final = re.compile(
    rf"://|PRIVATE KEY|eyJ|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox|(?i:bearer|basic)|{_NAMES}"
)

_HARMLESS: Final = re.compile(
    r"(?:\*+|x+|<[^>]*>|\{[^}]*\}|\$\{?\w+\}?|true|false|yes|no|none|null|\[redacted:\w+\])", re.IGNORECASE
)
"""What stands in the place of a secret without being one: a mask, a placeholder, a switch."""


class Redactor:
    """Takes secrets out of texts for one site. `salt` is that of the site's finding keys."""

    def __init__(self, salt: str) -> None:
        self._salt = b"firstlight-redaction-v1\0" + salt.encode()
        self._tokens: dict[str, str] = {}

    def token(self, secret: str) -> str:
        """``[redacted:ab12cd34]``. Slow to make on purpose, so that a token is no help in guessing."""
        found = self._tokens.get(secret)
        if found is None:
            import hashlib

            digest = hashlib.pbkdf2_hmac("sha256", secret.encode(), self._salt, 20_000, 4)
            found = self._tokens[secret] = f"[redacted:{digest.hex()}]"
        return found

    def text(self, text: str) -> str:
        """The text with every secret in it replaced."""
        if len(text) < 6 or not _HINT.search(text):
            return text
        for pattern in (*_SHARP, _NAMED, _FLAG):
            text = pattern.sub(self._replace, text)
        return text

    def named(self, name: str, value: str) -> str:
        """The value of a key: replaced as a whole where the key's name says that it is a secret."""
        if value and SECRET_NAME.search(name) and not _HARMLESS.fullmatch(value):
            return self.token(value)
        return self.text(value)

    def results(self, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """The results as they may leave; keys, rules and statuses are as they were."""
        return tuple(self._result(result) for result in results)

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as it may leave: a reading that held a secret is `Redacted` as a whole."""
        targets = tuple(self._readings(readings) for readings in snapshot.targets)
        recorded = self.results(snapshot.recorded)
        return msgspec.structs.replace(snapshot, targets=targets, recorded=recorded)

    def _result(self, result: Result) -> Result:
        args, evidence = self._scalars(result.message.args), self._scalars(result.evidence)
        template, remedy = self.text(result.message.template), self.text(result.remedy)
        object = self.text(result.object)
        if (
            args is result.message.args
            and evidence is result.evidence
            and (template, remedy, object) == (result.message.template, result.remedy, result.object)
        ):
            return result
        return msgspec.structs.replace(
            result, message=Message(template, args), evidence=evidence, remedy=remedy, object=object
        )

    def _scalars(self, values: dict[str, Scalar]) -> dict[str, Scalar]:
        clean = {
            name: self.named(name, value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        return values if clean == values else clean

    def _readings(self, readings: Readings) -> Readings:
        values = {name: self._reading(name, reading) for name, reading in readings.values.items()}
        return msgspec.structs.replace(readings, values=values)

    def _reading(self, fact: str, reading: Reading) -> Reading:
        if isinstance(reading, Unavailable):
            return Unavailable(self.text(reading.reason), reading.cause)
        if not isinstance(reading, Known):
            return reading
        plain = msgspec.to_builtins(reading.value)
        secret = self._first_secret(_key_of(fact), plain)
        return Redacted(secret) if secret else reading

    def _first_secret(self, name: str, value: Any) -> str:
        """The token of the first secret inside plain JSON shapes; empty where there is none."""
        if isinstance(value, str):
            clean = self.named(name, value)
            return "" if clean == value else _TOKEN.search(clean)[0]  # type: ignore[index]
        if isinstance(value, Mapping):
            parts: Any = value.items()
        elif isinstance(value, list | tuple):
            parts = ((name, part) for part in value)
        else:
            return ""
        return next((token for key, part in parts if (token := self._first_secret(str(key), part))), "")

    def _replace(self, match: re.Match[str]) -> str:
        secret = match["secret"]
        bare = secret.strip("\"'")
        if not bare or _HARMLESS.fullmatch(bare):
            return match[0]
        start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
        return match[0][:start] + secret.replace(bare, self.token(bare)) + match[0][end:]


_TOKEN: Final = re.compile(r"\[redacted:[0-9a-f]{8}\]")

_KEY: Final = re.compile(r"[(\s]key=([^,)]*)")


def _key_of(fact: str) -> str:
    """The key that a fact reads, if it reads one: its value alone does not show that it is a secret."""
    found = _KEY.search(fact)
    return found[1] if found else ""
