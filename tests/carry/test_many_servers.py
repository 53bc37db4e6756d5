"""Several collectors on one PostgreSQL, killed at random while everything happens at once.

Ordinary runs, an agent that changes its keys, a restored disk with two ways on, a stick that two people
import while its machine is heard as well, and an administrator who publishes: what was acknowledged is there,
once.
"""

from __future__ import annotations

import base64
import copy
import gzip
import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from building import START, Machine, arrive, bind, enrol, found_vendor
from carry_world import World
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from server_process import ServerProcess
from sqlalchemy import func, select

from agent.paths import State
from checks import envelope
from checks.envelope import Envelope, KeyChange, keys_path
from checks.signed import sign_request
from server.auth.tokens import issue_api_token
from server.auth.users import add_user
from server.db import Database, open_database
from server.tables import (
    AgentKey,
    AgentRow,
    Document,
    Episode,
    Publication,
    Receipt,
    TargetRun,
    Transition,
    User,
)

SERVERS = 3
KILLS = 7
RUNS = 24
ATTEMPTS = 400
PASSWORD = "a long enough password"  # of a test's own store
HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class House:
    """The collectors: a request goes to any of them, again and again until one has answered it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.servers = [ServerProcess(url, folder / f"collector-{number}.log") for number in range(SERVERS)]
        self.answers: Counter[int] = Counter()
        self.chance = random.Random(11)

    def ask(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        for _ in range(ATTEMPTS):
            status, answer = self._once(path, body, headers)
            self.answers[status] += 1
            if status not in (0, 429, 503):
                return status, answer
            time.sleep(0.03)
        raise AssertionError(f"{path}: no collector answered")

    def _once(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        port = self.chance.choice(self.servers).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def deliver(self, sealed: Envelope) -> envelope.Ack:
        status, answer = self.ask(
            "/api/v1/runs",
            gzip.compress(sealed.body),
            HEADERS
            | {
                envelope.HEADER_AGENT: sealed.seal.agent,
                envelope.HEADER_RUN: sealed.seal.run,
                envelope.HEADER_SIGNATURE: sealed.seal.signature,
                envelope.HEADER_SENT_AT: datetime.now(UTC).isoformat(),
            },
        )
        assert status in (200, 201), answer
        return msgspec.json.decode(answer, type=envelope.Ack)


def runs(machine: Machine, count: int, seed: int, *, since: int = 0) -> list[Envelope]:
    chance = random.Random(seed)
    return [
        machine.run(
            START + timedelta(hours=since + hour, minutes=seed),
            {"disk": chance.choice(["pass", "fail"]), "port": "pass"},
        )
        for hour in range(count)
    ]


def rotate(house: House, machine: Machine) -> None:
    """The machine signs with a new key from now on."""
    old, machine.key = machine.key, Ed25519PrivateKey.generate()
    path = keys_path(machine.agent)
    body = msgspec.json.encode(KeyChange(base64.b64encode(machine.public).decode(), machine.sequence))
    signed = [sign_request(machine.agent, "POST", path, body, key) for key in (old, machine.key)]
    headers = {envelope.HEADER_SIGNATURE: signed[0], envelope.HEADER_NEW_SIGNATURE: signed[1]}
    status, answer = house.ask(path, body, {"Content-Type": "application/json"} | headers)
    assert status == 200, answer


def all_at_once(deeds: list[Callable[[], object]], meanwhile: Callable[[], object]) -> None:
    """Every deed in a thread of its own, and all of them done."""
    failed: list[Exception] = []

    def run(deed: Callable[[], object]) -> None:
        try:
            deed()
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(deed,), daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "something waits for ever"
    if failed:
        raise failed[0]


def history(db: Database, agents: list[str]) -> dict[str, list[tuple[object, ...]]]:
    """What the runs of these agents amounted to, without ids that the order of arrival decides."""
    mine = select(Receipt.id).where(Receipt.agent_id.in_(agents))
    with db.read() as session:
        return {
            "receipts": sorted(
                map(tuple, session.execute(select(Receipt.id, Receipt.hash).where(Receipt.id.in_(mine))))
            ),
            "folded": sorted(
                map(tuple, session.execute(select(TargetRun.run_id).where(TargetRun.run_id.in_(mine))))
            ),
            "transitions": sorted(
                map(
                    tuple,
                    session.execute(
                        select(Transition.run_id, Transition.status).where(Transition.run_id.in_(mine))
                    ),
                )
            ),
            "episodes": sorted(
                map(
                    tuple,
                    session.execute(
                        select(Episode.opened_run, Episode.state, Episode.closed_run).where(
                            Episode.opened_run.in_(mine)
                        )
                    ),
                ),
                key=str,
            ),
        }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_several_collectors_on_one_store_lose_and_double_nothing_while_they_are_killed(
    postgres_url: str, sqlite_path: Path, tmp_path: Path
) -> None:
    db, calm = open_database(postgres_url), open_database(str(sqlite_path))
    carried = World(db, State(tmp_path / "state"), tmp_path)
    plain = [
        Machine(agent=f"agent-{name}", target=name, fingerprint=f"fp-{name}") for name in ("a", "b", "keys")
    ]
    forked = Machine(agent="agent-forked", target="forked", fingerprint="fp-forked")
    with calm.write() as session:
        found_vendor(session)
        for machine in plain:
            enrol(session, machine)
            bind(session, machine)
    with db.write() as session:
        found_vendor(session)
        for machine in [*plain, forked]:
            enrol(session, machine)
            bind(session, machine)
        add_user(session, "root", "admin", PASSWORD, by="test", now=START, name="Root")
        user = session.scalars(select(User.id)).one()
        token = issue_api_token(session, user, "test", timedelta(days=9), by="test", now=datetime.now(UTC))
    carried.state.root.mkdir(mode=0o700)
    carried.enrol()
    stick = runs(carried.made, RUNS, 9)
    carried.spool.prepare()
    for sealed in stick:
        carried.spool.add(sealed)
    file = carried.export().read_bytes()
    trunk = runs(forked, 3, 7)
    other = copy.copy(forked)
    branches = [runs(forked, RUNS // 2, 7, since=3), runs(other, RUNS // 2, 8, since=3)]
    chains = {machine.agent: runs(machine, RUNS, seed) for seed, machine in enumerate(plain[:2])}
    admin = {"Authorization": f"Bearer {token}"}
    house = House(postgres_url, tmp_path)

    def changing_keys() -> None:
        machine = plain[2]
        chains[machine.agent] = []
        for part in range(4):
            for sealed in runs(machine, RUNS // 4, 2, since=part * RUNS // 4):
                chains[machine.agent].append(sealed)
                house.deliver(sealed)
            rotate(house, machine)

    def importing() -> None:
        for _ in range(3):
            kind = {"Content-Type": "application/octet-stream"}
            status, answer = house.ask("/api/v1/imports", file, admin | kind)
            assert status == 200, answer
            told = msgspec.json.decode(answer)
            assert told["new"] + told["same"] + told["failed"] == RUNS, told

    def publishing() -> None:
        for number in range(6):
            schedule = {"name": f"night-{number}", "every": "6h"}
            body = msgspec.json.encode({"site": "plant", "schedule": schedule})
            headers = admin | {"Content-Type": "application/json"}
            status, answer = house.ask("/api/v1/publications/schedules", body, headers)
            assert status == 201, answer
            id = msgspec.json.decode(answer)["id"]
            status, answer = house.ask(f"/api/v1/publications/{id}/withdraw", b"", admin)
            assert status in (200, 409), answer  # 409: done, and only the answer was lost

    def delivering(chain: list[Envelope]) -> Callable[[], object]:
        return lambda: [house.deliver(sealed) for sealed in chain]

    def killing() -> None:
        chance = random.Random(5)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 0.5))
            victim = chance.choice(house.servers)
            victim.kill()
            victim.start()

    try:
        for server in house.servers:
            server.start()
        for sealed in trunk:
            house.deliver(sealed)
        everything = [
            *map(delivering, [*chains.values(), *branches, stick]),
            importing,
            importing,
            changing_keys,
            publishing,
        ]
        all_at_once(everything, killing)
        logs = "".join(server.log.read_text() for server in house.servers)
    finally:
        for server in house.servers:
            server.stop()

    try:
        assert house.answers[0], "no kill met a request"
        assert "deadlock" not in logs.lower()
        with calm.write() as session:
            for row in _keys(db, plain[2].agent)[1:]:
                session.add(AgentKey(agent_id=row.agent_id, public_key=row.public_key, created_at=START))
            session.flush()
            for chain in chains.values():
                for sealed in chain:
                    assert arrive(session, sealed).status == 201
        mine = sorted(chains)
        assert history(db, mine) == history(calm, mine)
        sent = [*chains.values(), trunk, *branches, stick]
        with db.read() as session:
            assert set(session.scalars(select(Receipt.id))) == {
                one.seal.run for chain in sent for one in chain
            }
            assert session.scalar(select(func.count()).select_from(Document)) == sum(map(len, sent))
            held = set(session.scalars(select(Receipt.id).where(Receipt.held == "fork")))
            # One way on counts and the other waits, each from its first run to its last.
            assert held in [{one.seal.run for one in branch} for branch in branches]
            counted = session.scalars(select(TargetRun.run_id))
            assert sorted(counted) == sorted({one.seal.run for chain in sent for one in chain} - held)
            tips = {row.id: row.tip_sequence for row in session.scalars(select(AgentRow))}
            assert tips == dict.fromkeys([*mine, carried.made.agent], RUNS) | {forked.agent: 3 + RUNS // 2}
            ends = [key.last_sequence for key in _keys(db, plain[2].agent)]
            assert ends == [RUNS // 4, RUNS // 2, RUNS * 3 // 4, RUNS, None]
            versions = session.scalars(select(Publication.version).order_by(Publication.id)).all()
            assert versions == sorted(set(versions))
    finally:
        db.close()
        calm.close()


def _keys(db: Database, agent: str) -> list[AgentKey]:
    with db.read() as session:
        found = session.scalars(
            select(AgentKey).where(AgentKey.agent_id == agent).order_by(AgentKey.id)
        ).all()
        session.expunge_all()
        return list(found)
