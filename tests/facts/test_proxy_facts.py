"""Proxy settings of files and programs, the rules of no_proxy, and a proxy that is asked to connect."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.proxy import ProxySettings, ProxySource, ProxyTunnel
from checks.facts.proxyrules import excluded, parse_apt, parse_environment, parse_variables, place_of

ENVIRONMENT = """
# for everybody
PATH="/usr/bin"
http_proxy=http://ann:open%20sesame@proxy.acme.example:3128
HTTP_PROXY="http://proxy.acme.example:3128"   # quoted
export https_proxy='proxy.acme.example:3128'
no_proxy=localhost,.acme.example
ftp_proxy=$http_proxy
other_proxy=x
"""

APT = """
// Acquire::http::Proxy "http://not.this:1";
Acquire::http::Proxy "http://bo:secret@apt.example:3142/";
Acquire {
  HTTPS { Proxy "DIRECT"; Timeout "3"; };
  ftp { Proxy "ftp.example:21"; };
};
"""


def test_variables_that_files_set() -> None:
    assert parse_variables(ENVIRONMENT) == {
        "http_proxy": "http://ann:***@proxy.acme.example:3128",
        "HTTP_PROXY": "http://proxy.acme.example:3128",
        "https_proxy": "proxy.acme.example:3128",
        "no_proxy": "localhost,.acme.example",
    }
    assert parse_variables(
        "  export http_proxy=a:1; export x=y\ndeclare -x all_proxy=b:2\nset http_proxy c:3\n"
    ) == {
        "http_proxy": "a:1",
        "all_proxy": "b:2",
    }
    assert parse_variables("http_proxy=bo:secret@proxy:3128") == {"http_proxy": "http://bo:***@proxy:3128"}


def test_proxies_of_apt() -> None:
    assert parse_apt(APT) == {"http_proxy": "http://bo:***@apt.example:3142/", "ftp_proxy": "ftp.example:21"}


def test_a_programs_environment_is_looked_at_for_proxies_only() -> None:
    data = b"SECRET_KEY=open sesame\0https_proxy=http://a:b@p:1\0NO_PROXY=x\0no_proxy\0\xff=1\0"
    assert parse_environment(data) == {"https_proxy": "http://a:***@p:1", "NO_PROXY": "x"}


@given(st.text(max_size=300), st.binary(max_size=300))
def test_any_text_is_settings_or_none(text: str, data: bytes) -> None:
    parse_variables(text)
    parse_variables(f"http_proxy={text}")
    parse_apt(f"Acquire::http::Proxy {text}")
    parse_apt(f'http {{ {text} proxy "{text}"')
    parse_environment(data)
    parse_environment(b"http_proxy=" + data)
    place_of(text)
    excluded(text, text)


@pytest.mark.parametrize(
    ("proxy", "place"),
    [
        ("http://proxy:3128", ("http", "proxy", 3128)),
        ("proxy:3128/", ("http", "proxy", 3128)),
        ("http://ann:***@proxy", ("http", "proxy", 80)),
        ("https://proxy", ("https", "proxy", 443)),
        ("socks5h://[2001:db8::1]:1080", ("socks5h", "2001:db8::1", 1080)),
        ("http://proxy:0", None),
        ("http://proxy:port", None),
        ("http://", None),
        ("", None),
        ("gopher://proxy", None),
    ],
)
def test_the_address_of_a_proxy(proxy: str, place: tuple[str, str, int] | None) -> None:
    assert place_of(proxy) == place


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_out"),
    [
        ("db1.acme.example", ".acme.example", True),
        ("db1.acme.example", "acme.example", True),
        ("db1.acme.example", "*.acme.example", True),
        ("DB1.acme.example.", "Acme.Example", True),
        ("acme.example", ".acme.example", True),
        ("notacme.example", "acme.example", False),
        ("db1", "localhost, db1", True),
        ("db1", "localhost db1", True),
        ("db1", "db1:8080", True),
        ("db1", "db", False),
        ("db1", "*", True),
        ("db1", "", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2", False),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("2001:db8::7", "2001:db8::/32", True),
        ("[2001:db8::7]", "[2001:db8::7]", True),
        ("2001:db8::7", "10.0.0.0/8,::/0", True),
        ("10.1.2.3", "::/0", False),
        ("10.1.2.3", ".2.3", False),
    ],
)
def test_the_rules_of_no_proxy(host: str, no_proxy: str, is_out: bool) -> None:
    assert excluded(host, no_proxy) is is_out


def test_all_places_of_a_system(tmp_path: Path) -> None:
    for folder in ("etc/profile.d", "etc/apt/apt.conf.d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/environment").write_text("http_proxy=http://a:1\n")
    (tmp_path / "etc/profile.d/proxy.sh").write_text("export https_proxy=http://b:2\n")
    (tmp_path / "etc/profile.d/proxy.csh").write_text("setenv https_proxy http://c:3\n")
    (tmp_path / "etc/apt/apt.conf.d/95proxies").write_text('Acquire::http::Proxy "http://d:4";\n')
    (tmp_path / "etc/apt/apt.conf.d/old.bak").write_text('Acquire::http::Proxy "http://e:5";\n')
    (tmp_path / "etc/profile.d/other.sh").write_text("export LANG=C\n")
    assert ProxySettings().read(LocalHost(str(tmp_path))).sources == (
        ProxySource("/etc/environment", {"http_proxy": "http://a:1"}),
        ProxySource("/etc/profile.d/proxy.sh", {"https_proxy": "http://b:2"}),
        ProxySource("/etc/apt/apt.conf.d/95proxies", {"http_proxy": "http://d:4"}),
    )


@pytest.fixture
def program(tmp_path: Path) -> Iterator[str]:
    name = f"fl{os.getpid()}-proxied"
    shutil.copy("/bin/sleep", tmp_path / name)
    environment = {"https_proxy": "http://ann:secret@p:1", "TOKEN": "open sesame"}
    process = subprocess.Popen([str(tmp_path / name), "60"], env=environment)
    try:
        yield name
    finally:
        process.kill()
        process.wait()


def test_a_running_program(program: str) -> None:
    sources = ProxySettings(program).read(LocalHost()).sources
    assert sources[-1] == ProxySource(f"the running {program[:60]}", {"https_proxy": "http://ann:***@p:1"})
    with pytest.raises(NotReadable) as told:
        ProxySettings("fl-not-there").read(LocalHost())
    assert told.value.cause == "absent"


def test_on_windows_the_systems_settings_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"http": "http://a:b@p:1", "no": "localhost"})
    (source,) = ProxySettings().read(LocalHost(str(tmp_path))).sources
    assert source.settings == {"http_proxy": "http://a:***@p:1", "no_proxy": "localhost"}


@contextlib.contextmanager
def proxy(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """Answers one head after the other; an answer of nothing keeps the connection open."""
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    head = b""
                    while b"\r\n\r\n" not in head and (part := link.recv(4096)):
                        head += part
                    said = answer(head)
                    link.sendall(said)
                    if not said:
                        over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = threading.Thread(target=serve)
        worker.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            worker.join(15)


@pytest.mark.parametrize(
    ("said", "outcome", "status"),
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", "open", 200),
        (b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", "open", 200),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "login", 407),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "denied", 403),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "denied", 502),
        (b"SSH-2.0-x\r\n\r\n", "broken", 0),
        (b"HTTP/1.1 999 x\r\n\r\n", "broken", 0),
        (b"x" * 20_000, "broken", 0),
    ],
)
def test_what_a_proxy_says(said: bytes, outcome: str, status: int) -> None:
    with proxy(lambda head: said) as port:
        tunnel = ProxyTunnel("db1:5432", f"127.0.0.1:{port}").read(LocalHost())
    assert (tunnel.outcome, tunnel.status) == (outcome, status)


def test_a_proxy_that_says_nothing_is_given_up_and_one_that_is_not_there_refuses() -> None:
    with proxy(lambda head: b"") as port:
        assert ProxyTunnel("db1:1", f"127.0.0.1:{port}", timeout=0.3).read(LocalHost()).outcome == "timeout"
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{bound.getsockname()[1]}"
        assert ProxyTunnel("db1:1", closed).read(LocalHost()).outcome == "refused"


def test_the_login_is_sent_and_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_LOGIN", "ann:open sesame")
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return b"HTTP/1.1 200 OK\r\n\r\n"

    with proxy(answer) as port:
        fact = ProxyTunnel("[2001:db8::7]:443", f"http://127.0.0.1:{port}", "", "env:FL_LOGIN")
        tunnel = fact.read(LocalHost())
    assert heads[0].startswith(b"CONNECT [2001:db8::7]:443 HTTP/1.1\r\nHost: [2001:db8::7]:443\r\n")
    assert b"Basic " + b64encode(b"ann:open sesame") in heads[0]
    assert "sesame" not in f"{tunnel} {fact.id()} {fact.asks()}"
    with pytest.raises(BadInput):
        ProxyTunnel("db1:1", "p:1", "", "ann:open sesame")


def test_the_proxy_that_is_set_is_asked(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    with proxy(lambda head: b"HTTP/1.1 200 OK\r\n\r\n") as port:
        (tmp_path / "etc/environment").write_text(f"https_proxy=http://127.0.0.1:{port}\n")
        tunnel = ProxyTunnel("db1:5432").read(LocalHost(str(tmp_path)))
    assert (tunnel.outcome, tunnel.proxy) == ("open", f"http://127.0.0.1:{port}")
    (tmp_path / "etc/environment").write_text("no_proxy=x\n")
    with pytest.raises(NotReadable, match="no proxy is set"):
        ProxyTunnel("db1:5432").read(LocalHost(str(tmp_path)))


def test_what_cannot_be_asked_is_said() -> None:
    for to, through in (("db1", "p:1"), ("db1:1", "socks5://p:1"), ("db1:1\r\nX: y", "p:1")):
        with pytest.raises(NotReadable) as told:
            ProxyTunnel(to, through).read(LocalHost())
        assert told.value.cause == "unsupported"
