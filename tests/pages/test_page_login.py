"""The door as a browser meets it."""

from __future__ import annotations

import pytest
from litestar.testing import TestClient
from page_reader import Page
from pages_world import PASSWORD

from server.pages.login import inside


def log_in(client: TestClient, **changes: str) -> None:
    client.post("/login", data={"login": "root", "password": PASSWORD} | changes)


def csrf(client: TestClient) -> str:
    html = client.get("/").text
    return html.partition('name="csrf" value="')[2].partition('"')[0]


def test_a_visitor_is_led_back_to_where_it_was_heading(stranger: TestClient) -> None:
    answer = stranger.get("/findings?severity=P1&site=plant")
    assert answer.headers["location"] == "/login?next=/findings%3Fseverity%3DP1%26site%3Dplant"
    form = stranger.get(answer.headers["location"]).text
    assert 'value="/findings?severity=P1&amp;site=plant"' in form
    answer = stranger.post(
        "/login", data={"login": "root", "password": PASSWORD, "next": "/findings?severity=P1&site=plant"}
    )
    assert answer.headers["location"] == "/findings?severity=P1&site=plant"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "path",
    ["//evil.example/x", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\r\nX: y"],
)
def test_the_login_never_leads_to_another_host(stranger: TestClient, path: str) -> None:
    assert inside(path) == "/"
    answer = stranger.post("/login", data={"login": "root", "password": PASSWORD, "next": path})
    assert answer.headers["location"] == "/"


def test_a_wrong_password_is_said_once_and_keeps_the_login(stranger: TestClient) -> None:
    answer = stranger.post("/login", data={"login": "ro<b>ot", "password": "wrong"})
    assert answer.status_code == 401
    assert "Login or password is wrong." in Page(answer.text).text
    assert 'value="ro&lt;b&gt;ot"' in answer.text
    assert "wrong" not in answer.text.partition("refusal")[2].partition("</p>")[2]
    assert "set-cookie" not in answer.headers


def test_guessing_is_slowed_down(stranger: TestClient) -> None:
    answers = [stranger.post("/login", data={"login": "nobody", "password": str(n)}) for n in range(7)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_an_empty_form_is_a_refusal_and_no_accident(stranger: TestClient) -> None:
    assert stranger.post("/login").status_code == 401


def test_the_login_form_leads_on_who_is_logged_in(browser: TestClient) -> None:
    assert browser.get("/login?next=/sites").headers["location"] == "/sites"


def test_logging_out_ends_the_session(browser: TestClient) -> None:
    answer = browser.post("/logout", data={"csrf": csrf(browser)})
    assert answer.headers["location"] == "/login"
    assert browser.get("/").status_code == 303


def test_logging_out_needs_the_sessions_own_form(browser: TestClient) -> None:
    answer = browser.post("/logout", data={"csrf": "guessed"})
    assert answer.status_code == 403
    assert "reload the page" in Page(answer.text).text
    assert browser.get("/").status_code == 200


def test_a_form_of_another_site_is_refused(stranger: TestClient) -> None:
    answer = stranger.post(
        "/login", data={"login": "root", "password": PASSWORD}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_an_engineer_sees_the_same_pages(stranger: TestClient) -> None:
    log_in(stranger, login="mei")
    for path in ("/", "/sites/plant", "/kpi/recurrence"):
        assert stranger.get(path).status_code == 200
