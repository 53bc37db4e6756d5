"""A machine's fingerprint: what it is made of, and when two of them are one machine's.

It holds a digest of each thing that identifies a machine, so that two can be compared where one of the two
could read more than the other: the mainboard's id is for root only. ``board:…,machine:…``
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, Literal

DOMAIN: Final = b"firstlight-machine-v1"
DIGITS: Final = 24

Kind = Literal["board", "machine", "install"]
"""The mainboard's id, the system's machine id; the installation's own where there is neither."""


def fingerprint_of(marks: Mapping[Kind, str]) -> str:
    """The fingerprint of what was found on a machine; nothing in it can be turned back into what it is of."""
    return ",".join(f"{kind}:{_digest(kind, mark)}" for kind, mark in sorted(marks.items()))


def same_machine(one: str, other: str) -> bool:
    """Whether two fingerprints can be one machine's: something is in both, and all that is in both agrees."""
    if one == other:
        return True
    a, b = _parts(one), _parts(other)
    shared = a.keys() & b.keys()
    return bool(shared) and all(a[kind] == b[kind] for kind in shared)


def _digest(kind: str, mark: str) -> str:
    return hmac.digest(DOMAIN, f"{kind}\0{mark}".encode(), hashlib.sha256).hex()[:DIGITS]


def _parts(text: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in text.split(","))
    return {kind: digest for kind, colon, digest in pairs if colon}
