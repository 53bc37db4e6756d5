"""Agents as an administrator sees them: on the page, on the command line and over the API."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from building import START, Machine, arrive, bind, enrol, found_vendor
from click.testing import CliRunner
from litestar.testing import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server.agents import agent_lines, with_versions
from server.app import create_app
from server.auth.users import add_user
from server.commands import group
from server.db import Database, open_database
from server.delivery import revoke_agent
from server.settings import Settings
from server.tables import AgentKey, AgentRow, AuditEntry, Receipt, Site

NOW = START + timedelta(days=30)
HOUR = timedelta(hours=1)
PASSWORD = "a long enough password"  # of a test's own store
HOSTILE = """"><script>alert('1')</script> {{ 7*7 }}"""


def build(session: Session) -> dict[str, str]:
    """One agent in every state; the run of a held branch by the agent's id."""
    found_vendor(session)
    session.add(Site(id="attic", customer_id="acme", name="Attic"))
    for login, role in (("root", "admin"), ("ann", "engineer")):
        add_user(
            session,
            login,
            role,
            PASSWORD,
            by="test",
            now=START,
            engineer_id="ann" if login == "ann" else None,
        )
    made = {
        name: Machine(agent=f"agent-{name}", target=name, fingerprint=f"machine-{name}")
        for name in ("fine", "late", "new", "revoked", "restored", "cloned", "clock", "twin-a", "twin-b")
    }
    made["twin-b"].target = "twin-a"
    for name, machine in made.items():
        enrol(session, machine)
        if name in ("fine", "restored"):
            bind(session, machine)
    session.get_one(AgentRow, "agent-new").enrolled_at = NOW - HOUR
    session.flush()

    def send(machine: Machine, *hours_ago: float, skew: timedelta = timedelta(0)) -> None:
        for hours in hours_ago:
            at = NOW - hours * HOUR
            run = machine.run(at + skew, {"disk": "pass"}, agent_version="1.2.3")
            assert arrive(session, run, received_at=at, sent_at=at + skew).ack is not None

    restored = copy.copy(made["restored"])
    send(made["fine"], 25, 1)
    send(made["late"], 100)
    send(made["revoked"], 2)
    send(made["restored"], 80, 60, 40)
    restored.sequence, restored.previous = (
        1,
        session.scalars(
            select(Receipt.hash).where(Receipt.agent_id == "agent-restored", Receipt.sequence == 1)
        ).one(),
    )
    send(restored, 20, 3)
    send(made["cloned"], 30)
    cloned = copy.copy(made["cloned"])
    cloned.fingerprint = "elsewhere"
    send(made["cloned"], 6)
    send(cloned, 5, 4)
    send(made["clock"], 3, skew=timedelta(minutes=-20))
    send(made["twin-a"], 2)
    send(made["twin-b"], 1)
    revoke_agent(session, "agent-revoked", by="root", now=NOW - HOUR, reason=HOSTILE)
    session.flush()
    query = select(Receipt.agent_id, Receipt.id).where(Receipt.held == "fork").order_by(Receipt.sequence)
    return {row.agent_id: row.id for row in session.execute(query)}


@pytest.fixture(scope="module")
def made(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, str]]:
    """The store, made once for all tests, and its held runs by agent."""
    path = tmp_path_factory.mktemp("agents") / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    db = open_database(str(path))
    with db.write() as session:
        held = build(session)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path.read_bytes(), held


@pytest.fixture
def store(made: tuple[bytes, dict[str, str]], sqlite_path: Path) -> Iterator[Database]:
    sqlite_path.write_bytes(made[0])
    db = open_database(str(sqlite_path))
    yield db
    db.close()


@pytest.fixture
def held(made: tuple[bytes, dict[str, str]], store: Database) -> dict[str, str]:
    return made[1]


@pytest.fixture
def browser(store: Database, held: dict[str, str]) -> Iterator[TestClient]:
    app = create_app(store, Settings(db=""), lambda: NOW)
    with TestClient(app, base_url="http://127.0.0.1") as client:  # type: ignore[arg-type]  # any ASGI app will do
        client.follow_redirects = False
        client.post("/login", data={"login": "root", "password": PASSWORD, "next": "/"})
        yield client


def csrf(client: TestClient) -> str:
    text: str = client.get("/agents").text
    return text.partition('name="csrf" value="')[2].partition('"')[0]


