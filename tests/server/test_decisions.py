"""Changes that need two people: who may ask, who may agree, and what counts afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from building import START, Machine, arrive, assign, bind, enrol, found_vendor

from checks.errors import BadInput
from server import decisions, delivery
from server.auth.account import Account
from server.db import Database
from server.errors import Forbidden, NotFound, Refused
from server.kpi import figures
from server.pages.open_findings import unsettled
from server.tables import AuditEntry, Decision, Episode, Finding, User

NOW = START + timedelta(days=200)
WHILE_OPEN = START + timedelta(days=12)
ROOT = Account(1, "root", "Root", "admin", None)
EVE = Account(2, "eve", "Eve", "admin", None)
ANN = Account(3, "ann", "Ann", "engineer", "ann")
BO = Account(4, "bo", "Bo", "engineer", "bo")
ANNS_OTHER_LOGIN = Account(5, "ann-admin", "Ann", "admin", "ann")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def plant(db: Database, machine: Machine) -> Database:
    """Ann went live on day 1; on day 10 the disk failed under her, on day 20 it was mended."""
    with db.write() as session:
        found_vendor(session)
        for account in (ROOT, EVE, ANN, BO, ANNS_OTHER_LOGIN):
            session.add(
                User(
                    id=account.id,
                    login=account.login,
                    name=account.name,
                    role=account.role,
                    engineer_id=account.engineer_id,
                    password_hash="",
                )
            )
        enrol(session, machine)
        bind(session, machine)
        assign(session, "ann")
        attempt = delivery.record_go_live(session, "erp", started_at=day(1), by="root", now=NOW)
        delivery.record_cutover(session, attempt.id, cutover_at=day(1), by="root", now=NOW)
        for number in range(1, 120):
            status = "fail" if 10 <= number < 20 else "pass"
            results = [machine.result("disk", status, owner="vendor"), machine.result("port", "pass")]
            arrive(session, machine.run(day(number), results))
    return db


def disk(session: Any) -> int:
    return int(session.scalar(sa.select(Finding.id).where(Finding.item == "disk")))


def propose(session: Any, kind: str, new: str, by: Account = ROOT, at: datetime = WHILE_OPEN) -> Decision:
    deed = decisions.propose_severity if kind == "severity" else decisions.propose_cause
    return deed(session, disk(session), at, new, "the customer said so", by=by, now=NOW)


def test_a_severity_counts_only_once_a_second_person_agreed_and_both_values_stay(plant: Database) -> None:
    with plant.write() as session:
        row = propose(session, "severity", "P3")
        episode = session.scalars(sa.select(Episode)).one()
        assert decisions.effective(session, "severity", episode, NOW) == "P1"
        with pytest.raises(Forbidden, match="a second person"):
            decisions.approve(session, row.id, by=ROOT, now=NOW)
        decisions.approve(session, row.id, by=EVE, now=NOW)
        assert decisions.effective(session, "severity", episode, NOW) == "P3"
        assert (row.old_value, row.new_value, episode.severity) == ("P1", "P3", "P1")
        assert (row.proposed_by, row.approved_by) == ("root", "eve")


def test_whoever_is_charged_may_ask_for_a_severity_but_never_decide_on_it(plant: Database) -> None:
    with plant.write() as session:
        row = propose(session, "severity", "P2", by=ANN)
        for charged in (ANN, ANNS_OTHER_LOGIN):
            with pytest.raises(Forbidden):
                decisions.approve(session, row.id, by=charged, now=NOW)
        decisions.reject(session, row.id, by=ANN, now=NOW)
        row = propose(session, "severity", "P2", by=ROOT)
        with pytest.raises(Forbidden, match="who is charged"):
            decisions.approve(session, row.id, by=ANN, now=NOW)
        decisions.approve(session, row.id, by=BO, now=NOW)


def test_nobody_charged_may_even_ask_for_another_cause(plant: Database) -> None:
    with plant.write() as session:
        with pytest.raises(Forbidden, match="cannot ask for another cause"):
            propose(session, "cause", "environment", by=ANN)
        row = propose(session, "cause", "environment", by=BO)
        assert row.old_value == "implementation"
        decisions.approve(session, row.id, by=ROOT, now=NOW)


def test_another_cause_changes_the_go_live_figure_and_its_rejection_does_not(plant: Database) -> None:
    with plant.write() as session:
        assert figures.unit(session, "first-go-live", "erp", as_of=NOW).outcome == 0
        turned_down = propose(session, "cause", "environment")
        decisions.reject(session, turned_down.id, by=EVE, now=NOW)
        assert figures.unit(session, "first-go-live", "erp", as_of=NOW).outcome == 0
        row = propose(session, "cause", "environment")
        decisions.approve(session, row.id, by=EVE, now=NOW)
        assert figures.unit(session, "first-go-live", "erp", as_of=NOW).outcome == 1


def test_a_decision_is_made_once(plant: Database) -> None:
    with plant.write() as session:
        row = propose(session, "severity", "P3")
        decisions.approve(session, row.id, by=EVE, now=NOW)
        with pytest.raises(Refused, match="already approved"):
            decisions.reject(session, row.id, by=EVE, now=NOW)
        other = propose(session, "severity", "P2")
        decisions.reject(session, other.id, by=ROOT, now=NOW)
        with pytest.raises(Refused, match="already rejected"):
            decisions.approve(session, other.id, by=EVE, now=NOW)


def test_two_proposals_of_one_kind_never_wait_at_a_time(plant: Database) -> None:
    with plant.write() as session:
        propose(session, "severity", "P3")
        with pytest.raises(Refused, match="already proposed"):
            propose(session, "severity", "P2", at=day(15))
        propose(session, "cause", "product")


@pytest.mark.parametrize(
    ("kind", "new", "at", "error", "said"),
    [
        ("severity", "P9", day(12), BadInput, "right is one of P0, P1, P2, P3"),
        ("severity", "P1", day(12), Refused, "already is P1"),
        ("cause", "aliens", day(12), BadInput, "right is one of implementation"),
        ("severity", "P3", day(5), NotFound, "no episode at"),
        ("severity", "P3", day(25), NotFound, "no episode at"),
        ("severity", "P3", day(201), BadInput, "has not come yet"),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(
    plant: Database, kind: str, new: str, at: datetime, error: type[BadInput], said: str
) -> None:
    with plant.write() as session, pytest.raises(error, match=said):
        propose(session, kind, new, at=at)


def test_a_proposal_needs_a_reason(plant: Database) -> None:
    with plant.write() as session, pytest.raises(BadInput, match="needs a reason"):
        decisions.propose_severity(session, disk(session), day(12), "P3", " ", by=ROOT, now=NOW)


def test_a_lapsed_episode_is_retired_by_two_people_and_opens_again_when_it_fails(
    plant: Database, machine: Machine
) -> None:
    with plant.write() as session:
        finding = disk(session)
        with pytest.raises(Refused, match="only a lapsed one"):
            decisions.propose_retirement(session, finding, day(12), "sold", by=ROOT, now=NOW)
        port = [machine.result("port", "pass")]
        arrive(session, machine.run(day(130), [machine.result("disk", "fail"), *port]))
        arrive(session, machine.run(day(131), [machine.result("disk", "skip"), *port]))
        row = decisions.propose_retirement(session, finding, day(131), "the disk was sold", by=ROOT, now=NOW)
        assert (row.old_value, row.new_value) == ("lapsed", "retired")
        with pytest.raises(Forbidden, match="a second person"):
            decisions.approve(session, row.id, by=ROOT, now=NOW)
        assert [one.state for one in unsettled(session, ["lapsed"])] == ["lapsed"]
        decisions.approve(session, row.id, by=EVE, now=NOW)
        assert unsettled(session, ["lapsed"]) == []
        arrive(session, machine.run(day(132), [machine.result("disk", "fail"), *port]))
        session.expire_all()
        assert [one.state for one in unsettled(session, ["open", "lapsed"])] == ["open"]


def test_a_retirement_is_refused_where_the_finding_failed_again_meanwhile(
    plant: Database, machine: Machine
) -> None:
    with plant.write() as session:
        port = [machine.result("port", "pass")]
        arrive(session, machine.run(day(130), [machine.result("disk", "fail"), *port]))
        arrive(session, machine.run(day(131), [machine.result("disk", "skip"), *port]))
        row = decisions.propose_retirement(session, disk(session), day(131), "sold", by=ROOT, now=NOW)
        arrive(session, machine.run(day(132), [machine.result("disk", "fail"), *port]))
        session.expire_all()
        with pytest.raises(Refused, match="no longer lapsed"):
            decisions.approve(session, row.id, by=EVE, now=NOW)


def test_an_excluded_unit_leaves_the_figure_once_two_people_agreed(plant: Database) -> None:
    with plant.write() as session:
        row = decisions.propose_exclusion(
            session, "first-go-live", "erp", "customer-request", "their hall burnt down", by=ANN, now=NOW
        )
        assert figures.figure(session, "first-go-live", as_of=NOW).excluded == 0
        for no in (ANN, ANNS_OTHER_LOGIN):
            with pytest.raises(Forbidden):
                decisions.approve(session, row.id, by=no, now=NOW)
        decisions.approve(session, row.id, by=ROOT, now=NOW)
        figure = figures.figure(session, "first-go-live", as_of=NOW)
        assert (figure.excluded, figure.n) == (1, 0)
        exclusion = figure.units[0].exclusion
        assert exclusion is not None
        assert (exclusion.reason, exclusion.approved_by) == ("customer-request", "root")
        with pytest.raises(Refused, match="already excluded"):
            decisions.propose_exclusion(
                session, "first-go-live", "erp", "data-error", "again", by=ROOT, now=NOW
            )


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"reason": "because"}, BadInput, "right is one of customer-request"),
        ({"note": " "}, BadInput, "needs a note"),
        ({"kpi": "luck"}, NotFound, "luck"),
        ({"unit": "none"}, NotFound, "none"),
    ],
)
def test_an_exclusion_names_a_unit_a_typed_reason_and_a_note(
    plant: Database, change: dict[str, str], error: type[BadInput], said: str
) -> None:
    asked = {"kpi": "first-go-live", "unit": "erp", "reason": "data-error", "note": "x", **change}
    with plant.write() as session, pytest.raises(error, match=said):
        decisions.propose_exclusion(session, **asked, by=ROOT, now=NOW)


def test_what_was_decided_meanwhile_must_be_looked_at_anew(plant: Database) -> None:
    with plant.write() as session:
        row = propose(session, "severity", "P3")
        # An earlier proposal that the check for a waiting one could not see.
        session.add(
            Decision(
                kind="severity",
                finding_id=disk(session),
                at=day(11),
                old_value="P1",
                new_value="P2",
                reason="elsewhere",
                proposed_by="ann",
                proposed_at=NOW,
                approved_by="bo",
                approved_at=NOW,
            )
        )
        session.flush()
        with pytest.raises(Refused, match="no longer P1"):
            decisions.approve(session, row.id, by=EVE, now=NOW)


def test_who_asked_and_who_decided_is_in_the_audit_trail(plant: Database) -> None:
    with plant.write() as session:
        row = propose(session, "severity", "P3")
        decisions.approve(session, row.id, by=EVE, now=NOW)
        lines = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.subject == f"finding:{disk(session)}")
        ).all()
        assert [(line.actor, line.action) for line in lines] == [("root", "propose"), ("eve", "approve")]
        assert "P1 → P3" in lines[0].detail
