"""Enrolment attacked from both sides: two machines with one token, hostile names, hostile collectors."""

from __future__ import annotations

import base64
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from building import START, Machine, arrive, found_vendor
from served import Served
from ship_collector import Scripted, TinyCollector
from ship_sample import ship_one
from sqlalchemy import func, select

from agent.address import checked_url
from agent.enrolment import enrol
from agent.paths import State
from checks.envelope import Enrolled, Enrolment, KeyChange, keys_path
from checks.errors import BadInput, UplinkError
from checks.signed import sign_request
from server import delivery
from server.db import Database
from server.errors import Forbidden, Refused
from server.tables import AgentKey, AgentRow, TargetRow

NOW = START
BY: dict[str, Any] = {"by": "root", "now": NOW}
AT_ONCE = 6


def key(text: str) -> str:
    return base64.b64encode(text.encode().ljust(32, b"0")).decode()


def asking(token: str, name: str, **change: str) -> Enrolment:
    asked = {
        "token": token,
        "public_key": key(name),
        "install": f"install-{name}",
        "fingerprint": f"machine-{name}",
        "target": "db1",
    }
    return Enrolment(**{**asked, **change})


@pytest.fixture
def vendor(db: Database) -> Database:
    with db.write() as session:
        found_vendor(session)
    return db


def race(deeds: list[Callable[[], object]]) -> list[object]:
    """What came of each deed, all begun together: its answer, or the error."""
    start = threading.Barrier(len(deeds))
    done: list[object] = []

    def run(deed: Callable[[], object]) -> None:
        start.wait()
        try:
            done.append(deed())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            done.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return done


def test_of_machines_that_come_with_one_token_at_once_exactly_one_is_enrolled(vendor: Database) -> None:
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", **BY)

    def come(name: str) -> Callable[[], object]:
        def deed() -> object:
            with vendor.write() as session:
                return delivery.enrol(session, asking(token, name), now=NOW)

        return deed

    done = race([come(str(number)) for number in range(AT_ONCE)])
    assert sum(isinstance(one, Enrolled) for one in done) == 1
    refused = [one for one in done if not isinstance(one, Enrolled)]
    assert [type(one) for one in refused] == [Forbidden] * (AT_ONCE - 1)
    assert all("already used" in str(one) for one in refused)
    with vendor.read() as session:
        assert session.scalar(select(func.count()).select_from(AgentRow)) == 1
        assert session.scalar(select(func.count()).select_from(TargetRow)) == 1


def test_an_agent_that_announces_two_keys_at_once_gets_one(vendor: Database) -> None:
    machine = Machine()
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        public = base64.b64encode(machine.public).decode()
        agent = delivery.enrol(session, asking(token, "1", public_key=public), now=NOW).agent

    def announce(new: Machine) -> Callable[[], object]:
        body = msgspec.json.encode(KeyChange(base64.b64encode(new.public).decode(), 7))
        signatures = [sign_request(agent, "POST", keys_path(agent), body, m.key) for m in (machine, new)]

        def deed() -> object:
            with vendor.write() as session:
                return delivery.rotate_key(
                    session, agent, body=body, signature=signatures[0], new_signature=signatures[1], now=NOW
                )

        return deed

    done = race([announce(Machine()) for _ in range(AT_ONCE)])
    assert sum(isinstance(one, Forbidden) for one in done) == AT_ONCE - 1
    with vendor.read() as session:
        assert session.scalars(select(AgentKey.last_sequence).order_by(AgentKey.id)).all() == [7, None]


