"""Publishing over the API, and agents that fetch with a signed request."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import building
import msgspec
import pytest
import sqlalchemy as sa
from api_world import Collector
from building import Machine

from checks.envelope import HEADER_AGENT, HEADER_SIGNATURE
from checks.rules import Rules
from checks.signed import key_name, parse, sign_request, signer
from server import keys
from server.tables import AgentKey, AgentRules

TEXT = "profile: acme\nversion: 1\nitems:\n- {id: a, check: file.stat, with: {path: /etc/passwd}}\n"


@pytest.fixture
def machine(collector: Collector) -> Machine:
    machine = Machine()
    with collector.db.write() as session:
        building.enrol(session, machine)
    return machine


def fetch(
    collector: Collector, machine: Machine, path: str = "/api/v1/rules", signed: str = "", **headers: str
) -> Any:
    signature = sign_request(machine.agent, "GET", signed or path, b"", machine.key)
    own = {HEADER_AGENT: machine.agent, HEADER_SIGNATURE: signature}
    return collector.client.get(path, headers=own | headers)


def publish(collector: Collector, **changes: Any) -> Any:
    return collector.post("/publications/profiles", {"site": "plant", "text": TEXT} | changes)


def test_an_admin_publishes_looks_and_withdraws(collector: Collector) -> None:
    made = publish(collector)
    assert (made["kind"], made["name"], made["label"], made["site_id"]) == ("profile", "acme", "1", "plant")
    entry = {"name": "hourly", "every": "1h", "profile": "acme"}
    daily = {"customer": "acme", "schedule": {"name": "daily", "every": "1d"}}
    schedule = collector.post("/publications/schedules", daily)
    collector.post("/publications/schedules", {"site": "plant", "schedule": entry})
    until = (collector.clock() + timedelta(days=9)).isoformat()
    waiver = {"item": "a", "reason": "ticket", "approved_by": "Ann", "expires": until}
    collector.post("/publications/waivers", {"everyone": True} | waiver)
    listed = collector.get("/publications", by="ann")["items"]
    assert [each["kind"] for each in listed] == ["waiver", "schedule", "schedule", "profile"]
    assert [each["id"] for each in collector.get("/publications?kind=profile")["items"]] == [made["id"]]
    assert collector.get(f"/publications/{made['id']}", by="ann")["profile"]["text"] == TEXT
    assert collector.get(f"/publications/{schedule['id']}")["schedule"]["every"] == "1d"
    gone = collector.post(f"/publications/{schedule['id']}/withdraw", status=200)
    assert gone["withdrawn_at"] is not None
    assert "withdrawn already" in collector.refusal(409, "POST", f"/publications/{schedule['id']}/withdraw")


def test_refusals_say_what_would_be_right(collector: Collector) -> None:
    def said(status: int, path: str, **body: Any) -> str:
        return collector.refusal(status, "POST", f"/publications/{path}", body)

    assert "say for whom" in said(400, "profiles", text=TEXT)
    assert "no site nowhere" in said(404, "profiles", text=TEXT, site="nowhere")
    assert "unknown check" in said(400, "profiles", text=TEXT.replace("file.stat", "no.such"), site="plant")
    assert "shipped with Firstlight" in said(
        400, "profiles", text=TEXT.replace("acme", "linux-server"), site="plant"
    )
    assert "neither a file nor a site" in said(
        400, "schedules", site="plant", schedule={"name": "x", "every": "1h", "site_file": "/x"}
    )
    publish(collector)
    other = TEXT.replace("/etc/passwd", "/etc/group")
    assert "another text" in said(409, "profiles", text=other, site="plant")


def test_an_agent_fetches_what_is_published_for_its_site(collector: Collector, machine: Machine) -> None:
    assert fetch(collector, machine).status_code == 204
    made = publish(collector)
    response = fetch(collector, machine)
    assert response.status_code == 200
    file = parse(response.content, "rules")
    with collector.db.read() as session:
        public = keys.public_key(session, "sign")
    assert signer(file, [public]) == public
    rules = msgspec.json.decode(file.body, type=Rules)
    assert (rules.site, rules.version, rules.profiles[0].text) == ("plant", made["version"], TEXT)
    assert response.headers["etag"] == f'"{rules.version}-{key_name(public)}"'
    again = fetch(collector, machine, **{"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    with collector.db.read() as session:
        row = session.get(AgentRules, machine.agent)
        assert row is not None
        assert (row.version, row.sign_key) == (rules.version, public)


def test_the_agent_names_the_key_it_goes_by_and_learns_of_the_next(
    collector: Collector, machine: Machine
) -> None:
    publish(collector)
    with collector.db.read() as session:
        first = keys.public_key(session, "sign")
    collector.clock.pass_by(hours=1)
    newer = collector.post("/publications/signing-key")
    path = f"/api/v1/rules?key={key_name(first)}"
    file = parse(fetch(collector, machine, path).content, "rules")
    assert signer(file, [first]) == first
    announced = base64.b64decode(msgspec.json.decode(file.body, type=Rules).next_sign_key)
    assert key_name(announced) == newer["name"]
    file = parse(fetch(collector, machine, f"/api/v1/rules?key={newer['name']}").content, "rules")
    assert signer(file, [announced]) == announced
    assert fetch(collector, machine, f"/api/v1/rules?key={'0' * 16}").status_code == 409


def test_only_the_agents_own_key_fetches_its_rules(collector: Collector, machine: Machine) -> None:
    publish(collector)
    stranger = Machine(agent="a-unknown")
    other = Machine(agent=machine.agent)  # another key under the agent's name
    elsewhere = "/api/v1/runs", "/api/v1/rules?key=1"
    for who, signed in ((stranger, ""), (other, ""), *((machine, path) for path in elsewhere)):
        answer = fetch(collector, who, signed=signed)
        assert answer.status_code == 403
        assert "not signed by an agent that is enrolled here" in answer.json()["detail"]
    assert collector.client.get("/api/v1/rules").status_code == 403
    root = {"Authorization": f"Bearer {collector.tokens['root']}"}
    assert collector.client.get("/api/v1/rules", headers=root).status_code == 403


def test_a_key_that_was_revoked_or_replaced_fetches_nothing(collector: Collector, machine: Machine) -> None:
    publish(collector)
    with collector.db.write() as session:
        session.execute(sa.update(AgentKey).values(last_sequence=4))
    assert "replaced by a newer one" in fetch(collector, machine).json()["detail"]
    with collector.db.write() as session:
        session.execute(sa.update(AgentKey).values(last_sequence=None, revoked_at=collector.clock()))
    answer = fetch(collector, machine)
    assert (answer.status_code, "was revoked" in answer.json()["detail"]) == (403, True)
