"""What kind of machine this is: its architecture, and what it runs on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from checks.fact import Fact, NotReadable, fact
from checks.facts.asks import Ask, ReadFile, RunCommand
from checks.facts.system import CONTAINER_ASKS, container_of

if TYPE_CHECKING:
    from checks.facts.host import Host

CPUINFO: Final = "/proc/cpuinfo"
CPUINFO_LIMIT: Final = 16 * 1024 * 1024
"""Bytes; a thousand processors with all their flags take two million."""

_ARCH: Final = "/proc/sys/kernel/arch"
_UNAME: Final = ("uname", "-m")
_DMI: Final = "/sys/class/dmi/id/"
_XEN: Final = "/sys/hypervisor/type"
_BIOS: Final = r"HARDWARE\DESCRIPTION\System\BIOS"

# Who a virtual machine says has made it (DMI system vendor and product), as hypervisors' makers set it.
_MAKERS: Final = {
    "VMware": "vmware",
    "VMW": "vmware",
    "QEMU": "kvm",
    "KVM": "kvm",
    "OpenStack": "kvm",
    "Red Hat": "kvm",
    "oVirt": "kvm",
    "Amazon EC2": "amazon",
    "Google Compute Engine": "google",
    "Google": "google",
    "Alibaba Cloud": "alibaba",
    "Huawei Cloud": "huawei",
    "Tencent Cloud": "tencent",
    "Microsoft Corporation Virtual Machine": "hyperv",
    "innotek GmbH": "virtualbox",
    "Oracle Corporation VirtualBox": "virtualbox",
    "VirtualBox": "virtualbox",
    "Parallels": "parallels",
    "Xen": "xen",
    "Nutanix AHV": "nutanix",
    "BHYVE": "bhyve",
    "Bochs": "bochs",
    "Apple Virtualization": "apple",
}

UNKNOWN: Final = "unknown"
NO_HYPERVISOR: Final = "none"

_SAME: Final = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}


class Platform(msgspec.Struct, frozen=True):
    """`architecture` as ``uname -m`` names it; `hypervisor` is ``none`` on real hardware and ``unknown``
    where it does not say its name. `maker` and `product` are DMI's words."""

    architecture: str
    hypervisor: str = UNKNOWN
    maker: str = ""
    product: str = ""
    container: str = ""


@fact
class Machine(Fact, frozen=True):
    """Architecture and hypervisor, from what the kernel, the firmware and Xen tell."""

    value_type: ClassVar[type] = Platform

    def describe(self) -> str:
        return f"read {_ARCH} (or run uname -m), {CPUINFO}, {_DMI}sys_vendor, product_name and {_XEN}"

    def asks(self) -> tuple[Ask, ...]:
        paths = (_ARCH, CPUINFO, f"{_DMI}sys_vendor", f"{_DMI}product_name", _XEN)
        return (*(ReadFile(path) for path in paths), RunCommand(_UNAME), *CONTAINER_ASKS)

    def read(self, host: Host) -> Platform:
        host.want(self.asks())
        try:
            cpuinfo = host.read_text(CPUINFO, CPUINFO_LIMIT)
        except NotReadable as problem:
            if problem.cause != "absent":
                raise
            host.only_here("the hypervisor of a system without /proc")
            return platform_here()
        maker, product = (_line(host, f"{_DMI}{name}") for name in ("sys_vendor", "product_name"))
        hypervisor = hypervisor_of(cpuinfo, maker, product, _line(host, _XEN))
        return Platform(_architecture(host), hypervisor, maker, product, container_of(host))


def platform_here() -> Platform:
    """The same where there is no ``/proc``: what Python knows, and on Windows what its registry tells."""
    import platform

    architecture = canonical_architecture(platform.machine())
    if platform.system() != "Windows":
        return Platform(architecture)
    from checks.facts.windows import registry_value

    maker = registry_value(_BIOS, "SystemManufacturer") or ""
    product = registry_value(_BIOS, "SystemProductName") or ""
    # Windows shows no flag; real hardware is known by a maker that is not one of virtual machines.
    named = made_by(maker, product)
    return Platform(architecture, named or (NO_HYPERVISOR if maker else UNKNOWN), maker[:100], product[:100])


def canonical_architecture(name: str) -> str:
    """One name for each architecture: ``AMD64`` of Windows is ``x86_64``."""
    return _SAME.get(name.strip().lower(), name.strip())


def hypervisor_of(cpuinfo: str, maker: str, product: str, xen: str) -> str:
    """Which hypervisor a Linux system runs on.

    On x86 the processor's flag decides whether there is one (a server rented whole has the maker of the
    virtual ones); elsewhere, where no such flag exists, the firmware's words do.
    """
    if xen == "xen":
        return "xen"
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    named = made_by(maker, product)
    if flags is not None:
        return (named or UNKNOWN) if "hypervisor" in flags[1].split() else NO_HYPERVISOR
    if named and not product.endswith(".metal"):
        return named
    return NO_HYPERVISOR if maker else UNKNOWN


def made_by(maker: str, product: str) -> str:
    """The hypervisor whose mark is in the firmware's words; empty where there is none."""
    both = f"{maker} {product}".strip()
    for mark, name in _MAKERS.items():
        if both.startswith(mark) or product.startswith(mark):
            return name
    return ""


def _architecture(host: Host) -> str:
    try:
        name = host.read_text(_ARCH, 1024)
    except NotReadable:  # kernels before 6.1
        done = host.run([*_UNAME])
        if done.status != 0:
            raise NotReadable(f"uname -m: {done.complaint}", "failed") from None
        name = done.out.decode(errors="replace")
    if not re.fullmatch(r"\s*[A-Za-z0-9_+-]{1,40}\s*", name, re.ASCII):
        raise NotReadable("the kernel names no architecture", "parse")
    return canonical_architecture(name)


def _line(host: Host, path: str) -> str:
    """The first line of a small file; empty where it does not exist or is not shown."""
    try:
        text = host.read_text(path, 4096)
    except NotReadable:
        return ""
    return text.strip().split("\n")[0].strip()[:100]
