"""Who gets in over HTTP: sessions with their CSRF token, bearer tokens, and the guards of every route."""

from __future__ import annotations

from typing import Any

import pytest
from api_world import PASSWORD, Collector
from litestar import Router, post
from litestar.testing import TestClient

from server.app import make_site
from server.auth.web import GUARDS, own_origin
from server.settings import Settings

PUBLIC = {
    ("POST", "/api/v1/enrol"),
    ("POST", "/api/v1/sessions"),
    ("GET", "/api/v1/rules"),
    ("POST", "/api/v1/agents/{id:str}/keys"),
}
ANYONE_MAY = {
    ("DELETE", "/api/v1/sessions"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/{id:str}"),
    ("POST", "/api/v1/decisions/severity"),
    ("POST", "/api/v1/decisions/cause"),
    ("POST", "/api/v1/decisions/exclusion"),
    ("POST", "/api/v1/decisions/retirement"),
    ("POST", "/api/v1/decisions/{id:int}/approve"),
    ("POST", "/api/v1/decisions/{id:int}/reject"),
}
ADMINS_READ = {("GET", "/api/v1/users"), ("GET", "/api/v1/audit")}


def routes_of(collector: Collector) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in collector.client.app.routes
        if route.path.startswith("/api/v1/")
        for method in sorted(route.methods - {"OPTIONS", "HEAD"})
    ]


def address(path: str) -> str:
    """A route's path with something in every place, below the API's prefix."""
    for place in ("{id:int}", "{unit:path}", "{id:str}", "{login:str}"):
        path = path.replace(place, "1")
    return path.removeprefix("/api/v1")


def log_in(collector: Collector, login: str = "root", password: str = PASSWORD) -> Any:
    return collector.client.post("/api/v1/sessions", json={"login": login, "password": password})


def test_every_route_but_the_public_ones_refuses_strangers(collector: Collector) -> None:
    walked = 0
    for method, path in routes_of(collector):
        if (method, path) in PUBLIC:
            continue
        response = collector.call(method, address(path), {}, by=None)
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"] == "Bearer"
        walked += 1
    assert walked > 40


def test_every_change_needs_an_admin_unless_it_is_listed_here(collector: Collector) -> None:
    for method, path in routes_of(collector):
        open_to_all = method == "GET" and (method, path) not in ADMINS_READ
        if open_to_all or (method, path) in PUBLIC | ANYONE_MAY:
            continue
        response = collector.call(method, address(path), {}, by="ann")
        assert response.status_code == 403, (method, path)
        assert response.json()["detail"] == "only an admin may do this"


def test_every_route_stands_behind_the_guard_of_origin(collector: Collector) -> None:
    for route in collector.client.app.routes:
        for handler in getattr(route, "route_handlers", []):
            if handler.fn.__module__.startswith("server."):
                assert own_origin in handler.resolve_guards()


def test_a_session_begins_with_a_cookie_that_scripts_cannot_read(collector: Collector) -> None:
    response = log_in(collector)
    assert response.status_code == 201
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("firstlight=fls_")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert response.headers["cache-control"] == "no-store"
    assert collector.client.get("/api/v1/me").json()["login"] == "root"


def test_behind_tls_the_cookie_is_secure_and_bound_to_this_host(collector: Collector) -> None:
    settings = Settings(db="", public_url="https://collector.example")
    with TestClient(
        make_site(collector.db, settings, collector.clock), base_url="https://collector.example"
    ) as client:
        response = client.post("/api/v1/sessions", json={"login": "root", "password": PASSWORD})
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-firstlight=")
        assert "Secure" in cookie
        assert client.get("/api/v1/me").status_code == 200


def test_a_session_changes_nothing_without_its_csrf_token(collector: Collector) -> None:
    csrf = log_in(collector).json()["csrf"]
    body = {"name": "New"}
    for headers in ({}, {"X-CSRF-Token": "guessed"}, {"X-CSRF-Token": ""}):
        response = collector.client.post("/api/v1/customers", json=body, headers=headers)
        assert response.status_code == 403
        assert "x-csrf-token" in response.json()["detail"]
    right = {"X-CSRF-Token": csrf}
    assert collector.client.post("/api/v1/customers", json=body, headers=right).status_code == 201


def test_a_page_of_another_site_cannot_log_anyone_in_or_change_anything(collector: Collector) -> None:
    csrf = log_in(collector).json()["csrf"]
    for foreign in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        for path, body in (
            ("/api/v1/customers", {"name": "New"}),
            ("/api/v1/sessions", {"login": "root", "password": PASSWORD}),
        ):
            headers = {"X-CSRF-Token": csrf, **foreign}
            response = collector.client.post(path, json=body, headers=headers)
            assert response.status_code == 403, foreign
    own = {"X-CSRF-Token": csrf, "Origin": "http://testserver.local", "Sec-Fetch-Site": "same-origin"}
    response = collector.client.post("/api/v1/customers", json={"name": "New"}, headers=own)
    assert response.status_code == 201


def test_a_wrong_bearer_token_never_falls_back_to_the_cookie(collector: Collector) -> None:
    log_in(collector)
    wrong = {"Authorization": "Bearer fla_wrong"}
    assert collector.client.get("/api/v1/me", headers=wrong).status_code == 401


def test_logging_out_ends_the_session_and_takes_the_cookie_away(collector: Collector) -> None:
    csrf = log_in(collector).json()["csrf"]
    token = collector.client.cookies["firstlight"]
    response = collector.client.delete("/api/v1/sessions", headers={"X-CSRF-Token": csrf})
    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["set-cookie"]
    collector.client.cookies.set("firstlight", token)
    assert collector.client.get("/api/v1/me").status_code == 401


