"""Release, memory, kernel parameters and the clock: recorded trees, and this machine."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.clock import TimeSync
from checks.facts.disk import DiskUsage, Mounts, Usage
from checks.facts.localhost import LocalHost
from checks.facts.system import (
    Memory,
    OsRelease,
    Release,
    Sysctl,
    container_of,
    memory_by_psutil,
    parse_meminfo,
    parse_release,
    sysctl_path,
)
from checks.facts.timex import kernel_max_error_us

MEMINFO = "MemTotal:       16000000 kB\nMemFree:  1000000 kB\nMemAvailable:    8000000 kB\nCached: 10 kB\n"


def tree(root: Path, **files: str) -> LocalHost:
    """A host whose root holds these files, ``__`` standing for ``/`` in their names."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalHost(str(root))


def test_a_release_is_read_with_its_quotes_and_comments() -> None:
    text = '# x\nID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME=\'Ubuntu \\"Noble\\" 24.04\'\nNAME=Ubuntu\n'
    assert parse_release(text) == Release("ubuntu", "24.04", 'Ubuntu "Noble" 24.04')
    assert parse_release("") == Release("linux", "", "Linux")


def test_the_release_below_usr_counts_where_etc_has_none(tmp_path: Path) -> None:
    host = tree(tmp_path, **{"usr__lib__os-release": "ID=fedora\nVERSION_ID=42\n"})
    assert OsRelease().read(host) == Release("fedora", "42", "Linux")


@pytest.mark.parametrize(
    ("version", "edition", "release", "name"),
    [
        ("10.0.20348", "ServerStandard", "2022Server", "Windows Server 2022 (10.0.20348)"),
        ("10.0.17763", "ServerDatacenter", "2019Server", "Windows Server 2019 (10.0.17763)"),
        ("10.0.25398", "ServerDatacenterACor", "", "Windows Server (10.0.25398)"),
        ("10.0.26100", "Professional", "11", "Windows 11 (10.0.26100)"),
        ("10.0.19045", "Enterprise", "10", "Windows 10 (10.0.19045)"),
        ("6.3.9600", "Professional", "", "Windows (6.3.9600)"),
    ],
)
def test_windows_is_told_by_its_build_and_edition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, edition: str, release: str, name: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(platform, "release", lambda: "10")  # as Python 3.11 says of all of them
    monkeypatch.setattr(platform, "version", lambda: version)
    monkeypatch.setattr(platform, "win32_edition", lambda: edition)
    assert OsRelease().read(LocalHost(str(tmp_path))) == Release("windows", release, name)