def test_the_states_are_told_apart_on_both_databases(db: Database) -> None:
    with db.write() as session:
        build(session)
    with db.read() as session:
        lines = with_versions(session, agent_lines(session, NOW))
        alone = agent_lines(session, NOW, agent_id="agent-twin-b")
        assert agent_lines(session, NOW, site_id="attic") == []
    by_name = {line.id.removeprefix("agent-"): line for line in lines}
    assert {name: line.state for name, line in by_name.items()} == {
        "fine": "fine",
        "late": "late",
        "new": "new",
        "revoked": "revoked",
        "restored": "forked",
        "cloned": "forked",
        "clock": "fine",
        "twin-a": "fine",
        "twin-b": "fine",
    }
    assert [line.state for line in lines[:4]] == ["forked", "forked", "late", "revoked"]
    assert {name for name, line in by_name.items() if line.clock_off} == {"clock"}
    assert by_name["clock"].clock_offset_ms == 20 * 60 * 1000
    assert {name for name, line in by_name.items() if line.shared} == {"twin-a", "twin-b"}
    assert [line.shared for line in alone] == [True]
    assert (by_name["restored"].held, by_name["cloned"].held, by_name["fine"].held) == (2, 2, 0)
    assert (by_name["fine"].version, by_name["new"].version) == ("1.2.3", "")
    assert (by_name["revoked"].keys, by_name["revoked"].revoked_keys) == (1, 1)


def test_a_branch_that_fell_silent_is_nobodys_problem_any_more(store: Database, held: dict[str, str]) -> None:
    with store.read() as session:
        (line,) = agent_lines(session, NOW + timedelta(days=8), agent_id="agent-cloned")
    assert (line.state, line.held) == ("late", 2)


def test_the_page_shows_every_agent_and_leads_to_each(browser: TestClient) -> None:
    text = browser.get("/agents").text
    assert text.count('href="/agents/agent-') >= 9
    assert "20 min slow" in text
    assert "shares its target" in text
    assert "2 held" in text
    late = browser.get("/agents?only=late&site=plant").text
    assert "agent-late" in late
    assert "agent-fine" not in late
    assert "No machine is enrolled here." in browser.get("/agents?site=attic").text
    assert browser.get("/agents?site=nowhere").status_code == 404
    assert browser.get("/agents/nobody").status_code == 404


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ("agent-late", "On the machine, <code>firstlight doctor</code> says what is wrong"),
        ("agent-revoked", "No key of it is trusted"),
        ("agent-cloned", "makes it an agent of its own"),
        ("agent-restored", "most likely its disk was restored"),
        ("agent-clock", "Its clock is 20 min slow"),
        ("agent-twin-a", "Another agent reports as twin-a, too"),
    ],
)
def test_the_page_of_an_agent_says_what_is_wrong_and_what_to_do(
    browser: TestClient, agent: str, says: str
) -> None:
    text = browser.get(f"/agents/{agent}").text
    assert says in text
    assert "<script" not in text


def test_what_an_agent_made_and_never_delivered_is_on_its_page(browser: TestClient, store: Database) -> None:
    machine = Machine(agent="agent-holed", target="holed", fingerprint="machine-holed")
    with store.write() as session:
        enrol(session, machine)
        for hours in (6, 5, 4, 3):
            run = machine.run(NOW - hours * HOUR, {"disk": "pass"})
            if hours not in (5, 4):
                arrive(session, run, received_at=NOW - hours * HOUR)
    page = browser.get("/agents/agent-holed").text
    assert "runs 2–3 missing" in page
    assert 'href="/runs?agent=agent-holed"' in page
    assert 'href="/agents/agent-holed"' in browser.get("/sites/plant").text


def test_the_runs_of_one_agent_are_listed_alone(browser: TestClient, held: dict[str, str]) -> None:
    listed = browser.get("/runs?agent=agent-cloned&held=yes").text
    assert listed.count('href="/runs/') == 2
    assert held["agent-cloned"] in listed
    assert 'href="/agents/agent-cloned"' in listed
    assert browser.get("/runs?agent=nobody").status_code == 404