def test_an_expired_session_is_nobody(collector: Collector) -> None:
    log_in(collector)
    collector.clock.pass_by(hours=12)
    assert collector.client.get("/api/v1/me").status_code == 401


def test_guessing_is_slowed_down_with_a_date_to_come_back(collector: Collector) -> None:
    for _ in range(5):
        assert log_in(collector, password="wrong password").status_code == 401
    response = log_in(collector)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.json()["detail"] == "too many wrong passwords; try again in 2 s"
    collector.clock.pass_by(seconds=2)
    assert log_in(collector).status_code == 201


def test_an_api_token_is_made_with_a_password_shown_once_listed_and_revoked(collector: Collector) -> None:
    csrf = {"X-CSRF-Token": log_in(collector, "ann").json()["csrf"]}
    response = collector.client.post("/api/v1/tokens", json={"label": "laptop"}, headers=csrf)
    assert response.status_code == 201
    issued = response.json()
    collector.tokens["laptop"] = issued["token"]
    assert collector.get("/me", by="laptop")["login"] == "ann"
    listed = {row["id"]: row for row in collector.get("/tokens", by="laptop")["items"]}
    assert issued["token"] not in str(listed)
    assert listed[issued["id"]]["label"] == "laptop"
    assert collector.call("DELETE", f"/tokens/{issued['id']}", by="bo").status_code == 404
    assert collector.call("DELETE", f"/tokens/{issued['id']}", by="ann").status_code == 204
    assert collector.call("GET", "/me", by="laptop").status_code == 401


def test_a_token_cannot_make_another_token(collector: Collector) -> None:
    assert "log in with a password" in collector.refusal(403, "POST", "/tokens", {"label": "more"})


def test_an_admin_adds_people_and_shuts_them_out(collector: Collector) -> None:
    body = {"login": "Cy", "role": "admin", "password": PASSWORD}
    assert collector.post("/users", body)["login"] == "cy"
    assert log_in(collector, "cy").status_code == 201
    new = {"password": "another password"}
    assert collector.call("POST", "/users/cy/password", new).status_code == 204
    assert log_in(collector, "cy").status_code == 401
    assert collector.post("/users/cy/disable", status=200)["disabled_at"] is not None
    assert log_in(collector, "cy", "another password").status_code == 401
    assert "already disabled" in collector.refusal(409, "POST", "/users/cy/disable")


def test_the_audit_trail_says_who_did_what_newest_first(collector: Collector) -> None:
    collector.post("/customers", {"name": "One"})
    collector.post("/customers", {"name": "Two"})
    newest = collector.get("/audit?limit=2")
    assert [(row["actor"], row["action"], row["subject"]) for row in newest["items"]] == [
        ("root", "add-customer", "customer:two"),
        ("root", "add-customer", "customer:one"),
    ]
    assert collector.get("/audit?subject=customer:one")["items"][0]["detail"] == "One"
    older = collector.get(f"/audit?limit=1&after={newest['next']}")
    assert older["items"][0]["id"] < newest["items"][1]["id"]


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic cm9vdDpyb290", "bearer \xff"])
def test_a_malformed_authorization_is_nobody(collector: Collector, header: str) -> None:
    response = collector.client.get("/api/v1/me", headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401


def test_a_form_carries_the_csrf_token_in_a_hidden_field(collector: Collector) -> None:
    @post("/form", sync_to_thread=False)
    def form() -> str:
        return "done"

    page = Router("/pages", route_handlers=[form], guards=list(GUARDS))
    settings = Settings(db="")
    with TestClient(make_site(collector.db, settings, collector.clock, more=[page])) as client:
        body = {"login": "root", "password": PASSWORD}
        csrf = client.post("/api/v1/sessions", json=body).json()["csrf"]
        assert client.post("/pages/form", data={"csrf": csrf}).status_code == 201
        assert client.post("/pages/form", files={"csrf": (None, csrf)}).status_code == 201
        for wrong in ({"csrf": "guessed"}, {}):
            assert client.post("/pages/form", data=wrong).status_code == 403


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        (False, "9.9.9.9", "testclient"),
        (True, "9.9.9.9", "9.9.9.9"),
        (True, "1.1.1.1, 9.9.9.9", "9.9.9.9"),
        (True, "", "testclient"),
    ],
)
def test_only_a_trusted_proxy_may_say_where_a_request_came_from(
    collector: Collector, trusted: bool, forwarded: str, seen: str
) -> None:
    settings = Settings(db="", trust_proxy=trusted)
    with TestClient(make_site(collector.db, settings, collector.clock)) as client:
        body = {"login": "root", "password": PASSWORD}
        client.post("/api/v1/sessions", json=body, headers={"X-Forwarded-For": forwarded})
    assert collector.get("/audit?limit=1")["items"][0]["detail"] == f"from {seen}"


def test_the_api_describes_itself_from_the_same_types(collector: Collector) -> None:
    schema = collector.client.get("/api/schema/openapi.json").json()
    assert len(schema["paths"]) > 40
    assert "NewAssignment" in str(schema["paths"]["/api/v1/assignments"]["post"]["requestBody"])


def test_a_store_that_cannot_be_reached_says_when_to_try_again(collector: Collector) -> None:
    with collector.db.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE decision")
    response = collector.call("GET", "/decisions")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert "table" not in response.json()["detail"]


def test_the_api_describes_itself_without_any_other_host(collector: Collector) -> None:
    for path in ("/api/schema", "/api/schema/openapi.json"):
        response = collector.client.get(path)
        assert response.status_code == 200
        assert response.json()["openapi"].startswith("3.1")
    assert "http" not in collector.client.get("/api/schema/swagger").text.replace("http-equiv", "")
