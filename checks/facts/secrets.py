"""What must not be kept because it looks like a secret: told from names, and from places inside texts."""

from __future__ import annotations

import re

_WORDS = re.compile(
    r"pass(wd|word|phrase|code)?$|pwd$|secret|token|credential|api_?key|access_?key|private_?key|secret_?key"
    r"|encryption_?key|auth_?key|(^|_)key$"
)
# Such names speak about a secret without being one: password_encryption, ssl_key_file, token_ttl.
_ABOUT = re.compile(
    r"_(file|path|dir|length|len|age|days|expiry|expires|expiration|ttl|timeout|lifetime|interval|policy"
    r"|encryption|algorithm|type|method|enabled|required|min|max|count|url|uri|id|name|size|store)$"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ASSIGNMENT = re.compile(r"([A-Za-z][\w.-]{0,100})[\"']?\s*(?:[=:]|\s)\s*[\"']?\S")
# Up to the last @: a password may hold one too, and masking too much is the smaller mistake.
_IN_URL = re.compile(r"(://[^/@\s:]*:)\S+@")
_IN_PAIRS = re.compile(r"(?i)\b(password|passwd|pwd|secret|token|api_?key)(\s*=\s*)[^;&\s\"']+")


def names_a_secret(key: str) -> bool:
    """Whether a key's last part names something secret: ``db.password`` and ``apiKey``, not ``token_ttl``."""
    last = re.split(r"[.\[\]]", key.rstrip("]"))
    words = [_CAMEL.sub("_", part).replace("-", "_").lower() for part in last if part and not part.isdigit()]
    if not words or _ABOUT.search(words[-1]):
        return False
    return _WORDS.search(words[-1]) is not None


def holds_a_secret(line: str) -> bool:
    """Whether a line of text gives something secret a value."""
    return any(names_a_secret(found[1]) for found in _ASSIGNMENT.finditer(line))


def masked(text: str) -> str:
    """The text without the passwords that stand in it as URLs and connection strings have them."""
    return _IN_PAIRS.sub(r"\1\2***", _IN_URL.sub(r"\1***@", text))
