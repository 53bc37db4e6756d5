"""The page of what is published: an admin publishes and withdraws there, everybody else looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import building
import pytest
from litestar.testing import TestClient
from page_reader import Page

from checks.rules import ScheduleEntry
from server.app import create_app
from server.auth.users import add_user
from server.db import Database
from server.publishing.audience import Audience
from server.publishing.events import publish_profile, publish_schedule, publish_waiver
from server.publishing.lines import fetched_lines
from server.publishing.outgoing import rules_for
from server.settings import Settings
from server.tables import AgentRow

PASSWORD = "a long enough password"
TEXT = "profile: acme\nversion: 1\nitems:\n- {id: a, check: file.stat, with: {path: '/etc/<b>'}}\n"


@pytest.fixture
def pages(sqlite_db: Database) -> Iterator[TestClient]:
    with sqlite_db.write() as session:
        building.found_vendor(session)
        now = building.START
        add_user(session, "root", "admin", PASSWORD, by="test", now=now)
        add_user(session, "ann", "engineer", PASSWORD, by="test", now=now, engineer_id="ann")
    app = create_app(sqlite_db, Settings(db=""), lambda: building.LATER)
    with TestClient(app, base_url="http://127.0.0.1") as client:  # type: ignore[arg-type]
        client.follow_redirects = False
        yield client


def log_in(pages: TestClient, login: str) -> str:
    """The CSRF token of a session."""
    pages.cookies.clear()
    pages.post("/login", data={"login": login, "password": PASSWORD})
    return str(pages.get("/api/v1/me").json()["csrf"])


def test_an_admin_publishes_a_profile_and_withdraws_it(pages: TestClient) -> None:
    csrf = log_in(pages, "root")
    assert "Nothing is published." in pages.get("/published").text
    made = pages.post("/published", data={"csrf": csrf, "audience": "site:plant", "text": TEXT})
    assert (made.status_code, made.headers["location"]) == (303, "/published/1")
    shown = Page(pages.get("/published/1").text)
    assert not shown.faults
    assert "/etc/<b>" in shown.text
    assert "For site plant, published by root" in " ".join(shown.text.split())
    assert pages.post("/published/1/withdraw", data={"csrf": csrf}).status_code == 303
    assert "withdrawn" in pages.get("/published").text


def test_what_is_wrong_is_said_and_the_text_stays(pages: TestClient) -> None:
    csrf = log_in(pages, "root")
    wrong = TEXT.replace("file.stat", "no.such")
    for audience, text, said in (
        ("site:plant", wrong, "unknown check"),
        ("", TEXT, "say for whom"),
        ("site:nowhere", TEXT, "there is no site nowhere"),
    ):
        answer = pages.post("/published", data={"csrf": csrf, "audience": audience, "text": text})
        read = Page(answer.text)
        assert (answer.status_code, read.faults, said in read.text) == (400, [], True)
        assert "profile: acme" in answer.text


def test_an_engineer_looks_and_changes_nothing(pages: TestClient) -> None:
    csrf = log_in(pages, "root")
    pages.post("/published", data={"csrf": csrf, "audience": "everyone", "text": TEXT})
    csrf = log_in(pages, "ann")
    assert "Publish a profile" not in pages.get("/published").text
    assert '<form method="post" action="/published' not in pages.get("/published/1").text
    data = {"csrf": csrf, "audience": "everyone", "text": TEXT.replace("acme", "other")}
    assert pages.post("/published", data=data).status_code == 403
    assert pages.post("/published/1/withdraw", data={"csrf": csrf}).status_code == 403
    assert "withdrawn" not in pages.get("/published").text


def test_a_waiver_that_has_run_out_is_not_called_in_force(pages: TestClient, sqlite_db: Database) -> None:
    reason = "the new disk " + "is on its way, " * 30 + "and comes by ship"
    with sqlite_db.write() as session:
        for item, days in (("disk.free", 1), ("time.sync", -1)):
            publish_waiver(
                session,
                Audience("plant"),
                item=item,
                reason=reason,
                approved_by="Rut",
                expires=building.LATER + timedelta(days=days),
                by="root",
                now=building.LATER - timedelta(days=30),
            )
    log_in(pages, "ann")
    assert [
        state in pages.get(f"/published/{id}").text for id, state in ((1, "in force"), (2, "expired"))
    ] == [
        True,
        True,
    ]
    assert pages.get("/published").text.count(">in force<") == 1
    assert reason in Page(pages.get("/published/1").text).text


def test_a_schedule_says_all_that_it_holds(pages: TestClient, sqlite_db: Database) -> None:
    entry = ScheduleEntry(
        "night", cron="15 2 * * *", timezone="Asia/Shanghai", jitter="10m", quiet=("08:00-18:00",)
    )
    with sqlite_db.write() as session:
        publish_schedule(session, entry, Audience(), by="root", now=building.START)
    log_in(pages, "ann")
    text = Page(pages.get("/published/1").text).text
    for part in ("Schedule night", "at 15 2 * * *", "Asia/Shanghai", "10m", "08:00-18:00", "For everyone"):
        assert part in text


def test_who_fetched_something_older_does_not_have_the_newest(db: Database) -> None:
    machine = building.Machine()
    with db.write() as session:
        building.found_vendor(session)
        building.enrol(session, machine)
        assert fetched_lines(session) == []
        for number, had in ((1, 0), (2, 0)):
            text = TEXT.replace("version: 1", f"version: {number}")
            publish_profile(session, text, Audience("plant"), by="root", now=building.START)
            assert [(line.fetched, line.agents) for line in fetched_lines(session)] == [(had, 1)]
            rules_for(session, session.get_one(AgentRow, machine.agent), building.START)
            session.flush()
            assert [(line.fetched, line.agents) for line in fetched_lines(session)] == [(1, 1)]


def test_an_event_that_is_no_publication_has_no_page(pages: TestClient) -> None:
    csrf = log_in(pages, "root")
    pages.post("/published", data={"csrf": csrf, "audience": "everyone", "text": TEXT})
    pages.post("/published/1/withdraw", data={"csrf": csrf})
    assert pages.get("/published/2").status_code == 404
