"""Master data, bindings, enrolment and decisions over HTTP: one story, and how refusals read."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from api_world import Collector
from building import START, Machine, arrive, bind, enrol, plan_of


def moment(days: float) -> str:
    return (START + timedelta(days=days)).isoformat()


def test_a_vendor_is_built_up_over_the_api(collector: Collector) -> None:
    customer = collector.post("/customers", {"name": "Hua Dong", "industry": "healthcare"})
    site = collector.post("/sites", {"customer": customer["id"], "name": "Suzhou"})
    product = collector.post("/products", {"name": "Clinic"})
    engineer = collector.post("/engineers", {"name": "Li Lei", "email": "li@example.com"})
    project = collector.post(
        "/projects",
        {
            "site": site["id"],
            "product": product["id"],
            "name": "Clinic Suzhou",
            "started_at": moment(1),
            "window_days": 60,
        },
    )
    assert (project["id"], project["window_days"]) == ("clinic-suzhou", 60)
    assert project["started_at"] == "2026-01-02T00:00:00Z"
    assignment = collector.post(
        "/assignments",
        {
            "project": project["id"],
            "engineer": engineer["id"],
            "role": "lead",
            "share": 0.5,
            "valid_from": moment(1),
        },
    )
    ended = collector.call("PATCH", f"/assignments/{assignment['id']}", {"valid_until": moment(20)})
    assert ended.json()["valid_until"] == "2026-01-21T00:00:00Z"
    attempt = collector.post("/go-lives", {"project": project["id"], "started_at": moment(2)})
    path = f"/go-lives/{attempt['id']}"
    assert collector.post(f"{path}/cutover", {"cutover_at": moment(3)}, status=200)["outcome"] == "running"
    assert collector.post(f"{path}/end", {"outcome": "live"}, status=200)["outcome"] == "live"
    for kind, id in (
        ("customers", customer["id"]),
        ("sites", site["id"]),
        ("products", product["id"]),
        ("engineers", engineer["id"]),
        ("projects", project["id"]),
    ):
        listed = collector.get(f"/{kind}", by="ann")["items"]
        assert collector.get(f"/{kind}/{id}", by="ann") in listed
    assert len(collector.get(f"/projects/{project['id']}/go-lives")["items"]) == 1
    assert len(collector.get(f"/projects/{project['id']}/assignments")["items"]) == 1
    assert [row["id"] for row in collector.get(f"/sites?customer={customer['id']}")["items"]] == ["suzhou"]
    assert [row["id"] for row in collector.get("/projects?site=suzhou")["items"]] == ["clinic-suzhou"]


def test_lists_come_in_portions_that_name_where_the_next_begins(collector: Collector) -> None:
    for number in range(5):
        collector.post("/engineers", {"name": f"E{number}"})
    seen: list[str] = []
    after = ""
    while after is not None:
        portion = collector.get(f"/engineers?limit=3&after={after}")
        assert len(portion["items"]) <= 3
        seen += [row["id"] for row in portion["items"]]
        after = portion["next"]
    assert seen == ["ann", "bo", "e0", "e1", "e2", "e3", "e4"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": 3}, "$.name: Expected `str`, got `int`"),
        ({}, "Object missing required field `name`"),
        ({"name": "a", "colour": "red"}, "Object contains unknown field `colour`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_a_mistake_in_a_body_is_named_with_its_path(collector: Collector, body: Any, said: str) -> None:
    assert said in collector.refusal(400, "POST", "/customers", body)


@pytest.mark.parametrize("body", [b"{bad", b"", b"\xff\xfe", b"null"])
def test_a_body_that_is_no_json_object_is_refused(collector: Collector, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {collector.tokens['root']}", "Content-Type": "application/json"}
    response = collector.client.post("/api/v1/customers", content=body, headers=headers)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert "\n" not in response.json()["detail"]


def test_a_time_without_its_zone_is_refused(collector: Collector) -> None:
    body = {"project": "erp", "started_at": "2026-01-05T00:00:00"}
    assert "timezone" in collector.refusal(400, "POST", "/go-lives", body)


@pytest.mark.parametrize("limit", ["0", "501", "-1", "many"])
def test_a_portion_of_a_strange_size_is_refused(collector: Collector, limit: str) -> None:
    assert collector.refusal(400, "GET", f"/customers?limit={limit}").startswith("limit: ")


def test_refusals_have_the_status_of_their_kind(collector: Collector) -> None:
    assert collector.refusal(404, "GET", "/customers/none") == "there is no customer none"
    assert "already a customer" in collector.refusal(409, "POST", "/customers", {"name": "x", "id": "acme"})
    assert "cannot be the id" in collector.refusal(400, "POST", "/customers", {"name": "x", "id": "../x"})
    assert collector.refusal(404, "GET", "/nothing/here")
    assert collector.refusal(405, "PUT", "/customers", {})
    assert collector.refusal(413, "POST", "/customers", {"name": "x" * 300_000})


def test_an_id_that_is_too_large_for_the_database_is_simply_not_there(collector: Collector) -> None:
    for path in ("/findings/99999999999999999999", "/bindings/-1"):
        assert collector.refusal(404, "GET", path).startswith("there is no")
    assert "too large" in collector.refusal(400, "GET", "/episodes/99999999999999999999")
    assert collector.get("/audit?after=99999999999999999999")["items"]


def test_a_binding_its_plans_and_the_acceptance_of_one(collector: Collector) -> None:
    machine = Machine()
    with collector.db.write() as session:
        enrol(session, machine)
    binding = collector.post(
        "/bindings", {"target": "plant-host", "profile": "linux-server", "project": "erp", "interval_s": 3600}
    )
    now = collector.clock.pass_by(days=1)
    with collector.db.write() as session:
        arrive(session, machine.run(now, {"disk": "pass"}), received_at=now)
        arrive(session, machine.run(now, {"disk": "pass"}, plan=plan_of({"disk": "P2"})), received_at=now)
    path = f"/bindings/{binding['id']}"
    current, proposed = collector.get(f"{path}/plans", by="ann")
    assert (current["in_force"], proposed["in_force"]) == (True, False)
    assert [entry["item"] for entry in proposed["removed"]] == ["clock", "port"]
    assert [(c["was"]["severity"], c["becomes"]["severity"]) for c in proposed["changed"]] == [("P1", "P2")]
    collector.clock.pass_by(minutes=1)
    body = {"digest": proposed["digest"], "instead_of": ""}
    assert "accepted meanwhile" in collector.refusal(409, "POST", f"{path}/plans", body)
    accepted = collector.post(f"{path}/plans", {**body, "instead_of": current["digest"]})
    assert (accepted["accepted_by"], accepted["valid_from"]) == ("root", "2026-02-01T00:01:00Z")
    assert collector.get(f"{path}/plans")[0]["digest"] == proposed["digest"]
    assert collector.get("/sites/plant/bindings")["items"] == [collector.get(path)]
    collector.clock.pass_by(days=1)
    assert collector.call("PATCH", path, {}).json()["valid_until"] == "2026-02-02T00:01:00Z"


def test_a_machine_enrols_itself_with_nothing_but_its_token(collector: Collector) -> None:
    made = collector.post("/enrolment-tokens", {"site": "plant", "project": "erp", "hours": 2})
    assert made["expires_at"] == "2026-01-31T02:00:00Z"
    assert made["command"] == f"echo {made['token']} | firstlight enrol http://127.0.0.1:8750 --token -"
    machine = Machine()
    asked = {
        "token": made["token"],
        "public_key": base64.b64encode(machine.public).decode(),
        "install": "install-1",
        "fingerprint": "machine-1",
        "target": "db1",
        "agent_version": "9.9",
        "a_field_of_a_newer_agent": True,
    }
    answer = collector.post("/enrol", asked, by=None, status=200)
    assert (answer["sites"], answer["target"], answer["interval_s"]) == (["plant"], "db1", 86_400)
    assert collector.post("/enrol", asked, by=None, status=200) == answer
    second = {**asked, "install": "install-2"}
    assert "already used" in collector.refusal(403, "POST", "/enrol", second, by=None)
    assert "not known" in collector.refusal(403, "POST", "/enrol", {**asked, "token": "x"}, by=None)
    agents = collector.get("/sites/plant/agents", by="ann")["items"]
    assert [agent["id"] for agent in agents] == [answer["agent"]]
    assert [target["name"] for target in collector.get("/sites/plant/targets")["items"]] == ["db1"]
    machine.agent, machine.target = answer["agent"], "db1"
    now = collector.clock.pass_by(hours=1)
    with collector.db.write() as session:
        assert arrive(session, machine.run(now, {"disk": "fail"}), received_at=now).status == 201
    assert [f["item"] for f in collector.get("/sites/plant/findings?episode=open")["items"]] == ["disk"]
    collector.post(f"/agents/{answer['agent']}/revoke", status=200)
    assert "already revoked" in collector.refusal(409, "POST", f"/agents/{answer['agent']}/revoke")


def test_the_answer_to_a_token_shows_it_once_and_the_audit_trail_never(collector: Collector) -> None:
    made = collector.post("/enrolment-tokens", {"site": "plant"})
    assert made["token"].removeprefix("fle_") not in str(collector.get("/audit"))


def test_a_decision_is_proposed_by_one_and_approved_by_another(collector: Collector) -> None:
    machine = Machine()
    collector.post(
        "/assignments", {"project": "erp", "engineer": "ann", "role": "lead", "valid_from": moment(0)}
    )
    with collector.db.write() as session:
        enrol(session, machine)
        bind(session, machine)
        for number, status in ((1, "pass"), (2, "fail")):
            at = START + timedelta(days=number)
            arrive(session, machine.run(at, {"disk": status}), received_at=at)
    finding = collector.get("/sites/plant/findings")["items"][0]["id"]
    episode = collector.get(f"/findings/{finding}")["episodes"][0]
    assert episode["shares"] == [{"engineer_id": "ann", "share": 1.0, "reason": "holder"}]
    body = {"finding": finding, "at": moment(3), "severity": "P3", "reason": "a test system"}
    asked = collector.post("/decisions/severity", body, by="ann")
    assert collector.get("/decisions?outcome=pending")["items"] == [asked]
    path = f"/decisions/{asked['id']}"
    for by in ("ann",):
        assert collector.refusal(403, "POST", f"{path}/approve", by=by)
    assert collector.post(f"{path}/approve", by="bo", status=200)["approved_by"] == "bo"
    assert "already approved" in collector.refusal(409, "POST", f"{path}/reject", by="bo")
    episode = collector.get(f"/findings/{finding}")["episodes"][0]
    assert (episode["reported_severity"], episode["severity"]) == ("P1", "P3")
    cause = {"finding": finding, "at": moment(3), "cause": "environment", "reason": "their disk"}
    assert "cannot ask" in collector.refusal(403, "POST", "/decisions/cause", cause, by="ann")
    turned_down = collector.post("/decisions/cause", cause, by="bo")
    collector.post(f"/decisions/{turned_down['id']}/reject", status=200)
    states = {s: len(collector.get(f"/decisions?outcome={s}")["items"]) for s in ("approved", "rejected")}
    assert states == {"approved": 1, "rejected": 1}
    wrong = {**cause, "cause": "aliens"}
    assert collector.refusal(400, "POST", "/decisions/cause", wrong).startswith("$.cause: ")
    exclusion = {"kpi": "luck", "unit": "erp", "reason": "data-error", "note": "x"}
    assert "luck" in collector.refusal(404, "POST", "/decisions/exclusion", exclusion)
