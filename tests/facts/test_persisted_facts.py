"""Kernel parameters after the next start: the precedence of sysctl.d(5), and systemd and procps beside it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from answering import in_rounds, machine
from hypothesis import given
from hypothesis import strategies as st

from checks.facts.asks import ListFolder, ReadFile
from checks.facts.localhost import LocalHost
from checks.facts.persisted import (
    Assignment,
    Parameters,
    Persisted,
    PersistedParameters,
    canonical_key,
    expanded,
    parse_sysctl,
)

RUNNING = {
    "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    "/proc/sys/vm/swappiness": "60\n",
    "/proc/sys/kernel/sem": "250\t32000\t100\t128\n",
    "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
    "/proc/sys/net/ipv4/conf/eth0/rp_filter": "2\n",
    "/proc/sys/net/ipv4/conf/eth0.7/rp_filter": "2\n",
    "/proc/sys/net/ipv4/conf/lo/rp_filter": "0\n",
}


def found(
    root: Path, files: dict[str, str], names: tuple[str, ...] = ()
) -> dict[str, tuple[str, str, str | None]]:
    """Value, file and running value by key."""
    value, _ = in_rounds(PersistedParameters(names), machine(root, RUNNING | files))
    return {each.key: (each.value, each.file, each.running) for each in value.parameters}


def test_a_later_name_wins_over_an_earlier_one_wherever_they_lie(tmp_path: Path) -> None:
    files = {
        "/usr/lib/sysctl.d/90-vendor.conf": "vm.swappiness = 30\n",
        "/etc/sysctl.d/10-local.conf": "vm.swappiness = 10\n",
    }
    assert found(tmp_path, files) == {"vm.swappiness": ("30", "/usr/lib/sysctl.d/90-vendor.conf", "60")}


@pytest.mark.parametrize(
    ("winner", "loser"),
    [("/etc", "/run"), ("/run", "/usr/local/lib"), ("/usr/local/lib", "/usr/lib"), ("/usr/lib", "/lib")],
)
def test_a_name_masks_the_same_name_further_down(tmp_path: Path, winner: str, loser: str) -> None:
    files = {
        f"{winner}/sysctl.d/50-a.conf": "kernel.sem = 1 2 3 4\n",
        f"{loser}/sysctl.d/50-a.conf": "vm.swappiness = 10\n",
    }
    assert found(tmp_path, files) == {
        "kernel.sem": ("1 2 3 4", f"{winner}/sysctl.d/50-a.conf", "250 32000 100 128")
    }


def test_a_link_to_nowhere_masks_as_well(tmp_path: Path) -> None:
    root = machine(tmp_path, {"/usr/lib/sysctl.d/50-a.conf": "vm.swappiness = 10\n", "/etc/sysctl.d/": ""})
    (root / "etc/sysctl.d/50-a.conf").symlink_to("/dev/null")
    assert found(tmp_path, {}) == {}


def test_files_of_another_ending_do_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, {"/etc/sysctl.d/README.sysctl": "vm.swappiness = 10\n"}) == {}


def test_the_old_file_comes_last_with_procps(tmp_path: Path) -> None:
    files = {"/etc/sysctl.d/99-z.conf": "vm.swappiness = 30\n", "/etc/sysctl.conf": "vm.swappiness = 10\n"}
    assert found(tmp_path, files) == {"vm.swappiness": ("10", "/etc/sysctl.conf", "60")}


def test_systemd_does_not_read_the_old_file_unless_a_link_names_it(tmp_path: Path) -> None:
    files = {"/run/systemd/system/": "", "/etc/sysctl.conf": "vm.swappiness = 10\n"}
    assert found(tmp_path, files) == {}
    (tmp_path / "etc/sysctl.d").mkdir()
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert found(tmp_path, files) == {"vm.swappiness": ("10", "/etc/sysctl.d/99-sysctl.conf", "60")}


def test_a_glob_means_what_the_kernel_has_and_yields_to_what_is_named(tmp_path: Path) -> None:
    files = {
        "/etc/sysctl.d/10-a.conf": "net.ipv4.conf.eth0.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        "/etc/sysctl.d/20-b.conf": "net.ipv4.conf.*.rp_filter = 1\n",
    }
    assert found(tmp_path, files) == {
        "net.ipv4.conf.all.rp_filter": ("1", "/etc/sysctl.d/20-b.conf", "0"),
        "net.ipv4.conf.eth0.rp_filter": ("2", "/etc/sysctl.d/10-a.conf", "2"),
        "net.ipv4.conf.eth0/7.rp_filter": ("1", "/etc/sysctl.d/20-b.conf", "2"),
    }


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    files = {"/etc/sysctl.d/caf\udce9 *.conf": "vm.swappiness = 10\n"}
    assert found(tmp_path, files) == {"vm.swappiness": ("10", "/etc/sysctl.d/caf? *.conf", "60")}


def test_names_narrow_it(tmp_path: Path) -> None:
    files = {"/etc/sysctl.d/a.conf": "vm.swappiness = 10\nkernel.sem = 1 2 3 4\n"}
    assert [*found(tmp_path, files, ("kernel.sem",))] == ["kernel.sem"]


def test_a_parameter_that_the_kernel_lacks_has_no_running_value(tmp_path: Path) -> None:
    files = {"/etc/sysctl.d/a.conf": "net.bridge.bridge-nf-call-iptables = 1\n"}
    assert found(tmp_path, files)["net.bridge.bridge-nf-call-iptables"][2] is None


def test_what_is_secret_is_not_read(tmp_path: Path) -> None:
    files = {"/etc/sysctl.d/a.conf": "net.ipv4.tcp_fastopen_key = 1-2-3-4\n"}
    assert found(tmp_path, files) == {}


def test_it_takes_three_rounds_and_reads_only_what_files_set(tmp_path: Path) -> None:
    root = machine(tmp_path, {**RUNNING, "/etc/sysctl.d/a.conf": "vm.swappiness = 10\n"})
    _, rounds = in_rounds(PersistedParameters(), root)
    assert len(rounds) == 3
    assert {type(ask) for ask in rounds[0]} >= {ListFolder}
    assert rounds[1:] == [(ReadFile("/etc/sysctl.d/a.conf"),), (ReadFile("/proc/sys/vm/swappiness"),)]


def test_a_container_takes_no_part(tmp_path: Path) -> None:
    root = machine(tmp_path, {**RUNNING, "/.dockerenv": "", "/etc/sysctl.d/a.conf": "vm.swappiness = 10\n"})
    assert in_rounds(PersistedParameters(), root)[0] == Parameters((), "docker")


def test_lines_are_read_as_at_a_start() -> None:
    text = "# c\n; c\n\n a.b = 1  2 \nkernel/core_pattern=|/bin/x %p = %e\n-c.d=5\nno value\n-e.*\n= 5\n"
    assert parse_sysctl(text) == [
        Assignment("a.b", "1 2"),
        Assignment("kernel.core_pattern", "|/bin/x %p = %e"),
        Assignment("c.d", "5", optional=True),
        Assignment("e.*", None, optional=True),
    ]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("vm.swappiness", "vm.swappiness"),
        ("vm/swappiness", "vm.swappiness"),
        ("net.ipv4.conf.eth0/7.rp_filter", "net.ipv4.conf.eth0/7.rp_filter"),
        ("net/ipv4/conf/eth0.7/rp_filter", "net.ipv4.conf.eth0/7.rp_filter"),
        ("a b", ""),
        ("", ""),
    ],
)
def test_a_key_has_one_form(written: str, key: str) -> None:
    assert canonical_key(written) == key


@pytest.mark.parametrize(
    ("running", "value", "holds"),
    [
        ("16", "0x10", True),
        ("8", "010", True),
        ("250 32000", "250  32000".replace("  ", " "), True),
        ("250 32000", "250", False),
        ("core", "core.%p", False),
        (None, "1", True),
    ],
)
def test_a_value_holds_where_it_means_the_same(running: str | None, value: str, holds: bool) -> None:
    assert Persisted("a", value, "/f", running).holds is holds


def test_globs_of_this_machine_are_those_that_sysctl_expands() -> None:
    mine = expanded(LocalHost(), "net.ipv4.conf.*.rp_filter")
    done = subprocess.run(
        ["sysctl", "-N", "-a", "-r", r"^net\.ipv4\.conf\..*\.rp_filter$"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert sorted(mine) == sorted(done.stdout.split())
    assert len(mine) >= 2


def test_systemd_reads_the_same_files_in_the_same_order(tmp_path: Path) -> None:
    """Its own tool prints what it would read; the last of a key wins there as well."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    files = {
        "/usr/lib/sysctl.d/50-default.conf": "kernel.sem = 9 9 9 9\n",
        "/usr/lib/sysctl.d/60-masked.conf": "vm.swappiness = 99\n",
        "/run/sysctl.d/60-masked.conf": "vm.swappiness = 10\n",
        "/etc/sysctl.d/10-local.conf": "kernel.sem = 1 2 3 4\n",
    }
    root = machine(tmp_path, RUNNING | files)
    done = subprocess.run(
        ["systemd-analyze", "cat-config", f"--root={root}", "sysctl.d"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = {each.key: each.value for each in parse_sysctl(done.stdout) if each.value is not None}
    assert theirs == {key: value for key, (value, _, _) in found(tmp_path, {}).items()}
    assert theirs == {"kernel.sem": "9 9 9 9", "vm.swappiness": "10"}


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    for each in parse_sysctl(text):
        assert each.key == canonical_key(each.key) or "/" in each.key
