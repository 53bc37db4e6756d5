"""Whole texts, links, sums, groups, mount points and interfaces: of real tools and of recorded ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from answering import read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.answered import Failed
from checks.facts.asks import ReadFile, RunCommand
from checks.facts.given import GivenContent
from checks.facts.groups import Group, GroupEntry
from checks.facts.interfacestate import Device, DeviceAddresses, NetworkDevice, parse_addresses
from checks.facts.links import FileSum, Link, Sum, SymbolicLink
from checks.facts.localhost import LocalHost
from checks.facts.mountpoint import MountPoint
from checks.facts.texts import CommandText, FileText, Held, held

HERE = LocalHost()
LO_MTU = ReadFile("/sys/class/net/lo/mtu")


def test_a_condition_is_held_against_all_of_a_file_and_what_fails_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.write_text("seats = 40\n" + "x\n" * 9000 + "last\n")
    condition = '{"all":[{"some":{"matches":"^last$"}},{"contains":"seats = 41"},{"not":{"contains":"x"}}]}'
    seen = FileText(str(file), condition).read(LocalHost())
    assert seen == Held(True, False, ("containing seats = 41", "not containing x"), 9002)
    assert FileText(str(tmp_path / "b"), condition).read(LocalHost()) == Held(False)


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ('{"matches":"b"}', "a.conf is longer than the 4096 characters that a pattern sees"),
        ('{"some":{"matches":"b"}}', "a line of a.conf is longer than the 4096 characters"),
        ('{"all":[{"contains":"a"},{"not":{"includes":[{"matches":"b"}]}}]}', "a line of a.conf is longer"),
        ('{"contains":"b"}', ""),
        ('{"json":{"a":{"matches":"b"}}}', ""),
    ],
)
def test_what_a_pattern_would_not_see_is_no_verdict(condition: str, refused: str) -> None:
    text = "a" * 5000 + "b"
    if not refused:
        held(text, condition, "a.conf")
        return
    with pytest.raises(NotReadable, match=refused) as told:
        held(text, condition, "a.conf")
    assert told.value.cause == "too-large"
    assert held("a" * 4000 + "\n" * 2000 + "b", '{"some":{"matches":"^b$"}}', "x").holds


def test_what_a_command_prints_is_judged_as_a_whole_and_shown_without_secrets() -> None:
    fact = CommandText(
        ("echo 'pass''word=hun''ter2'; seq 1 5000; exit 4",),
        shell=True,
        condition='{"some":{"equals":"5000"}}',
    )
    seen = fact.read(LocalHost())
    assert (seen.holds, seen.lines, seen.status) == (True, 5001, 4)
    assert "hunter2" not in repr(seen)
    with pytest.raises(NotReadable, match="too much") as told:
        CommandText(("yes | head -c 2000000",), shell=True, condition='{"contains":"y"}').read(LocalHost())
    assert told.value.cause == "too-large"


def test_links_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name, target in (("good", "file"), ("lost", "nowhere"), ("circle", "circle"), ("odd", "a b\nc ")):
        (tmp_path / name).symlink_to(target)
    seen = {
        each: SymbolicLink(str(tmp_path / each)).read(LocalHost())
        for each in ("good", "lost", "circle", "odd")
    }
    assert seen == {
        "good": Link(True, "file", True),
        "lost": Link(True, "nowhere"),
        "circle": Link(True, "circle"),
        "odd": Link(True, "a b\nc "),
    }
    assert SymbolicLink(str(tmp_path / "file")).read(LocalHost()) == Link(False, exists=True)
    assert SymbolicLink(str(tmp_path / "nosuch")).read(LocalHost()) == Link(False)


def test_sums_are_those_of_the_file_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "back\\slash\nline"
    odd.write_bytes(b"abc")
    for name in ("md5", "sha1", "sha512"):
        assert FileSum(str(odd), name).read(LocalHost()) == Sum(True, hashlib.new(name, b"abc").hexdigest())
    assert FileSum(str(tmp_path / "nosuch")).read(LocalHost()) == Sum(False)
    with pytest.raises(NotReadable, match="is not a regular file"):
        FileSum(str(tmp_path)).read(LocalHost())


def test_a_mount_point_is_that_path_and_no_other() -> None:
    seen = MountPoint("/proc/").read(HERE)
    assert (seen.mounted, seen.type) == (True, "proc")
    assert "rw" in seen.options
    assert not MountPoint("/proc/self").read(HERE).mounted


@pytest.mark.parametrize("tool", ["iproute2", "busybox"])
def test_addresses_as_ip_prints_them(tool: str) -> None:
    found = read(
        DeviceAddresses("eth0"),
        {RunCommand(("ip", "addr", "show", "dev", "eth0"), 4.0): said(recorded(f"ip/{tool}.txt"))},
    )
    assert found == ("192.0.2.2/24", "fd00::2/64", "fe80::fc:ff:fe00:1/64")


def test_the_near_end_of_a_link_between_two_counts() -> None:
    # As ip-address(8) describes it.
    text = b" inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\n inet6 fe80::1 peer fe80::2/64 scope link\n"
    assert parse_addresses(text) == ("10.8.0.1/32", "fe80::1/64")


def test_an_interface_that_is_not_there_and_a_system_that_shows_none() -> None:
    assert read(NetworkDevice("eth0"), {ReadFile("/sys/class/net/eth0/mtu"): b"9000\n"}) == Device(True, 9000)
    assert read(NetworkDevice("eth1"), {LO_MTU: b"65536\n"}) == Device(False)
    with pytest.raises(NotReadable, match="without /sys/class/net"):
        read(NetworkDevice("eth1"), {})
    with pytest.raises(NotReadable, match="is no MTU"):
        read(NetworkDevice("eth0"), {ReadFile("/sys/class/net/eth0/mtu"): b"\n"})
    with pytest.raises(NotReadable, match="is no name of an interface"):
        NetworkDevice("../lo").read(HERE)


def test_other_systems_are_asked_through_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"Ethernet": SimpleNamespace(mtu=1500)})
    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {
            "Ethernet": [
                SimpleNamespace(family=socket.AF_INET, address="10.0.0.5", netmask="255.255.255.0"),
                SimpleNamespace(
                    family=socket.AF_INET6, address="fe80::1%12", netmask="ffff:ffff:ffff:ffff::"
                ),
                SimpleNamespace(family=-1, address="00-11-22-33-44-55", netmask=None),
                SimpleNamespace(family=socket.AF_INET, address="10.0.0.6", netmask="odd"),
            ]
        },
    )

    class Windows(LocalHost):
        def read_bytes(self, path: str, limit: int = 0) -> bytes:
            raise NotReadable(f"{path} does not exist", "absent")

        def execute(self, ask: RunCommand) -> None:  # type: ignore[override]
            raise NotReadable("ip is not installed", "absent")

    assert NetworkDevice("Ethernet").read(Windows()) == Device(True, 1500)
    assert NetworkDevice("Wi-Fi").read(Windows()) == Device(False)
    assert DeviceAddresses("Ethernet").read(Windows()) == ("10.0.0.5/24", "fe80::1/64")


def test_a_group_of_the_file_and_one_that_only_others_know() -> None:
    listed = {ReadFile("/etc/group"): recorded("accounts/group")}
    files = {ReadFile("/etc/nsswitch.conf"): b"group: files\n"}
    other = {ReadFile("/etc/nsswitch.conf"): b"group: files sss\n"}
    asked = RunCommand(("getent", "group", "ldap-people"), 8.0)
    assert read(Group("root"), listed | files) == GroupEntry(True, 0)
    assert read(Group("ldap-people"), listed | files) == GroupEntry(False)
    known = said(b"ldap-people:*:70001:zoe,ann\n")
    assert read(Group("ldap-people"), listed | other | {asked: known}) == GroupEntry(
        True, 70001, ("ann", "zoe")
    )
    assert read(Group("ldap-people"), listed | other | {asked: said(b"", status=2)}) == GroupEntry(False)
    with pytest.raises(NotReadable, match="getent: "):
        read(Group("ldap-people"), listed | other | {asked: said(b"", status=1)})
    with pytest.raises(NotReadable, match="this system has no /etc/group"):
        read(Group("root"), {ReadFile("/etc/group"): Failed("no such file", "absent")})


def test_content_that_is_given_is_json() -> None:
    assert GivenContent('{"a":[1]}').read(HERE) == {"a": [1]}
    assert GivenContent("").read(HERE) is None
    with pytest.raises(NotReadable, match="is not JSON") as told:
        GivenContent("{").read(HERE)
    assert told.value.cause == "parse"
    with pytest.raises(NotReadable, match="nobody knows") as told:
        GivenContent("", "nobody knows").read(HERE)
    assert told.value.cause == "unmapped"


_WORDS = (b"inet ", b"inet6 ", b"10.0.0.1/8", b" peer ", b"\n", b" ")


@given(st.binary(max_size=300) | st.lists(st.sampled_from(_WORDS)).map(b"".join))
def test_any_bytes_hold_addresses_or_none(data: bytes) -> None:
    assert all("\n" not in each for each in parse_addresses(data))
