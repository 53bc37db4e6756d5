"""Checks of names: the host's own, and those that it looks up."""

from __future__ import annotations

from checks.addresses import (
    is_loopback,
    not_back,
    unexpected,
)
from checks.facts.dns import HostName, Lookup, NameLookup, OwnName
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span
from checks.verdicts import fail, msg, passed, warn


@check(
    "net.dns",
    severity=Severity.P1,
    about="name",
    owner="network",
    lookup=NameLookup("{name}", "{reverse}", "{timeout}"),
)
def resolved_name(
    lookup: Lookup,
    name: str,
    expect: tuple[str, ...] = (),
    reverse: bool = True,
    warn_above: Span = 0.5,
    timeout: Span = 5,
    resolves: bool = True,
    addresses: Matcher | None = None,
) -> Verdict:
    """A name resolves, in time, to the right addresses, and these resolve back to it.

    Asked is the resolver that programs on the target use (getent), so that /etc/hosts counts. `expect` lists
    addresses, each of which has to be among those found, and networks such as 10.0.0.0/8; nothing outside of
    them may be found. Going back is right where one of an address's names is `{name}`, what `{name}` is an
    alias of, or, for a short name, begins with it; leave it out with `reverse: false`, as is usual for
    names on the internet. The time is measured on the target, to 10 ms. `addresses` is a condition on the
    list of those found; ``resolves: false`` wants the name unknown.

    Remedy: `getent ahosts {name}` and `getent hosts <address>` show the same, `cat /etc/resolv.conf` which
    servers are asked; then have the A, AAAA or PTR records put right, or /etc/hosts. Slow answers come most
    often from a first server that does not answer: take it out, or set `options timeout:1`.
    Source: our judgement: above 500 ms every new connection is felt to wait.
    """
    evidence: dict[str, Scalar] = {
        "addresses": ", ".join(lookup.addresses[:20]),
        "canonical": lookup.canonical,
        "latency_ms": lookup.latency_ms,
    }
    if lookup.outcome == "timeout":
        return fail(msg("no answer within {timeout} s", timeout=timeout), cause="timeout", evidence=evidence)
    if not resolves:
        if lookup.outcome != "found":
            return passed("the name is not known, as wanted", evidence=evidence)
        return fail("the name is known, and should not be", cause="known", evidence=evidence)
    if lookup.outcome != "found":
        return fail("the name is not known", cause="unknown", evidence=evidence)
    found = ", ".join(lookup.addresses[:5])
    for cause, said in (
        ("addresses", unexpected(lookup.addresses, expect)),
        ("reverse", not_back(lookup, name) if reverse else ""),
    ):
        if said:
            return fail(msg("{said}", said=said), cause=cause, evidence=evidence)
    if addresses is not None and not addresses.holds(lookup.addresses):
        wrong = msg("it is {found}, wanted: {wanted}", found=found, wanted=str(addresses))
        return fail(wrong, cause="addresses", evidence=evidence)
    say = msg("{found} in {latency} ms", found=found, latency=lookup.latency_ms)
    if lookup.latency_ms is None:
        return passed(msg("{found}", found=found), evidence=evidence)
    if lookup.latency_ms > warn_above * 1000:
        return warn(say, cause="slow", evidence=evidence)
    return passed(say, evidence=evidence)


@check("net.hostname", severity=Severity.P2, about="system", owner="customer-it", own=HostName())
def host_name(
    own: OwnName,
    name: Matcher | None = None,
    max_length: int | None = None,
    fqdn: bool = False,
    persisted: bool = False,
    resolves: bool = False,
) -> Verdict:
    """The host's name is as the product needs it.

    Without bounds the check passes and shows the name. `name` is a condition on the short name; `max_length`
    bounds it (SAP: 13), and then it may hold only letters, digits and dashes; `fqdn` wants a full name with a
    domain; `persisted` wants the same name after the next start (/etc/hostname); `resolves` wants an address
    that others can use, not one of the loopback.

    Remedy: `hostnamectl set-hostname <name>`, then a line `<address> <full name> <short name>` in /etc/hosts,
    or DNS, and none of the name with 127.0.1.1. Products keep the name they were installed under: change it
    before, not after.
    Source: our judgement; SAP note 611361 for 13 characters; RFC 952 and RFC 1123 for the letters.
    """
    short = own.name.partition(".")[0]
    evidence: dict[str, Scalar] = {
        "name": own.name,
        "full": own.full,
        "persisted": own.persisted,
        "addresses": ", ".join(own.addresses[:10]),
    }
    if name is not None and not name.holds(short):
        said = msg("it is {short}, wanted: {wanted}", short=short, wanted=str(name))
        return fail(said, cause="differs", evidence=evidence)
    if short.lower() in ("", "localhost", "(none)") and (fqdn or resolves or max_length is not None):
        return fail("the host has no name of its own", cause="none", evidence=evidence)
    if max_length is not None and len(short) > max_length:
        said = msg(
            "{short} has {length} characters, at most {max_length} are right", short=short, length=len(short)
        )
        return fail(said, cause="long", evidence=evidence)
    if max_length is not None and not (short.isascii() and short.replace("-", "").isalnum()):
        said = msg("{short} holds other than letters, digits and dashes", short=short)
        return fail(said, cause="letters", evidence=evidence)
    if fqdn and not own.full:
        return fail(msg("{short} has no domain", short=short), cause="domain", evidence=evidence)
    if persisted and own.persisted and own.persisted.partition(".")[0] != short:
        said = msg("it is {short}, and after a restart {persisted}", short=short, persisted=own.persisted)
        return fail(said, cause="not-persisted", evidence=evidence)
    if resolves and not own.addresses:
        return fail(msg("{short} does not resolve", short=short), cause="unknown", evidence=evidence)
    if resolves and all(is_loopback(each) for each in own.addresses):
        said = msg("{short} resolves to the loopback alone ({where})", short=short, where=own.addresses[0])
        return fail(said, cause="loopback", evidence=evidence)
    return passed(msg("it is {full}", full=own.full or own.name), evidence=evidence)
