"""One text at a time: what must not leave is replaced by a token.

Secrets this process was given come first, in whatever form; then what looks like a secret or like a person,
then the site's own words and patterns, and names of machines where the site masks those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from agent.redaction.detectors import fitting, is_harmless, is_prose, names_a_secret
from agent.redaction.masks import Masks
from agent.redaction.siterules import SiteRules
from checks.secret import SHORTEST, Secret, given

KEPT: Final = 20_000
"""Cleaned texts that are remembered: remedies and titles are the same at fifty hosts."""


class Texts:
    """Takes out of texts what must not leave one site.

    `secret` is what tokens are keyed with, or makes it when the first token is needed.
    """

    def __init__(
        self,
        secret: str | Callable[[], str],
        rules: SiteRules | None = None,
        masks: Masks | None = None,
    ) -> None:
        self._secret = secret
        self._rules = rules
        self._masks = masks if masks else None
        self._given: tuple[int, list[tuple[str, str]]] = (0, [])
        self._tokens: dict[str, str] = {}
        self._clean: dict[str, str] = {}

    @property
    def masks(self) -> Masks | None:
        """What masks names here; None where nothing does."""
        return self._masks

    def token(self, secret: str) -> str:
        """``[redacted:ab12cd34]``: the same for the same value, and no help in guessing it."""
        found = self._tokens.get(secret)
        if found is None:
            found = self._tokens[secret] = f"[redacted:{self.digest(secret)}]"
        return found

    def text(self, text: str) -> str:
        """The text with everything in it replaced that must not leave. Several lines at once are welcome."""
        if self._masks is None and self._rules is None and _is_short(text):
            return text
        clean = self._clean.get(text)
        if clean is None:
            clean = self._cleaned(text)
            if len(self._clean) > KEPT:
                self._clean.clear()
            self._clean[text] = clean
        return clean

    def named(self, name: str, value: str) -> str:
        """The value of a key: replaced as a whole where the key's name says that it is a secret."""
        if value and names_a_secret(name) and not is_harmless(value):
            return self.token(value)
        if len(value) >= 6 and value[-1:].isalnum() and any(map(str.isdigit, value)) and _of_a_person(name):
            return self.token(value)
        return self.text(value)

    def _cleaned(self, text: str) -> str:
        from agent.redaction.people import personal

        clean = text
        for form, secret in self._forms():
            if form in clean:
                clean = clean.replace(form, self.token(secret))
        for pattern, proof in fitting(clean):
            clean = pattern.sub(lambda match, proof=proof: self._replaced(match, proof), clean)  # type: ignore[misc]
        for pattern, is_somebodys in personal(clean):
            clean = pattern.sub(
                lambda match, known=is_somebodys: self._replaced(match, bool) if known(match) else match[0],  # type: ignore[misc]
                clean,
            )
        return self._by_site(clean)

    def _forms(self) -> list[tuple[str, str]]:
        """The secrets that this process was given by now, in the forms that they may stand in a text in."""
        secrets = given()
        if len(secrets) != self._given[0]:
            self._given = (len(secrets), _forms_of(secrets))
        return self._given[1]

    def _by_site(self, text: str) -> str:
        """The text without what the site's own rules take out."""
        if self._rules is not None:
            rules = self._rules
            text = _between_tokens(text, lambda part: rules.sub(self.token, part))
        if self._masks is not None:
            text = _between_tokens(text, self._masks.sub)
        return text

    def _replaced(self, match: re.Match[str], proof: Callable[[str], bool]) -> str:
        group = match.lastgroup or 0
        secret = match[group]
        bare = secret.strip("\"'\\")
        if bare.startswith("{") and bare.endswith("}") and len(bare) > 2 and not is_harmless(bare):
            bare = bare[1:-1]
        if not bare or is_harmless(bare) or _TOKENS.fullmatch(bare) or not proof(bare):
            return match[0]
        if is_prose(match.string[max(0, match.start(group) - 80) : match.start(group)], bare.rstrip(",.")):
            return match[0]
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + secret.replace(bare, self.token(bare)) + match[0][end:]

    def digest(self, text: str) -> str:
        """8 hex digits of a text, keyed with the site's secret."""
        import hashlib
        import hmac

        if callable(self._secret):
            self._secret = self._secret()
        key = b"firstlight-redaction-v2\0" + self._secret.encode()
        return hmac.digest(key, text.encode(errors="surrogatepass"), hashlib.sha256).hex()[:8]


_TOKENS: Final = re.compile(r"(?:\[(?:redacted|masked):[0-9a-f]{8}\]\W*)+")


def _is_short(text: str) -> bool:
    """Whether no detector could find anything in it."""
    return len(text) < SHORTEST or (len(text) < 16 and text.isalnum() and not given())


def _between_tokens(text: str, change: Callable[[str], str]) -> str:
    """The text changed where it is not a token already."""
    if "[redacted:" not in text:
        return change(text)
    parts = re.split(r"(\[redacted:[0-9a-f]{8}\])", text)
    return "".join(part if at % 2 else change(part) for at, part in enumerate(parts))


def _forms_of(secrets: Iterable[Secret]) -> list[tuple[str, str]]:
    """Secrets in the forms that others repeat them in, each with the secret itself, the longest first."""
    from base64 import b64encode
    from urllib.parse import quote, quote_plus

    forms = {}
    for secret in {each.reveal() for each in secrets}:
        data = secret.encode(errors="surrogatepass")
        escaped = msgspec.json.encode(secret).decode()[1:-1] if secret.isprintable() else secret
        encoded = (b64encode(data).decode(), data.hex())
        for form in (quote(data, safe=""), quote_plus(data), escaped, *encoded, secret):
            forms[form] = secret
    return sorted(forms.items(), key=lambda pair: len(pair[0]), reverse=True)


def _of_a_person(name: str) -> bool:
    from agent.redaction.people import names_a_person

    return names_a_person(name)
