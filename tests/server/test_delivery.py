"""Master data, assignments, handovers and go-lives: what is recorded, what is refused, what is audited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from building import START, Machine, arrive, bind, enrol, found_vendor

from checks.errors import BadInput
from server import delivery
from server.db import Database
from server.errors import NotFound, Refused
from server.tables import Assignment, AuditEntry, Episode, EpisodeShare, GoLive

NOW = START + timedelta(days=100)
BY: dict[str, Any] = {"by": "root", "now": NOW}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
def vendor(db: Database) -> Database:
    with db.write() as session:
        found_vendor(session)
    return db


def shares(db: Database) -> list[dict[str, float]]:
    """Who is charged for each episode, oldest first."""
    with db.read() as session:
        episodes = session.scalars(sa.select(Episode.id).order_by(Episode.opened_at)).all()
        rows = session.scalars(sa.select(EpisodeShare)).all()
        return [{row.engineer_id: row.share for row in rows if row.episode_id == id} for id in episodes]


def test_an_id_is_made_from_the_name_unless_one_is_chosen(vendor: Database) -> None:
    with vendor.write() as session:
        assert delivery.add_customer(session, "Müller & Söhne AG", **BY).id == "m-ller-s-hne-ag"
        assert delivery.add_customer(session, "Müller & Söhne AG", **BY).id == "m-ller-s-hne-ag-2"
        assert delivery.add_customer(session, "华东医药", **BY).id.startswith("customer-")
        assert delivery.add_customer(session, "Zhu", id="c.17", **BY).id == "c.17"


@pytest.mark.parametrize("id", ["a/b", "-a", "A", "a b", "x" * 65, "../etc"])
def test_an_id_that_would_break_an_address_is_refused(vendor: Database, id: str) -> None:
    with vendor.write() as session, pytest.raises(BadInput, match="cannot be the id of a site"):
        delivery.add_site(session, "acme", "New", id=id, **BY)


@pytest.mark.parametrize(
    ("deed", "error", "said"),
    [
        (lambda s: delivery.add_customer(s, "  ", **BY), BadInput, "needs a name"),
        (lambda s: delivery.add_customer(s, "Acme", id="acme", **BY), Refused, "already a customer acme"),
        (lambda s: delivery.add_site(s, "nobody", "Plant", **BY), NotFound, "no customer nobody"),
        (lambda s: delivery.add_project(s, "plant", "none", "P", **BY), NotFound, "no product none"),
        (
            lambda s: delivery.add_project(s, "plant", "suite", "P", window_days=13, **BY),
            BadInput,
            "right is 14 to 90",
        ),
        (lambda s: delivery.assign(s, "none", "ann", "lead", **BY), NotFound, "no project none"),
        (lambda s: delivery.assign(s, "erp", "none", "lead", **BY), NotFound, "no engineer none"),
        (lambda s: delivery.assign(s, "erp", "ann", " ", **BY), BadInput, "a role is a word"),
        (lambda s: delivery.assign(s, "erp", "ann", "lead", share=0, **BY), BadInput, "share is 0"),
        (lambda s: delivery.assign(s, "erp", "ann", "lead", share=float("nan"), **BY), BadInput, "share"),
        (
            lambda s: delivery.assign(s, "erp", "ann", "lead", valid_until=NOW, **BY),
            BadInput,
            "must be after valid_from",
        ),
        (lambda s: delivery.end_assignment(s, 99, NOW, **BY), NotFound, "no assignment 99"),
        (lambda s: delivery.end_go_live(s, 1, "fine", **BY), BadInput, "right is one of live, aborted"),
        (lambda s: delivery.record_cutover(s, 99, **BY), NotFound, "no go live 99"),
    ],
)
def test_what_makes_no_sense_is_refused_with_one_line(
    sqlite_db: Database, deed: Callable[..., Any], error: type[BadInput], said: str
) -> None:
    with sqlite_db.write() as session:
        found_vendor(session)
        with pytest.raises(error, match=said) as refused:
            deed(session)
    assert "\n" not in str(refused.value)


def test_shares_may_add_up_to_one_and_never_to_more_at_any_moment(vendor: Database) -> None:
    with vendor.write() as session:
        first = delivery.assign(session, "erp", "ann", "lead", share=0.6, valid_from=day(0), **BY)
        delivery.assign(session, "erp", "bo", "dba", share=0.4, valid_from=day(10), valid_until=day(20), **BY)
        with pytest.raises(Refused, match=r"add up to 1\.1 on 2026-01-11"):
            delivery.assign(session, "erp", "bo", "net", share=0.1, valid_from=day(5), **BY)
        # The same share fits where the other has ended, to the microsecond.
        delivery.assign(session, "erp", "bo", "net", share=0.4, valid_from=day(20), **BY)
        delivery.end_assignment(session, first.id, day(30), **BY)
        delivery.assign(session, "erp", "ann", "net", share=0.6, valid_from=day(30), **BY)


def test_thirds_add_up_to_one(vendor: Database) -> None:
    with vendor.write() as session:
        for role in ("lead", "dba", "net"):
            delivery.assign(session, "erp", "ann", role, share=1 / 3, **BY)
        with pytest.raises(Refused):
            delivery.assign(session, "erp", "bo", "sap", share=0.001, **BY)


def test_nobody_holds_the_same_role_twice_at_a_time(vendor: Database) -> None:
    with vendor.write() as session:
        delivery.assign(session, "erp", "ann", "lead", share=0.2, valid_from=day(0), **BY)
        with pytest.raises(Refused, match="ann already is lead of erp since 2026-01-01"):
            delivery.assign(session, "erp", "ann", "lead", share=0.2, valid_from=day(50), **BY)


def test_an_assignment_can_be_shortened_but_not_stretched(vendor: Database) -> None:
    with vendor.write() as session:
        row = delivery.assign(session, "erp", "ann", "lead", valid_from=day(0), **BY)
        delivery.end_assignment(session, row.id, day(20), **BY)
        assert delivery.end_assignment(session, row.id, day(10), **BY).valid_until == day(10)
        with pytest.raises(Refused, match="already ended"):
            delivery.end_assignment(session, row.id, day(15), **BY)
        with pytest.raises(BadInput, match="before it began"):
            delivery.end_assignment(session, row.id, day(0), **BY)


def test_a_refused_deed_leaves_nothing_behind(vendor: Database) -> None:
    with pytest.raises(Refused), vendor.write() as session:
        delivery.assign(session, "erp", "ann", "lead", **BY)
        delivery.assign(session, "erp", "bo", "lead", **BY)
    with vendor.read() as session:
        assert session.scalars(sa.select(Assignment)).all() == []
        assert session.scalars(sa.select(AuditEntry)).all() == []


def test_every_deed_leaves_an_audit_line_and_back_dating_is_said(vendor: Database) -> None:
    with vendor.write() as session:
        delivery.assign(session, "erp", "ann", "lead", valid_from=day(0), **BY)
        attempt = delivery.record_go_live(session, "erp", **BY)
        delivery.record_cutover(session, attempt.id, **BY)
        delivery.end_go_live(session, attempt.id, "live", **BY)
    with vendor.read() as session:
        lines = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [line.action for line in lines] == ["assign", "start-go-live", "cutover", "end-go-live"]
        assert {(line.actor, line.subject, line.at) for line in lines} == {("root", "project:erp", NOW)}
        assert lines[0].detail.endswith("(back-dated)")


def test_a_back_dated_assignment_charges_what_was_opened_under_it(vendor: Database) -> None:
    machine = Machine()
    with vendor.write() as session:
        enrol(session, machine)
        bind(session, machine)
        arrive(session, machine.run(day(1), {"disk": "pass"}))
        arrive(session, machine.run(day(2), {"disk": "fail"}))
    assert shares(vendor) == [{}]
    with vendor.write() as session:
        row = delivery.assign(session, "erp", "ann", "lead", valid_from=day(0), **BY)
    assert shares(vendor) == [{"ann": 1.0}]
    with vendor.write() as session:
        delivery.end_assignment(session, row.id, day(1.5), **BY)
    assert shares(vendor) == [{}]


def test_a_handover_leaves_what_failed_at_the_baseline_with_the_predecessor(vendor: Database) -> None:
    machine = Machine()
    with vendor.write() as session:
        enrol(session, machine)
        bind(session, machine)
        delivery.assign(session, "erp", "ann", "lead", valid_from=day(0), valid_until=day(5), **BY)
        delivery.assign(session, "erp", "bo", "lead", valid_from=day(5), **BY)
        arrive(session, machine.run(day(1), {"disk": "pass", "port": "pass"}))
        arrive(session, machine.run(day(6), {"disk": "fail", "port": "pass"}))
        baseline = machine.run(day(7), {"disk": "fail", "port": "pass"})
        arrive(session, baseline)
        arrive(session, machine.run(day(8), {"disk": "fail", "port": "fail"}))
        delivery.record_handover(
            session, "erp", "lead", "bo", baseline.seal.run, from_engineer_id="ann", **BY
        )
    assert shares(vendor) == [{"ann": 1.0}, {"bo": 1.0}]


def test_a_handover_needs_a_folded_run_of_the_site_and_somebody_who_holds_the_role(
    vendor: Database,
) -> None:
    machine = Machine()
    with vendor.write() as session:
        enrol(session, machine)
        bind(session, machine)
        sealed = machine.run(day(1), {"disk": "pass"})
        arrive(session, sealed)
        run = sealed.seal.run
        with pytest.raises(Refused, match="never assigned as lead"):
            delivery.record_handover(session, "erp", "lead", "bo", run, **BY)
        delivery.assign(session, "erp", "bo", "lead", **BY)
        with pytest.raises(NotFound, match="no run"):
            delivery.record_handover(session, "erp", "lead", "bo", "0" * 36, **BY)
        with pytest.raises(BadInput, match="needs two engineers"):
            delivery.record_handover(session, "erp", "lead", "bo", run, from_engineer_id="bo", **BY)
        assert delivery.record_handover(session, "erp", "lead", "bo", run, **BY).at == day(1)
        with pytest.raises(Refused, match="already recorded"):
            delivery.record_handover(session, "erp", "lead", "bo", run, **BY)
        other = delivery.add_site(session, "acme", "Elsewhere", **BY)
        project = delivery.add_project(session, other.id, "suite", "Other", **BY)
        with pytest.raises(Refused, match="is of site plant"):
            delivery.record_handover(session, project.id, "lead", "bo", run, **BY)


def test_a_go_live_runs_cuts_over_goes_live_and_may_still_be_rolled_back(vendor: Database) -> None:
    with vendor.write() as session:
        row = delivery.record_go_live(session, "erp", started_at=day(1), **BY)
        with pytest.raises(Refused, match="still running"):
            delivery.record_go_live(session, "erp", **BY)
        with pytest.raises(Refused, match="has not cut over"):
            delivery.end_go_live(session, row.id, "live", **BY)
        delivery.record_cutover(session, row.id, cutover_at=day(2), **BY)
        with pytest.raises(Refused, match="no cutover to record"):
            delivery.record_cutover(session, row.id, cutover_at=day(3), **BY)
        with pytest.raises(Refused, match="rolled-back"):
            delivery.end_go_live(session, row.id, "aborted", **BY)
        assert delivery.end_go_live(session, row.id, "live", ended_at=day(3), **BY).outcome == "live"
        with pytest.raises(Refused, match="cannot become live"):
            delivery.end_go_live(session, row.id, "live", **BY)
        rolled = delivery.end_go_live(session, row.id, "rolled-back", ended_at=day(4), **BY)
        assert (rolled.outcome, rolled.ended_at) == ("rolled-back", day(4))
        assert delivery.record_go_live(session, "erp", started_at=day(5), **BY).id != row.id


def test_an_attempt_may_be_aborted_before_its_cutover_and_then_stays_so(vendor: Database) -> None:
    with vendor.write() as session:
        row = delivery.record_go_live(session, "erp", started_at=day(1), **BY)
        delivery.end_go_live(session, row.id, "aborted", ended_at=day(2), **BY)
        with pytest.raises(Refused, match="no cutover to record"):
            delivery.record_cutover(session, row.id, cutover_at=day(3), **BY)
    with vendor.read() as session:
        assert [(g.outcome, g.cutover_at) for g in session.scalars(sa.select(GoLive))] == [("aborted", None)]


def test_nothing_of_a_go_live_lies_in_the_future_or_out_of_order(vendor: Database) -> None:
    tomorrow = NOW + timedelta(days=1)
    with vendor.write() as session:
        with pytest.raises(BadInput, match="has not come yet"):
            delivery.record_go_live(session, "erp", started_at=tomorrow, **BY)
        with pytest.raises(BadInput, match="before the project began"):
            delivery.record_go_live(session, "erp", started_at=day(-1), **BY)
        row = delivery.record_go_live(session, "erp", started_at=day(2), **BY)
        with pytest.raises(BadInput, match="before the attempt started"):
            delivery.record_cutover(session, row.id, cutover_at=day(1), **BY)
        delivery.record_cutover(session, row.id, cutover_at=day(3), **BY)
        with pytest.raises(BadInput, match="before the attempt's cutover"):
            delivery.end_go_live(session, row.id, "live", ended_at=day(2.5), **BY)
