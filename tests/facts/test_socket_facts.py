"""Who listens where: this machine's own sockets, recorded tables, and psutil where there are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.asks import ListListeners, ReadFrom
from checks.facts.localhost import LocalHost
from checks.facts.sockets import (
    Bound,
    BoundSockets,
    Listening,
    Meant,
    Row,
    Sockets,
    meant,
    parse_sockets,
)

RECORDED = Path(__file__).parent / "recorded/sockets"
ME = psutil.Process().name()


def rows(file: str) -> list[tuple[str, int, str]]:
    return [(row.address, row.port, row.state) for row in parse_sockets((RECORDED / file).read_bytes())]


def test_the_kernels_tables() -> None:
    assert rows("linux_tcp.txt") == [
        ("127.0.0.1", 41001, "0A"),
        ("0.0.0.0", 41002, "0A"),
        ("127.0.0.1", 41001, "06"),
        ("127.0.0.1", 34084, "01"),
    ]
    assert rows("linux_tcp6.txt") == [("::1", 41003, "0A"), ("::", 41004, "0A"), ("127.0.0.1", 41004, "01")]
    assert rows("linux_udp.txt") == [("127.0.0.1", 41005, "07")]
    assert rows("linux_udp6.txt") == [("::", 41006, "07")]
    (row,) = parse_sockets((RECORDED / "linux_udp.txt").read_bytes())
    assert row == Row("127.0.0.1", 41005, 0, "07", 0, "7707539")


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_none(data: bytes) -> None:
    assert len([*parse_sockets(data)]) <= 1 + data.count(b"\n") + data.count(b"\r") + 8


def test_a_table_cut_short_lacks_its_last_row_only() -> None:
    data = (RECORDED / "linux_tcp.txt").read_bytes()
    assert len([*parse_sockets(data[:320])]) == 1


def test_the_kernels_tables_are_read_once_in_a_run(tmp_path: Path) -> None:
    table = tmp_path / "proc/net/tcp"
    table.parent.mkdir(parents=True)
    table.write_text("1")
    host = LocalHost(str(tmp_path))
    assert host.read_from("/proc/net/tcp", 0) == b"1"
    table.write_text("22")
    assert (host.read_from("/proc/net/tcp", 0), host.read_from("/proc/net/tcp", 1)) == (b"1", b"2")
    assert LocalHost(str(tmp_path)).read_from("/proc/net/tcp", 0) == b"22"


def test_of_the_kernels_tables_no_more_is_read_than_tells_who_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file gives as much as is asked for, the kernel a page of whole lines; so both are tried here."""
    head = "  sl  local_address rem_address   st\n"
    listens = [f"{at:4}: 0100007F:{at:04X} 00000000:0000 0A {'x':120}\n" for at in range(1, 60)]
    linked = [f"{at:4}: 0100007F:{at:04X} 00000000:0001 01 {'x':120}\n" for at in range(60, 300)]
    path = tmp_path / "proc/net/tcp"
    path.parent.mkdir(parents=True)
    path.write_text(head + "".join(listens + linked))
    data = LocalHost(str(tmp_path)).read_listening("/proc/net/tcp").decode()
    assert all(line in data for line in listens)
    assert linked[100] not in data
    pages = [(head + "".join(listens[:25])).encode(), "".join(listens[25:50]).encode()]
    given, read = [*pages, "".join(listens[50:]).encode()], os.read
    monkeypatch.setattr(os, "read", lambda handle, size: given.pop(0) if size == 4096 else read(handle, size))
    data = LocalHost(str(tmp_path)).read_listening("/proc/net/tcp").decode()
    assert (data, given) == (head + "".join(listens), [])  # what came short was the last: no read after it


def test_of_a_port_that_nobody_listens_on_the_connections_count(tmp_path: Path) -> None:
    path = tmp_path / "proc/net/tcp"
    path.parent.mkdir(parents=True)
    row = (
        "{:4}: 0100007F:{:04X} 00000000:0050 {} 00000000:00000000 00:00000000 00000000  1000        0 77 1\n"
    )
    rows = [row.format(at, 1000 + at, "0A" if at < 100 else "01") for at in range(200)]
    path.write_text("  sl  local_address rem_address   st\n" + "".join(rows))
    host = LocalHost(str(tmp_path))
    ports = [
        (each.port, each.listens) for of in ("1099", "1199") for each in Listening(of).read(host).sockets
    ]
    assert ports == [(1099, True), (1199, False)]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_who_listens_is_named(family: int) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((address, 0), family=family) as listener:
        port = listener.getsockname()[1]
        (one,) = Sockets(str(port)).read(LocalHost()).sockets
        mine = Sockets(f"{ME}:{port}").read(LocalHost()).sockets
        other = Sockets(f"fl-other:{port}").read(LocalHost()).sockets
        anywhere = Sockets(ME).read(LocalHost()).sockets
    assert (one.address, one.port, one.listens, one.processes, one.uid) == (
        address,
        port,
        True,
        (ME,),
        os.getuid(),
    )
    assert os.getpid() in one.pids
    assert (mine, other) == ((one,), ())
    assert one in anywhere
    assert Sockets(str(port)).read(LocalHost()) == BoundSockets()


