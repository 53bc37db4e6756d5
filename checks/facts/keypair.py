"""Whether a private key belongs to a certificate. Of the key nothing but that is kept, or told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.named_secret import refuse_unnamed, secret_of
from checks.facts.pem import FILE_LIMIT, blocks_of, certificates_in, pkcs12_of

if TYPE_CHECKING:
    from checks.facts.host import Host


@fact
class KeyFits(Fact, frozen=True):
    """Whether a private key belongs to the first certificate of a file. Of the key nothing else is kept.

    `key` is empty where it lies in the same file. `passphrase` names the secret that the key is locked with,
    or a PKCS#12 file.
    """

    value_type: ClassVar[type] = bool
    certificate: str
    key: str = ""
    passphrase: str = ""

    def __post_init__(self) -> None:
        refuse_unnamed(self.passphrase, self.key or self.certificate)

    def describe(self) -> str:
        return f"compare the certificate in {self.certificate} with the key in {self._key}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.certificate), ReadFile(self._key))

    def read(self, host: Host) -> bool:
        from cryptography.exceptions import UnsupportedAlgorithm

        host.want(self.asks())
        data = host.read_bytes(self.certificate, FILE_LIMIT)
        certificate = certificates_in(data, self.certificate, self.passphrase)[0]
        mine = _public_of_key(host.read_bytes(self._key, FILE_LIMIT), self._key, self.passphrase)
        try:
            theirs = _public_bytes(certificate.public_key())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise NotReadable(f"{self.certificate}: its key is of no known kind", "parse") from error
        return mine == theirs

    @property
    def _key(self) -> str:
        return self.key or self.certificate


def _public_of_key(data: bytes, where: str, passphrase: str) -> bytes:
    """The public half of a private key. Nothing of an error is passed on: it may quote what it read."""
    from cryptography.hazmat.primitives import serialization

    secret = secret_of(passphrase).reveal().encode() if passphrase else None
    if data[:1] == b"\x30":
        return _public_of_der(data, where, passphrase, secret)
    for label, block in blocks_of(data):
        if label == b"OPENSSH PRIVATE KEY":
            return _opened(serialization.load_ssh_private_key, block, where, secret)
        if label.endswith(b"PRIVATE KEY"):
            return _opened(serialization.load_pem_private_key, block, where, secret)
    raise NotReadable(f"{where} holds no private key", "parse")


def _public_of_der(data: bytes, where: str, passphrase: str, secret: bytes | None) -> bytes:
    """Of a key as it is, or of that in a PKCS#12 file: their first bytes are the same."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return _opened(load_der_private_key, data, where, secret)
    except NotReadable as problem:
        try:
            key, _ = pkcs12_of(data, where, passphrase)
        except NotReadable as other:
            raise (other if other.cause == "denied" else problem) from None
    if key is None:
        raise NotReadable(f"{where} holds no private key", "parse")
    return _public_bytes(key.public_key())


def _opened(load: Callable[..., Any], data: bytes, where: str, secret: bytes | None) -> bytes:
    """The public half. A passphrase that an open key does not need does no harm."""
    try:
        return _public_bytes(load(data, secret).public_key())
    except TypeError:
        if secret is None:
            raise NotReadable(f"{where} is locked with a passphrase; name it", "denied") from None
        return _opened(load, data, where, None)
    except Exception:  # noqa: BLE001 - of many kinds, and none of their words may get out
        if secret is not None:
            raise NotReadable(f"{where} does not open with that passphrase", "denied") from None
        raise NotReadable(f"{where} holds a private key that cannot be read", "parse") from None


def _public_bytes(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    data: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data