def test_the_memory_and_the_drives_of_windows_come_from_psutil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = LocalHost(str(tmp_path))
    seen = SimpleNamespace(total=16 * 2**30, available=4 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: seen)
    assert Memory().read(host).used_percent == 75
    drives = [
        SimpleNamespace(mountpoint="D:\\", fstype="NTFS", opts="rw,fixed"),
        SimpleNamespace(mountpoint="C:\\", fstype="NTFS", opts="rw,fixed"),
        SimpleNamespace(mountpoint="E:\\", fstype="", opts="cdrom"),
        SimpleNamespace(mountpoint="F:\\", fstype="UDF", opts="ro,cdrom"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: drives)
    assert Mounts().read(host) == ["C:\\", "D:\\"]
    monkeypatch.delattr("os.statvfs")
    asked = []

    def usage(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(total=1000, used=900, free=100)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert DiskUsage("/data").read(host) == Usage(1000, 100, 0, 0)
    assert asked == [f"{tmp_path}/data"]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: drives[2:])
    with pytest.raises(NotReadable, match="no local, writable filesystem"):
        Mounts().read(LocalHost(str(tmp_path)))


@given(st.text(max_size=300))
def test_any_text_is_some_release(text: str) -> None:
    assert isinstance(parse_release(text), Release)


def test_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    memory = Memory().read(tree(tmp_path, proc__meminfo=MEMINFO))
    assert (memory.total, memory.available, memory.limited) == (16_384_000_000, 8_192_000_000, False)
    assert memory.used_percent == 50


def test_old_kernels_are_guessed_as_free_did() -> None:
    assert (
        parse_meminfo("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 15 kB\n").available
        == 30 * 1024
    )
    with pytest.raises(NotReadable, match="no MemTotal"):
        parse_meminfo("nothing here")


def test_a_container_has_its_limit_less_what_it_cannot_drop(tmp_path: Path) -> None:
    host = tree(
        tmp_path,
        proc__meminfo=MEMINFO,
        **{
            "sys__fs__cgroup__memory.max": "1000000\n",
            "sys__fs__cgroup__memory.current": "900000\n",
            "sys__fs__cgroup__memory.stat": "anon 1\ninactive_file 300000\n",
        },
    )
    memory = Memory().read(host)
    assert (memory.total, memory.available, memory.limited) == (1_000_000, 400_000, True)


def test_a_container_on_the_older_control_groups_too(tmp_path: Path) -> None:
    folder = "sys__fs__cgroup__memory__memory."
    host = tree(
        tmp_path,
        proc__meminfo=MEMINFO,
        **{folder + "limit_in_bytes": "1000000\n", folder + "usage_in_bytes": "900000\n"},
        **{folder + "stat": "cache 5\ntotal_inactive_file 100000\n"},
    )
    assert Memory().read(host).available == 200_000


def test_a_control_group_without_a_limit_is_no_limit(tmp_path: Path) -> None:
    host = tree(
        tmp_path,
        proc__meminfo=MEMINFO,
        **{
            "sys__fs__cgroup__memory.max": "max\n",
            "sys__fs__cgroup__memory__memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert not Memory().read(host).limited


def test_this_machines_memory_agrees_with_psutil() -> None:
    ours, theirs = parse_meminfo(Path("/proc/meminfo").read_text()), memory_by_psutil()
    assert ours.total == theirs.total == psutil.virtual_memory().total
    assert abs(ours.available - theirs.available) < ours.total / 10


def test_a_kernel_parameter_is_what_sysctl_shows() -> None:
    for name in ("kernel.sem", "vm.swappiness"):
        shown = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=True).stdout
        assert Sysctl(name).read(LocalHost()) == " ".join(shown.split())


def test_a_dot_inside_a_name_is_written_as_a_slash() -> None:
    assert sysctl_path("net.ipv4.conf.eth0/7.rp_filter") == "/proc/sys/net/ipv4/conf/eth0.7/rp_filter"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a..b", "/etc/passwd", "a.//.b", "", "a b", "a.", "a\0b"]
)
def test_a_name_cannot_lead_out_of_the_kernels_folder(name: str) -> None:
    with pytest.raises(NotReadable, match="not the name of a kernel parameter"):
        Sysctl(name).read(LocalHost())


@given(st.text(alphabet="ab./_-", max_size=30))
def test_whatever_the_name_the_path_stays_inside(name: str) -> None:
    try:
        path = sysctl_path(name)
    except NotReadable:
        return
    assert path.startswith("/proc/sys/")
    assert not {".", ".."} & set(path.split("/"))


def test_a_parameter_that_does_not_exist_is_absent() -> None:
    with pytest.raises(NotReadable) as problem:
        Sysctl("vm.swapiness").read(LocalHost())
    assert problem.value.cause == "absent"


def test_the_clock_is_synchronised_while_its_error_is_below_16_seconds() -> None:
    state = TimeSync().read(LocalHost())
    assert state.max_error_s is not None
    assert state.synchronised is (state.max_error_s < 16)
    assert 0 < kernel_max_error_us() < 10**10


@pytest.mark.parametrize(
    ("files", "engine"),
    [
        ({}, ""),
        ({".dockerenv": ""}, "docker"),
        ({"run__.containerenv": ""}, "podman"),
        ({"run__systemd__container": "lxc\n"}, "lxc"),
        ({"proc__1__cgroup": "12:pids:/kubepods/besteffort/pod1\n"}, "kubepods"),
        ({"proc__1__cgroup": "0::/init.scope\n"}, ""),
    ],
)
def test_a_container_is_known_by_the_marks_of_its_engine(
    tmp_path: Path, files: dict[str, str], engine: str
) -> None:
    assert container_of(tree(tmp_path, **files)) == engine
