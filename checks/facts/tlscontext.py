"""How TLS is spoken: with what is trusted, or without verifying; and OpenSSL's words for what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checks.fact import NotReadable

if TYPE_CHECKING:
    import ssl

VERIFIED: Final = {
    0: "",
    9: "not-yet-valid",
    10: "expired",
    18: "self-signed",
    19: "untrusted",
    20: "unknown-issuer",
    21: "unknown-issuer",
    62: "wrong-host",
    64: "wrong-host",
}
"""Causes by OpenSSL's verification codes (X509_V_ERR_*); ``untrusted`` for all others."""

_TRUSTED: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat, openEuler, Kylin
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Red Hat from 7 on, where the old name is missing
    "/etc/ssl/cert.pem",  # Alpine
)
"""Where systems keep the certificates they trust (as Go's crypto/x509 looks for them, root_linux.go)."""

_LEGACY_SERVER: Final = 0x4
"""OP_LEGACY_SERVER_CONNECT, which Python names from 3.12 on."""


def context(ca: str = "") -> ssl.SSLContext:
    """What verifies: with the system's certificates, or those in the file `ca`, one of which may also be an
    intermediate one or the server's own.

    Old protocols and small keys are let through: they are judged by themselves, and not to be mistaken for
    missing trust. Raises `NotReadable` where `ca` cannot be used.
    """
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _let_old_through(made)
    if not ca:
        made.load_default_certs()
        if trusted := elsewhere_trusted():
            made.load_verify_locations(trusted)
        return made
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        made.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise NotReadable(f"{ca} holds no certificate to trust", "parse") from error
    except OSError as error:
        raise NotReadable(f"{ca}: {error.strerror}", "failed") from error
    return made


def elsewhere_trusted() -> str:
    """The file of what this machine trusts, where our OpenSSL does not look by itself; empty where it does,
    and where the machine has none. That of a standalone build looks where the builder's system keeps it.
    """
    import ssl

    places = ssl.get_default_verify_paths()  # None for what does not exist
    if os.name != "posix" or places.cafile or places.capath:
        return ""
    return next((place for place in _TRUSTED if Path(place).is_file()), "")


def open_context() -> ssl.SSLContext:
    """What verifies nothing, to see what there is. Nothing is ever sent over a connection of it."""
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    _let_old_through(made)
    return made


def _let_old_through(made: ssl.SSLContext) -> None:
    import ssl

    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    made.options |= _LEGACY_SERVER


def ascii_host(name: str) -> str:
    """A host's name as it stands in DNS and in certificates (UTS 46); an address as it is."""
    name = name.strip("[]")
    if name.isascii():
        return name
    import idna

    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError as error:
        raise NotReadable(f"{name} is not a host name", "dns") from error


def words(error: BaseException) -> str:
    """What OpenSSL or the system says, without the place in its source."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, str) and reason:
        return reason.replace("_", " ").lower()
    said = getattr(error, "strerror", None) or str(error) or "it closed the connection"
    return said.partition(" (_ssl.c")[0][:200]
