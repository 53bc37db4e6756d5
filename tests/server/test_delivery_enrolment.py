"""Enrolling machines: one token one machine, names and ids that survive, keys that take over."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from building import START, Machine, arrive, found_vendor

from checks.envelope import Enrolled, Enrolment
from checks.errors import BadInput
from server import delivery
from server.db import Database
from server.delivery.enrolment import enrol_command
from server.errors import Forbidden, NotFound, Refused
from server.tables import AgentKey, AgentRow, EnrolmentToken

NOW = START
BY: dict[str, Any] = {"by": "root", "now": NOW}


def key(text: str = "k") -> str:
    return base64.b64encode(text.encode().ljust(32, b"0")).decode()


def asking(token: str, **change: str) -> Enrolment:
    asked = {
        "token": token,
        "public_key": key(),
        "install": "install-1",
        "fingerprint": "machine-1",
        "target": "db1",
    }
    return Enrolment(**{**asked, **change})


@pytest.fixture
def vendor(db: Database) -> Database:
    with db.write() as session:
        found_vendor(session)
    return db


def enrol(db: Database, site: str = "plant", **change: str) -> Enrolled:
    with db.write() as session:
        token = delivery.issue_enrolment_token(session, site, **BY)
        return delivery.enrol(session, asking(token, **change), now=NOW)


def test_a_machine_learns_its_names_its_site_and_what_is_expected(vendor: Database) -> None:
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(
            session, "plant", project_id="erp", profile_id="linux-server", interval_s=3600, **BY
        )
        answer = delivery.enrol(session, asking(token), now=NOW)
        stored = session.scalars(sa.select(EnrolmentToken)).one()
    assert answer.sites == ("plant",)
    assert answer.target == "db1"
    assert answer.epoch
    assert (answer.profile, answer.interval_s) == ("linux-server", 3600)
    assert (stored.project_id, stored.used_by) == ("erp", answer.agent)
    assert token not in stored.token_hash


def test_a_token_serves_once_and_until_it_expires(vendor: Database) -> None:
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", valid_for=timedelta(hours=1), **BY)
        with pytest.raises(Forbidden, match="not known"):
            delivery.enrol(session, asking("fle_guessed"), now=NOW)
        with pytest.raises(Forbidden, match="expired at 2026-01-01 01:00 UTC"):
            delivery.enrol(session, asking(token), now=NOW + timedelta(hours=1))
        delivery.enrol(session, asking(token), now=NOW)
        with pytest.raises(Forbidden, match="already used"):
            delivery.enrol(session, asking(token, public_key=key("other"), install="install-2"), now=NOW)


def test_asking_again_because_the_answer_was_lost_gets_the_same_answer(vendor: Database) -> None:
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        first = delivery.enrol(session, asking(token), now=NOW)
        later = NOW + timedelta(days=2)
        assert delivery.enrol(session, asking(token), now=later) == first
        with pytest.raises(Forbidden, match="already used"):
            delivery.enrol(session, asking(token, public_key=key("other")), now=later)
        with pytest.raises(Forbidden, match="already used"):
            delivery.enrol(session, asking(token, install="install-2"), now=later)
        assert len(session.scalars(sa.select(AgentKey)).all()) == 1


def test_enrolled_again_a_machine_keeps_its_ids_and_the_old_key_ends_where_it_was(vendor: Database) -> None:
    machine = Machine()
    first = enrol(vendor, public_key=base64.b64encode(machine.public).decode())
    machine.agent, machine.target = first.agent, first.target
    with vendor.write() as session:
        for hours in (1, 2):
            at = NOW + timedelta(hours=hours)
            assert arrive(session, machine.run(at, {"disk": "pass"}), received_at=at).status == 201
    again = enrol(vendor, agent=first.agent, public_key=key("next"), fingerprint="new-board")
    assert (again.agent, again.target_id) == (first.agent, first.target_id)
    with vendor.read() as session:
        keys = session.scalars(sa.select(AgentKey).order_by(AgentKey.id)).all()
        assert [row.last_sequence for row in keys] == [2, None]
        assert session.get_one(AgentRow, first.agent).fingerprint == "new-board"


def test_a_copied_state_folder_gets_ids_of_its_own(vendor: Database) -> None:
    first = enrol(vendor)
    copy = enrol(
        vendor, agent=first.agent, install="install-2", fingerprint="machine-2", public_key=key("copy")
    )
    assert copy.agent != first.agent
    assert (copy.target, copy.target_id != first.target_id) == ("db1-2", True)
    with pytest.raises(Forbidden, match="enrolled before"):
        enrol(vendor, install="install-3", fingerprint="machine-3")


def test_a_name_taken_by_another_machine_is_counted_up_but_the_same_machine_keeps_it(
    vendor: Database,
) -> None:
    assert enrol(vendor, public_key=key("1")).target == "db1"
    assert enrol(vendor, public_key=key("2"), fingerprint="machine-2").target == "db1-2"
    assert enrol(vendor, public_key=key("3"), fingerprint="machine-3").target == "db1-3"
    # Its state was lost, so it asks as if it were new; the hardware is the same.
    assert enrol(vendor, public_key=key("4"), fingerprint="machine-2", install="x").target == "db1-2"
    assert enrol(vendor, public_key=key("5"), fingerprint="").target == "db1-4"
    assert enrol(vendor, public_key=key("6"), fingerprint="").target == "db1-5"


def test_a_machine_of_one_site_cannot_come_back_for_another(vendor: Database) -> None:
    with vendor.write() as session:
        delivery.add_site(session, "acme", "Elsewhere", **BY)
    first = enrol(vendor)
    with pytest.raises(Forbidden, match="reports for site plant"):
        enrol(vendor, "elsewhere", agent=first.agent, public_key=key("next"))


@pytest.mark.parametrize("public_key", ["", "not base64!", base64.b64encode(b"x" * 31).decode()])
def test_a_malformed_key_is_refused(vendor: Database, public_key: str) -> None:
    with pytest.raises(BadInput, match="public_key"):
        enrol(vendor, public_key=public_key)


def test_a_revoked_agent_is_not_trusted_until_it_is_enrolled_again(vendor: Database) -> None:
    machine = Machine()
    first = enrol(vendor, public_key=base64.b64encode(machine.public).decode())
    machine.agent, machine.target = first.agent, first.target
    at = NOW + timedelta(hours=1)
    with vendor.write() as session:
        delivery.revoke_agent(session, first.agent, **BY)
        with pytest.raises(Refused, match="already revoked"):
            delivery.revoke_agent(session, first.agent, **BY)
        refused = arrive(session, machine.run(at, {"disk": "pass"}), received_at=at)
        assert refused.problem is not None
        assert refused.problem.hold
    fresh = Machine(agent=first.agent, target=first.target)
    enrol(vendor, agent=first.agent, public_key=base64.b64encode(fresh.public).decode())
    with vendor.write() as session:
        assert arrive(session, fresh.run(at, {"disk": "pass"}), received_at=at).status == 201


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"site_id": "none"}, NotFound, "no site none"),
        ({"project_id": "none"}, NotFound, "no project none"),
        ({"valid_for": timedelta(days=32)}, BadInput, "up to 31 days"),
        ({"valid_for": timedelta(0)}, BadInput, "up to 31 days"),
        ({"interval_s": 0}, BadInput, "right is above 0"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(
    vendor: Database, more: dict[str, Any], error: type[BadInput], said: str
) -> None:
    with vendor.write() as session, pytest.raises(error, match=said):
        delivery.issue_enrolment_token(session, **{"site_id": "plant", **more, **BY})


def test_the_command_keeps_the_token_out_of_argv_and_says_where_tls_is_missing() -> None:
    https = enrol_command("https://fl.example", "fle_x")
    assert https == "echo fle_x | firstlight enrol https://fl.example --token -"
    assert enrol_command("http://127.0.0.1:8750", "fle_x").endswith("--token -")
    assert enrol_command("http://10.0.0.7:8750", "fle_x").endswith("--token - --insecure-http")
