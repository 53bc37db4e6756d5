"""One run at a time through the front door, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from building import (
    LATER,
    START,
    Machine,
    accept_plan,
    arrive,
    assign,
    bind,
    enrol,
    found_vendor,
    plan_of,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from checks import envelope
from checks.model import OVERRIDDEN, ProfileRef, ScopeItem, Trigger
from server.db import Database
from server.ingest.holds import release
from server.tables import (
    AuditEntry,
    Binding,
    Document,
    Episode,
    EpisodeShare,
    Finding,
    Receipt,
    ReportedPlan,
    TargetRow,
    TargetRun,
    Transition,
)

DAY = timedelta(days=1)


@pytest.fixture
def machine(db: Database) -> Machine:
    """A bound machine of a project that ann leads."""
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
        assign(session, "ann")
    return machine


def episodes(session: Session) -> list[Episode]:
    return list(session.scalars(select(Episode).order_by(Episode.opened_at)))


def test_a_fail_after_a_pass_opens_an_episode_and_charges_the_holder(db: Database, machine: Machine) -> None:
    with db.write() as session:
        assert arrive(session, machine.run(START + DAY, {"disk": "pass"})).status == 201
        assert arrive(session, machine.run(START + 2 * DAY, {"disk": "fail"})).status == 201
        (episode,) = episodes(session)
        assert (episode.state, episode.severity, episode.project_id) == ("open", "P1", "erp")
        assert episode.opened_at == START + 2 * DAY
        share = session.scalars(select(EpisodeShare)).one()
        assert (share.engineer_id, share.share, share.reason) == ("ann", 1.0, "holder")


def test_only_a_pass_of_the_same_finding_closes(db: Database, machine: Machine) -> None:
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail", "port": "pass"}))
        for day, status in enumerate(["warn", "error", "manual", "fail"], start=2):
            arrive(session, machine.run(START + day * DAY, {"disk": status, "port": "pass"}))
            assert episodes(session)[0].state == "open"
        arrive(session, machine.run(START + 9 * DAY, {"disk": "pass", "port": "pass"}))
        session.expire_all()
        (episode,) = episodes(session)
        assert (episode.state, episode.close_kind) == ("closed", "verified")
        assert episode.closed_at == START + 9 * DAY


def test_an_unchanged_run_writes_no_transition(db: Database, machine: Machine) -> None:
    with db.write() as session:
        for day in range(1, 6):
            arrive(session, machine.run(START + day * DAY, {"disk": "pass", "port": "pass", "clock": "warn"}))
        assert len(session.scalars(select(Transition)).all()) == 3
        assert len(session.scalars(select(TargetRun)).all()) == 5
        assert len(session.scalars(select(Document)).all()) == 5


def test_the_same_run_twice_is_stored_once(db: Database, machine: Machine) -> None:
    sealed = machine.run(START + DAY, {"disk": "fail"})
    with db.write() as session:
        assert arrive(session, sealed).status == 201
        again = arrive(session, sealed)
        assert again.status == 200
        assert again.ack is not None
        assert again.ack.highest_sequence == 1
        assert len(session.scalars(select(Receipt)).all()) == 1


def test_another_body_under_a_known_run_id_is_refused_and_audited(db: Database, machine: Machine) -> None:
    sealed = machine.run(START + DAY, {"disk": "fail"})
    other = machine.run(START + 2 * DAY, {"disk": "pass"}, run=sealed.seal.run)
    with db.write() as session:
        assert arrive(session, sealed).status == 201
        assert arrive(session, other).status == 409
        assert [entry.action for entry in session.scalars(select(AuditEntry))] == ["conflict"]
        assert episodes(session)[0].state == "open"


def test_skip_and_a_vanished_object_lapse_and_the_next_fail_continues(db: Database, machine: Machine) -> None:
    with db.write() as session:
        arrive(session, machine.run(START + DAY, [machine.result("disk", "fail", object="/data")]))
        arrive(session, machine.run(START + 2 * DAY, [machine.result("disk", "pass", object="/")]))
        session.expire_all()
        (episode,) = episodes(session)
        assert (episode.state, episode.lapsed_at) == ("lapsed", START + 2 * DAY)
        arrive(session, machine.run(START + 3 * DAY, [machine.result("disk", "fail", object="/data")]))
        session.expire_all()
        (again,) = episodes(session)
        assert (again.id, again.state, again.opened_at) == (episode.id, "open", START + DAY)


def test_an_object_missing_where_the_enumeration_failed_is_not_gone(db: Database, machine: Machine) -> None:
    with db.write() as session:
        arrive(session, machine.run(START + DAY, [machine.result("disk", "fail", object="/data")]))
        torn = [ScopeItem("host", "disk", False)]
        arrive(
            session, machine.run(START + 2 * DAY, [machine.result("disk", "error", object="*")], scope=torn)
        )
        session.expire_all()
        assert [episode.state for episode in episodes(session)] == ["open"]


def test_a_partial_run_leaves_everything_outside_its_scope_alone(db: Database, machine: Machine) -> None:
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail", "port": "fail"}))
        only = [ScopeItem("host", "port", True)]
        arrive(session, machine.run(START + 2 * DAY, {"port": "pass"}, scope=only))
        states = {finding.item: finding.status for finding in session.scalars(select(Finding))}
        assert states == {"disk": "fail", "port": "pass"}
        assert sorted(episode.state for episode in episodes(session)) == ["closed", "open"]


def test_a_late_run_never_reopens_what_was_closed_after_it(db: Database, machine: Machine) -> None:
    early = machine.run(START + 2 * DAY, {"disk": "fail"})
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail"}))
        arrive(session, machine.run(START + 5 * DAY, {"disk": "pass"}))
        arrive(session, early)
        session.expire_all()
        (episode,) = episodes(session)
        assert (episode.state, episode.closed_at) == ("closed", START + 5 * DAY)


def test_the_words_for_a_finding_come_from_the_newest_run_that_has_any(
    db: Database, machine: Machine
) -> None:
    def run(day: int, owner: str, version: int) -> envelope.Envelope:
        gone = machine.result("disk", "fail", object="/data", owner=owner, version=version)
        return machine.run(START + day * DAY, [gone], plan=plan_of(versions={"disk": version}))

    first, second = run(1, "dba", 1), run(3, "vendor", 2)
    empty = machine.run(START + 5 * DAY, [], plan=plan_of(versions={"disk": 2}))
    with db.write() as session:
        binding = session.scalars(select(Binding)).one()
        accept_plan(session, binding.id, plan_of(versions={"disk": 2}), START + 2 * DAY)
        for sealed in (empty, second, first):
            arrive(session, sealed)
        session.expire_all()
        assert session.scalars(select(Finding)).one().owner == "vendor"


def test_a_late_pass_splits_an_episode_and_the_older_id_stays(db: Database, machine: Machine) -> None:
    late = machine.run(START + 3 * DAY, {"disk": "pass"})
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail"}))
        arrive(session, machine.run(START + 5 * DAY, {"disk": "fail"}))
        (before,) = episodes(session)
        number = before.id
        arrive(session, late)
        session.expire_all()
        first, second = episodes(session)
        assert (first.id, first.state, first.closed_at) == (number, "closed", START + 3 * DAY)
        assert (second.state, second.opened_at, second.recurred) == ("open", START + 5 * DAY, True)


def test_a_rule_that_nobody_accepted_neither_opens_nor_closes(db: Database, machine: Machine) -> None:
    loose = plan_of(versions={"disk": 2})
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail"}))
        loosened = [machine.result("disk", "pass", version=2)]
        arrive(session, machine.run(START + 2 * DAY, loosened, plan=loose))
        session.expire_all()
        assert [episode.state for episode in episodes(session)] == ["open"]
        receipt = session.scalars(select(Receipt).order_by(Receipt.effective_at.desc())).first()
        assert receipt is not None
        assert "adhoc" in receipt.flags
        assert len(session.scalars(select(ReportedPlan)).all()) == 1


def test_a_pass_under_an_accepted_but_looser_rule_is_not_a_verified_close(
    db: Database, machine: Machine
) -> None:
    loose = plan_of(versions={"disk": 2})
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail"}))
        binding = session.scalars(select(Binding)).one()
        accept_plan(session, binding.id, loose, START + 2 * DAY)
        loosened = [machine.result("disk", "pass", version=2)]
        arrive(session, machine.run(START + 3 * DAY, loosened, plan=loose))
        session.expire_all()
        assert [(episode.state, episode.close_kind) for episode in episodes(session)] == [
            ("closed", "rule-changed")
        ]


def test_results_evaluated_from_a_snapshot_do_not_count(db: Database, machine: Machine) -> None:
    with db.write() as session:
        arrive(session, machine.run(START + DAY, {"disk": "fail"}, trigger=Trigger.SNAPSHOT))
        assert episodes(session) == []
        assert session.scalars(select(Receipt)).one().flags == "adhoc"


def test_the_first_plan_under_an_enrolment_token_is_accepted_with_its_binding(db: Database) -> None:
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine, token=True)
        assign(session, "ann")
        arrive(session, machine.run(START + DAY, {"disk": "pass"}))
        arrive(session, machine.run(START + 2 * DAY, {"disk": "fail"}))
        binding = session.scalars(select(Binding)).one()
        assert (binding.project_id, binding.profile_id) == ("erp", "linux-server")
        assert [episode.reason for episode in episodes(session)] == [""]


def test_an_overridden_or_saved_first_run_is_no_plan_to_accept(db: Database) -> None:
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine, token=True)
        overridden = ProfileRef("linux-server", "1" + OVERRIDDEN)
        arrive(session, machine.run(START + DAY, {"disk": "pass"}, profile=overridden))
        arrive(session, machine.run(START + DAY, {"disk": "pass"}, trigger=Trigger.SNAPSHOT))
        assert session.scalars(select(Binding)).all() == []
        arrive(session, machine.run(START + 2 * DAY, {"disk": "pass"}))
        assert len(session.scalars(select(Binding)).all()) == 1


def test_the_first_plan_under_an_open_binding_is_accepted(db: Database) -> None:
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        target = session.scalars(select(TargetRow)).one()
        session.add(
            Binding(
                target_id=target.id,
                profile_id="linux-server",
                project_id="erp",
                interval_s=3600,
                valid_from=START,
                accepts_first=True,
            )
        )
        session.flush()
        arrive(session, machine.run(START + DAY, {"disk": "fail"}))
        assert [episode.state for episode in episodes(session)] == ["open"]
        changed = plan_of(versions={"disk": 2})
        loosened = [machine.result("disk", "pass", version=2)]
        arrive(session, machine.run(START + 2 * DAY, loosened, plan=changed))
        session.expire_all()
        assert [episode.state for episode in episodes(session)] == ["open"]


def test_a_run_whose_clock_is_a_day_off_is_stored_and_waits_for_an_admin(
    db: Database, machine: Machine
) -> None:
    now = START + 10 * DAY
    sealed = machine.run(now + 3 * DAY, {"disk": "fail"})
    with db.write() as session:
        answer = arrive(session, sealed, received_at=now, sent_at=now + 3 * DAY)
        assert answer.ack is not None
        assert (answer.status, answer.ack.held) == (201, "skew")
        assert episodes(session) == []
        release(session, sealed.seal.run, "admin", now + DAY)
        (episode,) = episodes(session)
        assert episode.opened_at == now


def test_a_clock_that_is_minutes_off_is_corrected_and_flagged(db: Database, machine: Machine) -> None:
    now = START + 10 * DAY
    ahead = timedelta(minutes=20)
    sealed = machine.run(now - timedelta(hours=1) + ahead, {"disk": "fail"})
    with db.write() as session:
        arrive(session, sealed, received_at=now, sent_at=now + ahead)
        receipt = session.scalars(select(Receipt)).one()
        assert receipt.effective_at == now - timedelta(hours=1)
        assert receipt.flags.startswith("skew")


def test_a_clone_of_the_machine_is_held_and_the_enrolled_one_folds_on(db: Database, machine: Machine) -> None:
    clone = Machine(key=machine.key, fingerprint="machine-2")
    with db.write() as session:
        arrive(session, clone.run(START + DAY, {"disk": "fail"}))
        arrive(session, clone.run(START + 2 * DAY, {"disk": "fail"}))
        assert len(episodes(session)) == 1
        arrive(session, machine.run(START + 3 * DAY, {"disk": "pass"}))
        session.expire_all()
        assert episodes(session) == []
        held = session.scalars(select(Receipt.held).order_by(Receipt.effective_at)).all()
        assert held == ["fork", "fork", ""]
        third = arrive(session, clone.run(START + 4 * DAY, {"disk": "fail"}))
        assert third.ack is not None
        assert third.ack.held == "fork"


def test_an_unknown_agent_a_foreign_site_and_a_bad_signature_are_refused(
    db: Database, machine: Machine
) -> None:
    stranger = Machine(agent="agent-9")
    thief = Machine()
    with db.write() as session:
        unknown = arrive(session, stranger.run(START + DAY, {"disk": "pass"}))
        assert unknown.problem is not None
        assert (unknown.status, unknown.problem.hold) == (401, True)
        forged = arrive(session, thief.run(START + DAY, {"disk": "pass"}))
        assert forged.status == 401
        foreign = arrive(session, machine.run(START + DAY, {"disk": "pass"}, site="elsewhere"))
        assert foreign.problem is not None
        assert (foreign.status, foreign.problem.path) == (403, "$.site")
        assert session.scalars(select(Receipt)).all() == []


def test_a_mistake_in_a_body_is_named_by_its_path(db: Database, machine: Machine) -> None:
    report = machine.report(START + DAY, [machine.result("disk", "pass")])
    sealed = machine.seal(report)
    broken = sealed.body.replace(b'"severity":"P1"', b'"severity":"P7"')
    from checks import envelope

    resealed = envelope.seal(report.agent, report.run, broken, machine.key)
    with db.write() as session:
        answer = arrive(session, resealed)
        assert answer.problem is not None
        assert answer.status == 400
        assert answer.problem.path.endswith(".severity")


def test_a_newer_wire_version_is_held_at_the_agent(db: Database, machine: Machine) -> None:
    sealed = machine.run(START + DAY, {"disk": "pass"}, wire=2)
    with db.write() as session:
        answer = arrive(session, sealed)
        assert answer.problem is not None
        assert (answer.status, answer.problem.hold, answer.problem.path) == (400, True, "$.wire")


def test_a_nul_character_is_refused_before_a_database_meets_it(db: Database, machine: Machine) -> None:
    nasty = machine.result("disk", "pass", object="a\0b")
    with db.write() as session:
        assert arrive(session, machine.run(START + DAY, [nasty])).status == 400
        harmless = machine.result("disk", "pass", object="a\\u0000b")
        assert arrive(session, machine.run(START + DAY, [harmless])).status == 201


def test_received_long_after_it_was_observed_a_run_counts_when_it_was_observed(
    db: Database, machine: Machine
) -> None:
    sealed = machine.run(START + DAY, {"disk": "fail"})
    with db.write() as session:
        arrive(session, sealed, received_at=LATER, sent_at=LATER)
        assert session.scalars(select(Receipt.effective_at)).one() == START + DAY
