"""A new key, or a whole new identity, that is on its way: begun here, not yet confirmed by the collector.

The collector may have taken the new key while its answer was lost. So what was begun is written down before
anybody is asked, and asked again with the same key until there is an answer.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from agent.durable import sync_folder, write_durably
from agent.identity import generate_key
from agent.paths import State
from agent.spool import Spool
from checks.envelope import seal
from checks.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


Kind = Literal["rotate", "enrol", "fresh"]


class Renewal(msgspec.Struct, frozen=True):
    """What was begun: ``rotate`` and ``enrol`` for a key, ``fresh`` for an identity under the new install id
    `install`.
    """

    kind: Kind
    key_file: str
    install: str = ""


def load_renewal(state: State, kind: Kind = "rotate") -> Renewal | None:
    """What of a kind was begun and not finished; what cannot be read was never begun."""
    try:
        found = msgspec.json.decode(_place(state, kind).read_bytes(), type=Renewal)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # The name goes into a path: it is one that we give, whoever wrote the file.
    named = found.key_file.startswith("key-") and "/" not in found.key_file
    return found if found.kind == kind and named and (state.root / found.key_file).exists() else None


def begin(state: State, kind: Kind, *, used: str = "") -> Renewal:
    """Begin, or go on with what an earlier attempt of this kind left; `used` is the key file in use."""
    left = load_renewal(state, kind)
    if left is not None and left.key_file != used:
        return left
    made = Renewal(kind, generate_key(state), os.urandom(16).hex() if kind == "fresh" else "")
    write_durably(_place(state, kind), msgspec.json.encode(made))
    return made


def forget(state: State, *kinds: Kind) -> None:
    """What was begun is finished, or will never be: of these kinds, or of all."""
    for kind in kinds or ("rotate", "enrol"):
        with suppress(OSError):
            _place(state, kind).unlink()
    with suppress(OSError):
        sync_folder(state.root)


def _place(state: State, kind: Kind) -> Path:
    return state.renewal if kind == "rotate" else state.enrolling


def sign_again(spool: Spool, agent: str, key: Ed25519PrivateKey) -> tuple[int, int]:
    """Sign what waits with a new key: how many runs were, and how many are another agent's.

    Each body keeps every byte; only who vouches for it is new. Raises `SpoolFull`.
    """
    signed = orphaned = 0
    for entry in spool.pending():
        try:
            envelope = spool.read(entry)
        except BadInput:
            continue  # delivery sets it aside and says so
        if envelope.seal.agent != agent:
            orphaned += 1
            continue
        spool.reseal(entry, seal(agent, entry.run, envelope.body, key))
        spool.release(entry)
        signed += 1
    return signed, orphaned
