"""What is the same at many targets is told once, with all the places."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console
from sample_run import result, view

from checks.model import Result, Status, Target
from reports.run import html, terminal
from reports.run.alike import alike
from reports.run.view import RunView


def at(target: str, object: str = "/data", message: str = "full", **changes: object) -> Result:
    found = result("disk.free", Status.FAIL, object=object, message=message, remedy="make room", **changes)
    return msgspec.structs.replace(found, target=target, key=f"{target}{object}")


def places(*found: Result) -> list[str]:
    return [group.place(one_target=False) for group in alike(found, {})]


def test_the_same_at_several_targets_is_one_entry() -> None:
    assert places(at("app1"), at("app2"), at("db1")) == ["app1, app2, db1 · /data"]


def test_what_says_something_else_stands_apart_and_in_its_order() -> None:
    assert places(at("app1"), at("app2", message="nearly full"), at("db1")) == [
        "app1, db1 · /data",
        "app2 · /data",
    ]


def test_targets_with_the_same_objects_share_them() -> None:
    found = [at(target, object) for target in ("app1", "app2") for object in ("/", "/data")]
    assert places(*found, at("db1", "/pg")) == ["app1, app2 · /, /data; db1 · /pg"]


def test_the_vantage_is_said_once() -> None:
    far = [at(name, f"db:5432 from {name}") for name in ("app1", "app2")]
    assert places(*far) == ["app1, app2 · db:5432"]
    assert places(far[0]) == ["app1 · db:5432 from app1"]


def test_many_places_are_counted() -> None:
    (place,) = places(*(at(f"host{number}") for number in range(30)))
    assert place.startswith("host0, host1,")
    assert place.endswith("host7 and 22 more · /data")


def test_what_else_is_told_of_a_result_keeps_it_apart() -> None:
    first, second = at("app1"), at("app2")
    assert len(alike([first, second], {second.key: "passed at acceptance"})) == 2


def site() -> RunView:
    found = (at("app1"), at("app2"), at("db1", message="<b>nearly</b> full"))
    return msgspec.structs.replace(
        view(), targets=tuple(Target(each.target) for each in found), results=found
    )


def test_terminal_and_page_tell_it_once_and_count_every_result() -> None:
    text = io.StringIO()
    terminal.render(site(), Console(file=text, width=110, no_color=True))
    assert "app1, app2 · /data" in text.getvalue()
    assert text.getvalue().count("make room") == 2
    assert "3 checks fail" in text.getvalue()
    page = html.render(site())
    assert "app1, app2 · /data" in page
    assert page.count('class="result fail"') == 2
    assert "<span>· 3</span>" in page
    assert "<b>nearly" not in page
