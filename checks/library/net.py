"""Checks of what can be reached over the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from checks.addresses import (
    ANY,
    collides,
    family_of,
    held_by,
    is_loopback,
    is_within,
    network_of,
    not_back,
    place_text,
    unexpected,
)
from checks.fact import Unavailable
from checks.facts.answering import MountAnswer, MountAnswers, RemoteMounts
from checks.facts.dns import HostName, Lookup, NameLookup, OwnName
from checks.facts.interfaces import Counts, Interface, InterfaceCounts, Interfaces
from checks.facts.interfacestate import Device, DeviceAddresses, NetworkDevice
from checks.facts.network import Connection, TcpConnect
from checks.facts.proxy import Proxies, ProxySettings, ProxyTunnel, Tunnel
from checks.facts.proxyrules import wrong_settings
from checks.facts.reach import UNTRIED, WANTED, Reach, Reachability, destination_of
from checks.facts.sockets import BoundSockets, Listening, Sockets
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Percent, Span
from checks.verdicts import error, fail, msg, passed, skip, warn

_SAYS: Final = {
    "refused": "the connection was refused: the host answers, nothing listens there or a firewall rejects",
    "timeout": "no answer within {timeout} s: a firewall drops it, or the host is down",
    "dns": "the name is not known: {detail}",
    "no-route": "there is no route: {detail}",
    "failed": "the connection failed: {detail}",
}


@check(
    "net.port_reach",
    severity=Severity.P1,
    about="host",
    owner="network",
    object="{host}:{port}",
    link=TcpConnect("{host}", "{port}", "{timeout}"),
)
def reachable_port(
    link: Connection, host: str, port: int, timeout: Span = 5, reachable: bool = True
) -> Verdict:
    """A TCP port can be reached from here.

    A connection is opened and closed at once; nothing is sent. What came of it is told apart, because
    each has another remedy and another person to ask: refused, timeout, dns, no-route.
    ``reachable: false`` wants it closed from here.

    Remedy: from this host, `nc -vz {host} {port}` shows the same. Refused: start the service there, or have
    it listen on that address (`ss -ltn`). Timeout: ask the firewall's people to let TCP {port} from here to
    {host} pass. Name not known: `getent hosts {host}`, then DNS or /etc/hosts. No route:
    `ip route get <address>`.
    Source: host preflights of troubleshoot.sh (tcpConnect, with its outcomes); 5 s is their timeout.
    """
    verdict = _judged(link, timeout)
    if reachable:
        return verdict
    evidence: dict[str, Scalar] = {"outcome": link.outcome}
    if verdict.status == "pass":
        return fail("it can be reached from here, and should not", cause="open", evidence=evidence)
    return passed(msg("it cannot be reached, as wanted ({outcome})", outcome=link.outcome), evidence=evidence)


@check(
    "net.matrix",
    severity=Severity.P1,
    about="site",
    owner="network",
    across="site",
    rows=Reachability("{to}", "{timeout}"),
)
def reachable_matrix(
    rows: Mapping[str, Reach | Unavailable], to: list[str], timeout: Span = 5
) -> list[Verdict]:
    """Every source reaches every destination.

    Sources are the targets that take part (narrow them with `on`), destinations the `host:port` of `to`, an
    IPv6 address as `[::1]:80`, at most 128. A connection is opened from each source and closed at once;
    nothing is sent. There is one result for each pair, `app1 → db1:5432`: together they are the table to give
    to the people of the firewall. What is measured through SSH includes the way to the source, so the time is
    shown and never judged.

    Remedy: from the source, `nc -vz <host> <port>` shows the same. Refused: start the service there, or have
    it listen on that address (`ss -ltn`). Timeout: ask the firewall's people to let this source through to
    that port. Name not known: `getent hosts <host>` on the source, then DNS or /etc/hosts. No route:
    `ip route get <address>` on the source.
    Source: host preflights of troubleshoot.sh (tcpConnect, with its outcomes); 5 s is their timeout.
    """
    places = {destination: destination_of(destination) for destination in to}
    wrong = [
        error(
            msg("{destination} is no destination; write {wanted}", destination=repr(name), wanted=WANTED),
            object=f"* → {name}",
            cause="unsupported",
        )
        for name, place in places.items()
        if place is None
    ]
    return wrong + [
        _cell(source, row, name, timeout)
        for source, row in rows.items()
        for name, place in places.items()
        if place
    ]


@check(
    "net.nfs_responsive",
    severity=Severity.P1,
    about="mount",
    owner="customer-it",
    each=("mount", RemoteMounts()),
    answer=MountAnswers("{mount}"),
)
def responsive_mount(answer: MountAnswer, mount: str = "") -> Verdict:
    """A mount of a network filesystem answers.

    Without `mount` every network and FUSE mount is judged, autofs ones only once they are mounted. Whoever
    looks at one whose server is gone waits for ever: the look is a stat in a process of its own that is ended
    after 4 s (over SSH after 5 s), and one that cannot be ended is named and never joined by another. May the
    agent not look into it, it was answered all the same.

    Remedy: from this host, `showmount -e <server>` or `nc -vz <server> 2049` (445 for SMB) shows whether the
    server answers; `findmnt {mount}` names it. A dead or stale one: `umount -f {mount}` (`umount -l` where
    that hangs), then mount it again. `soft,timeo=` trades hanging for errors.
    Source: our judgement; 5 s is what the other reads of a path have.
    """
    evidence: dict[str, Scalar] = {"outcome": answer.outcome, "type": answer.type, "source": answer.source}
    where = {"type": answer.type or "what is mounted there", "source": answer.source or mount}
    if answer.outcome == "answered":
        return passed(msg("{type} from {source} answers", **where), evidence=evidence)
    said = msg("{type} from {source} does not answer: {detail}", detail=answer.detail, **where)
    return fail(said, cause=answer.outcome, evidence=evidence)


def _cell(source: str, row: Reach | Unavailable, destination: str, timeout: float) -> Verdict:
    """One pair; its object is the same whatever became of it, so that its finding is."""
    object = f"{source} → {destination}"
    if isinstance(row, Reach) and destination in row.links:
        return _judged(row.links[destination], timeout, object)
    why = row.unread.get(destination, UNTRIED) if isinstance(row, Reach) else row
    return error(msg("it could not be tried: {reason}", reason=why.reason), object=object, cause=why.cause)


def _judged(link: Connection, timeout: float, object: str | None = None) -> Verdict:
    evidence: dict[str, Scalar] = {
        "outcome": link.outcome,
        "address": link.address,
        "latency_ms": link.latency_ms,
    }
    if link.outcome == "connected":
        said = msg("connected in {latency} ms", latency=round(link.latency_ms, 1))
        return passed(said, object=object, evidence=evidence)
    said = msg(_SAYS[link.outcome], detail=link.detail, timeout=timeout)
    return fail(said, object=object, cause=link.outcome, evidence=evidence)


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


@check(
    "net.interface",
    severity=Severity.P2,
    about="name",
    owner="network",
    device=NetworkDevice("{name}"),
    have=when("addresses", DeviceAddresses("{name}")),
)
def network_interface(
    device: Device,
    have: tuple[str, ...] | None,
    name: str,
    exists: bool = True,
    optional: bool = False,
    mtu: Matcher | None = None,
    addresses: Matcher | None = None,
) -> Verdict:
    """A network interface is there, with the MTU and the addresses it should have.

    `addresses` is a condition on the list of its addresses with the length of their prefix, such as
    `10.0.0.5/24`. ``exists: false`` wants it gone; `optional` judges it only where it is.

    Remedy: `ip addr show dev {name}` shows the same; put it right where the distribution keeps it (netplan,
    /etc/network/interfaces, nmcli), `ip link set dev {name} mtu <mtu>` for now. The MTU has to be the same
    all the way: `ping -M do -s <mtu - 28> <host>`.
    Source: our judgement; the profile that sets the values names its source.
    """
    if not device.exists:
        if not exists:
            return passed("there is no such interface, as wanted")
        if optional:
            return skip("there is no such interface", cause="absent")
        return fail("there is no such interface", cause="absent")
    shown = ", ".join((have or ())[:20])
    evidence: dict[str, Scalar] = {"mtu": device.mtu, "addresses": shown}
    if not exists:
        return fail("the interface exists, and should not", cause="present", evidence=evidence)
    if mtu is not None and not mtu.holds(device.mtu):
        said = msg("its MTU is {actual}, wanted: {wanted}", actual=device.mtu, wanted=str(mtu))
        return fail(said, cause="mtu", evidence=evidence)
    if addresses is not None and not addresses.holds(have or ()):
        said = msg("it has {have}, wanted: {wanted}", have=shown or "no address", wanted=str(addresses))
        return fail(said, cause="addresses", evidence=evidence)
    if have is None:
        return passed(msg("MTU {mtu}", mtu=device.mtu), evidence=evidence)
    return passed(msg("MTU {mtu}, {have}", mtu=device.mtu, have=shown or "no address"), evidence=evidence)


@check(
    "net.if_errors",
    severity=Severity.P2,
    about="interface",
    owner="network",
    each=("interface", Interfaces()),
    counts=InterfaceCounts("{interface}"),
)
def interface_errors(counts: Interface, interface: str, warn_above: Percent = 1) -> Verdict:
    """A network interface works without errors.

    Judged is what was counted since the last run of this profile, and since the interface came up where no
    run remembers it or the counters began anew: errors against packets, received and sent. Members of a bond
    without a link are a warning, because the next one that goes takes the network with it; a bond of which
    no member has a link fails. Without `interface` all are judged but the loopback and those of containers.

    Remedy: `ip -s -s link show {interface}` and `ethtool -S {interface}` tell which errors: CRC and frame
    errors mean cable, plug or optics; overruns and missed a ring that is too small (`ethtool -G`); on sending
    a duplex mismatch (`ethtool {interface}`, both ends). A bond: `cat /proc/net/bonding/{interface}`.
    Source: Prometheus node mixin, NodeNetworkReceiveErrs and NodeNetworkTransmitErrs: above 1 % warn.
    """
    down = [name for name, up in counts.members.items() if not up]
    if down and len(down) == len(counts.members):
        return fail("no member of the bond has a link", cause="down", evidence={"down": ", ".join(down)})
    since, grown = _grown(counts)
    evidence: dict[str, Scalar] = {
        "since": since,
        **{name: getattr(grown, name) for name in Counts.__struct_fields__},
    }
    received = _share(grown.receive_errors, grown.received)
    sent = _share(grown.send_errors, grown.sent)
    said = msg(
        "errors since {since}: {received} % received, {sent} % sent",
        since=since,
        received=round(received, 3),
        sent=round(sent, 3),
    )
    if max(received, sent) > warn_above:
        return warn(said, cause="errors", evidence=evidence)
    if down:
        said = msg("members of the bond without a link: {down}", down=", ".join(down))
        return warn(said, cause="degraded", evidence=evidence | {"down": ", ".join(down)})
    return passed(said, evidence=evidence)


@check(
    "net.proxy",
    severity=Severity.P2,
    about="system",
    owner="network",
    proxies=ProxySettings("{process}"),
    tunnel=when("reaches", ProxyTunnel("{reaches}", "{proxy}", "{process}", "{login}", "{timeout}")),
)
def proxy_settings(
    proxies: Proxies,
    tunnel: Tunnel | Unavailable | None,
    proxy: str = "",
    process: str = "",
    internal: tuple[str, ...] = (),
    required: bool = False,
    reaches: str = "",
    login: str = "",
    timeout: Span = 5,
) -> Verdict:
    """Proxy settings are right, and leave internal hosts out.

    Looked at are the proxy variables of /etc/environment, /etc/profile.d and apt, and with `process` those of
    the running program. In each place small and capital letters have to say the same, since some programs
    read only one; an address has to be one; and every host of `internal` has to be covered by `no_proxy` (as
    name, parent domain, address or network). `proxy` is the address that is right, `required` says that there
    has to be one. `reaches` is a `host:port` that the proxy has to let through: it is asked to connect there,
    and nothing is sent. `login` names its secret, `user:password`, as env:NAME or file:/path.

    Remedy: set `http_proxy`, `https_proxy` and `no_proxy`, and the same in capitals, in /etc/environment; for
    a service in its unit (`systemctl edit`, `Environment=`), and restart it. `curl -v -x <proxy>
    https://<host>` shows what the proxy says; ask its people to let the destination pass.
    Source: our judgement: what goes to internal hosts through a proxy fails in ways that look like anything
    else; the rules of no_proxy are those of curl 7.86 and later, which most programs share.
    """
    evidence: dict[str, Scalar] = {
        each.where: "; ".join(f"{name} {value}" for name, value in sorted(each.settings.items()))
        for each in proxies.sources[:20]
    }
    for source in proxies.sources:
        for cause, wrong in wrong_settings(source.settings, proxy, internal, "/apt/" in source.where):
            told = msg("{where}: {said}", where=source.where, said=wrong)
            return fail(told, cause=cause, evidence=evidence)
    if not proxies.sources and required:
        return fail("no proxy is set", cause="missing")
    if isinstance(tunnel, Unavailable):
        if tunnel.cause == "absent":
            return fail("no proxy is set", cause="missing")
        return error(msg("{reason}", reason=tunnel.reason), cause=tunnel.cause, evidence=evidence)
    if tunnel is not None:
        evidence |= {"proxy": tunnel.proxy, "status": tunnel.status, "outcome": tunnel.outcome}
        if tunnel.outcome != "open":
            said = msg(
                _PROXY_SAYS.get(tunnel.outcome, _SAYS["failed"]), proxy=tunnel.proxy, detail=tunnel.detail
            )
            return fail(said, cause=tunnel.outcome, evidence=evidence)
        return passed(msg("{proxy} lets through to {reaches}", proxy=tunnel.proxy), evidence=evidence)
    if not proxies.sources:
        return passed("no proxy is set")
    return passed(msg("{count} places agree with themselves", count=len(proxies.sources)), evidence=evidence)


_PROXY_SAYS: Final = {
    "login": "{proxy} wants a login (407)",
    "denied": "{proxy} does not let through to {reaches}: {detail}",
    "broken": "{proxy} gave no answer of a proxy: {detail}",
    "refused": "{proxy} refused the connection",
    "timeout": "{proxy}: {detail}",
    "dns": "the name of {proxy} is not known: {detail}",
    "no-route": "there is no route to {proxy}: {detail}",
}


def _grown(counts: Interface) -> tuple[str, Counts]:
    """What was counted, and since when; from the start where a counter is lower than it was."""
    names = Counts.__struct_fields__
    before = counts.before
    if before is None or any(getattr(counts.now, name) < getattr(before, name) for name in names):
        return "it came up", counts.now
    grown = Counts(*(getattr(counts.now, name) - getattr(before, name) for name in names))
    return f"{counts.since:%Y-%m-%d %H:%M} UTC", grown


def _share(errors: int, packets: int) -> float:
    """Percent; nothing but errors is all."""
    return 100.0 * errors / packets if packets else 100.0 * bool(errors)
