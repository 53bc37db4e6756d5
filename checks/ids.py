"""Identifiers that both sides make: run ids, finding keys and rule digests."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from typing import Any

import msgspec


def new_run_id(now_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random bits; sorts by time."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    raw = bytearray(ms.to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def finding_key(salt: str, target: str, item: str, object: str) -> str:
    """The name of a finding: HMAC-SHA-256 over target, item and object, 128 bits as 32 hex digits.

    The salt is the site id, or a secret of the site's agents where the site masks names. Each part is
    prefixed with its length, so that no two triples meet in one text.
    """
    parts = [part.encode() for part in (target, item, object)]
    text = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(salt.encode(), text, "sha256").hex()[:32]


def rule_digest(
    item: str, check: str, check_version: int, parameters: Mapping[str, Any], opens_on: str
) -> str:
    """The name of a rule: a digest of item, check version and effective parameters, as 32 hex digits.

    `opens_on` is one of the parameters here: it decides what the rule opens.
    """
    shape = [item, check, check_version, dict(parameters), opens_on]
    return hashlib.sha256(msgspec.json.encode(shape, order="deterministic")).hexdigest()[:32]
