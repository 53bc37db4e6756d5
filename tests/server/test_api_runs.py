"""Findings, runs, documents and figures over HTTP."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from api_world import Collector
from building import START, Machine, arrive, assign, bind, enrol

from checks.envelope import verify
from server import delivery


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def plant(collector: Collector, machine: Machine) -> Collector:
    """Ann's machine: the disk failed from day 2 and passed again on day 4."""
    with collector.db.write() as session:
        enrol(session, machine)
        bind(session, machine)
        assign(session, "ann")
        for number, status in ((1, "pass"), (2, "fail"), (3, "fail"), (4, "pass")):
            at = day(number)
            arrive(session, machine.run(at, {"disk": status, "port": "pass"}), received_at=at)
    return collector


def finding(collector: Collector, item: str = "disk") -> Any:
    found = collector.get(f"/sites/plant/findings?item={item}")["items"]
    return collector.get(f"/findings/{found[0]['id']}", by="ann")


def test_a_finding_tells_its_episodes_and_every_change_with_the_run_behind_it(plant: Collector) -> None:
    told = finding(plant)
    assert (told["finding"]["status"], told["finding"]["since"]) == ("pass", "2026-01-05T00:00:00Z")
    assert [row["status"] for row in told["transitions"]] == ["pass", "fail", "pass"]
    (episode,) = told["episodes"]
    assert (episode["state"], episode["close_kind"], episode["cause"]) == (
        "closed",
        "verified",
        "implementation",
    )
    assert (episode["opened_at"], episode["closed_at"]) == ("2026-01-03T00:00:00Z", "2026-01-05T00:00:00Z")
    assert episode["unattributed"] == 0
    assert plant.get(f"/runs/{episode['opened_run']}")["run"]["failed"] == 1
    assert plant.get(f"/episodes/{episode['id']}") == {
        "id": episode["id"],
        "finding": told["finding"]["id"],
    }


def test_what_nobody_is_charged_with_is_shown_as_such(plant: Collector, machine: Machine) -> None:
    with plant.db.write() as session:
        arrive(session, machine.run(day(5), {"clock": "fail"}), received_at=day(5))
    (episode,) = finding(plant, "clock")["episodes"]
    assert (episode["shares"], episode["unattributed"]) == ([], 1.0)
    assert episode["unattributed_reason"] == "first-seen"


def test_open_findings_are_those_with_an_open_episode(plant: Collector, machine: Machine) -> None:
    assert plant.get("/sites/plant/findings?episode=open")["items"] == []
    with plant.db.write() as session:
        arrive(session, machine.run(day(5), {"port": "fail"}), received_at=day(5))
    assert [f["item"] for f in plant.get("/sites/plant/findings?episode=open")["items"]] == ["port"]
    assert plant.refusal(404, "GET", "/sites/none/findings") == "there is no site none"