def test_a_key_of_another_agent_cannot_be_taken(vendor: Database) -> None:
    machine, other = Machine(), Machine()
    agents = []
    with vendor.write() as session:
        for number, one in enumerate((machine, other)):
            token = delivery.issue_enrolment_token(session, "plant", **BY)
            public = base64.b64encode(one.public).decode()
            agents.append(
                delivery.enrol(session, asking(token, str(number), public_key=public), now=NOW).agent
            )
        body = msgspec.json.encode(KeyChange(base64.b64encode(other.public).decode(), 0))
        path = keys_path(agents[0])
        signed = [sign_request(agents[0], "POST", path, body, one.key) for one in (machine, other)]
        with pytest.raises(Refused, match="another agent's"):
            delivery.rotate_key(
                session, agents[0], body=body, signature=signed[0], new_signature=signed[1], now=NOW
            )


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("target", "web\n1", "target has characters that cannot be printed"),
        ("target", "web\x001", "target has characters"),
        ("target", " web-1", "blanks around it"),
        ("target", "\u202egnp.exe", "target has characters"),
        ("target", "site/all", "a name has no slash"),
        ("target", "../../etc/passwd", "a name has no slash"),
        ("install", "a\x00b", "install has characters"),
        ("fingerprint", "a\x1b[2J", "fingerprint has characters"),
        ("agent_version", "1\r\n2", "agent_version has characters"),
    ],
)
def test_a_name_that_nobody_could_read_is_refused(vendor: Database, field: str, text: str, said: str) -> None:
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        with pytest.raises(BadInput, match=said):
            delivery.enrol(session, asking(token, "1", **{field: text}), now=NOW)
        assert session.scalars(select(AgentRow.id)).all() == []


def test_a_machine_that_asks_for_the_name_of_another_gets_a_number_behind_it(vendor: Database) -> None:
    with vendor.write() as session:
        for name, target in (("1", "db1"), ("2", "db1-2")):
            token = delivery.issue_enrolment_token(session, "plant", **BY)
            assert delivery.enrol(session, asking(token, name), now=NOW).target == target


def test_a_name_that_another_agent_reads_over_ssh_may_get_an_agent_of_its_own(vendor: Database) -> None:
    """A target that so far was read from elsewhere keeps its history when an agent is installed there."""
    with vendor.write() as session:
        session.add(TargetRow(id="t-1", site_id="plant", name="db1", created_at=NOW))
        session.flush()
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        assert delivery.enrol(session, asking(token, "1"), now=NOW).target_id == "t-1"


def test_an_expired_token_and_one_of_another_site_change_nothing(vendor: Database) -> None:
    with vendor.write() as session:
        delivery.add_site(session, "acme", "Elsewhere", **BY)
        mine = delivery.issue_enrolment_token(session, "plant", **BY)
        first = delivery.enrol(session, asking(mine, "1"), now=NOW)
        late = delivery.issue_enrolment_token(session, "plant", valid_for=timedelta(minutes=1), **BY)
        again = {"agent": first.agent, "public_key": key("next")}
        with pytest.raises(Forbidden, match="expired"):
            delivery.enrol(session, asking(late, "1", **again), now=NOW + timedelta(minutes=1))
        foreign = delivery.issue_enrolment_token(session, "elsewhere", **BY)
        with pytest.raises(Forbidden, match="reports for site plant"):
            delivery.enrol(session, asking(foreign, "1", **again), now=NOW)
        assert session.scalars(select(AgentKey.last_sequence)).all() == [None]


def test_enrolled_again_from_a_held_branch_that_branch_counts(vendor: Database) -> None:
    machine = Machine()
    with vendor.write() as session:
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        public = base64.b64encode(machine.public).decode()
        first = delivery.enrol(session, asking(token, "1", public_key=public), now=NOW)
        machine.agent, machine.fingerprint, machine.target = first.agent, "machine-1", "db1"
        restored = Machine(
            agent=first.agent, fingerprint="machine-1", target="db1", key=machine.key, site="plant"
        )
        arrive(session, machine.run(NOW, {"disk": "pass"}))
        held = restored.run(NOW + timedelta(hours=1), {"disk": "pass"})
        answer = arrive(session, held)
        assert answer.ack is not None
        assert answer.ack.held == "fork"
        token = delivery.issue_enrolment_token(session, "plant", **BY)
        change = {"agent": first.agent, "public_key": key("next"), "last": held.seal.hash}
        delivery.enrol(session, asking(token, "1", **change), now=NOW)
        session.expire_all()
        assert session.get_one(AgentRow, first.agent).tip_hash == held.seal.hash


@pytest.fixture
def hostile() -> Iterator[TinyCollector]:
    """A collector that answers what a test tells it to."""
    tiny = TinyCollector()
    yield tiny
    tiny.stop()


