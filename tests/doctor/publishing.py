"""What a collector publishes for a test's machine, signed with a key that the machine believes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.identity import load_identity, save_identity
from agent.paths import State
from agent.rules.held import keep
from checks.rules import PublishedProfile, Rules
from checks.signed import sign


def publish(state: State, text: str) -> None:
    """Have the profile `acme`, version 1, published and taken in."""
    key = Ed25519PrivateKey.generate()
    pinned = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    identity = load_identity(state)
    assert identity is not None
    save_identity(state, msgspec.structs.replace(identity, sign_key=pinned))
    rules = Rules(1, "plant-a", datetime.now(UTC), (PublishedProfile("acme", "1", text),))
    keep(state, sign("rules", "epoch-1", msgspec.json.encode(rules), key).to_bytes(), (pinned,))