def test_runs_come_newest_first_in_portions(plant: Collector) -> None:
    first = plant.get("/runs?site=plant&limit=3", by="ann")
    rest = plant.get(f"/runs?site=plant&limit=3&after={first['next']}")
    assert rest["next"] is None
    times = [run["effective_at"] for run in first["items"] + rest["items"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 4
    assert plant.get("/runs?site=elsewhere")["items"] == []


def test_the_document_is_the_very_body_that_was_signed(plant: Collector, machine: Machine) -> None:
    run = plant.get("/runs")["items"][0]
    detail = plant.get(f"/runs/{run['id']}")
    assert (detail["document"], detail["counted_at"]) == (True, ["plant-host"])
    response = plant.call("GET", f"/runs/{run['id']}/document", by="bo")
    assert response.headers["content-type"].startswith("application/json")
    digest = hashlib.sha256(response.content)
    assert digest.hexdigest() == run["hash"]
    signature = response.headers["Firstlight-Signature"]
    assert signature == detail["signature"]
    assert verify(machine.public, run["agent_id"], run["id"], digest.digest(), signature)
    assert plant.refusal(404, "GET", "/runs/none/document") == "there is no run none"


def test_a_held_run_counts_once_an_admin_releases_it(plant: Collector, machine: Machine) -> None:
    late = plant.clock.pass_by(days=1)
    # The agent's clock is two days ahead, as the delivery shows.
    sealed = machine.run(late + timedelta(days=2), {"port": "fail"})
    with plant.db.write() as session:
        answer = arrive(session, sealed, received_at=late, sent_at=late + timedelta(days=2))
        assert answer.ack is not None
        assert answer.ack.held
    (held,) = plant.get("/runs?held=yes")["items"]
    assert held["id"] == sealed.seal.run
    assert len(plant.get("/runs?held=no")["items"]) == 4
    path = f"/runs/{held['id']}/release"
    assert plant.refusal(403, "POST", path, by="ann") == "only an admin may do this"
    released = plant.post(path, status=200)
    assert (released["run"]["held"], released["run"]["released_by"]) == ("", "root")
    assert finding(plant, "port")["episodes"][0]["state"] == "open"
    assert "not held" in plant.refusal(409, "POST", path)


def test_a_figure_leads_down_to_the_runs_it_rests_on(plant: Collector) -> None:
    with plant.db.write() as session:
        by: dict[str, Any] = {"by": "root", "now": plant.clock()}
        attempt = delivery.record_go_live(session, "erp", started_at=day(1), **by)
        delivery.record_cutover(session, attempt.id, cutover_at=day(1), **by)
    plant.clock.pass_by(days=100)
    kpis = {kpi["id"]: kpi for kpi in plant.get("/kpis", by="ann")}
    assert set(kpis) == {"first-go-live", "recurrence"}
    assert kpis["recurrence"]["version"] == 1
    figure = plant.get("/kpis/first-go-live?site=plant", by="ann")
    assert (figure["k"], figure["n"], figure["too_few"]) == (0, 1, True)
    unit = plant.get("/kpis/first-go-live/units/erp")
    assert unit == figure["units"][0]
    for run in unit["evidence"]["runs"]:
        assert plant.get(f"/runs/{run}")
    (family,) = plant.get("/kpis/recurrence")["units"]
    assert plant.get(f"/kpis/recurrence/units/{family['id']}") == family
    people = plant.get("/kpis/first-go-live/engineers")
    assert [row["engineer"] for row in people] == ["ann", "bo", "unattributed"]
    ann = plant.get("/kpis/first-go-live?engineer=ann")
    assert (ann["name"], ann["n"]) == ("Ann", 1)
    before = plant.get("/kpis/first-go-live?as_of=2026-01-01T12:00:00Z")
    assert before["units"] == []


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/kpis/luck", 404, "no key figure 'luck'"),
        ("/kpis/luck/units/erp", 404, "no key figure 'luck'"),
        ("/kpis/recurrence/units/erp/none", 404, "no unit"),
        ("/kpis/recurrence?engineer=none", 404, "no engineer"),
        ("/kpis/recurrence?as_of=2026-01-01T00:00:00", 400, "needs its zone"),
        ("/kpis/recurrence?as_of=2099-01-01T00:00:00Z", 400, "has not come yet"),
        ("/kpis/recurrence?as_of=tomorrow", 400, "as_of"),
        ("/findings/99", 404, "no finding 99"),
        ("/episodes/99", 404, "no episode 99"),
        ("/runs/none", 404, "no run none"),
        ("/runs?held=maybe", 400, "held: "),
        ("/runs?after=none", 404, "no run none"),
        ("/sites/plant/findings?episode=odd", 400, "episode: "),
    ],
)
def test_what_is_not_there_is_refused_with_one_sentence(
    collector: Collector, path: str, status: int, said: str
) -> None:
    assert said in collector.refusal(status, "GET", path)