GOOD = {
    "agent": "a-1",
    "sites": ["plant-a"],
    "target": "web-1",
    "target_id": "t-1",
    "epoch": "e",
    "profile": "linux-server",
    "interval_s": 3600,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"sites": []},
        {"sites": ["a"] * 1001},
        {"sites": ["\x1b]0;owned\x07"]},
        {"sites": ["x" * 201]},
        {"sites": "plant-a"},
        {"agent": ""},
        {"agent": 7},
        {"agent": "a\nb"},
        {"target": "\x1b[2Jweb"},
        {"target_id": "t" * 300},
        {"epoch": "e" * 10_000},
        {"profile": "/etc/evil.yaml"},
        {"profile": "evil.yaml"},
        {"profile": "x; rm -rf /"},
        {"profile": "-o"},
        {"interval_s": -1},
        {"interval_s": 10**12},
        {"sign_key": base64.b64encode(b"x" * 31).decode()},
        {"seal_key": "not base64!"},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}-{str(next(iter(wrong.values())))[:12]!r}",
)
def test_an_answer_that_cannot_be_one_is_refused_in_one_line_and_nothing_is_kept(
    state: State, hostile: TinyCollector, wrong: dict[str, Any]
) -> None:
    hostile.script.append(Scripted(200, body=msgspec.json.encode({**GOOD, **wrong})))
    with pytest.raises(UplinkError) as refused:
        enrol(state, hostile.url, "token")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
    assert not state.identity.exists()
    # The next attempt, with a collector in its right mind, succeeds.
    assert enrol(state, hostile.url, hostile.token()).identity.sites == ("plant-a", "plant-b")


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"agent": "' + b"a" * 2_000_000, b"\xff\xfe", b"", b"<html>login here</html>"],
    ids=["deep", "huge", "no text", "nothing", "a page"],
)
def test_an_answer_that_is_no_answer_changes_nothing(
    state: State, hostile: TinyCollector, body: bytes
) -> None:
    hostile.script.append(Scripted(200, body=body))
    with pytest.raises(UplinkError):
        enrol(state, hostile.url, "token")
    assert not state.identity.exists()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(state: State, hostile: TinyCollector, status: int) -> None:
    hostile.script.append(Scripted(status, body=b"", headers={"Location": f"{hostile.url}/other"}))
    with pytest.raises(UplinkError, match=f"answered {status}"):
        enrol(state, hostile.url, "token")
    assert [request["path"] for request in hostile.requests] == ["/api/v1/enrol"]


def test_from_https_to_plain_http_goes_nobody_unasked() -> None:
    with pytest.raises(BadInput, match="--insecure-http"):
        checked_url("http://collector.example")


@pytest.mark.parametrize("target", ["a\nb", "a" * 201, "site/x", " a", "\x1b[2J", "../x"])
def test_a_name_that_cannot_be_one_is_told_before_anybody_is_asked(
    state: State, hostile: TinyCollector, target: str
) -> None:
    with pytest.raises(BadInput, match="--target"):
        enrol(state, hostile.url, "token", target=target)
    assert hostile.requests == []
    assert not state.root.exists()


def test_the_key_and_its_folder_are_for_their_owner_alone(machine: State) -> None:
    (key_file,) = machine.root.glob("key-*.pem")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o700
    # A folder that somebody opened is closed again by the next run; the run itself is never refused for it.
    machine.root.chmod(0o755)
    assert ship_one().outcome == "sent"
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o700


def test_a_key_that_an_earlier_attempt_registered_does_not_lock_the_machine_out(
    state: State, real: Served
) -> None:
    """The first answer was lost, and the second attempt came with another token."""
    from agent.uplink import Uplink

    ask = Uplink.enrol
    with pytest.MonkeyPatch.context() as patch:

        def lost(self: Uplink, request: Enrolment) -> Enrolled:
            ask(self, request)
            raise UplinkError("the answer was lost", permanent=False)

        patch.setattr(Uplink, "enrol", lost)
        with pytest.raises(UplinkError):
            enrol(state, real.url, real.token())
    token = real.token()
    with pytest.raises(UplinkError, match="enrol once more: the machine then makes another"):
        enrol(state, real.url, token)
    assert enrol(state, real.url, token).identity.agent
    assert ship_one().outcome == "sent"
