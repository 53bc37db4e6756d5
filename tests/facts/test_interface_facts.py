"""Interfaces: recorded tables, what earlier runs recorded, and psutil where there is no table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.interfaces import (
    Counts,
    InterfaceCounts,
    Interfaces,
    parse_bond,
    parse_counters,
)
from checks.facts.localhost import LocalHost
from checks.facts.memory import NoMemory, Sample

RECORDED = Path(__file__).parent / "recorded"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Remembers(NoMemory):
    def series(self, fact: str) -> tuple[Sample, ...]:
        assert fact == "InterfaceCounts(interface=eth0)"
        return (Sample(NOW, {"received": 1.0}), Sample(NOW, {"received": 30000.0, "sent": 21000.0}))


def machine(folder: Path, bond: str = "") -> str:
    (folder / "proc/net/bonding").mkdir(parents=True)
    (folder / "proc/net/dev").write_text((RECORDED / "interfaces/linux_dev.txt").read_text())
    if bond:
        (folder / "proc/net/bonding/eth0").write_text(bond)
    return str(folder)


def test_the_kernels_table() -> None:
    found = parse_counters((RECORDED / "interfaces/linux_dev.txt").read_text())
    assert {*found} == {"lo", "eth0", "ifb0", "ifb1"}
    assert found["eth0"] == Counts(31513, 0, 21131, 0)
    assert found["ifb0"] == Counts()


def test_an_old_kernel_leaves_no_blank_behind_the_colon() -> None:
    line = "  eth0:123456 10 2 0 0 0 0 0 99 20 3 0 0 0 0 0\n eth0.5: 1 1 1 0 0 0 0 0 1 1 1 0 0 0 0 0\n"
    assert parse_counters(line) == {"eth0": Counts(10, 2, 20, 3), "eth0.5": Counts(1, 1, 1, 1)}


def test_the_members_of_a_bond() -> None:
    text = (RECORDED / "bonding/rhel_active_backup.txt").read_text()
    assert parse_bond(text) == {"eno1": True, "eno2": False}
    assert parse_bond("MII Status: up\n") == {}


@given(st.text(max_size=300))
def test_any_text_is_a_table_or_none(text: str) -> None:
    parse_counters(text)
    parse_bond(text)
    parse_counters(f" eth0: {text}")


def test_what_earlier_runs_recorded_stands_beside_it(tmp_path: Path) -> None:
    root = machine(tmp_path, (RECORDED / "bonding/rhel_active_backup.txt").read_text())
    seen = InterfaceCounts("eth0").read(LocalHost(root, memory=Remembers()))
    assert (seen.now, seen.before, seen.since) == (
        Counts(31513, 0, 21131, 0),
        Counts(30000, 0, 21000, 0),
        NOW,
    )
    assert seen.members == {"eno1": True, "eno2": False}
    assert InterfaceCounts.series(seen) == {
        "received": 31513.0,
        "receive_errors": 0.0,
        "sent": 21131.0,
        "send_errors": 0.0,
    }


def test_without_memory_there_is_nothing_beside_it(tmp_path: Path) -> None:
    seen = InterfaceCounts("eth0").read(LocalHost(machine(tmp_path)))
    assert (seen.before, seen.since, seen.members) == (None, None, {})


def test_only_interfaces_that_lead_somewhere_are_listed(tmp_path: Path) -> None:
    assert Interfaces().read(LocalHost(machine(tmp_path))) == ("eth0", "ifb0", "ifb1")


def test_what_is_no_interface_cannot_be_told(tmp_path: Path) -> None:
    host = LocalHost(machine(tmp_path))
    for name, cause in (("eth9", "absent"), ("../dev", "unsupported"), ("", "unsupported")):
        with pytest.raises(NotReadable) as told:
            InterfaceCounts(name).read(host)
        assert told.value.cause == cause


def test_on_windows_psutil_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("Local Area Connection", "Loopback Pseudo-Interface 1", "Ethernet")
    counted = SimpleNamespace(packets_recv=100, errin=1, packets_sent=200, errout=2)
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: dict.fromkeys(names, counted))
    host = LocalHost(str(tmp_path))
    assert Interfaces().read(host) == ("Ethernet", "Local Area Connection")
    assert InterfaceCounts("Ethernet").read(host).now == Counts(100, 1, 200, 2)
