"""Whether what looks like a secret, or like a number of a person, is one: check digits and what decodes."""

from __future__ import annotations

import re
from typing import Final

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
_PROVINCES: Final = frozenset({*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47)}) | {
    *range(50, 55), *range(61, 66), *(71, 81, 82, 83)
}  # fmt: skip


def mixed(text: str) -> bool:
    """Of letters and digits, as a random token is and a word of a sentence is not."""
    return any(each.isdigit() for each in text) and any(each.isalpha() for each in text)


def dense(text: str) -> bool:
    """Of small and capital letters and digits: base64, and no hexadecimal digest."""
    return mixed(text) and text.lower() != text and text.upper() != text


def login(text: str) -> bool:
    """The ``user:password`` of HTTP's basic scheme (RFC 7617) in base64."""
    return b":" in _decoded(text)


def pem_key(text: str) -> bool:
    """A PEM in base64 that holds a private key: beside it the same files hold certificates."""
    return b"PRIVATE KEY" in _decoded(text[:200])


def _decoded(text: str) -> bytes:
    import base64
    import binascii

    whole = text.rstrip("=")
    whole = whole[: len(whole) - 1] if len(whole) % 4 == 1 else whole
    try:
        return base64.b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_" if "-" in text else None)
    except (binascii.Error, ValueError):
        return b""


def identity_card(text: str) -> bool:
    """A citizen's number of the People's Republic: province, date of birth, and the check digit of
    GB 11643-1999 (ISO 7064, MOD 11-2)."""
    if int(text[:2]) not in _PROVINCES:
        return False
    year, month, day = int(text[6:10]), int(text[10:12]), int(text[12:14])
    if not (1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _WEIGHTS, strict=True))
    return _CHECK[total % 11] == text[17].upper()


def bank_card(text: str) -> bool:
    """A card's number: of an issuer's length and beginning (ISO/IEC 7812), with Luhn's check digit."""
    digits = re.sub(r"\D", "", text)
    if not _ISSUED.fullmatch(digits) or len(set(digits)) < 2:
        return False
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_ISSUED: Final = re.compile(
    r"4\d{12}(?:\d{3})?"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|62\d{14,17}"  # UnionPay
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
)
