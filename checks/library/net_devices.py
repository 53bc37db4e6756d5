"""Checks of network interfaces."""

from __future__ import annotations

from checks.facts.interfaces import Counts, Interface, InterfaceCounts, Interfaces
from checks.facts.interfacestate import Device, DeviceAddresses, NetworkDevice
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Percent
from checks.verdicts import fail, msg, passed, skip, warn


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
