"""Certificates as they lie in files and come out of handshakes: what of them is judged, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile
from checks.facts.named_secret import refuse_unnamed, secret_of

if TYPE_CHECKING:
    from cryptography import x509

    from checks.facts.host import Host

FILE_LIMIT: Final = 1024 * 1024
MAX_CERTIFICATES: Final = 500
MAX_NAMES: Final = 100
_BEGIN: Final = b"-----BEGIN "
_CERTIFICATE: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")


class Certificate(msgspec.Struct, frozen=True):
    """One certificate: names, validity (aware UTC), key (``RSA 2048``, ``EC secp256r1``), signature hash.

    `names` are its DNS names and IP addresses, the first hundred; `authority` says that it may sign others,
    `issuer_at` that it names a place to get its issuer from; `weak` is why nobody should rely on it.
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...] = ()
    key: str = ""
    signature: str = ""
    fingerprint: str = ""
    authority: bool = False
    self_signed: bool = False
    issuer_at: bool = False
    weak: str = ""


@fact
class CertificateFile(Fact, frozen=True):
    """The certificates in a PEM, DER or PKCS#12 file, in their order.

    `passphrase` names the secret (``env:NAME``, ``file:/path``) that a PKCS#12 file is locked with; private
    keys in the file are not looked at.
    """

    value_type: ClassVar[Any] = tuple[Certificate, ...]
    path: str
    passphrase: str = ""

    def __post_init__(self) -> None:
        refuse_unnamed(self.passphrase, self.path)

    def describe(self) -> str:
        return f"read the certificates in {self.path}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self.path),)

    def read(self, host: Host) -> tuple[Certificate, ...]:
        data = host.read_bytes(self.path, FILE_LIMIT)
        found = certificates_in(data, self.path, self.passphrase)
        return tuple(described(certificate, self.path) for certificate in found)


def certificates_in(data: bytes, where: str, passphrase: str = "") -> list[x509.Certificate]:
    """At least one certificate, in the file's order. Raises `NotReadable` (parse, too-large, denied)."""
    from cryptography import x509

    blocks = [block for label, block in blocks_of(data) if label in _CERTIFICATE]
    if len(blocks) > MAX_CERTIFICATES:
        raise NotReadable(f"{where} holds more than {MAX_CERTIFICATES} certificates", "too-large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what future versions will refuse is readable today
            if blocks:
                return [
                    x509.load_pem_x509_certificate(block.replace(b"X509 CERT", b"CERT")) for block in blocks
                ]
            if data[:1] == b"\x30":
                return _from_der(data, where, passphrase)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise NotReadable(f"{where} holds a certificate that cannot be read", "parse") from error
    raise NotReadable(f"{where} holds no certificate", "parse")


def described(certificate: x509.Certificate, where: str) -> Certificate:
    """What is kept of a certificate; raises `NotReadable` (parse) where it makes no sense."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject, issuer = certificate.subject, certificate.issuer
            signature = _signature_hash(certificate)
            key, small = _key(certificate)
            own = subject == issuer and _signed_itself(certificate)
            weak = small or (f"signed with {signature}" if signature in ("md5", "sha1") and not own else "")
            return Certificate(
                _short(subject),
                _short(issuer),
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
                _names(certificate),
                key,
                signature,
                certificate.fingerprint(hashes.SHA256()).hex(),
                _is_authority(certificate),
                own,
                _names_its_issuer(certificate),
                weak,
            )
    except (
        *(ValueError, TypeError, OverflowError, UnsupportedAlgorithm),
        *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    ) as error:
        raise NotReadable(f"{where} holds a certificate that cannot be read", "parse") from error


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of a certificate's names stands for a host; ``*`` stands for one whole first label
    (RFC 6125 6.4.3, RFC 9525 6.3)."""
    from ipaddress import ip_address

    wanted = host.rstrip(".").lower()
    try:
        address = ip_address(wanted)
    except ValueError:
        rest = wanted.partition(".")[2]
        return any(
            name == wanted or (name.startswith("*.") and "." in rest and name[2:] == rest)
            for name in (each.rstrip(".").lower() for each in names)
        )
    return str(address) in names


def blocks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The PEM blocks (RFC 7468) as label and text; found without looking at any byte twice."""
    at = data.find(_BEGIN)
    while at >= 0:
        label, dashes, _ = data[at + len(_BEGIN) : at + len(_BEGIN) + 80].partition(b"-----")
        end = b"-----END " + label + b"-----"
        stop = data.find(end, at) if dashes else -1
        if dashes and stop < 0:
            return
        if dashes:
            yield label, data[at : stop + len(end)] + b"\n"
        at = data.find(_BEGIN, stop if dashes else at + 1)


def _from_der(data: bytes, where: str, passphrase: str) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        return pkcs12_of(data, where, passphrase)[1]


def pkcs12_of(data: bytes, where: str, passphrase: str) -> tuple[Any, list[x509.Certificate]]:
    """Key (or None) and certificates of a PKCS#12 file, that of the key first."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs12

    secret = secret_of(passphrase).reveal().encode() if passphrase else None
    try:
        store = pkcs12.load_pkcs12(data, secret)
    except UnsupportedAlgorithm as error:
        raise NotReadable(f"{where} is locked in a way that is not known", "unsupported") from error
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise NotReadable(f"{where} does not open with that passphrase", "denied") from error
        raise NotReadable(f"{where} holds no certificate", "parse") from error
    found = [each.certificate for each in (store.cert, *store.additional_certs) if each is not None]
    if not found:
        raise NotReadable(f"{where} holds no certificate", "parse")
    return store.key, found


def _short(name: x509.Name) -> str:
    """The common name, or the whole name where it has none."""
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return text[:200]


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns = [name.lower()[:255] for name in held.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in held.get_values_for_type(x509.IPAddress)]
    return tuple([*dns, *addresses][:MAX_NAMES])


def _signature_hash(certificate: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown"
    return algorithm.name if algorithm is not None else ""


def _key(certificate: x509.Certificate) -> tuple[str, str]:
    """The key's kind and size, and why it is too weak (NIST SP 800-57 part 1, table 2: 112 bits)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        return "unknown", ""
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        kind = "RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA"
        name = f"{kind} {key.key_size}"
        return name, f"its key is {name}" if key.key_size < 2048 else ""
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = f"EC {key.curve.name}"
        return name, f"its key is {name}" if key.curve.key_size < 224 else ""
    return type(key).__name__.removesuffix("PublicKey").lstrip("_"), ""


def _signed_itself(certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _names_its_issuer(certificate: x509.Certificate) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)
