"""Checks of certificates and of TLS."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Final, Literal

from checks.facts.keypair import KeyFits
from checks.facts.pem import Certificate, covers
from checks.facts.starttls import Starttls
from checks.facts.tls import Certificates, Held, TlsSeen, TlsServer, place_of
from checks.facts.tlscontext import ascii_host
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check
from checks.units import DAY, Span, span_text
from checks.verdicts import error, fail, grade, msg, passed, warn

_PROTOCOLS: Final = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

_ORDER: Final = (
    *("expired", "not-yet-valid", "self-signed", "wrong-host", "incomplete-chain", "untrusted"),
    *("old-protocol", "weak"),
)
"""Of several things that are wrong the first gives its name to the finding."""


@check(
    "tls.expiry",
    severity=Severity.P1,
    about="certificate",
    owner="customer-it",
    held=Certificates("{certificate}", "{starttls}", "{name}", "{passphrase}", "{timeout}"),
)
def remaining_validity(
    held: Held,
    certificate: str,
    now: datetime,
    starttls: Starttls = "none",
    name: str = "",
    passphrase: str = "",
    warn_below: Span = 30 * DAY,
    fail_below: Span = 7 * DAY,
    timeout: Span = 5,
) -> Verdict:
    """A certificate, and all that it is sent with, stays valid for a while.

    `certificate` is a server, `host`, `host:port` or `[IPv6 address]:port`, or the absolute path of a PEM,
    DER or PKCS#12 file. The whole chain is looked at and the first to end counts: an intermediate certificate
    that has ended breaks as much as the server's own. With `starttls` TLS is asked of a mail, directory or
    database server first. `name` is asked for (SNI) where it is not the host's; `passphrase` names what opens
    a PKCS#12 file, env:NAME or file:/path. Whether anybody trusts the chain is tls.verify's business.

    Remedy: have it renewed, install it with its intermediate certificates, and reload the server: a new file
    alone changes nothing for a server that has read the old one. `certbot renew --dry-run` shows why a
    renewal that should happen by itself does not.
    Source: our judgement: 30 days are enough for an order to go through a customer's departments, and 7 for
    those who hurry.
    """
    if not held.chain:
        return error("it sent no certificate", cause="absent")
    first = min(held.chain, key=lambda each: each.not_after)
    left = (first.not_after - now).total_seconds()
    days = int(left // DAY)
    evidence: dict[str, Scalar] = {
        "subject": first.subject,
        "issuer": first.issuer,
        "not_after": f"{first.not_after:%Y-%m-%d %H:%M} UTC",
        "days": days,
        "certificates": len(held.chain),
        "whole_chain": held.whole,
    }
    told: dict[str, Scalar] = {"subject": first.subject, "date": f"{first.not_after:%Y-%m-%d}"}
    if left <= 0:
        said = msg("{subject} expired on {date}, {days} days ago", **told, days=-days)
        return fail(said, cause="expired", evidence=evidence)
    if first.not_before > now:
        said = msg(
            "{subject} is valid from {date} on", subject=first.subject, date=f"{first.not_before:%Y-%m-%d}"
        )
        return fail(said, cause="not-yet-valid", evidence=evidence)
    said = msg("{subject} expires on {date}, in {days} days", **told, days=days)
    return grade(left, low=(warn_below, fail_below), show=span_text, say=said, evidence=evidence)


@check(
    "tls.verify",
    severity=Severity.P1,
    about="server",
    owner="customer-it",
    seen=TlsServer("{server}", "{starttls}", "{name}", "{ca}", "{timeout}"),
)
def verified_server(
    seen: TlsSeen,
    server: str,
    now: datetime,
    starttls: Starttls = "none",
    name: str = "",
    ca: str = "",
    protocol: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] = "TLSv1.2",
    mutual: bool = False,
    timeout: Span = 5,
) -> Verdict:
    """A server's TLS can be trusted: issuer, name, whole chain, protocol, keys.

    `server` is `host`, `host:port` or `[IPv6 address]:port`; `starttls` asks a mail, directory or database
    server for TLS first. OpenSSL verifies against the certificates that the agent's machine trusts, or those
    in the file `ca` there, also where the server is looked at from a target; `name` is verified in place of
    the host. What is wrong is told apart, because each has another remedy: expired, not-yet-valid,
    self-signed, wrong-host, incomplete-chain, untrusted, old-protocol (what both sides agreed to is below
    `protocol`), weak (keys below 112 bits of strength, MD5 or SHA-1), and no-tls or handshake where none came
    about. A server that is refused for its chain is looked at for the rest as well. One that shows its
    certificates and then breaks off is a warning, and right with `mutual`: it wants a client's certificate.

    Remedy: `openssl s_client -connect <host>:<port> -servername <name> -showcerts` shows what is sent.
    incomplete-chain: put the intermediate certificates behind the server's own in its file (`fullchain.pem`).
    untrusted, self-signed: install the customer's root where programs look (`update-ca-certificates`,
    `update-ca-trust`), and in Java's own store. wrong-host: order one with all names that clients use.
    old-protocol: `ssl_protocols TLSv1.2 TLSv1.3`, or its like.
    Source: the classes of badssl.com; RFC 8996 for the protocols; NIST SP 800-57 part 1 for the keys.
    """
    if seen.broken:
        said = msg("no TLS came about: {detail}", detail=seen.detail)
        return fail(said, cause=seen.broken, evidence={"detail": seen.detail})
    wrong = _wrong(seen, name or place_of(server, starttls)[0], bool(ca), protocol, now)
    causes = [cause for cause in _ORDER if cause in wrong]
    evidence: dict[str, Scalar] = {
        "protocol": seen.protocol,
        "cipher": seen.cipher,
        "chain": " ← ".join(each.subject for each in seen.chain[:10]),
        "issuer": seen.chain[-1].issuer if seen.chain else "",
        "openssl": seen.detail,
        "refused": seen.refused,
        "problems": ", ".join(causes),
    }
    if causes:
        said = Message("; ".join(wrong[cause].template for cause in causes[:3]), {})
        for cause in causes[:3]:
            said.args.update(wrong[cause].args)
        return fail(said, cause=causes[0], evidence=evidence)
    issuer = evidence["issuer"]
    if not seen.refused:
        said = msg("{protocol}, verified up to {issuer}", protocol=seen.protocol, issuer=issuer)
        return passed(said, evidence=evidence)
    said = msg(
        "verified up to {issuer}; then the server broke off: {words}", issuer=issuer, words=seen.refused
    )
    return passed(said, evidence=evidence) if mutual else warn(said, cause="refused", evidence=evidence)


@check(
    "tls.keypair",
    severity=Severity.P1,
    about="certificate",
    owner="customer-it",
    fits=KeyFits("{certificate}", "{key}", "{passphrase}"),
)
def matching_key(fits: bool, certificate: str, key: str = "", passphrase: str = "") -> Verdict:
    """A private key belongs to its certificate.

    `certificate` is a PEM, DER or PKCS#12 file, whose first certificate counts; `key` is the file of the key,
    or empty where both are in one. `passphrase` names what the key is locked with, env:NAME or file:/path. Of
    the key only whether it fits is kept.

    Remedy: `openssl x509 -noout -pubkey -in <certificate>` and `openssl pkey -pubout -in <key>` have to print
    the same. If not: the certificate was made for an older key, or the file begins with the issuer's; the
    server's own comes first.
    Source: host preflights of troubleshoot.sh (certificate: key pair).
    """
    if fits:
        return passed("the key belongs to the certificate")
    return fail("the key does not belong to the certificate", cause="mismatch")


def _wrong(seen: TlsSeen, name: str, ca: bool, protocol: str, now: datetime) -> dict[str, Message]:
    """All that is wrong, by cause. OpenSSL stops at the first thing, which is the chain: where it did, names
    and dates are looked at here."""
    found: dict[str, Message] = {}
    if seen.cause:
        cause = _chain_cause(seen, ca) if seen.cause == "unknown-issuer" else seen.cause
        found[cause] = _said(cause, seen, name)
        trusted = seen.cause in ("expired", "not-yet-valid", "wrong-host")
        if seen.chain and not trusted and not covers(seen.chain[0].names, ascii_host(name)):
            found["wrong-host"] = _said("wrong-host", seen, name)
        if any(each.not_after < now for each in seen.chain):
            found["expired"] = _said("expired", seen, name)
        if any(each.not_before > now for each in seen.chain):
            found["not-yet-valid"] = _said("not-yet-valid", seen, name)
    if seen.protocol in _PROTOCOLS and _PROTOCOLS.index(seen.protocol) < _PROTOCOLS.index(protocol):
        found["old-protocol"] = msg("it speaks {spoken} only", spoken=seen.protocol)
    weak = [each for each in seen.chain if each.weak]
    if weak:
        found["weak"] = msg("{whose} is weak: {why}", whose=weak[0].subject, why=weak[0].weak)
    return found


def _chain_cause(seen: TlsSeen, ca: bool) -> str:
    """Whether an issuer that is not known was left out by the server, or is none that is trusted here."""
    chain = seen.chain
    broken = any(one.issuer != next_.subject for one, next_ in pairwise(chain))
    alone = len(chain) == 1 and not chain[0].authority and (ca or chain[0].issuer_at)
    return "incomplete-chain" if broken or alone else "untrusted"


def _said(cause: str, seen: TlsSeen, name: str) -> Message:
    first: Certificate | None = seen.chain[0] if seen.chain else None
    last = seen.chain[-1] if seen.chain else None
    if cause == "self-signed":
        return msg("the certificate is signed by nobody but itself")
    if cause == "incomplete-chain":
        issuer = next(
            (
                a.issuer
                for a, b in zip(seen.chain, [*seen.chain[1:], None], strict=True)
                if b is None or a.issuer != b.subject
            ),
            "",
        )
        return msg("the server leaves out the certificate of {issuer}", issuer=issuer)
    if cause == "untrusted":
        issuer = last.issuer if last else ""
        return msg("{issuer} is not trusted ({words})", issuer=issuer, words=seen.detail)
    if cause == "wrong-host":
        names = ", ".join(first.names[:5]) if first else ""
        return msg("it is for {names}, not {wanted}", names=names or "no name", wanted=name)
    if cause == "expired":
        ended = min((each for each in seen.chain), key=lambda each: each.not_after, default=None)
        date = f"{ended.not_after:%Y-%m-%d}" if ended else ""
        return msg("{ended} expired on {date}", ended=ended.subject if ended else "it", date=date)
    begins = max((each.not_before for each in seen.chain), default=None)
    return msg("it is valid from {begin} on", begin=f"{begins:%Y-%m-%d}" if begins else "later")
