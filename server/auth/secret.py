"""Random texts that let somebody in, and the digests they are stored as."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(kind: str) -> str:
    """256 random bits as ``<kind>_…``; the prefix lets scanners for leaked secrets find it."""
    return f"{kind}_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """SHA-256 as hex. Nothing slower is needed: the secret is random, so it cannot be guessed offline."""
    return hashlib.sha256(secret.encode()).hexdigest()
