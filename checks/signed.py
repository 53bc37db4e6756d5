"""Files and requests that one side signed for the other, apart from runs (`checks.envelope`).

A signed file is one line of JSON (its kind, who signed, hash and signature) and, after the newline, the body
exactly as it was signed. The kind is part of what is signed, so a file of one kind never passes for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from checks.errors import BadInput
from checks.model import Digest, Name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DOMAIN: Final = b"firstlight-file-v1"
REQUEST_DOMAIN: Final = b"firstlight-request-v1"
KEY_BYTES: Final = 32

Kind = Literal["export", "receipts", "rules"]
"""Runs on their way to a collector; what it answers to them; what it publishes for a site."""


class Head(msgspec.Struct, frozen=True):
    """The first line. `by` is an agent's id or the collector's epoch, `hash` SHA-256 of the body."""

    kind: Kind
    by: Name
    hash: Digest
    signature: str


class SignedFile(msgspec.Struct, frozen=True):
    """A head and the body it signs. That the hash fits is known; for the signature see `signer`."""

    head: Head
    body: bytes

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self.head) + b"\n" + self.body


def sign(kind: Kind, by: str, body: bytes, key: Ed25519PrivateKey) -> SignedFile:
    """Sign a body (Ed25519, RFC 8032)."""
    digest = hashlib.sha256(body)
    signature = key.sign(_signing_input(kind, by, digest.digest()))
    return SignedFile(Head(kind, by, digest.hexdigest(), base64.b64encode(signature).decode()), body)


def parse(data: bytes, kind: Kind) -> SignedFile:
    """The signed file in some bytes; raises `BadInput` where it is torn, or of another kind."""
    first, newline, body = data.partition(b"\n")
    try:
        head = msgspec.json.decode(first, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not a file that Firstlight signed: {error}") from error
    if not newline or hashlib.sha256(body).hexdigest() != head.hash:
        raise BadInput("not a whole signed file: the body does not fit its hash")
    if head.kind != kind:
        raise BadInput(f"a file of {head.kind}, and {kind} are wanted here")
    return SignedFile(head, body)


def signer(file: SignedFile, keys: Iterable[bytes]) -> bytes | None:
    """The key (raw 32 bytes) among `keys` that signed the file; None where none did."""
    digest = bytes.fromhex(file.head.hash)
    data = _signing_input(file.head.kind, file.head.by, digest)
    return next((key for key in keys if _fits(key, data, file.head.signature)), None)


def sign_request(agent: str, method: str, path: str, body: bytes, key: Ed25519PrivateKey) -> str:
    """The signature (base64) by which an agent shows that a request is its own.

    It holds no time: a request that is sent again must change nothing, and an agent's clock may be wrong.
    """
    return base64.b64encode(key.sign(_request_input(agent, method, path, body))).decode()


def verify_request(
    public_key: bytes, agent: str, method: str, path: str, body: bytes, signature: str
) -> bool:
    """Whether the signature of a request is that key's."""
    return _fits(public_key, _request_input(agent, method, path, body), signature)


def raw_key(text: str) -> bytes:
    """The 32 bytes of a public key in base64; raises `BadInput` where it is none."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"a public key is not base64: {text[:60]!r}") from error
    if len(raw) != KEY_BYTES:
        raise BadInput(f"a public key has {len(raw)} bytes; {KEY_BYTES} are right")
    return raw


def key_name(public_key: bytes) -> str:
    """A key's short name for people: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _signing_input(kind: str, by: str, digest: bytes) -> bytes:
    return b"\0".join((DOMAIN, kind.encode(), by.encode(), digest))


def _request_input(agent: str, method: str, path: str, body: bytes) -> bytes:
    parts = (REQUEST_DOMAIN, agent.encode(), method.encode(), path.encode(), hashlib.sha256(body).digest())
    return b"\0".join(parts)


def _fits(public_key: bytes, data: bytes, signature: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, data)
    except (InvalidSignature, ValueError):
        return False
    return True
