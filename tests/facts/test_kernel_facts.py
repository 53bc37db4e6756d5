"""Kernel, starts and the machine: recorded trees, this machine, and Windows faked where it is asked."""

from __future__ import annotations

import platform
import types
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from answering import NOT_INSTALLED, in_rounds, machine, recorded
from hypothesis import given
from hypothesis import strategies as st

import checks.facts.windows
from checks.fact import NotReadable
from checks.facts.boot import BootTime, Pending, PendingReboot, Start, newest_of_its_kind, release_numbers
from checks.facts.kernel import (
    ConnectionTracking,
    EphemeralPorts,
    FileHandles,
    Handles,
    HugePages,
    KernelRelease,
    Ports,
    Tracked,
    TransparentHugePages,
    chosen,
    port_ranges,
)
from checks.facts.localhost import LocalHost
from checks.facts.machine import Machine, Platform, hypervisor_of
from checks.facts.memory import Sample

KERNEL = {"/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"}
BOOT = {
    "/proc/uptime": "7200.50 14000.00\n",
    "/proc/stat": "cpu  1 2 3 4 5 6 7 8\nctxt 5\nbtime 1795000000\nprocesses 9\n",
    "/proc/sys/kernel/random/boot_id": "703257ae-4e2c-430b-bf66-ae833b11262e\n",
}
NUMBER = 0x703257AE4E2C
THEN = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_table_of_the_kernels_is_read_in_one_round(tmp_path: Path) -> None:
    far = machine(
        tmp_path,
        {
            **KERNEL,
            "/proc/sys/fs/file-nr": "2144\t100\t811896\n",
            "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
            "/proc/sys/net/ipv4/ip_local_reserved_ports": "8080,50000-50010\n",
            "/proc/sys/net/netfilter/nf_conntrack_count": "12\n",
            "/proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
            "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "/sys/kernel/mm/transparent_hugepage/defrag": "always defer defer+madvise [madvise] never\n",
        },
    )
    wanted = {
        KernelRelease(): "6.1.0-18-amd64",
        FileHandles(): Handles(2044, 811896),
        EphemeralPorts(): Ports(32768, 60999, ((8080, 8080), (50000, 50010))),
        ConnectionTracking(): Tracked(12, 262144),
        TransparentHugePages(): HugePages(True, "madvise", "madvise"),
    }
    for fact, value in wanted.items():
        found, rounds = in_rounds(fact, far)
        assert found == value
        assert len(rounds) == 1


def test_what_a_kernel_lacks_is_told_only_where_it_shows_itself(tmp_path: Path) -> None:
    far = machine(tmp_path / "far", KERNEL)
    assert in_rounds(TransparentHugePages(), far)[0] == HugePages(False)
    assert in_rounds(ConnectionTracking(), far)[0] == Tracked(0, 0)
    for fact in (TransparentHugePages(), ConnectionTracking()):
        with pytest.raises(NotReadable) as problem:
            in_rounds(fact, tmp_path)
        assert problem.value.cause == "absent"


def test_a_choice_is_the_word_in_brackets() -> None:
    assert chosen("always defer [defer+madvise] madvise never") == "defer+madvise"
    with pytest.raises(NotReadable, match="in brackets"):
        chosen("always madvise never")


@pytest.mark.parametrize("text", ["80-", "9-8", "70000", "-1", "a", "1;2", "1 2"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(NotReadable) as problem:
        port_ranges(text)
    assert problem.value.cause == "parse"


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted), max_size=8))
def test_ranges_come_back_as_they_were_written(ranges: list[list[int]]) -> None:
    text = ",".join(f"{first}-{last}" if first < last else str(first) for first, last in ranges)
    assert port_ranges(text) == tuple((first, last) for first, last in ranges)


def test_a_start_is_told_with_its_time(tmp_path: Path) -> None:
    start, rounds = in_rounds(BootTime(), machine(tmp_path, BOOT))
    assert start == Start(datetime.fromtimestamp(1795000000, UTC), 7200.5, NUMBER)
    assert len(rounds) == 1
    assert BootTime.series(start) == {"at": 1795000000.0, "number": NUMBER}


def test_a_start_since_the_last_run_is_known_by_its_number_and_not_by_the_clock(tmp_path: Path) -> None:
    far = machine(tmp_path, BOOT)
    same = Sample(THEN, {"at": 1795000090.0, "number": float(NUMBER)})
    other = Sample(THEN, {"at": 1790000000.0, "number": 12345.0})
    assert in_rounds(BootTime(), far, remembered=(other, same))[0].before is None
    before = in_rounds(BootTime(), far, remembered=(same, other))[0].before
    assert before == datetime.fromtimestamp(1790000000, UTC)
    assert in_rounds(BootTime(), far, remembered=(Sample(THEN, {}),))[0].before is None


