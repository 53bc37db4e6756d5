"""Secrets taken out of what is about to leave memory: results, messages and readings.

Detectors look at free text only, never at numbers, ids, statuses or keys. They are the last net: a check
that could meet a secret compares it at read time and never has it in its reading. Evaluate first, redact
second. The same secret of a site always has the same token.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from agent.detectors import fitting, is_harmless, names_a_secret
from checks.fact import Known, Reading, Redacted, Unavailable
from checks.model import Message, Result, Scalar
from checks.snapshot import Readings, Snapshot


class Redactor:
    """Takes secrets out of texts for one site. `salt` is that of the site's finding keys."""

    def __init__(self, salt: str) -> None:
        self._salt = b"firstlight-redaction-v1\0" + salt.encode()
        self._tokens: dict[str, str] = {}
        self._clean: dict[str, str] = {}

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
        if len(text) < 6:
            return text
        clean = self._clean.get(text)
        if clean is None:
            clean = text
            for pattern in fitting(text):
                clean = pattern.sub(self._replace, clean)
            self._clean[text] = clean  # remedies and titles are the same at fifty hosts
        return clean

    def named(self, name: str, value: str) -> str:
        """The value of a key: replaced as a whole where the key's name says that it is a secret."""
        if value and names_a_secret(name) and not is_harmless(value):
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
        lost = readings.lost and Unavailable(self.text(readings.lost.reason), readings.lost.cause)
        return msgspec.structs.replace(readings, values=values, lost=lost)

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
            return "" if clean == value else re.search(_TOKEN, clean)[0]  # type: ignore[index]
        if isinstance(value, dict):
            parts: Any = value.items()
        elif isinstance(value, list | tuple):
            parts = ((name, part) for part in value)
        else:
            return ""
        return next((token for key, part in parts if (token := self._first_secret(str(key), part))), "")

    def _replace(self, match: re.Match[str]) -> str:
        secret = match["secret"]
        bare = secret.strip("\"'")
        if not bare or is_harmless(bare):
            return match[0]
        start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
        return match[0][:start] + secret.replace(bare, self.token(bare)) + match[0][end:]


_TOKEN: Final = r"\[redacted:[0-9a-f]{8}\]"

_KEY: Final = re.compile(r"[(\s]key=([^,)]*)")


def _key_of(fact: str) -> str:
    """The key that a fact reads, if it reads one: its value alone does not show that it is a secret."""
    found = _KEY.search(fact)
    return found[1] if found else ""
