"""What the pages say about a vendor whose history is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from building import START, Machine, arrive, bind, enrol, found_vendor
from litestar.testing import TestClient
from page_reader import Page
from pages_world import NOW, PASSWORD, finding_of
from sqlalchemy import delete, event, select, update

from server.app import create_app
from server.auth.users import add_user
from server.db import Database, open_database
from server.settings import Settings
from server.tables import Document, EpisodeAlias, Receipt


def text_of(client: TestClient, path: str) -> str:
    """A page's text with all white space made single."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", Page(answer.text).text)


@pytest.fixture
def small(sqlite_db: Database) -> Iterator[tuple[Database, TestClient]]:
    """A store of its own with nothing but the administrator, and a browser logged in to it."""
    with sqlite_db.write() as session:
        add_user(session, "root", "admin", PASSWORD, by="test", now=START)
    with TestClient(
        create_app(sqlite_db, Settings(db=""), lambda: NOW),  # type: ignore[arg-type]
        base_url="http://127.0.0.1",
    ) as client:
        client.post("/login", data={"login": "root", "password": PASSWORD})
        client.follow_redirects = False
        yield sqlite_db, client


def test_the_overview_puts_the_worst_site_first_and_leaves_sound_ones_out(browser: TestClient) -> None:
    text = text_of(browser, "/")
    assert "3 of 4 sites need somebody" in text
    assert "1 run waits for an administrator" in text
    order = [text.index(name) for name in ("North foundry", "Harbour branch", "Attic")]
    assert order == sorted(order)


def test_the_overview_counts_open_episodes_by_severity_and_age(browser: TestClient) -> None:
    links = Page(browser.get("/").text).links
    assert "/findings?severity=P1&age=month" in links
    assert "/findings?severity=P2&age=week" in links
    assert "/findings?severity=P0&age=day" not in links, "a zero leads nowhere"
    assert "1 open, the worst first" in text_of(browser, "/findings?severity=P1&age=month")


def test_a_silent_site_is_overdue_by_its_own_interval(browser: TestClient) -> None:
    text = text_of(browser, "/").partition("Overdue")[2]
    assert "Harbour branch" in text.partition("Plans that wait")[0]
    assert "Plant" not in text.partition("Plans that wait")[0]
    assert "overdue" in text_of(browser, "/sites/harbour")


def test_a_figure_too_small_for_a_percentage_says_so(browser: TestClient) -> None:
    text = text_of(browser, "/kpi/first-go-live")
    assert "Too few to say" in text
    assert "Fewer than 5 units are known" in text
    assert not re.search(r"\d %", text.partition("By engineer")[0].partition("What it means")[0])


def test_what_nobody_holds_is_always_a_row(browser: TestClient) -> None:
    assert "unattributed" in text_of(browser, "/kpi/first-go-live").partition("By engineer")[2]
    assert "unattributed 25 %" in text_of(browser, "/kpi/first-go-live/units/erp-example-north")


def test_a_unit_leads_to_its_episodes_and_signed_runs(browser: TestClient) -> None:
    page = Page(browser.get("/kpi/recurrence/units/erp-example-north/lim.nofile").text)
    assert sum(link.startswith("/findings/") for link in page.links) == 2
    assert sum(link.startswith("/runs/0") for link in page.links) == 4
    assert "came back on 2026-02-10" in page.text


def test_an_excluded_unit_says_why_and_by_whom(browser: TestClient) -> None:
    text = text_of(browser, "/kpi/recurrence/units/erp-harbour/disk.free")
    assert "requested by the customer; proposed by bo, approved by root" in text
    assert "1 excluded" in text_of(browser, "/kpi/recurrence")


def test_a_site_says_what_to_do_first_with_the_remedy(browser: TestClient) -> None:
    text = text_of(browser, "/sites/example-north")
    assert text.index("A filesystem has room to grow") < text.index("The connection pool")
    assert "3.4 % free on /data, at least 5 % are needed" in text
    assert "Extend the volume, or remove what du -xh /data" in text


