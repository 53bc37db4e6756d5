"""What checks ask of addresses: whether they are the right ones, whose they are, where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checks.model import Scalar

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from checks.facts.dns import Lookup
    from checks.facts.sockets import Bound

ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
"""What a socket that listens on all addresses has as its own."""


def family_of(address: str) -> str:
    """``ipv4`` or ``ipv6``, by how the address is written."""
    return "ipv6" if ":" in address else "ipv4"


def unexpected(addresses: tuple[str, ...], expect: tuple[str, ...]) -> str:
    """What of the addresses is not as expected, as a sentence."""
    if not expect:
        return ""
    networks = {each: network_of(each) for each in expect}
    wrong = [each for each, network in networks.items() if network is None]
    if wrong:
        return f"{wrong[0]} in `expect` is neither address nor network"
    for each in addresses:
        if not any(network is not None and is_within(each, network) for network in networks.values()):
            return f"it resolves to {each}, which is not expected"
    for name, network in networks.items():
        single = network is not None and network.num_addresses == 1
        if single and not any(is_within(each, network) for each in addresses if network is not None):
            return f"it does not resolve to {name}"
    return ""


def not_back(lookup: Lookup, name: str) -> str:
    """Which address does not resolve back, as a sentence."""
    wanted = {name.rstrip(".").lower(), lookup.canonical.rstrip(".").lower()} - {""}
    short = name.lower() if "." not in name else ""
    for address, names in lookup.reverse.items():
        known = {each.lower() for each in names}
        if not known:
            return f"{address} has no name"
        if not known & wanted and not (short and short in {each.partition(".")[0] for each in known}):
            return f"{address} is called {', '.join(sorted(known)[:3])}"
    return ""


def network_of(text: str) -> IPv4Network | IPv6Network | None:
    from ipaddress import ip_network

    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def is_within(address: str, network: IPv4Network | IPv6Network) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(address.partition("%")[0]) in network
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def collides(socket: Bound, address: str) -> bool:
    """Whether a socket would be in the way of one on that address; on all addresses where it is empty."""
    return not address or address in ANY or socket.address in (address, *ANY)


def place_text(socket: Bound) -> str:
    address = f"[{socket.address}]" if ":" in socket.address else socket.address
    return f"{address}:{socket.port}"


def held_by(sockets: list[Bound]) -> dict[str, Scalar]:
    """Who holds which socket, for the evidence."""
    return {
        "sockets": ", ".join(map(place_text, sockets[:20])),
        "processes": ", ".join(sorted({name for each in sockets for name in each.processes})[:20]),
        "pids": ", ".join(map(str, sorted({pid for each in sockets for pid in each.pids})[:20])),
    }