def test_a_listener_whose_holder_may_not_be_looked_into_is_hidden() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    script = (
        "import os, socket, sys\n"  # all that is needed: the other user may not enter Python's own folders
        "from checks.facts.localhost import LocalHost\n"
        "from checks.facts.sockets import Sockets\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "mine, port, none = (Sockets(of).read(LocalHost()) for of in sys.argv[1:])\n"
        "assert (mine.sockets, mine.hidden) == ((), True), mine\n"
        "assert [(each.listens, each.processes) for each in port.sockets] == [(True, ())], port\n"
        "assert (none.sockets, none.hidden) == ((), False), none\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        argv = [sys.executable, "-c", script, f"{ME}:{port}", port, f"fl-other:{port}"]
        done = subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_near_end_of_a_connection_counts_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as link, listener.accept()[0]:
            near = link.getsockname()[1]
            seen = Sockets(str(near)).read(LocalHost()).sockets
            assert [each.listens for each in Sockets(str(port)).read(LocalHost()).sockets] == [True]
    assert [(each.address, each.port, each.listens) for each in seen] == [("127.0.0.1", near, False)]


def test_a_port_of_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert Sockets(f"{port}/udp").read(LocalHost()).sockets == (
            Bound("127.0.0.1", port, uid=os.getuid()),
        )


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        ("443", Meant("", 443, "tcp")),
        ("53/udp", Meant("", 53, "udp")),
        ("nginx", Meant("nginx", 0, "tcp")),
        ("nginx:443", Meant("nginx", 443, "tcp")),
        ("7-zip:80/tcp", Meant("7-zip", 80, "tcp")),
    ],
)
def test_whose_sockets_are_meant(of: str, wanted: Meant) -> None:
    assert meant(of) == wanted


@pytest.mark.parametrize(
    "of", ["", "0", "70000", "a b", "nginx/udp", "nginx:53/udp", "1:2", "/tcp", "443/sctp"]
)
def test_what_means_nobody_is_refused(of: str) -> None:
    with pytest.raises(BadInput):
        Sockets(of)


Address = namedtuple("Address", "ip port")
Link = namedtuple("Link", "laddr status pid")


def test_on_windows_psutil_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = os.getpid()
    links = [
        Link(Address("0.0.0.0", 8080), psutil.CONN_LISTEN, me),
        Link(Address("127.0.0.1", 8080), psutil.CONN_ESTABLISHED, me),
        Link(Address("10.1.2.3", 40000), psutil.CONN_ESTABLISHED, None),
        Link(Address("10.1.2.3", 40001), psutil.CONN_TIME_WAIT, None),
        Link((), psutil.CONN_NONE, me),
    ]
    monkeypatch.setattr(psutil, "net_connections", lambda kind: links)
    host = LocalHost(str(tmp_path))
    listening = Bound("0.0.0.0", 8080, True, (ME,), (me,))
    assert Sockets("8080").read(host).sockets == (listening,)
    assert Sockets(ME).read(host).sockets == (listening,)
    assert Sockets("40000").read(host).sockets == (Bound("10.1.2.3", 40000, False),)
    assert Sockets("40001").read(host).sockets == ()

    def denied(kind: str) -> list[Link]:
        raise psutil.AccessDenied()

    monkeypatch.setattr(psutil, "net_connections", denied)
    with pytest.raises(NotReadable) as told:
        Sockets("8080").read(host)
    assert told.value.cause == "denied"


def test_the_holders_of_a_port_are_not_looked_for_where_nobody_asks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as link:
        port = link.getsockname()[1]
        (one,) = Listening(str(port)).read(LocalHost()).sockets
        assert one == Bound("127.0.0.1", port, True, uid=os.getuid())
        assert Listening(f"{ME}:{port}").read(LocalHost()) == Sockets(f"{ME}:{port}").read(LocalHost())
    assert {type(ask) for ask in Listening("443").asks()} == {ReadFrom}
    assert ListListeners() in Listening("nginx:443").asks()
