"""Files and requests that one side signed for the other, apart from runs (`checks.envelope`).

A signed file is one line of JSON (its kind, who signed, hash and signature) and, after the newline, the body
exactly as it was signed. The kind is part of what is signed, so a file of one kind never passes for another.
A file that may be larger than memory is signed by the hash of its body (`head_for`) and read in two walks:
`verified_head` hashes it, and leaves it standing at the first byte of the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

import msgspec
from msgspec import Meta

from checks.errors import BadInput
from checks.model import Digest, Name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DOMAIN: Final = b"firstlight-file-v1"
REQUEST_DOMAIN: Final = b"firstlight-request-v1"
KEY_BYTES: Final = 32
HEAD_LIMIT: Final = 2_000
"""Bytes of a first line at most."""
BLOCK: Final = 1024 * 1024

Kind = Literal["export", "receipts", "rules", "enrolment", "enrolled"]
"""Runs on their way to a collector; what it answers to them; what it publishes for a site; a machine that
asks to be enrolled by file; the answer to that."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line. `by` is an agent's id or the collector's epoch, `hash` SHA-256 of the body.

    `note` tells whoever looks into the file what it is; it is not signed, and no program reads it.
    """

    kind: Kind
    by: Name
    hash: Digest
    signature: str
    note: Annotated[str, Meta(max_length=500)] = ""


class SignedFile(msgspec.Struct, frozen=True):
    """A head and the body it signs. That the hash fits is known; for the signature see `signer`."""

    head: Head
    body: bytes

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self.head) + b"\n" + self.body


def sign(kind: Kind, by: str, body: bytes, key: Ed25519PrivateKey) -> SignedFile:
    """Sign a body (Ed25519, RFC 8032)."""
    return SignedFile(head_for(kind, by, hashlib.sha256(body).digest(), key), body)


def head_for(kind: Kind, by: str, digest: bytes, key: Ed25519PrivateKey, note: str = "") -> Head:
    """The head of a body that is known by its SHA-256 (32 bytes)."""
    signature = key.sign(_signing_input(kind, by, digest))
    return Head(kind, by, digest.hex(), base64.b64encode(signature).decode(), note)


def parse(data: bytes, kind: Kind) -> SignedFile:
    """The signed file in some bytes; raises `BadInput` where it is torn, or of another kind."""
    first, newline, body = data.partition(b"\n")
    head = _head(first)
    if not newline or hashlib.sha256(body).hexdigest() != head.hash:
        raise BadInput("not a whole signed file: the body does not fit its hash")
    return SignedFile(_of_kind(head, kind), body)


def verified_head(file: BinaryIO, kind: Kind) -> Head:
    """The head of a signed file of any size, which is then at the first byte of the body that fits its hash.

    The file can be sought in; its first line is read here, in blocks the rest. For the signature see
    `signer_of`. Raises `BadInput` where it is torn, or of another kind.
    """
    first = file.readline(HEAD_LIMIT)
    head = _of_kind(_head(first.removesuffix(b"\n")), kind)
    start, digest = file.tell(), hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    if not first.endswith(b"\n") or digest.hexdigest() != head.hash:
        raise BadInput("not a whole signed file: the body does not fit its hash; copy it once more")
    file.seek(start)
    return head


def signer(file: SignedFile, keys: Iterable[bytes]) -> bytes | None:
    """The key (raw 32 bytes) among `keys` that signed the file; None where none did."""
    return signer_of(file.head, keys)


def signer_of(head: Head, keys: Iterable[bytes]) -> bytes | None:
    """The key (raw 32 bytes) among `keys` that signed the body whose hash is in the head; else None."""
    data = _signing_input(head.kind, head.by, bytes.fromhex(head.hash))
    return next((key for key in keys if _fits(key, data, head.signature)), None)


def _head(line: bytes) -> Head:
    try:
        return msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not a file that Firstlight signed: {error}") from error


def _of_kind(head: Head, kind: Kind) -> Head:
    if head.kind != kind:
        raise BadInput(f"a file of {head.kind}, and {kind} are wanted here")
    return head


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
