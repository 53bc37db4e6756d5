"""Passwords: Argon2id as in RFC 9106 (the profile for little memory: 64 MiB, three passes)."""

from __future__ import annotations

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from checks.errors import BadInput

SHORTEST, LONGEST = 10, 1024

_hasher = PasswordHasher()
# Each verification takes 64 MiB: more at once would let a stranger fill the memory with wrong passwords.
_at_once = threading.BoundedSemaphore(2)


def hash_password(password: str) -> str:
    """What to store; raises `BadInput` for a password that is too short or absurdly long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"a password has {SHORTEST} to {LONGEST} characters")
    with _at_once:
        return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password fits. For an unknown login (None) it takes as long, and is false."""
    if len(password) > LONGEST:
        return False
    with _at_once:
        try:
            return _hasher.verify(stored or _nobody(), password) and stored is not None
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False


def generate_password() -> str:
    """A password of 120 random bits, to be shown once."""
    return secrets.token_urlsafe(15)


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_hex(16))