def test_this_machines_start_agrees_with_psutil() -> None:
    start = BootTime().read(LocalHost())
    assert abs(start.at.timestamp() - psutil.boot_time()) <= 2


def test_without_proc_psutil_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "boot_time", lambda: 1795000000.5)
    start = BootTime().read(LocalHost(str(tmp_path)))
    assert (start.at, start.number) == (datetime.fromtimestamp(1795000000, UTC), 1795000000)
    with pytest.raises(NotReadable) as problem:
        in_rounds(BootTime(), tmp_path)
    assert problem.value.cause == "unsupported"


@pytest.mark.parametrize(
    ("running", "installed", "newest"),
    [
        ("6.1.0-18-amd64", ["6.1.0-17-amd64", "6.1.0-18-amd64", "6.1.0-21-amd64"], "6.1.0-21-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-10-amd64"], "6.1.0-10-amd64"),
        ("6.1.0-21-amd64", ["6.1.0-18-amd64", "6.1.0-21-amd64"], ""),
        ("6.1.0-18-amd64", ["6.1.0-21-rt-amd64", "6.1.0-21-cloud-amd64"], ""),
        ("5.14.0-362.8.1.el9_3.x86_64", ["5.14.0-427.13.1.el9_4.x86_64"], "5.14.0-427.13.1.el9_4.x86_64"),
        ("6.4.0-150600.21-default", ["6.4.0-150600.23.7-default"], "6.4.0-150600.23.7-default"),
        ("6.6.49-0-lts", ["6.6.58-0-lts"], "6.6.58-0-lts"),
        ("6.18.44-fc-v669", ["6.1.0-21-amd64"], ""),
        ("6.1.0-18-amd64", [], ""),
    ],
)
def test_the_newest_kernel_of_a_flavour(running: str, installed: list[str], newest: str) -> None:
    assert newest_of_its_kind(running, installed) == newest


def test_kernels_are_known_by_their_images(tmp_path: Path) -> None:
    images = (
        "vmlinuz-6.1.0-21-amd64",
        "vmlinuz-6.1.0-18-amd64",
        "vmlinuz-0-rescue-0123",
        "config-6.9.0-1-amd64",
    )
    far = machine(
        tmp_path,
        {**KERNEL, **{f"/boot/{name}": "" for name in images}, "/lib/modules/6.1.0-30-amd64/": ""},
    )
    pending, rounds = in_rounds(PendingReboot(), far)
    assert pending == Pending((), (), "6.1.0-18-amd64", "6.1.0-21-amd64")
    assert len(rounds) == 1


def test_a_name_that_is_no_text_is_no_kernel(tmp_path: Path) -> None:
    far = machine(tmp_path, {**KERNEL, "/boot/vmlinuz-6.9.0\udce9-amd64": ""})
    assert in_rounds(PendingReboot(), far)[0].newer == ""


def test_without_versioned_images_modules_are_looked_at(tmp_path: Path) -> None:
    far = machine(
        tmp_path,
        {
            "/proc/sys/kernel/osrelease": "6.6.49-0-lts\n",
            "/boot/vmlinuz-lts": "",
            "/lib/modules/6.6.58-0-lts/": "",
        },
    )
    assert in_rounds(PendingReboot(), far)[0].newer == "6.6.58-0-lts"


def test_a_container_does_not_start_the_kernels_in_its_image(tmp_path: Path) -> None:
    far = machine(tmp_path, {**KERNEL, "/boot/vmlinuz-6.1.0-21-amd64": "", "/.dockerenv": ""})
    assert in_rounds(PendingReboot(), far)[0] == Pending((), (), "6.1.0-18-amd64", "", "docker")


def test_marks_come_with_the_packages_that_asked(tmp_path: Path) -> None:
    marks = {"/run/reboot-required": "*** System restart required ***\n"}
    far = machine(tmp_path, {**KERNEL, **marks, "/run/reboot-required.pkgs": "libc6\ndbus\nlibc6\n"})
    assert in_rounds(PendingReboot(), far)[0] == Pending(
        ("/run/reboot-required",), ("dbus", "libc6"), "6.1.0-18-amd64", ""
    )


@given(st.text(max_size=200))
def test_any_release_has_numbers(release: str) -> None:
    assert all(number >= 0 for number in release_numbers(release))


