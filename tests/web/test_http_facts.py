"""HTTP against a real nginx and against servers that do what none should."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from typing import Any

import pytest
from hostile import (
    Serve,
    bomb,
    broken_gzip,
    dripping,
    dripping_head,
    endless_body,
    endless_headers,
    endless_line,
    ever_on,
    garbage,
    hanging_up,
    request,
    serving,
    silent,
)
from hypothesis import given
from hypothesis import strategies as st
from nginx import PLAIN, Web

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.config import Setting
from checks.facts.http import BODY_LIMIT, WebAnswer, WebPage, found_in
from checks.facts.localhost import LocalHost
from checks.library.http import answering_page
from checks.matchers import read_matcher
from checks.model import Status, Verdict


def got(url: str, **options: Any) -> WebAnswer:
    return WebPage(url, **options).read(LocalHost())


def judged(answer: WebAnswer, **options: Any) -> tuple[Status, str]:
    verdict = answering_page(answer, url="http://x/", **options)
    assert isinstance(verdict, Verdict)
    return verdict.status, verdict.cause


def test_a_page_with_all_that_can_be_asked_of_it(web: Web) -> None:
    answer = got(web.url("/ok"), contains="is well", pattern="^all is w[a-z]+$", header="content-type")
    assert (answer.outcome, answer.status, answer.hops) == ("answered", 200, (web.url("/ok"),))
    assert (answer.contains, answer.matches, answer.header) == (True, True, Setting(True, "text/plain"))
    assert answer.size == len("all is well\npassword=hunter2\n")
    assert not answer.cut
    assert answer.latency_ms > 0
    assert "hunter2" not in str(answer)
    answer = got(web.url("/ok"), contains="is bad", pattern="^is well", header="X-None")
    assert (answer.contains, answer.matches, answer.header) == (False, False, Setting(False))
    assert (answer.json, got(web.url("/ok")).contains) == (None, None)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("status", Setting(True, "UP")),
        ("parts[0].free", Setting(True, 12)),
        ("parts.0.name", Setting(True, "db")),
        ("nothing.here", Setting(False)),
        ("token", Setting(True, withheld=True)),
    ],
)
def test_a_value_in_json(web: Web, path: str, found: Setting) -> None:
    answer = got(web.url("/json"), json=path)
    assert answer.json == found
    assert "abc" not in str(answer)


def test_json_that_is_none_cannot_be_told(web: Web) -> None:
    answer = got(web.url("/ok"), json="status")
    assert answer.unread is not None
    assert judged(answer, json="status") == (Status.ERROR, "parse")
    assert judged(got(web.url("/broken"), json="status"), json="status") == (Status.FAIL, "status")
    assert judged(got(web.url("/big"), json="status"), json="status") == (Status.ERROR, "too-large")


def test_headers_that_hold_secrets_are_not_kept(web: Web) -> None:
    assert got(web.url("/json"), header="set-cookie").header == Setting(True, withheld=True)
    assert got(web.url("/json"), header="x-version").header == Setting(True, "2.7.1")


def test_redirects_are_followed_and_listed(web: Web) -> None:
    answer = got(web.url("/redirect"), contains="all is well")
    assert (answer.status, answer.contains) == (200, True)
    assert answer.hops == (web.url("/redirect"), web.url("/ok"))
    assert got(web.url("/redirect"), follow=False, header="location").header == Setting(True, web.url("/ok"))
    assert got(web.url("/redirect"), follow=False).status == 302


def test_redirects_that_lead_nowhere(web: Web) -> None:
    assert got(web.url("/circle")).outcome == "redirects"
    answer = got(web.url("/nowhere"))
    assert (answer.outcome, answer.detail) == ("broken", "redirected to ftp://127.0.0.10/")
    with serving(ever_on) as port:
        answer = got(f"http://127.0.0.1:{port}/x")
    assert (answer.outcome, answer.detail, len(answer.hops)) == ("redirects", "more than 10 redirects", 11)


def test_what_a_login_puts_into_a_redirect_is_not_kept(web: Web) -> None:
    assert got(web.url("/login-first")).hops[1] == web.url("/ok")


def test_a_login_goes_to_its_own_server_only(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_TOKEN", "open sesame")
    named = {"bearer": "env:FL_TOKEN", "headers": ("X-Api-Key: env:FL_TOKEN",), "contains": "auth=[]"}
    assert got(web.url("/headers"), **named).contains is False
    assert got(web.url("/headers"), **named | {"contains": "auth=[Bearer open sesame]"}).contains
    assert got(web.url("/headers"), **named | {"contains": "key=[open sesame]"}).contains
    away = got(web.url("/away", "good"), verify=False, **named | {"contains": "auth=[] key=[]"})
    assert (away.hops[-1], away.contains) == (web.url("/headers"), True)


def test_a_login_with_a_password(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_PASSWORD", "open sesame")
    assert got(web.url("/basic")).status == 401
    answer = got(web.url("/basic"), user="ann", password="env:FL_PASSWORD", contains="inside")
    assert (answer.status, answer.contains) == (200, True)
    monkeypatch.delenv("FL_PASSWORD")
    with pytest.raises(NotReadable, match="FL_PASSWORD is not set"):
        got(web.url("/basic"), user="ann", password="env:FL_PASSWORD")


def test_nothing_of_the_agents_surroundings_enters(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert got(web.url("/json")).status == 200
    assert got(web.url("/headers"), contains="cookie=[]").contains


def test_other_methods(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_BODY", "password=sesame")
    assert got(web.url("/post"), method="POST", body="env:FL_BODY", contains="POST 15").contains
    assert got(web.url("/post"), method="POST", body="a=1", contains="POST 3").contains
    answer = got(web.url("/ok"), method="HEAD")
    assert (answer.status, answer.size) == (200, 0)


def test_of_a_large_body_one_mebibyte_is_read(web: Web) -> None:
    answer = got(web.url("/big"), contains="y")
    assert (answer.size, answer.cut, answer.contains) == (BODY_LIMIT, True, False)
    assert judged(answer, contains="y") == (Status.ERROR, "too-large")
    assert judged(got(web.url("/big"), contains="x"), contains="x") == (Status.PASS, "")


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("good", "answered"),
        ("expired", "tls-expired"),
        ("later", "tls-not-yet-valid"),
        ("self-signed", "tls-self-signed"),
        ("wrong-host", "tls-wrong-host"),
        ("incomplete", "tls-unknown-issuer"),
        ("old", "answered"),
    ],
)
def test_certificates_are_verified(web: Web, kind: str, outcome: str) -> None:
    answer = got(web.url("/ok", kind), ca=web.ca, contains="well")
    assert answer.outcome == outcome
    assert judged(answer) == ((Status.PASS, "") if outcome == "answered" else (Status.FAIL, outcome))
    assert got(web.url("/ok", kind), verify=False, contains="well").contains


def test_without_a_file_the_systems_trust_counts(web: Web) -> None:
    assert got(web.url("/ok", "good")).outcome == "tls-unknown-issuer"


def test_a_client_certificate_that_is_wanted_is_no_answer(web: Web) -> None:
    assert judged(got(web.url("/ok", "client"), ca=web.ca)) == (Status.FAIL, "status")


def test_where_nobody_is() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert got(f"http://127.0.0.1:{bound.getsockname()[1]}/").outcome == "refused"
    assert got("http://nowhere.invalid/").outcome == "dns"
    assert got("http://bücher.invalid/").outcome == "dns"
    assert got("http://[::1]:1/").outcome in ("refused", "no-route")
    assert got("http://" + "x" * 70 + ".invalid/").outcome in ("dns", "broken")


@pytest.mark.parametrize(
    ("serve", "outcome"),
    [
        (silent, "timeout"),
        (dripping, "timeout"),
        (dripping_head, "timeout"),
        (endless_headers, "broken"),
        (endless_line, "broken"),
        (broken_gzip, "broken"),
        (garbage, "broken"),
        (hanging_up, "broken"),
    ],
)
def test_servers_that_do_what_none_should(serve: Serve, outcome: str) -> None:
    with serving(serve) as port:
        answer = got(f"http://127.0.0.1:{port}/", timeout=1.0)
    assert (answer.outcome, answer.status) == (outcome, 0)
    assert answer.detail
    assert judged(answer) == (Status.FAIL, outcome)


@pytest.mark.parametrize("serve", [silent, garbage, hanging_up, dripping_head])
def test_no_tls_where_some_is_wanted(serve: Serve) -> None:
    with serving(serve) as port:
        answer = got(f"https://127.0.0.1:{port}/", timeout=1.0)
    assert answer.outcome in {"timeout", "tls", "broken"}


@pytest.mark.parametrize("serve", [bomb, endless_body])
def test_a_body_without_end_costs_no_memory(serve: Serve) -> None:
    with serving(serve) as port:
        tracemalloc.start()
        try:
            answer = got(f"http://127.0.0.1:{port}/", timeout=20.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (answer.outcome, answer.size, answer.cut) == ("answered", BODY_LIMIT, True)
    assert peak < 40_000_000  # of which the server in this process has its share


def test_any_bytes_of_a_server_are_an_answer_or_none() -> None:
    said = [b""]

    def serve(link: socket.socket, over: threading.Event) -> None:
        request(link)
        link.sendall(said[0])

    with serving(serve) as port:
        page = WebPage(f"http://127.0.0.1:{port}/", timeout=2.0, contains="x", header="a")

        @given(
            st.binary(max_size=200),
            st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 \r\nLocation: "]),
        )
        def holds(rest: bytes, start: bytes) -> None:
            said[0] = start + rest
            assert page.read(LocalHost()).outcome in {"answered", "broken", "redirects", "refused", "dns"}

        holds()


def test_a_url_holds_no_secret_and_is_one() -> None:
    for url in (
        "",
        "db1",
        "ftp://x/",
        "http://",
        "http://x:0/",
        "http://x:99999/",
        "http://x/a b",
        "{nothing",
    ):
        with pytest.raises(BadInput, match="no address"):
            WebPage(url)
    for url in (
        "http://ann:sesame@x/",
        "http://ann@x/",
        "http://x/?token=sesame",
        "http://x/?a=1&api_key=sesame",
    ):
        with pytest.raises(BadInput) as told:
            WebPage(url)
        assert "sesame" not in str(told.value)
    for options in (
        {"password": "sesame"},
        {"bearer": "sesame"},
        {"headers": ("Authorization: Bearer sesame",)},
        {"headers": ("X-Api-Key: sesame",)},
        {"headers": ("sesame",)},
        {"body": "user=ann&password=sesame"},
        {"body": '{"user": "ann", "password": "sesame"}'},
    ):
        with pytest.raises(BadInput) as told:
            WebPage("http://x/", **options)
        assert "sesame" not in str(told.value)
    assert WebPage("{url}").asks()[0].describe() == "GET {url}, and its redirects"


def test_a_long_line_is_looked_at_in_pieces() -> None:
    assert found_in("a" * 100_000 + "needle", "needle")
    assert found_in("a" * 4094 + "needle" + "a" * 9000, "needle")
    assert not found_in("", "x")
    assert found_in("", "^$")


def test_an_address_of_the_sixth_version() -> None:
    def serve(link: socket.socket, over: threading.Event) -> None:
        head = request(link)
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))

    try:
        with serving(serve, "::1") as port:
            answer = got(f"http://[::1]:{port}/", contains=f"Host: [::1]:{port}")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert (answer.status, answer.contains) == (200, True)


def test_conditions_on_what_was_found(web: Web) -> None:
    answer = got(web.url("/json"), json="parts[0].free")
    assert judged(answer, json="parts[0].free", value=read_matcher({"at_least": 10})) == (Status.PASS, "")
    assert judged(answer, json="parts[0].free", value=read_matcher({"at_least": 20})) == (
        Status.FAIL,
        "differs",
    )
    assert judged(got(web.url("/broken")), status=read_matcher(503)) == (Status.PASS, "")
    assert judged(got(web.url("/broken"))) == (Status.FAIL, "status")
    assert PLAIN in web.url("/json")
