"""Files that only the collector can open: encrypted for its public key while they are written.

After one line of JSON (for whom, and the sender's one-time public key) follow chunks of 64 KiB, each with its
own tag. The key is HKDF-SHA-256 (RFC 5869) of an X25519 exchange (RFC 7748) with the one-time key, and covers
the first line. The chunks are the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online
Authenticated-Encryption, CRYPTO 2015) over ChaCha20-Poly1305 (RFC 8439), its nonce as in the age format
(age-encryption.org/v1): 11 bytes that count, one that marks the last. So no chunk can be changed, moved, left
out or added, and a file that was cut short is told from a whole one.

What is sealed says nothing about who sealed it: inside stands a signed file (`checks.signed`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final, Literal

import msgspec
from msgspec import Meta

from checks.errors import BadInput
from checks.signed import HEAD_LIMIT, key_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

DOMAIN: Final = b"firstlight-sealed-v1"
CHUNK: Final = 64 * 1024
TAG: Final = 16
BEGINNING: Final = b'{"sealed":'


class SealedHead(msgspec.Struct, frozen=True):
    """The first line: the name of the key it was sealed for (`checks.signed.key_name`), and the one-time
    public key (raw, base64). `note` tells whoever looks into the file where it belongs.
    """

    sealed: Literal[1]
    to: Annotated[str, Meta(max_length=100)]
    key: Annotated[str, Meta(max_length=100)]
    note: Annotated[str, Meta(max_length=500)] = ""


class Sealer:
    """Encrypts what is written to it into `out`; until `close` wrote the last chunk the file is torn."""

    def __init__(self, out: BinaryIO, recipient: bytes, note: str = "") -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        once = X25519PrivateKey.generate()
        own = base64.b64encode(once.public_key().public_bytes_raw()).decode()
        line = msgspec.json.encode(SealedHead(1, key_name(recipient), own, note)) + b"\n"
        try:
            shared = once.exchange(X25519PublicKey.from_public_bytes(recipient))
        except ValueError as error:
            raise BadInput("the collector's key is none that a file can be sealed for") from error
        self._out, self._waiting, self._count = out, bytearray(), 0
        self._cipher = _cipher(shared, recipient, line)
        out.write(line)

    def write(self, data: bytes) -> None:
        """Take more; whole chunks are written as they come together."""
        self._waiting += data
        while len(self._waiting) > CHUNK:  # the last one, even a full one, waits for `close`
            self._chunk(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def close(self) -> None:
        """Write the last chunk. `out` stays open."""
        self._chunk(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _chunk(self, plain: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._count, last=last), plain, None))
        self._count += 1


def is_sealed(file: BinaryIO) -> bool:
    """Whether a file begins like a sealed one; it stays where it is."""
    here = file.tell()
    beginning = file.read(len(BEGINNING))
    file.seek(here)
    return beginning == BEGINNING


def open_sealed(file: BinaryIO, keys: Sequence[X25519PrivateKey], out: BinaryIO) -> None:
    """Decrypt a sealed file into `out`, chunk by chunk; what is written is never more than what was read.

    Raises `BadInput` where none of the keys opens it, or where it is torn; `out` then holds a beginning that
    nobody may use.
    """
    line = file.readline(HEAD_LIMIT)
    try:
        head = msgspec.json.decode(line, type=SealedHead)
        theirs = base64.b64decode(head.key, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError) as error:
        raise BadInput(f"not a sealed file: {error}") from error
    fitting = [key for key in keys if key_name(key.public_key().public_bytes_raw()) == head.to]
    if not fitting:
        raise BadInput(
            f"sealed for another collector (its key is {head.to[:32]!r}); "
            "a machine that was enrolled here seals for this one"
        )
    _decrypt(file, _opener(fitting[0], theirs, line), out)


def _decrypt(file: BinaryIO, cipher: ChaCha20Poly1305, out: BinaryIO) -> None:
    from cryptography.exceptions import InvalidTag

    count, chunk = 0, file.read(CHUNK + TAG)
    while True:
        following = file.read(CHUNK + TAG)
        last = not following
        try:
            out.write(cipher.decrypt(_nonce(count, last=last), chunk, None))
        except (InvalidTag, ValueError) as error:
            raise BadInput(
                "not a whole sealed file: it was cut short or changed; copy it once more"
            ) from error
        if last:
            return
        count, chunk = count + 1, following


def _opener(key: X25519PrivateKey, theirs: bytes, line: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError as error:  # not 32 bytes, or a point of small order
        raise BadInput("not a sealed file: the key in its first line is none") from error
    return _cipher(shared, key.public_key().public_bytes_raw(), line)


def _cipher(shared: bytes, recipient: bytes, line: bytes) -> ChaCha20Poly1305:
    """The cipher of one file; its key is bound to the recipient's key and to every byte of the first line."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"\0".join((DOMAIN, recipient, line))
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=None, info=info).derive(shared))


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])
