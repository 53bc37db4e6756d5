"""What must not be kept because it looks like a secret: told from names, and from places inside texts.

The patterns are texts: most runs need none of them, and compiling all costs more than such a run's reads.
"""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = (
    r"pass(wd|word|phrase|code)?$|pwd$|secret|token|credential|api_?key|access_?key|private_?key|secret_?key"
    r"|encryption_?key|auth_?key|(^|_)key$|^masterauth$"
)
# Such names speak about a secret without being one: password_encryption, ssl_key_file, token_ttl.
_ABOUT: Final = (
    r"_(file|path|dir|length|len|age|days|expiry|expires|expiration|ttl|timeout|lifetime|interval|policy"
    r"|encryption|algorithm|type|method|enabled|required|min|max|count|url|uri|id|name|size|store)$"
)
# Words that only contain one: nginx's server_tokens, a tokenizer, keys that rows are sorted by. They are
# taken out of a name before it is looked at, so that tokenizer_api_key stays what it is. No primary_key or
# routing_key: Rails and PagerDuty call secrets so.
_PUBLIC: Final = (
    r"(?<![a-z0-9])(server_tokens|(max|min|num)_tokens|allow_credentials|validate_password"
    r"|(sort|partition|foreign|unique|shard|cache|public)_key)$"
    r"|(?<![a-z0-9])(tokeni[sz](e[dr]?s?|ing|ations?)|(by|com|tres)pass(es)?)(?=_|$)"
)
_CAMEL: Final = r"(?<=[a-z0-9])(?=[A-Z])"
_ASSIGNMENT: Final = r"([A-Za-z][\w.-]{0,100})[\"']?\s*(?:[=:]|\s)\s*[\"']?(?=\S)"
# Up to the last @: a password may hold one too, and masking too much is the smaller mistake.
_IN_URL: Final = r"(://[^/@\s:]*:)\S+@"
_IN_PAIRS: Final = r"(?i)\b(password|passwd|pwd|secret|token|api_?key)(\s*=\s*)[^;&\s\"']+"


def names_a_secret(key: str) -> bool:
    """Whether a key's last part names something secret: ``db.password`` and ``apiKey``, not ``token_ttl``."""
    last = re.split(r"[.\[\]]", key.rstrip("]"))
    words = [
        re.sub(_CAMEL, "_", part).replace("-", "_").lower() for part in last if part and not part.isdigit()
    ]
    if not words or re.search(_ABOUT, words[-1]):
        return False
    return re.search(_WORDS, re.sub(_PUBLIC, "", words[-1])) is not None


def holds_a_secret(line: str) -> bool:
    """Whether a line of text gives something secret a value."""
    return any(names_a_secret(found[1]) for found in re.finditer(_ASSIGNMENT, line))


def masked(text: str) -> str:
    """The text without the passwords that stand in it as URLs and connection strings have them."""
    return re.sub(_IN_PAIRS, r"\1\2***", re.sub(_IN_URL, r"\1***@", text))
