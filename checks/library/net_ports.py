"""Checks of ports: who listens where, and which are free."""

from __future__ import annotations

from typing import Literal

from checks.addresses import (
    ANY,
    collides,
    family_of,
    held_by,
    is_loopback,
    is_within,
    network_of,
    place_text,
)
from checks.facts.sockets import BoundSockets, Listening, Sockets
from checks.matchers import Matcher
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip, warn


@check(
    "net.port_free",
    severity=Severity.P1,
    about="port",
    owner="customer-it",
    object="{port}/{protocol}",
    bound=Sockets("{port}/{protocol}"),
)
def free_port(
    bound: BoundSockets,
    port: int,
    protocol: Literal["tcp", "udp"] = "tcp",
    address: str = "",
    allow: str = "",
) -> Verdict:
    """A port is free for the product to listen on.

    With `address` only what would be in the way there counts. `allow` names a program that may hold it: the
    product itself, where the check is run again after the installation. A connection that happens to use the
    port as its near end is a warning: it goes away by itself, and comes back.

    Remedy: `ss -lntup 'sport = :{port}'` shows what holds it; stop it and disable it
    (`systemctl disable --now <unit>`), or give the product another port. For a near end set the port aside:
    `sysctl net.ipv4.ip_local_reserved_ports={port}`.
    Source: host preflights of troubleshoot.sh (tcpPortStatus).
    """
    in_the_way = [each for each in bound.sockets if collides(each, address)]
    foreign = [each for each in in_the_way if not allow or each.processes != (allow,)]
    if not foreign:
        if in_the_way:
            return passed(msg("{allow} listens there, as it may", allow=allow), evidence=held_by(in_the_way))
        return passed("nothing holds it")
    first, evidence = foreign[0], held_by(foreign)
    if not first.listens:
        said = msg("a connection of uid {uid} uses it as its near end", uid=first.uid)
        return warn(said, cause="connection", evidence=evidence)
    holder = ", ".join(first.processes) or (f"uid {first.uid}" if first.uid >= 0 else "somebody")
    said = msg("{holder} holds it on {where}", holder=holder, where=place_text(first))
    return fail(said, cause="in-use", evidence=evidence)


@check(
    "net.listen_bind",
    severity=Severity.P1,
    about="listener",
    owner="vendor",
    bound=Listening("{listener}"),
)
def listening_address(bound: BoundSockets, listener: str, address: str = "remote") -> Verdict:
    """A service listens on the address it should.

    `listener` is a port (`443`, `53/udp`), a program (`nginx`) or both (`nginx:443`). `address` says where:
    `remote` (from elsewhere it can be reached: not on the loopback alone), `loopback` (only there), `all`
    (every address), or an address or network of which one has to be listened on. Whether a firewall lets
    anybody through is net.port_reach's business.

    Remedy: `ss -lntup` shows addresses and programs; set the program's own listen address
    (`listen_addresses`, `bind`, `bind-address`, `server.address`, `listen`) and restart it. Open to all by
    mistake: set it to 127.0.0.1 first, and look who came in meanwhile.
    Source: our judgement: what others have to reach and listens on the loopback alone fails.
    """
    listening = [each for each in bound.sockets if each.listens]
    if not listening:
        if bound.hidden:
            return error("who listens could not be seen for all processes; run as root", cause="denied")
        return fail("nothing listens", cause="absent")
    evidence = held_by(listening)
    said = msg("it listens on {where}", where=", ".join(map(place_text, listening[:10])))
    outside = [each for each in listening if not is_loopback(each.address)]
    if address == "remote":
        return passed(said, evidence=evidence) if outside else fail(said, cause="loopback", evidence=evidence)
    if address == "loopback":
        return fail(said, cause="exposed", evidence=evidence) if outside else passed(said, evidence=evidence)
    if address == "all":
        fits = any(each.address in ANY for each in listening)
    else:
        network = network_of(address)
        if network is None:
            return error(msg("{address} is no address", address=address), cause="unsupported")
        fits = any(each.address in ANY or is_within(each.address, network) for each in listening)
    return passed(said, evidence=evidence) if fits else fail(said, cause="address", evidence=evidence)


@check(
    "net.listening",
    severity=Severity.P1,
    about="port",
    owner="vendor",
    object="{port}/{protocol}",
    bound=Listening("{port}/{protocol}"),
)
def listening_port(
    bound: BoundSockets,
    port: int,
    protocol: Literal["tcp", "udp"] = "tcp",
    family: Literal["any", "ipv4", "ipv6"] = "any",
    listening: bool = True,
    optional: bool = False,
    addresses: Matcher | None = None,
) -> Verdict:
    """A port is listened on, or is not.

    With `family` only sockets of IPv4 or of IPv6 count; one on `::` is of IPv6, though most take IPv4 as
    well. `addresses` is a condition on the list of addresses listened on; `optional` judges them only where
    something listens. Whether those who need it can reach that address is net.listen_bind's business, and who
    holds the port that of net.port_free.

    Remedy: `ss -lntup 'sport = :{port}'` shows what listens; `systemctl status <unit>` why it does not, or
    stop and disable what should not.
    Source: our judgement; the profile that sets the port names its source.
    """
    found = [each for each in bound.sockets if each.listens and family in ("any", family_of(each.address))]
    evidence = held_by(found)
    if not found:
        if not listening:
            return passed("nothing listens, as wanted")
        return (
            skip("nothing listens", cause="absent") if optional else fail("nothing listens", cause="absent")
        )
    where = ", ".join(map(place_text, found[:10]))
    if not listening:
        return fail(msg("it is listened on: {where}", where=where), cause="present", evidence=evidence)
    if addresses is not None and not addresses.holds(sorted({each.address for each in found})):
        said = msg("it is listened on at {where}, wanted: {wanted}", where=where, wanted=str(addresses))
        return fail(said, cause="address", evidence=evidence)
    return passed(msg("it is listened on at {where}", where=where), evidence=evidence)
