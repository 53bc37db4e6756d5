"""A network interface: its MTU (/sys/class/net) and its addresses (ip(8), also that of BusyBox)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand

if TYPE_CHECKING:
    from checks.facts.host import Host

TIMEOUT_S: Final = 4.0
_NAME: Final = re.compile(r"[^\s/]{1,63}")
_ADDRESS: Final = re.compile(rb"\sinet6? ([0-9a-fA-F:.]{2,45}(?:/\d{1,3})?)(?: peer (\S{2,49}))?\s")


class Device(msgspec.Struct, frozen=True):
    """Whether there is such an interface, and its MTU in bytes."""

    exists: bool
    mtu: int = 0


@fact
class NetworkDevice(Fact, frozen=True):
    """A network interface by name; one that is not there is a value too."""

    value_type: ClassVar[type] = Device
    name: str

    def describe(self) -> str:
        return f"read {self._path}"

    def asks(self) -> tuple[Ask, ...]:
        return (ReadFile(self._path), ReadFile("/sys/class/net/lo/mtu"))

    @property
    def _path(self) -> str:
        return f"/sys/class/net/{self.name}/mtu"

    def read(self, host: Host) -> Device:
        refuse_no_name(self.name)
        host.want(self.asks())
        try:
            return Device(True, _number(host.read_text(self._path)))
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
        try:
            host.read_bytes("/sys/class/net/lo/mtu")
        except NotReadable as problem:
            host.only_here("the interfaces of a system without /sys/class/net")
            return _elsewhere(self.name, problem)
        return Device(False)


@fact
class DeviceAddresses(Fact, frozen=True):
    """The addresses of a network interface with the length of their prefix, ``10.0.0.5/24``, sorted."""

    value_type: ClassVar[Any] = tuple[str, ...]
    name: str

    def describe(self) -> str:
        return self._command().describe()

    def asks(self) -> tuple[Ask, ...]:
        return (self._command(),)

    def read(self, host: Host) -> tuple[str, ...]:
        refuse_no_name(self.name)
        try:
            done = host.execute(self._command())
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the addresses of an interface without ip(8)")
            return _addresses_elsewhere(self.name)
        if done.status:
            return ()  # there is no such interface, which the other fact tells
        return parse_addresses(done.out)

    def _command(self) -> RunCommand:
        return RunCommand(("ip", "addr", "show", "dev", self.name), TIMEOUT_S)


def parse_addresses(data: bytes) -> tuple[str, ...]:
    """The addresses in what ``ip addr`` prints: ``inet 10.0.0.5/24 brd …``, ``inet6 fe80::1/64 scope link``.

    Of a point-to-point link the near end counts, with the prefix that stands at the far one.
    """
    found = set()
    for line in data[: 1 << 20].splitlines():
        match = _ADDRESS.search(line + b" ")
        if match is not None:
            near = match[1].decode()
            far = (match[2] or b"").decode(errors="replace")
            found.add(near if "/" in near or "/" not in far else f"{near}/{far.partition('/')[2]}")
    return tuple(sorted(found))


def refuse_no_name(name: str) -> None:
    """Raise `NotReadable` for what cannot be the name of an interface."""
    if not _NAME.fullmatch(name) or name in (".", "..") or name.startswith("-") or "\0" in name:
        raise NotReadable(f"{name!r:.60} is no name of an interface", "unsupported")


def _number(text: str) -> int:
    if not re.fullmatch(r"\s*\d{1,9}\s*", text):
        raise NotReadable(f"{text!r:.40} is no MTU", "parse")
    return int(text)


def _elsewhere(name: str, problem: NotReadable) -> Device:
    """By psutil, as on Windows and macOS."""
    import psutil

    stats = psutil.net_if_stats()
    if not stats:
        raise problem
    return Device(True, stats[name].mtu) if name in stats else Device(False)


def _addresses_elsewhere(name: str) -> tuple[str, ...]:
    import socket
    from ipaddress import ip_address, ip_network

    import psutil

    found = set()
    for each in psutil.net_if_addrs().get(name, []):
        if each.family not in (socket.AF_INET, socket.AF_INET6):
            continue
        address = each.address.partition("%")[0]
        try:
            if ip_address(address).version == 6:
                mask = bin(int(ip_address(each.netmask or "::"))).count("1")
            else:
                mask = ip_network(f"0.0.0.0/{each.netmask or '255.255.255.255'}").prefixlen
        except ValueError:
            continue
        found.add(f"{address}/{mask}")
    return tuple(sorted(found))