def test_an_admin_revokes_with_a_reason_and_only_once(browser: TestClient, store: Database) -> None:
    token = csrf(browser)
    for form in ({"reason": "x"}, {"reason": "x", "csrf": "guessed"}):
        assert browser.post("/agents/agent-fine/revoke", data=form).status_code == 403
    answer = browser.post("/agents/agent-fine/revoke", data={"csrf": token, "reason": "sold"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/agents/agent-fine")
    assert "1 key: sold" in browser.get("/agents/agent-fine").text
    again = browser.post("/agents/agent-fine/revoke", data={"csrf": token, "reason": "sold"})
    assert again.status_code == 409
    long = browser.post("/agents/agent-late/revoke", data={"csrf": token, "reason": "x" * 501})
    assert long.status_code == 400
    assert browser.post("/agents/none/revoke", data={"csrf": token, "reason": "x"}).status_code == 404
    with store.read() as session:
        revoked = select(AgentKey.agent_id).where(AgentKey.revoked_at.is_not(None))
        assert set(session.scalars(revoked)) == {"agent-revoked", "agent-fine"}


def test_an_admin_accepts_a_branch_on_the_page(
    browser: TestClient, store: Database, held: dict[str, str]
) -> None:
    form = {"csrf": csrf(browser), "run": held["agent-restored"]}
    assert browser.post("/agents/agent-restored/accept-branch", data=form).status_code == 303
    assert browser.post("/agents/agent-restored/accept-branch", data=form).status_code == 409
    text = browser.get("/agents/agent-restored").text
    assert "accepted a branch" in text
    assert "Branches that are held" not in text


def test_an_engineer_looks_and_changes_nothing(
    browser: TestClient, store: Database, held: dict[str, str]
) -> None:
    browser.cookies.clear()
    browser.post("/login", data={"login": "ann", "password": PASSWORD, "next": "/"})
    text = browser.get("/agents/agent-restored").text
    assert "Revoke this agent" not in text
    assert "Accept this branch" not in text
    form = {"csrf": csrf(browser), "run": held["agent-restored"], "reason": "x"}
    for deed in ("revoke", "accept-branch"):
        assert browser.post(f"/agents/agent-restored/{deed}", data=form).status_code == 403
    with store.read() as session:
        deeds = select(AuditEntry.action).where(AuditEntry.actor == "ann", AuditEntry.action != "log-in")
        assert session.scalars(deeds).all() == []


def test_the_same_over_the_api(browser: TestClient, store: Database, held: dict[str, str]) -> None:
    header = {"X-CSRF-Token": csrf(browser)}
    shown = browser.get("/api/v1/agents/agent-restored").json()
    assert [(b["first"], b["last"], b["runs"], b["stranger"]) for b in shown["branches"]] == [
        (2, 3, 2, False)
    ]
    assert [key["last_sequence"] for key in shown["keys"]] == [None]
    run = held["agent-restored"]
    accepted = browser.post(f"/api/v1/runs/{run}/accept-branch", headers=header)
    assert accepted.json() == {"runs": 2}
    revoked = browser.post("/api/v1/agents/agent-late/revoke?reason=gone", headers=header)
    assert revoked.status_code == 200
    with store.read() as session:
        details = select(AuditEntry.detail).where(AuditEntry.subject == "agent:agent-late")
        assert session.scalars(details).all() == ["1 key: gone"]


def typed(*args: str) -> str:
    result = CliRunner().invoke(group, ["agent", *args], prog_name="firstlight server")
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_command_line_lists_shows_revokes_and_accepts(
    store: Database, held: dict[str, str], sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_DB", str(sqlite_path))
    monkeypatch.setattr("server.clock.utc_now", lambda: NOW)
    listed = typed("list").splitlines()
    assert len(listed) == 9
    assert listed[0].split("\t")[1:] == ["forked", "plant", "cloned", "2026-01-30 20:00 UTC", "2 held"]
    assert "clock 20 min slow" in typed("list", "--site", "plant")
    shown = typed("show", "agent-restored")
    run = held["agent-restored"]
    branch = "held        runs 2 to 3, made on the same machine as far as it can tell; "
    assert f"{branch}firstlight server agent accept-branch {run}" in shown
    assert typed("accept-branch", run) == "2 runs of this branch count, and so does what follows\n"
    assert "held" not in typed("show", "agent-restored")
    assert "no key of agent-fine is trusted any more" in typed("revoke", "agent-fine", "--reason", "sold")
    for wrong in (("revoke", "agent-fine", "--reason", "again"), ("show", "none"), ("accept-branch", run)):
        with pytest.raises(BadInput):
            typed(*wrong)
