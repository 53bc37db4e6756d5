"""Names and addresses: the real resolver of this machine, and what other systems' tools print."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.asks import RunCommand, is_template
from checks.facts.child import Output
from checks.facts.dns import HostName, NameLookup
from checks.facts.localhost import LocalHost
from checks.facts.resolver import Answer, answer_of, parse_answer

RECORDED = Path(__file__).parent / "recorded"
THREE = ("192.0.2.7", "192.0.2.8", "2001:db8::7")


@pytest.mark.parametrize(
    ("file", "addresses", "names"),
    [
        ("getent/glibc_2.36_ahosts.txt", THREE, ("db1.example",)),
        ("getent/glibc_2.36_ahosts_short.txt", THREE[:1], ("db1.example",)),
        ("getent/glibc_2.36_hosts.txt", THREE[:1], ("db1.example", "db1")),
        ("nslookup/bind_9.18_name.txt", THREE, ("db1.example",)),
        ("nslookup/bind_9.18_alias.txt", (THREE[0], THREE[2]), ("db1.example",)),
        ("nslookup/bind_9.18_address.txt", (), ("db1.example",)),
        ("nslookup/bind_9.18_unknown.txt", (), ()),
        ("nslookup/busybox_1.35_name.txt", THREE, ("db1.example",)),
        ("nslookup/busybox_1.35_alias.txt", THREE[:1], ("db1.example",)),
        ("nslookup/busybox_1.35_address.txt", (), ("db1.example",)),
        ("nslookup/busybox_1.35_unknown.txt", (), ()),
    ],
)
def test_what_the_tools_print(file: str, addresses: tuple[str, ...], names: tuple[str, ...]) -> None:
    text = (RECORDED / file).read_text() + "took 15265.25 15265.31\n"
    assert parse_answer(text) == Answer(addresses, names, 60.0)


def test_what_old_busybox_prints() -> None:
    text = "Server:    192.0.2.53\nAddress 1: 192.0.2.53 ns.example\n\n"
    text += "Name:      db1\nAddress 1: 192.0.2.7 db1.example\n"
    assert parse_answer(text) == Answer(("192.0.2.7",), ("db1", "db1.example"))


def test_a_status_of_its_own_says_that_there_is_no_tool() -> None:
    with pytest.raises(NotReadable) as told:
        answer_of(Output(127, b"took 1.00 1.00\n", b"sh: nslookup: not found"))
    assert told.value.cause == "unsupported"
    assert answer_of(Output(2, b"192.0.2.7 x\ntook 1.00 1.50\n", b"")) == Answer(latency_ms=500.0)


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["Name:", "Address", "1:", "\n", "::1", "=", "name"])).map(" ".join)
)
def test_any_text_is_an_answer_or_none(text: str) -> None:
    said = parse_answer(text)
    assert len(said.addresses) <= len(text)


def test_a_name_of_this_machine() -> None:
    found = NameLookup("localhost").read(LocalHost())
    assert found.outcome == "found"
    assert {*found.addresses} <= {"127.0.0.1", "::1"}
    assert all("localhost" in names for names in found.reverse.values())
    assert found.latency_ms is not None
    assert NameLookup("nowhere.invalid").read(LocalHost()).outcome == "unknown"
    assert NameLookup("localhost", False).read(LocalHost()).reverse == {}


def test_what_is_no_name_never_reaches_a_tool() -> None:
    for name in ("-n", "", "a b", "$(id)", "x" * 300, "a\nb", "a;b"):
        with pytest.raises(NotReadable):
            NameLookup(name).read(LocalHost())


def test_only_what_stands_for_an_address_is_a_template() -> None:
    forward, back, other = NameLookup("db1").asks()
    assert isinstance(forward, RunCommand)
    assert not is_template(forward)
    assert is_template(back)
    assert is_template(other)
    assert NameLookup("db1", False).asks() == (forward,)
    assert forward.argv[-1] == "db1"


class Slow(LocalHost):
    """A machine whose resolver answers to nobody."""

    def execute(self, ask: RunCommand) -> Output:
        raise NotReadable(f"no end after {ask.timeout} s", "timeout")


def test_a_resolver_that_does_not_answer_is_an_answer() -> None:
    assert NameLookup("db1", timeout=2.0).read(Slow()).outcome == "timeout"


def test_without_getent_dns_is_asked(tmp_path: Path) -> None:
    """BusyBox alone: its nslookup, as it was recorded."""
    for name, text in (("nslookup", "busybox_1.35_name.txt"), ("sh", ""), ("cat", "")):
        tool = tmp_path / name
        if text:
            tool.write_text(f"#!/bin/sh\n/bin/cat {RECORDED}/nslookup/{text}\n")
            tool.chmod(0o755)
        else:
            tool.symlink_to(f"/bin/{name}")
    found = NameLookup("db1.example").read(LocalHost(tools=str(tmp_path)))
    assert (found.outcome, found.addresses, found.canonical) == ("found", THREE, "db1.example")
    assert found.reverse == dict.fromkeys(THREE, ("db1.example",))
    (tmp_path / "nslookup").unlink()
    with pytest.raises(NotReadable) as told:
        NameLookup("db1.example").read(LocalHost(tools=str(tmp_path)))
    assert told.value.cause == "unsupported"


def test_a_getent_that_knows_hosts_only(tmp_path: Path) -> None:
    tool = tmp_path / "getent"
    tool.write_text("#!/bin/sh\n[ $1 = hosts ] || exit 1\necho '192.0.2.7  db1.example  db1'\n")
    tool.chmod(0o755)
    for name in ("sh", "cat"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    found = NameLookup("db1").read(LocalHost(tools=str(tmp_path)))
    assert (found.addresses, found.canonical) == (("192.0.2.7",), "db1.example")
    assert found.reverse == {"192.0.2.7": ("db1.example", "db1")}


def test_the_host_has_a_name() -> None:
    own = HostName().read(LocalHost())
    assert own.name == socket.gethostname()


def test_a_machine_that_is_not_called_as_it_will_be(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/sys/kernel/hostname").write_text("localhost\n")
    (tmp_path / "etc/hostname").write_text("# by the installer\n\napp1.acme.example\n")
    own = HostName().read(LocalHost(str(tmp_path)))
    assert (own.name, own.persisted) == ("localhost", "app1.acme.example")
    assert "127.0.0.1" in own.addresses or "::1" in own.addresses


def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalHost:
    """No shell, no /proc, no /etc; and a resolver that knows one name."""

    def getaddrinfo(name: str, *rest: Any, **more: Any) -> list[Any]:
        if name != "app1":
            raise socket.gaierror(11001, "getaddrinfo failed")
        return [(socket.AF_INET, 1, 6, "app1.acme.example", ("10.1.2.3", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "gethostbyaddr", lambda address: ("app1.acme.example", ["app1"], [address]))
    monkeypatch.setattr(socket, "gethostname", lambda: "APP1")
    monkeypatch.setattr(socket, "getfqdn", lambda: "app1.acme.example")
    return LocalHost(str(tmp_path), tools=str(tmp_path))


def test_on_windows_python_resolves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host = windows(monkeypatch, tmp_path)
    found = NameLookup("app1").read(host)
    assert (found.outcome, found.addresses, found.canonical) == ("found", ("10.1.2.3",), "app1.acme.example")
    assert found.reverse == {"10.1.2.3": ("app1.acme.example", "app1")}
    assert NameLookup("app2").read(host).outcome == "unknown"
    assert HostName().read(host).full == "app1.acme.example"
