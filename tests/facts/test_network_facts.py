"""What comes of a TCP connect, on real sockets of the loopback."""

from __future__ import annotations

import errno
import socket

import pytest

from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.network import TcpConnect


def test_a_listener_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = TcpConnect("127.0.0.1", listener.getsockname()[1], 5.0).read(LocalHost())
    assert (link.outcome, link.address, link.detail) == ("connected", "127.0.0.1", "")
    assert link.latency_ms > 0


def test_a_port_nobody_listens_on_is_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        link = TcpConnect("127.0.0.1", bound.getsockname()[1], 5.0).read(LocalHost())
    assert (link.outcome, link.detail) == ("refused", "Connection refused")


def test_a_listener_that_takes_nobody_any_more_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            for _ in range(3):  # the kernel's queue is full after one or two of these
                other = socket.socket()
                waiting.append(other)
                other.setblocking(False)
                other.connect_ex(full.getsockname())
            link = TcpConnect("127.0.0.1", full.getsockname()[1], 0.2).read(LocalHost())
        finally:
            for other in waiting:
                other.close()
    assert (link.outcome, link.detail) == ("timeout", "no answer within 0.2 s")


def test_a_name_without_an_address_is_dns() -> None:
    for name in ("nosuch.invalid", "a..b", "x" * 300):
        assert TcpConnect(name, 80, 5.0).read(LocalHost()).outcome == "dns"


def test_a_network_without_a_route_is_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(link: socket.socket, address: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert TcpConnect("127.0.0.1", 80, 5.0).read(LocalHost()).outcome == "no-route"


def test_one_of_several_addresses_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        addresses = [(socket.AF_INET, ("127.0.0.2", port)), (socket.AF_INET, ("127.0.0.1", port))]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(family, 1, 6, "", at) for family, at in addresses]
        )
        link = TcpConnect("two", port, 5.0).read(LocalHost())
    assert (link.outcome, link.address) == ("connected", "127.0.0.1")


def test_of_several_failures_the_one_that_tells_most_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        addresses = [(socket.AF_INET6, ("100::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(family, 1, 6, "", at) for family, at in addresses]
        )
        link = TcpConnect("two", port, 2.0).read(LocalHost())
    assert link.outcome == "refused"


def test_a_port_that_is_none_cannot_be_tried() -> None:
    with pytest.raises(NotReadable, match="70000 is not a port"):
        TcpConnect("127.0.0.1", 70000, 5.0).read(LocalHost())
