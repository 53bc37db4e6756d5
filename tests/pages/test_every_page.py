"""What holds for every page, walked from the route table and from link to link."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from page_reader import Page
from pages_world import HOSTILE

from server import pages
from server.pages.frame import POLICY, STATIC, TEMPLATES

MOST_BYTES = 150_000
EXAMPLES = {"id:int": "1", "id:str": "plant", "kpi:str": "recurrence", "unit:path": "erp-plant/app.config"}


def routes() -> list[tuple[str, str, bool]]:
    """Every page route as (method, path, whether it says it is public), from the routers themselves."""
    given = {
        name: Provide(lambda: None, sync_to_thread=False) for name in ("db", "clock", "settings", "user")
    }
    app = Litestar(route_handlers=pages.ROUTES, dependencies=given, openapi_config=None)
    found = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                path = "/".join(
                    part if isinstance(part, str) else EXAMPLES[part.full] for part in route.path_components
                )
                found += [
                    (str(method), f"/{path}", bool(handler.opt.get("public")))
                    for method in sorted(handler.http_methods)
                    if str(method) != "OPTIONS"
                ]
    return sorted(found)


def test_only_the_login_form_is_public() -> None:
    assert {(method, path) for method, path, public in routes() if public} == {
        ("GET", "/login"),
        ("POST", "/login"),
    }


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, public in routes() if not public])
def test_a_stranger_is_led_to_the_login_and_sees_nothing(
    stranger: TestClient, method: str, path: str
) -> None:
    answer = stranger.request(method, path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")
    assert "Plant" not in answer.text


def test_every_link_leads_to_a_sound_page(every_page: dict[str, str]) -> None:
    found = every_page
    kinds = {path.partition("?")[0].split("/")[1] for path in found}
    assert kinds == {"", "sites", "findings", "runs", "kpi", "agents", "published", "imports"}
    for path, html in found.items():
        read = Page(html)
        assert not read.faults, f"{path}: {read.faults}"
        assert read.headings[0] == "h1", path
        assert read.headings.count("h1") == 1, path
        assert len(html.encode()) < MOST_BYTES, f"{path} has {len(html.encode())} bytes"


def test_no_page_asks_another_host_for_anything(every_page: dict[str, str]) -> None:
    for path, html in every_page.items():
        for url in Page(html).urls:
            assert url.startswith(("/", "#")), f"{path}: {url}"
            assert not url.startswith("//"), f"{path}: {url}"


def test_hostile_words_of_a_run_arrive_as_text(every_page: dict[str, str]) -> None:
    shown = 0
    for path, html in every_page.items():
        assert "<script" not in html.lower(), path
        assert "<img src=https" not in html, path
        assert " 49 " not in html.partition("evil.example")[2][:60], f"{path} evaluated an expression"
        shown += HOSTILE[:60] in Page(html).text
    assert shown >= 4, "the hostile words were to be seen on run, site, finding and list"


@pytest.mark.parametrize(
    "path", ["/", "/login", "/sites/plant", "/nowhere", "/sites/nowhere", "/kpi/nothing"]
)
def test_every_answer_carries_the_policy_and_is_not_kept(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_example_sites_are_marked_and_real_ones_are_not(browser: TestClient) -> None:
    assert "Example data." in Page(browser.get("/kpi").text).text
    marked = browser.get("/sites/example-north").text.partition("<main")[2]
    real = browser.get("/sites/plant").text.partition("<main")[2]
    assert "chip example" in marked
    assert "chip example" not in real


def test_the_stylesheet_is_served_to_everyone_and_names_no_other_host(stranger: TestClient) -> None:
    answer = stranger.get("/static/firstlight.css")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "http" not in answer.text
    assert "@import" not in answer.text


def test_templates_hold_no_script_no_inline_style_and_switch_no_escaping_off() -> None:
    for template in sorted(Path(TEMPLATES).glob("*.html")):
        text = template.read_text()
        for forbidden in ("<script", "<style", " style=", "|safe", "autoescape false", "http://", "https://"):
            assert forbidden not in text, f"{template.name}: {forbidden}"


def test_every_class_a_template_names_is_in_the_stylesheet() -> None:
    css = (STATIC / "firstlight.css").read_text()
    for name in ("chip", "rows", "sheet", "timeline", "interval", "greyed", "filter", "refusal", "stack"):
        assert f".{name}" in css


def test_a_template_that_misspells_a_name_fails_loudly() -> None:
    from server.pages.frame import environment

    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nosuchname }}").render()