class Registry(types.SimpleNamespace):
    """As much of `winreg` as is used, over a mapping of keys to values."""

    HKEY_LOCAL_MACHINE = 1

    def __init__(self, keys: dict[str, dict[str, str]]) -> None:
        self.keys = keys

    def OpenKey(self, root: int, path: str) -> Registry:
        assert root == 1
        if path not in self.keys:
            raise FileNotFoundError(2, "no such key")
        self.open = self.keys[path]
        return self

    def QueryValueEx(self, key: Registry, name: str) -> tuple[str, int]:
        if name not in key.open:
            raise FileNotFoundError(2, "no such value")
        return key.open[name], 1

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *what: object) -> None:
        pass


def windows(monkeypatch: pytest.MonkeyPatch, keys: dict[str, dict[str, str]]) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(checks.facts.windows, "_winreg", lambda: Registry(keys))


def test_windows_waits_for_a_restart_where_its_keys_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows(monkeypatch, {})
    assert PendingReboot().read(LocalHost(str(tmp_path))) == Pending()
    key = r"SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired"
    windows(monkeypatch, {key: {}})
    assert PendingReboot().read(LocalHost(str(tmp_path))) == Pending(("RebootRequired",))


@pytest.mark.parametrize(
    ("maker", "product", "hypervisor"),
    [
        ("VMware, Inc.", "VMware7,1", "vmware"),
        ("Microsoft Corporation", "Virtual Machine", "hyperv"),
        ("Dell Inc.", "PowerEdge R650", "none"),
    ],
)
def test_windows_is_known_by_its_makers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: str, product: str, hypervisor: str
) -> None:
    bios = {"SystemManufacturer": maker, "SystemProductName": product}
    windows(monkeypatch, {r"HARDWARE\DESCRIPTION\System\BIOS": bios})
    seen = Machine().read(LocalHost(str(tmp_path)))
    assert seen == Platform("x86_64", hypervisor, maker, product)


def test_macos_tells_its_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert Machine().read(LocalHost(str(tmp_path))) == Platform("aarch64", "unknown")


def test_a_system_without_registry_says_so() -> None:
    with pytest.raises(NotReadable, match="no registry"):
        checks.facts.windows.registry_key("SOFTWARE")


X86 = recorded("proc/cpuinfo-x86.txt").decode()
ARM = recorded("proc/cpuinfo-arm64.txt").decode()


@pytest.mark.parametrize(
    ("cpuinfo", "maker", "product", "xen", "hypervisor"),
    [
        (X86, "QEMU", "Standard PC (Q35 + ICH9, 2009)", "", "kvm"),
        (X86, "Red Hat", "KVM", "", "kvm"),
        (X86, "Microsoft Corporation", "Virtual Machine", "", "hyperv"),
        (X86, "innotek GmbH", "VirtualBox", "", "virtualbox"),
        (X86, "Xen", "HVM domU", "xen", "xen"),
        (X86, "Amazon EC2", "m5.large", "", "amazon"),
        (X86, "Alibaba Cloud", "Alibaba Cloud ECS", "", "alibaba"),
        (X86, "", "", "", "unknown"),
        (X86.replace(" hypervisor", ""), "Amazon EC2", "m5.metal", "", "none"),
        (X86.replace(" hypervisor", ""), "Microsoft Corporation", "Surface", "", "none"),
        (ARM, "Amazon EC2", "m6g.large", "", "amazon"),
        (ARM, "Amazon EC2", "m6g.metal", "", "none"),
        (ARM, "HPE", "ProLiant RL300", "", "none"),
        (ARM, "", "", "", "unknown"),
    ],
)
def test_a_hypervisor_is_known_by_flag_and_name(
    cpuinfo: str, maker: str, product: str, xen: str, hypervisor: str
) -> None:
    assert hypervisor_of(cpuinfo, maker, product, xen) == hypervisor


def test_the_architecture_of_old_kernels_is_asked_of_uname(tmp_path: Path) -> None:
    far = machine(tmp_path, {"/proc/cpuinfo": ARM, "/sys/class/dmi/id/sys_vendor": "HPE\n"})
    seen, rounds = in_rounds(Machine(), far, runs={"uname": "aarch64\n"})
    assert seen == Platform("aarch64", "none", "HPE")
    assert len(rounds) == 1
    with pytest.raises(NotReadable, match="not installed"):
        in_rounds(Machine(), far, runs={"uname": NOT_INSTALLED})


def test_this_machine_is_what_python_says_it_is() -> None:
    assert Machine().read(LocalHost()).architecture == platform.machine()
    assert KernelRelease().read(LocalHost()) == platform.release()