def test_a_changed_plan_waits_visibly_where_it_was_reported(browser: TestClient) -> None:
    assert "A changed plan waits for a decision" in text_of(browser, "/sites/plant")
    assert "A changed plan waits" not in text_of(browser, "/sites/example-north")
    assert "partly ad hoc" in text_of(browser, "/sites/plant")


def test_a_finding_shows_both_values_of_a_decision_and_who_is_charged_why(
    vendor: Database, browser: TestClient
) -> None:
    with vendor.read() as session:
        number = finding_of(session, "example-north", "lim.nofile")
    text = text_of(browser, f"/findings/{number}")
    assert "Severity P2 by decision; P1 reported" in text
    assert "Held the role when it opened, and it had passed under the same rule" in text
    assert "unattributed 25 % Nobody held (all of) the role" in text
    assert "a second person must approve it before it counts" in text
    assert "recurred within 90 days" in text


def test_the_history_of_a_finding_leads_to_the_run_of_each_change(
    vendor: Database, browser: TestClient
) -> None:
    with vendor.read() as session:
        number = finding_of(session, "example-north", "lim.nofile")
    html = browser.get(f"/findings/{number}").text
    rows = html.partition('id="history"')[2]
    assert rows.count('href="/runs/') == 5, "pass, fail, pass, fail, pass"
    assert 'class="timeline"' in html


def test_an_episode_that_was_merged_away_still_leads_to_its_finding(
    vendor: Database, browser: TestClient
) -> None:
    with vendor.write() as session:
        session.add(EpisodeAlias(id=9999, episode_id=1))
    assert browser.get("/episodes/9999").headers["location"] == browser.get("/episodes/1").headers["location"]
    assert browser.get("/episodes/8888").status_code == 404


def test_a_held_run_says_why_and_where_it_waits(browser: TestClient) -> None:
    page = Page(browser.get("/runs?held=yes").text)
    (run,) = [link for link in page.links if link.startswith("/runs/0")]
    text = text_of(browser, run)
    assert "Held: it does not count yet." in text
    assert "more than 24 hours off" in text


