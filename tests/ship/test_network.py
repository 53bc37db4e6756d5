"""The way to the collector: real proxies, real TLS, client certificates; and every failure in words."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import services
from ship_authority import Authority
from ship_collector import TinyCollector
from ship_sample import ship_one, spool_one

from agent import retry
from agent.config import load_config
from agent.delivery import connect, deliver_pending
from agent.enrolment import enrol
from agent.identity import load_identity, save_identity
from agent.paths import State
from agent.uplink import Uplink
from checks.errors import BadInput, UplinkError

PASSWORD = "pr0xy-s3cret"


@pytest.fixture(autouse=True)
def no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


Served = Callable[..., TinyCollector]


@pytest.fixture
def served(authority: Authority) -> Iterator[Served]:
    """A collector behind TLS, with the certificate that is asked for."""
    running: list[TinyCollector] = []

    def serve(name: str = "127.0.0.1", **how: object) -> TinyCollector:
        running.append(TinyCollector(authority.context(name, **how)))  # type: ignore[arg-type]
        return running[-1]

    yield serve
    for one in running:
        one.stop()


class Proxy:
    """tinyproxy on a port of 127.0.0.1, with its log."""

    def __init__(self, folder: Path, login: bool) -> None:
        self.folder, self.log = folder, folder / "proxy.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        lines = [f"Port {self.port}", "Listen 127.0.0.1", f'LogFile "{self.log}"', "LogLevel Connect"]
        lines += [f"BasicAuth agent {PASSWORD}"] if login else []
        lines += ["Allow 127.0.0.1", "MaxClients 20"]
        (folder / "proxy.conf").write_text("\n".join(lines) + "\n")

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        program = services.program("tinyproxy", "tinyproxy")
        command = [program, "-d", "-c", str(self.folder / "proxy.conf")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        break
                time.sleep(0.02)
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def led_to(self) -> str:
        return self.log.read_text(errors="replace")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(tmp_path, login=False).running() as running:
        yield running


@pytest.fixture
def strict_proxy(tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(tmp_path, login=True).running() as running:
        yield running


def network(state: State, **values: str) -> None:
    state.prepare()
    state.config.write_text(
        "[network]\n" + "".join(f'{name} = "{value}"\n' for name, value in values.items())
    )


def failure(url: str, **how: Path) -> UplinkError:
    with Uplink(url, connect_s=2, read_s=2, **how) as uplink, pytest.raises(UplinkError) as caught:
        uplink.clock_offset_s()
    return caught.value


def test_https_goes_through_the_proxy_of_the_configuration_from_enrolment_on(
    state: State, served: Served, proxy: Proxy, authority: Authority
):
    collector = served()
    network(state, proxy=f"http://{proxy.address}")
    enrol(state, collector.url, collector.token(), ca=authority.pem)
    assert ship_one().outcome == "sent"
    port = collector.url.rpartition(":")[2]
    assert f"CONNECT 127.0.0.1:{port} HTTP/1" in proxy.led_to()
    assert proxy.led_to().count("CONNECT 127.0.0.1:") == 2


def test_plain_http_goes_through_it_too(state: State, collector: TinyCollector, proxy: Proxy):
    network(state, proxy=f"http://{proxy.address}")
    enrol(state, collector.url, collector.token())
    assert ship_one().outcome == "sent"
    assert f"POST {collector.url}/api/v1/runs" in proxy.led_to()


@pytest.mark.parametrize("source", ["file", "env"])
def test_a_proxy_that_wants_a_login_gets_it_and_nobody_else_sees_it(
    state: State,
    served: Served,
    strict_proxy: Proxy,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
):
    collector = served()
    if source == "file":
        (tmp_path / "password").write_text(PASSWORD + "\n")
        where = f"file:{tmp_path}/password"
    else:
        monkeypatch.setenv("PROXY_PASSWORD", PASSWORD)
        where = "env:PROXY_PASSWORD"
    network(state, proxy=f"http://{strict_proxy.address}", proxy_user="agent", proxy_password=where)
    enrol(state, collector.url, collector.token(), ca=authority.pem)
    assert ship_one().outcome == "sent"
    collector.stop()
    network(state, proxy="http://127.0.0.1:1", proxy_user="agent", proxy_password=where)
    away = ship_one()
    assert "the proxy http://127.0.0.1:1 cannot be reached" in away.line
    secrets = (PASSWORD, base64.b64encode(f"agent:{PASSWORD}".encode()).decode())
    for file in state.root.rglob("*"):
        if file.is_file():
            assert not any(secret.encode() in file.read_bytes() for secret in secrets), file
    assert not any(secret in away.line for secret in secrets)


@pytest.mark.parametrize("login", [{}, {"proxy_user": "agent", "proxy_password": "env:HOME"}])
def test_without_its_login_the_proxy_says_so_in_our_words(
    machine: State, served: Served, strict_proxy: Proxy, login: dict[str, str]
):
    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, msgspec.structs.replace(identity, url=served().url))
    network(machine, proxy=f"http://{strict_proxy.address}", **login)
    spool_one(machine)
    (waiting,) = deliver_pending(machine)
    assert waiting.outcome == "waiting"
    address = f"http://{strict_proxy.address}"
    assert waiting.detail.startswith(f"the proxy {address} wants a login that it accepts (407)")
    assert "proxy_user and proxy_password" in waiting.detail


def test_a_proxy_that_does_not_lead_there_is_told_apart_from_the_collector(
    machine: State, proxy: Proxy, tmp_path: Path
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"https://127.0.0.1:{probe.getsockname()[1]}"
    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, msgspec.structs.replace(identity, url=nobody))
    network(machine, proxy=f"http://{proxy.address}")
    spool_one(machine)
    (waiting,) = deliver_pending(machine)
    assert waiting.detail.startswith(f"the proxy http://{proxy.address} does not lead to {nobody} (5")


def test_the_environments_proxy_is_used_but_not_for_what_no_proxy_names(
    authority: Authority, served: Served, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    collector = served("localhost.localdomain")
    port = collector.url.rpartition(":")[2]
    url = f"https://localhost.localdomain:{port}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:1")
    error = failure(url, ca=authority.pem)
    assert (error.cause, PASSWORD in str(error)) == ("proxy", False)
    assert "the proxy http://127.0.0.1:1 cannot be reached: the connection was refused" in str(error)
    monkeypatch.setenv("NO_PROXY", ".localdomain")
    direct = failure(url, ca=authority.pem).cause if _unknown("localhost.localdomain") else ""
    assert direct in ("", "dns")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    monkeypatch.delenv("NO_PROXY")
    with Uplink(url, ca=authority.pem) as uplink:
        assert uplink._proxy() == f"http://{proxy.address}"


def _unknown(name: str) -> bool:
    try:
        socket.getaddrinfo(name, 443)
    except socket.gaierror:
        return True
    return False


def test_the_configuration_wins_over_the_environment(
    state: State, collector: TinyCollector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    enrol(state, collector.url, collector.token())  # loopback, which no proxy of the environment is asked for
    identity = load_identity(state)
    assert identity is not None
    other = msgspec.structs.replace(identity, url=collector.url.replace("127.0.0.1", "127.1"))
    save_identity(state, other)
    assert ship_one().outcome == "spooled"
    retry.forget(state)
    network(state, proxy="none")
    assert ship_one().outcome == "sent"


def test_a_server_that_wants_to_know_its_clients_gets_our_certificate(
    state: State, served: Served, authority: Authority
):
    collector = served(clients=True)
    client = authority.issue("agent-of-plant-a")
    network(state, client_cert=str(client))
    enrol(state, collector.url, collector.token(), ca=authority.pem)
    assert ship_one().outcome == "sent"
    (state.root / "client.pem").write_bytes(client.read_bytes())
    network(state, client_cert="client.pem")
    assert ship_one().outcome == "sent", "a path counts from the state folder"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_a_certificate_such_a_server_says_so_in_our_words(
    authority: Authority, version: ssl.TLSVersion
):
    context = authority.context("127.0.0.1", clients=True)
    context.minimum_version = context.maximum_version = version
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with server.accept()[0] as connection:
                tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with suppress(ssl.SSLError):
                    tls.do_handshake()
                    tls.recv(1)
                over.wait(10)  # closed before its alert was read, the alert may be overtaken
                tls.close()

        strict = threading.Thread(target=refuse)
        strict.start()
        error = failure(f"https://127.0.0.1:{server.getsockname()[1]}", ca=authority.pem)
        over.set()
        strict.join()
    assert error.cause == "client-certificate", str(error)
    assert "set client_cert and client_key under [network] in config.toml" in str(error)


@pytest.mark.parametrize(
    ("name", "days", "cause", "words"),
    [
        ("127.0.0.1", -30, "expired", "it has expired; renew it at the collector, or set this clock right"),
        ("127.0.0.1", 30, "not-yet-valid", "it is not valid yet; is this machine's clock right?"),
        ("collector.example", 0, "wrong-name", "it is not for 127.0.0.1 ("),
    ],
)
def test_a_certificate_that_is_wrong_is_told_with_what_is_wrong(
    served: Served, authority: Authority, name: str, days: float, cause: str, words: str
):
    collector = served(name, at=datetime.now(UTC) + timedelta(days=days))
    trusted = authority.pem
    error = failure(collector.url, ca=trusted)
    assert (error.cause, words in str(error)) == (cause, True), str(error)
    assert str(error).startswith(f"the certificate of {collector.url} is not trusted")


def test_a_certificate_of_an_unknown_authority_is_not_trusted(served: Served):
    error = failure(served().url)
    assert error.cause == "untrusted"
    assert "enrol again with --ca FILE" in str(error)


def test_what_speaks_no_tls_is_told(collector: TinyCollector):
    error = failure(collector.url.replace("http://", "https://"))
    assert (error.cause, "no TLS is spoken there" in str(error)) == ("not-tls", True), str(error)


def test_a_name_that_nobody_knows_and_a_port_that_nobody_listens_on():
    unknown = failure("http://collector.invalid")
    assert unknown.cause in ("dns", "timeout"), str(unknown)
    if unknown.cause == "dns":
        assert "the name collector.invalid is not known here" in str(unknown)
    refused = failure("http://127.0.0.1:1")
    assert (refused.cause, "the connection was refused" in str(refused)) == ("refused", True)


def test_a_collector_that_says_nothing_is_not_waited_for_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Uplink(url, connect_s=0.2, read_s=0.2) as uplink, pytest.raises(UplinkError) as caught:
            uplink.clock_offset_s()
    assert (caught.value.cause, str(caught.value)) == ("timeout", f"{url} did not answer in time")


def test_an_answer_that_trickles_in_is_not_waited_for_for_ever():
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with server.accept()[0] as connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Uplink(url, connect_s=1, read_s=0.4) as uplink, pytest.raises(UplinkError) as caught:
            uplink.clock_offset_s()
        stop.set()
        dripping.join()
    assert (caught.value.cause, str(caught.value)) == ("timeout", f"{url} did not answer in time")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x02",
        b"HTTP/1.1 2",
        b'HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"run"',
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 201 " + b"x" * 70_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_an_answer_that_is_none_or_half_leaves_the_run_in_the_spool(machine: State, answer: bytes):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            with server.accept()[0] as connection:
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(answer)

        speaker = threading.Thread(target=speak)
        speaker.start()
        identity = load_identity(machine)
        assert identity is not None
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        save_identity(machine, msgspec.structs.replace(identity, url=url))
        spool_one(machine)
        (waiting,) = deliver_pending(machine)
        speaker.join()
    assert waiting.outcome == "waiting"
    assert "\n" not in waiting.detail
    assert waiting.detail.startswith(url)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"proxy": "proxy.example:3128"},
            "not a proxy; it looks like http://proxy.example.com:3128, or none",
        ),
        ({"proxy": "socks5://127.0.0.1:9"}, "not a proxy"),
        ({"proxy": "http://p:99999"}, "not a proxy"),
        (
            {"proxy": f"http://agent:{PASSWORD}@p:3128"},
            "proxy holds a login; set proxy_user, and proxy_password",
        ),
        ({"proxy_user": "agent"}, "belong to a proxy; set proxy, too"),
        ({"proxy": "http://p:1", "proxy_password": "env:HOME"}, "proxy_password without proxy_user"),
        (
            {"proxy": "http://p:1", "proxy_user": "a", "proxy_password": PASSWORD},
            "write env:NAME or file:/path",
        ),
        ({"proxy": "http://p:1", "proxy_user": "a", "proxy_password": "env:N0_SUCH"}, "N0_SUCH is not set"),
        ({"client_key": "k.pem"}, "client_key without client_cert"),
        ({"client_cert": "absent.pem"}, "absent.pem: No such file or directory"),
        ({"client_cert": "config.toml"}, "holds no certificate in PEM form"),
    ],
)
def test_a_wrong_setting_is_one_line_with_file_and_what_would_be_right(
    machine: State, values: dict[str, str], said: str
):
    network(machine, **values)
    identity = load_identity(machine)
    assert identity is not None
    with pytest.raises(BadInput) as caught:
        connect(machine, identity, load_config(machine))
    assert str(caught.value).startswith(f"{machine.config}: [network]") or said.startswith("write env")
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_check_with_settings_that_are_wrong_keeps_its_run_and_ends_with_3(machine: State):
    network(machine, proxy="ftp://proxy")
    shipment = ship_one()
    assert shipment.outcome == "failed"
    assert shipment.line.startswith(
        f"kept in the spool, NOT sent: {machine.config}: [network] proxy = 'ftp://proxy'"
    )
