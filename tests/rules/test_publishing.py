"""What the collector takes for publishing, for whom it is in force, and what is handed to an agent."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa
from building import START, Machine, enrol, found_vendor
from rules_world import HARMLESS, acme
from sqlalchemy.orm import Session

from checks.errors import BadInput
from checks.rules import Rules, ScheduleEntry
from checks.signed import key_name, parse, signer
from server import keys
from server.db import Database
from server.errors import NotFound, Refused
from server.ingest.examine import senders
from server.publishing.audience import Audience, audience_of
from server.publishing.events import publish_profile, publish_schedule, publish_waiver, withdraw
from server.publishing.outgoing import note_fetched, outgoing, rules_for
from server.publishing.signing import key_for, rotate_signing_key
from server.publishing.standing import standing
from server.tables import AgentRow, AuditEntry, Customer, Publication, ServerKey, Site

NOW = START + timedelta(days=30)
PLANT, ACME, ALL = Audience("plant"), Audience(None, "acme"), Audience()
HOSTS = "- {id: hosts, check: file.stat, with: {path: /etc/hosts}}\n"


@pytest.fixture
def session(db: Database) -> Iterator[Session]:
    """A store with the sites plant and mill of acme, and depot of another customer."""
    with db.write() as session:
        found_vendor(session)
        session.add(Customer(id="other", name="Other"))
        session.flush()
        session.add_all(
            [
                Site(id="mill", customer_id="acme", name="Mill"),
                Site(id="depot", customer_id="other", name="D"),
            ]
        )
        session.flush()
        yield session


def publish(session: Session, text: str, audience: Audience = PLANT, now: datetime = NOW) -> Publication:
    return publish_profile(session, text, audience, by="root", now=now)


@contextmanager
def refused(session: Session, said: str, kind: type[Exception] = BadInput) -> Iterator[None]:
    """It is refused, and its transaction rolled back as a request's or command's would be."""
    with pytest.raises(kind, match=said), session.begin_nested():
        yield


def in_force(session: Session, site: str = "plant") -> list[str]:
    """Names and versions of the profiles there."""
    return [f"{row.name} {row.label}" for row in standing(session, site).profiles]


def version_at(session: Session, site: str) -> int:
    return standing(session, site).version


def test_the_nearest_and_newest_is_in_force(session: Session) -> None:
    publish(session, acme(HARMLESS, "1"), ALL)
    assert [in_force(session, site) for site in ("plant", "mill", "depot")] == [["acme 1"]] * 3
    publish(session, acme(HARMLESS, "2"), ACME)
    own = publish(session, acme(HARMLESS, "3"), PLANT)
    publish(session, acme(HARMLESS, "4"), ALL)
    sites = ("plant", "mill", "depot")
    assert [in_force(session, site) for site in sites] == [["acme 3"], ["acme 2"], ["acme 4"]]
    withdraw(session, own.id, by="root", now=NOW)
    assert in_force(session) == ["acme 2"]


def test_a_sites_version_rises_with_every_event_that_concerns_it_and_with_no_other(session: Session) -> None:
    assert version_at(session, "plant") == 0
    seen = [version_at(session, "plant")]
    for step in (
        lambda: publish(session, acme(HARMLESS, "1"), ALL),
        lambda: publish(session, acme(HARMLESS, "2"), ACME),
        lambda: publish(session, acme(HARMLESS, "3"), PLANT),
        lambda: withdraw(session, 3, by="root", now=NOW),
        lambda: rotate_signing_key(session, by="root", now=NOW),
    ):
        step()
        seen.append(version_at(session, "plant"))
    assert seen == sorted(set(seen))
    before = version_at(session, "depot")
    publish(session, acme(HARMLESS, "5"), PLANT)
    assert version_at(session, "depot") == before
    assert seen[1] >= int(NOW.timestamp()), "so that it rises also over a store that was restored"


def test_an_acknowledgement_names_the_version_of_the_agents_site(session: Session) -> None:
    machine = Machine()
    enrol(session, machine)

    def named() -> int:
        return senders(session.connection(), [machine.agent])[machine.agent].rules

    assert named() == 0
    for audience, version in ((ALL, "1"), (ACME, "2"), (PLANT, "3")):
        publish(session, acme(HARMLESS, version), audience)
        assert named() == version_at(session, "plant") > 0
    publish(session, acme(HARMLESS, "4"), Audience("depot"))
    assert named() == version_at(session, "plant")


UNUSABLE = [
    (acme(HARMLESS, id="linux-server"), "is shipped with Firstlight"),
    (acme("- {check: no.such}\n"), "unknown check"),
    (acme(HARMLESS, extends="nobody"), "neither shipped nor published here"),
    (acme(HARMLESS, extends="./x.yaml"), "by name, and no file"),
    ("profile: acme\nitems: []\n", "lacks the key version"),
    ("- a\n", "lacks the key profile"),
    (": :", "acme|profile"),
    ("x" * 300_000, "at most 262144 characters"),
    (acme("- {id: a, check: cmd.output, with: {command: ['a b']}}\n"), "list of words"),
]


def test_what_no_agent_could_use_is_not_taken(session: Session) -> None:
    for text, said in UNUSABLE:
        with refused(session, said):
            publish(session, text)


def test_a_version_is_one_text_for_good(session: Session) -> None:
    made = publish(session, acme(HARMLESS))
    with refused(session, "was published with another text", Refused):
        publish(session, acme(HOSTS), ACME)
    with refused(session, "is published for site plant", Refused):
        publish(session, acme(HARMLESS))
    publish(session, acme(HARMLESS), ACME)
    withdraw(session, made.id, by="root", now=NOW)
    with refused(session, "with another text", Refused):
        publish(session, acme(HOSTS))
    publish(session, acme(HARMLESS))


def test_nothing_is_taken_away_that_another_publication_needs(session: Session) -> None:
    base = publish(session, acme(HOSTS, id="base"), ACME)
    publish(session, acme(HARMLESS, extends="base"))
    with refused(session, "site plant could then not use what is published for it", Refused):
        withdraw(session, base.id, by="root", now=NOW)


def test_a_base_that_breaks_a_profile_of_some_site_is_not_taken(session: Session) -> None:
    publish(session, acme(HOSTS, id="base"), ALL)
    publish(session, "remove: [hosts]\n" + acme(HARMLESS, extends="base"), Audience("mill"))
    with refused(session, "site mill could then not use", Refused):
        publish(session, acme(HARMLESS, "2", id="base"), ACME)


def test_withdrawing_is_an_event_of_its_own_and_once(session: Session) -> None:
    made = publish(session, acme(HARMLESS))
    gone = withdraw(session, made.id, by="root", now=NOW)
    assert (in_force(session), gone.withdraws) == ([], made.id)
    with refused(session, "withdrawn already", Refused):
        withdraw(session, made.id, by="root", now=NOW)
    with refused(session, "cannot be withdrawn", Refused):
        withdraw(session, gone.id, by="root", now=NOW)
    with refused(session, "no publication 99", NotFound):
        withdraw(session, 99, by="root", now=NOW)


SCHEDULES = [
    (ScheduleEntry("hourly"), "neither every nor cron"),
    (ScheduleEntry("hourly", "soon"), "schedule hourly"),
    (ScheduleEntry("hourly", cron="61 * * * *"), "schedule hourly"),
    (ScheduleEntry("hourly", "1h", timezone="Mars/Base"), "schedule hourly"),
    (ScheduleEntry("hourly", "1h", quiet=("later",)), "schedule hourly"),
    (ScheduleEntry("hourly", "1h", site_file="/root/x"), "neither a file nor a site"),
    (ScheduleEntry("hourly", "1h", site="plant"), "neither a file nor a site"),
    (ScheduleEntry("hourly", "1h", profile="./x.yaml"), "neither a file nor a site"),
    (ScheduleEntry("hourly", "1h", profile="nobody"), "neither shipped nor published"),
]


def test_a_schedule_that_cannot_be_kept_to_is_not_taken(session: Session) -> None:
    for entry, said in SCHEDULES:
        with refused(session, said):
            publish_schedule(session, entry, PLANT, by="root", now=NOW)


def test_a_schedule_holds_the_profile_that_it_checks(session: Session) -> None:
    made = publish(session, acme(HARMLESS))
    publish_schedule(session, ScheduleEntry("hourly", "1h", profile="acme"), PLANT, by="root", now=NOW)
    with refused(session, "schedule hourly checks profile acme", Refused):
        withdraw(session, made.id, by="root", now=NOW)
    publish_schedule(session, ScheduleEntry("hourly", "2h"), PLANT, by="root", now=NOW)
    withdraw(session, made.id, by="root", now=NOW)
    rules = standing(session, "plant").rules()
    assert rules is not None
    assert [(each.name, each.every) for each in rules.schedules] == [("hourly", "2h")]


def waive(session: Session, expires: datetime, **changes: str) -> Publication:
    texts = {"item": "disk.free", "reason": "ticket 17", "approved_by": "Ann"} | changes
    return publish_waiver(session, PLANT, expires=expires, by="root", now=NOW, **texts)


WAIVERS: list[tuple[int, dict[str, str], str]] = [
    (0, {}, "within a year"),
    (-1, {}, "within a year"),
    (367, {}, "within a year"),
    (30, {"reason": " "}, "reason is empty"),
    (30, {"approved_by": ""}, "approved_by is empty"),
    (30, {"item": ""}, "item is empty"),
    (30, {"item": "x" * 300}, "the waiver"),
]


def test_a_waiver_has_a_reason_a_name_and_an_end(session: Session) -> None:
    for days, changes, said in WAIVERS:
        with refused(session, said):
            waive(session, NOW + timedelta(days=days), **changes)


def test_for_one_version_the_file_is_always_the_same(session: Session) -> None:
    machine = Machine()
    enrol(session, machine)
    agent = session.get(AgentRow, machine.agent)
    assert agent is not None
    assert outgoing(session, agent) is None
    assert rules_for(session, agent, NOW) is None
    publish(session, acme(HARMLESS))
    waive(session, NOW + timedelta(days=1))
    first = rules_for(session, agent, NOW)
    assert first == rules_for(session, agent, NOW + timedelta(days=200))
    assert first is not None
    file = parse(first, "rules")
    assert signer(file, [keys.public_key(session, "sign")]) is not None
    rules = msgspec.json.decode(file.body, type=Rules)
    assert (rules.site, rules.version, rules.issued) == ("plant", version_at(session, "plant"), NOW)
    assert [each.item for each in rules.waivers] == ["disk.free"]
    publish(session, acme(HARMLESS, "2"), now=NOW + timedelta(days=2))
    later = outgoing(session, agent)
    assert later is not None
    assert msgspec.json.decode(parse(later.file, "rules").body, type=Rules).waivers == ()


def test_an_agent_is_led_from_key_to_key_however_long_it_was_away(session: Session) -> None:
    machine = Machine()
    enrol(session, machine)
    agent = session.get(AgentRow, machine.agent)
    assert agent is not None
    publish(session, acme(HARMLESS))
    first = keys.public_key(session, "sign")
    for day in (1, 2):
        rotate_signing_key(session, by="root", now=NOW + timedelta(days=day))
    newest = keys.public_key(session, "sign")
    assert newest != first
    for named in (key_name(first), ""):
        found = outgoing(session, agent, named)
        assert found is not None
        assert signer(parse(found.file, "rules"), [first]) == first
        rules = msgspec.json.decode(parse(found.file, "rules").body, type=Rules)
        assert rules.next_sign_key == base64.b64encode(newest).decode()
    found = outgoing(session, agent, key_name(newest))
    assert found is not None
    note_fetched(session, agent.id, found, NOW + timedelta(days=3))
    assert key_for(session, agent).public == newest
    assert msgspec.json.decode(parse(found.file, "rules").body, type=Rules).next_sign_key == ""
    with refused(session, "was never this collector's", Refused):
        outgoing(session, agent, "0" * 16)
    retired = session.scalars(sa.select(ServerKey.retired_at).where(ServerKey.purpose == "sign")).all()
    assert [moment is None for moment in retired] == [False, False, True]


def test_the_audience_is_one_of_three(session: Session) -> None:
    assert str(audience_of(session, site="plant")) == "site plant"
    assert str(audience_of(session, customer="acme")) == "customer acme"
    assert str(audience_of(session, everyone=True)) == "everyone"
    for wrong in ({}, {"site": "plant", "customer": "acme"}, {"site": "plant", "everyone": True}):
        with refused(session, "say for whom", BadInput):
            audience_of(session, **wrong)  # type: ignore[arg-type]
    for unknown in ({"site": "no"}, {"customer": "no"}):
        with pytest.raises(NotFound):
            audience_of(session, **unknown)


def test_everything_leaves_a_line_in_the_audit_trail(session: Session) -> None:
    made = publish(session, acme(HARMLESS))
    publish_schedule(session, ScheduleEntry("hourly", "1h"), ACME, by="root", now=NOW)
    waive(session, NOW + timedelta(days=10))
    publish(session, acme(HARMLESS, "2"), ALL)
    withdraw(session, made.id, by="root", now=NOW)
    rotate_signing_key(session, by="root", now=NOW)
    session.flush()
    told = [
        (row.action, row.subject) for row in session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))
    ]
    assert told[:5] == [
        ("publish-profile", "site:plant"),
        ("publish-schedule", "customer:acme"),
        ("publish-waiver", "site:plant"),
        ("publish-profile", "everyone:all"),
        ("withdraw", "site:plant"),
    ]
    assert told[5][0] == "rotate-signing-key"