def test_a_run_shows_its_receipt_and_leads_to_the_signed_document(
    vendor: Database, browser: TestClient
) -> None:
    with vendor.read() as session:
        receipt = session.scalars(select(Receipt).where(Receipt.site_id == "harbour").limit(1)).one()
        run, digest = receipt.id, receipt.hash
    page = Page(browser.get(f"/runs/{run}").text)
    assert digest in page.text
    assert "fits" in page.text
    assert f"/api/v1/runs/{run}/document" in page.links
    assert browser.get(f"/api/v1/runs/{run}/document").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/sites/nowhere",
        "/findings/999999",
        "/runs/none",
        "/kpi/nothing",
        "/kpi/recurrence/units/none",
        "/findings?site=none",
        "/runs?after=none",
        "/kpi/recurrence?engineer=none",
        "/findings/word",
    ],
)
def test_what_does_not_exist_is_a_page_of_one_sentence(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert Page(answer.text).headings == ["h1"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/findings?state=closed", "/kpi/recurrence?page=0", "/runs/x?page=word"])
def test_a_wrong_question_is_answered_with_400(browser: TestClient, path: str) -> None:
    assert browser.get(path).status_code == 400


def test_the_api_keeps_answering_problem_documents(browser: TestClient) -> None:
    answer = browser.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_mistake_of_ours_is_a_page_without_its_cause(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr("server.pages.overview.count_held", breaks)
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "the secret cause" not in answer.text
    assert "Its log says why" in answer.text


def test_every_page_of_an_empty_store_says_that_nothing_is_there_yet(
    small: tuple[Database, TestClient],
) -> None:
    _, client = small
    assert "Nothing here yet." in text_of(client, "/")
    assert "No site yet." in text_of(client, "/sites")
    assert "Nothing is open at any site." in text_of(client, "/findings")
    assert "No run has arrived yet." in text_of(client, "/runs")
    assert "Nothing to count yet" in text_of(client, "/kpi")
    assert "No unit yet." in text_of(client, "/kpi/recurrence")
    assert "Example data" not in text_of(client, "/")


def test_a_tampered_document_or_hash_is_said_aloud(small: tuple[Database, TestClient]) -> None:
    db, client = small
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
        for day in (1, 2):
            sealed = machine.run(
                START + timedelta(days=day), {"disk": "fail", "port": "pass", "clock": "pass"}
            )
            arrive(session, sealed)
    assert "does not fit" not in text_of(client, f"/runs/{sealed.seal.run}")
    with db.write() as session:
        other = session.scalars(select(Document.body).where(Document.run_id != sealed.seal.run)).one()
        session.execute(update(Document).where(Document.run_id == sealed.seal.run).values(body=other))
    assert "does not fit the stored hash" in text_of(client, f"/runs/{sealed.seal.run}")


def test_without_its_document_a_run_and_its_findings_still_have_their_pages(
    small: tuple[Database, TestClient],
) -> None:
    db, client = small
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
        sealed = machine.run(START + timedelta(days=1), {"disk": "fail", "port": "pass", "clock": "pass"})
        arrive(session, sealed)
        session.execute(delete(Document))
    assert "The document is no longer kept." in text_of(client, f"/runs/{sealed.seal.run}")
    assert "no longer kept" in text_of(client, "/findings/1")
    assert "Title of disk" in text_of(client, "/sites/plant")


def test_a_run_of_thousands_of_results_comes_in_pages(small: tuple[Database, TestClient]) -> None:
    db, client = small
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
        wide = "语" * 500
        results = [
            machine.result(
                "disk",
                "fail" if n < 200 else "pass",
                object=f"/mnt/{n}/{wide}"[:500],
                cause="x" * 100,
                evidence={f"value{i}": wide for i in range(20)},
            )
            for n in range(1000)
        ]
        sealed = machine.run(START + timedelta(days=1), results)
        arrive(session, sealed)
    for path in (f"/runs/{sealed.seal.run}", f"/runs/{sealed.seal.run}?page=20", "/sites/plant", "/findings"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < 150_000, f"{path} has {len(answer.content)} bytes"
    assert "Page 1 of 20, 1000 results" in text_of(client, f"/runs/{sealed.seal.run}")
    assert client.get(f"/runs/{sealed.seal.run}?page=21").status_code == 404


def test_the_number_of_questions_does_not_grow_with_what_is_shown(
    vendor: Database, browser: TestClient
) -> None:
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(vendor.engine, "before_cursor_execute", note)
    try:
        for path, most in (("/", 40), ("/sites/plant", 25), ("/findings/1", 25), ("/kpi/recurrence", 40)):
            asked.clear()
            browser.get(path)
            assert len(asked) <= most, f"{path} asked {len(asked)} questions"
    finally:
        event.remove(vendor.engine, "before_cursor_execute", note)


def test_the_pages_ask_postgresql_the_same_questions(postgres_url: str, tmp_path: Path) -> None:
    db = open_database(postgres_url)
    machine = Machine()
    try:
        with db.write() as session:
            add_user(session, "root", "admin", PASSWORD, by="test", now=START)
            found_vendor(session)
            enrol(session, machine)
            bind(session, machine)
            for day, status in ((1, "pass"), (2, "fail")):
                at = START + timedelta(days=day)
                sealed = machine.run(at, {"disk": status, "port": "pass", "clock": "warn"})
                arrive(session, sealed)
        app = create_app(db, Settings(db=""), lambda: NOW)
        with TestClient(app, base_url="http://127.0.0.1") as client:  # type: ignore[arg-type]
            client.post("/login", data={"login": "root", "password": PASSWORD})
            for path in (
                "/",
                "/sites",
                "/sites/plant",
                "/findings",
                "/findings/1",
                "/runs",
                "/runs?site=plant",
                f"/runs?after={sealed.seal.run}",
                f"/runs/{sealed.seal.run}",
                "/kpi",
                "/kpi/recurrence",
                "/kpi/first-go-live?engineer=ann",
            ):
                assert client.get(path).status_code == 200, path
    finally:
        db.close()
