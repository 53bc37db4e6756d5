"""A signed run as bytes: the same in the spool, on a USB stick and (as headers and body) over HTTP.

An envelope file is one line of JSON (agent, run, hash, signature, times the agent keeps beside it) and,
after the newline, the body exactly as it was signed. A signature proves origin, not truth: whoever holds
the agent's key can sign anything.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from checks.errors import BadInput
from checks.model import Digest, Name, RunId, TargetId

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DOMAIN = b"firstlight-run-v1"

HEADER_AGENT = "Firstlight-Agent"
HEADER_RUN = "Firstlight-Run"
HEADER_SIGNATURE = "Firstlight-Signature"
HEADER_NEW_SIGNATURE = "Firstlight-New-Signature"
"""The new key's signature, where an agent changes its key."""
HEADER_SENT_AT = "Firstlight-Sent-At"
"""The agent's clock at the moment of delivery, RFC 3339; the server measures the clock offset with it."""


Bounded = Annotated[str, Meta(max_length=200)]


class Seal(msgspec.Struct, frozen=True):
    """Who signed which run: `hash` is SHA-256 of the uncompressed body, `signature` Ed25519 in base64."""

    agent: Name
    run: RunId
    hash: Digest
    signature: str


class Envelope(msgspec.Struct, frozen=True):
    """A seal and the body it seals."""

    seal: Seal
    body: bytes

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self.seal) + b"\n" + self.body


def from_bytes(data: bytes) -> Envelope:
    """The envelope in a file's bytes; raises `BadInput` where it is torn or its hash does not fit."""
    head, newline, body = data.partition(b"\n")
    try:
        seal = msgspec.json.decode(head, type=Seal)
    except msgspec.MsgspecError as error:
        raise BadInput(f"not a sealed run: {error}") from error
    if not newline or hashlib.sha256(body).hexdigest() != seal.hash:
        raise BadInput("not a whole sealed run: the body does not fit its hash")
    return Envelope(seal, body)


def keys_path(agent: str) -> str:
    """Where an agent announces its next key; the path is part of what is signed."""
    return f"/api/v1/agents/{agent}/keys"


def signing_input(agent: str, run: str, digest: bytes) -> bytes:
    """What Ed25519 signs: domain, agent, run id and the 32 bytes of the body's SHA-256, NUL between them."""
    return b"\0".join((DOMAIN, agent.encode(), run.encode(), digest))


def seal(agent: str, run: str, body: bytes, key: Ed25519PrivateKey) -> Envelope:
    """Sign a body (RFC 8032)."""
    digest = hashlib.sha256(body)
    signature = key.sign(signing_input(agent, run, digest.digest()))
    return Envelope(Seal(agent, run, digest.hexdigest(), base64.b64encode(signature).decode()), body)


def verify(public_key: bytes, agent: str, run: str, body_digest: bytes, signature: str) -> bool:
    """Whether `signature` (base64) is the agent's over this run; a malformed one is simply false.

    `public_key` is the raw 32 bytes, `body_digest` the raw 32 bytes of SHA-256.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, signing_input(agent, run, body_digest))
    except (InvalidSignature, ValueError):
        return False
    return True


class Ack(msgspec.Struct, frozen=True):
    """What the server answers to a run it has stored durably.

    `epoch` names the life of the store: it changes after a restore from backup, and agents then send again
    what is above `highest_sequence`. `held` says why a stored run is not folded yet, empty otherwise.
    `targets` maps target names to the ids the server registered. `rules` is the version of what the collector
    publishes for this agent, 0 where that is nothing. `held_before` is the highest number below this run's
    own that the store holds, -1 where the collector does not say; less than it acknowledged once means that
    it was restored.
    """

    run: RunId
    status: Annotated[str, Meta(max_length=20)]
    epoch: Name
    highest_sequence: Annotated[int, Meta(ge=0, le=2**53)]
    held: Annotated[str, Meta(max_length=100)] = ""
    url: Annotated[str, Meta(max_length=500)] = ""
    targets: Annotated[dict[Name, TargetId], Meta(max_length=5_000)] = {}
    rules: Annotated[int, Meta(ge=0, le=2**53)] = 0
    held_before: Annotated[int, Meta(ge=-1, le=2**53)] = -1


class Enrolment(msgspec.Struct, frozen=True):
    """What a machine asks with: a one-time token, its public key (raw, base64) and what names it.

    `agent` is the id it had before, so that runs it still holds can be signed again under the same name, and
    `last` the hash of its run that was acknowledged last, which says on which branch of its chain it stands.
    """

    token: str
    public_key: str
    install: Name
    fingerprint: Bounded
    target: Name
    agent_version: Bounded = ""
    agent: Bounded = ""
    last: Bounded = ""

    def __repr__(self) -> str:
        """Without the token: tracebacks and debuggers show values by this."""
        return f"Enrolment({self.target!r}, {self.agent!r})"


class Enrolled(msgspec.Struct, frozen=True):
    """What the server answers: the agent's id, the sites it may report for (the first is its own), its
    registered target and the store's epoch. `profile` is what the token's binding expects, if it names one.
    `sign_key` and `seal_key` are the collector's own public keys (raw, base64), which the agent pins.
    """

    agent: Name
    sites: tuple[Name, ...]
    target: Name
    target_id: str
    epoch: str
    profile: str = ""
    interval_s: int = 0
    sign_key: str = ""
    seal_key: str = ""


class KeyChange(msgspec.Struct, frozen=True):
    """An agent's wish to sign with another key from now on; the request is signed with both keys.

    `public_key` is the new one (raw, base64), `last_sequence` the last number given to a run so far: up to it
    the present key stays valid.
    """

    public_key: str
    last_sequence: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class KeyChanged(msgspec.Struct, frozen=True):
    """The collector trusts the new key; `public_key` is that key once more, `last_sequence` where the one
    before it ends.
    """

    agent: Name
    public_key: str
    last_sequence: int


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every refusal (RFC 9457, application/problem+json).

    `path` names the mistake inside the document; `hold` tells an agent to keep the run and try again after
    it was enrolled again or upgraded.
    """

    title: str
    status: int
    detail: str = ""
    type: str = "about:blank"
    path: str = ""
    hold: bool = False
