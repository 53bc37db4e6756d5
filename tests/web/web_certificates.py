"""Certificates made anew for every run of the tests: good ones, and those with one thing wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key_as(serialization.NoEncryption())

    def key_as(self, locked: Any) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        data: bytes = self.key.private_bytes(serialization.Encoding.PEM, form, locked)
        return data

    def write(self, folder: Path, name: str, chain: Sequence[Issued] = ()) -> None:
        """``name.pem`` with what follows it, and ``name.key``."""
        (folder / f"{name}.pem").write_bytes(b"".join([self.pem, *(each.pem for each in chain)]))
        (folder / f"{name}.key").write_bytes(self.key_pem)


def issue(
    subject: str,
    by: Issued | None = None,
    *,
    names: Sequence[str] = (),
    days: tuple[float, float] = (-1, 365),
    authority: bool = False,
    key: Any = None,
    issuer_at: bool = False,
) -> Issued:
    """A certificate signed by `by`, or by itself; `days` from now it begins and ends."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
    if issuer_at:
        where = x509.UniformResourceIdentifier("http://ca.example/issuer.cer")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


def weak_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
