"""A crowd at the door: it takes what it can, and tells the others when to come, each at its own moment."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from building import START, Machine, bind, enrol, found_vendor
from server_process import ServerProcess
from sqlalchemy import func, select

from checks import envelope
from server.db import Database, open_database
from server.ingest.arrival import refuse
from server.ingest.delivery import Delivery
from server.ingest.endpoint import Endpoint
from server.ingest.pace import LONGEST_S, MOST_REMEMBERED, MOST_WAITING, Pace
from server.ingest.writer import Reply, Writer
from server.settings import Settings
from server.tables import Document, Receipt


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_window_grows_with_the_crowd_and_shrinks_with_the_pace():
    clock = Clock()
    pace = Pace(clock=clock)
    assert pace.window_s() == 2
    for number in range(1000):
        pace.turn_away(f"agent-{number}")
    assert pace.window_s() == 10, "a thousand at a hundred a second"
    for _ in range(900):
        pace.enter("agent-0")
        clock.now += 1 / 300
        pace.leave()
    assert pace.window_s() <= 6
    for number in range(300_000):
        pace.turn_away(f"agent-{number}")
    assert pace.window_s() <= LONGEST_S
    assert len(pace._crowd) == MOST_REMEMBERED
    clock.now += 120
    pace.turn_away("agent-0")
    assert pace.window_s() == 2, "a crowd that came long ago is forgotten"


def test_each_agent_has_a_moment_of_its_own_and_it_is_always_the_same():
    pace = Pace(clock=Clock())
    agents = [f"a-{random.Random(number).getrandbits(64):016x}" for number in range(2000)]
    for agent in agents:
        pace.turn_away(agent)
    window = pace.window_s()
    moments = [pace.retry_after_s(agent) for agent in agents]
    assert moments == [pace.retry_after_s(agent) for agent in agents]
    spread = Counter(moments)
    assert set(spread) == set(range(1, window + 1))
    assert max(spread.values()) < 2 * len(agents) / window


class StuckWriter(Writer):
    """Takes everything and answers nothing until it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[Delivery, Reply]] = []

    def submit(self, delivery: Delivery, reply: Reply) -> None:
        self.taken.append((delivery, reply))


HEADERS = {
    "content-type": "application/json",
    "firstlight-agent": "agent-1",
    "firstlight-run": "r",
    "firstlight-signature": "s",
}


async def ask(endpoint: Endpoint, body: bytes = b"{}", **headers: str) -> tuple[int, dict[str, str], int]:
    """The status, the headers, and how often the endpoint asked for a part of the body."""
    read, sent = 0, list[Any]()

    async def receive() -> Any:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"headers": [(k.encode(), v.encode()) for k, v in (HEADERS | headers).items()]}
    await endpoint(scope, receive, send)
    return sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, read


def test_beyond_what_may_wait_an_agent_is_turned_away_before_its_run_is_read():
    async def crowd() -> None:
        writer = StuckWriter()
        endpoint = Endpoint(writer, Settings(db=""), lambda: datetime.now(UTC), Pace(most_waiting=3))
        inside = [asyncio.create_task(ask(endpoint)) for _ in range(3)]
        while len(writer.taken) < 3:
            await asyncio.sleep(0)
        status, headers, read = await ask(endpoint)
        assert (status, read) == (429, 0)
        assert 1 <= int(headers["retry-after"]) <= 3
        for _, reply in writer.taken:
            reply(refuse(400, "another run"))
        await asyncio.gather(*inside)
        later = asyncio.create_task(ask(endpoint))
        while len(writer.taken) < 4:
            await asyncio.sleep(0)
        writer.taken[-1][1](refuse(400, "another run"))
        assert (await later)[0] == 400, "there is room again"

    asyncio.run(crowd())


def test_bodies_on_their_way_in_are_bounded_together_and_what_breaks_off_is_not_counted_on():
    async def crowd() -> None:
        pace = Pace()
        endpoint = Endpoint(StuckWriter(), Settings(db="", max_body=1024), lambda: datetime.now(UTC), pace)
        assert (await ask(endpoint, b" " * 2000))[0] == 413
        assert (pace.bytes, pace.waiting) == (0, 0)
        pace.bytes = 128 * 1024 * 1024
        assert (await ask(endpoint))[0] == 429

    asyncio.run(crowd())


AGENTS, RUNS_EACH = 500, 4


@dataclass
class Met:
    """What all agents were answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[int] = field(default_factory=list)


async def post(port: int, sealed: envelope.Envelope) -> tuple[int, int]:
    """One delivery on a connection of its own: its status, and for how long it shall wait."""
    body = gzip.compress(sealed.body, 1)
    seal = sealed.seal
    head = (
        f"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n{envelope.HEADER_AGENT}: {seal.agent}\r\n"
        f"{envelope.HEADER_RUN}: {seal.run}\r\n{envelope.HEADER_SIGNATURE}: {seal.signature}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    lines = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    wait = next((int(line.split(":")[1]) for line in lines if line.startswith("retry-after:")), 0)
    return int(lines[0].split()[1]), wait


async def come_back(port: int, runs: list[envelope.Envelope], met: Met) -> None:
    """An agent whose collector is there again: its runs in order, and no sooner than it is told."""
    for sealed in runs:
        while True:
            status, wait = await post(port, sealed)
            met.statuses[status] += 1
            if status in (200, 201):
                break
            assert status == 429, status
            met.waits.append(wait)
            await asyncio.sleep(wait)


def prepare(store: Path) -> list[list[envelope.Envelope]]:
    db = open_database(str(store))
    machines = [Machine(agent=f"agent-{i}", target=f"host-{i}") for i in range(AGENTS)]
    with db.write() as session:
        found_vendor(session)
        for machine in machines:
            enrol(session, machine)
            bind(session, machine)
    db.close()
    return [
        [machine.run(START + timedelta(hours=hour), {"disk": "pass"}) for hour in range(RUNS_EACH)]
        for machine in machines
    ]


@pytest.mark.slow
def test_five_hundred_agents_that_come_back_at_once_all_get_their_turn(sqlite_path: Path, tmp_path: Path):
    backlogs = prepare(sqlite_path)
    collector = ServerProcess(sqlite_path, tmp_path / "collector.log")
    collector.start()
    met = Met()

    async def all_at_once() -> None:
        await asyncio.gather(*(come_back(collector.port, runs, met) for runs in backlogs))

    try:
        asyncio.run(all_at_once())
    finally:
        collector.stop()
    assert set(met.statuses) <= {201, 429}, met.statuses
    assert met.statuses[201] == AGENTS * RUNS_EACH
    assert met.statuses[429] > 0, f"the door never was full; it holds {MOST_WAITING}"
    db: Database = open_database(str(sqlite_path))
    try:
        with db.read() as session:
            assert session.scalar(select(func.count()).select_from(Receipt)) == AGENTS * RUNS_EACH
            assert session.scalar(select(func.count()).select_from(Document)) == AGENTS * RUNS_EACH
            rows = session.execute(
                select(Receipt.agent_id, Receipt.sequence, Receipt.received_at, Receipt.held)
            )
            arrived: dict[str, list[tuple[int, datetime]]] = {}
            for row in rows:
                assert row.held == ""
                arrived.setdefault(row.agent_id, []).append((row.sequence, row.received_at))
        for runs in arrived.values():
            assert [sequence for sequence, _ in sorted(runs, key=lambda run: (run[1], run[0]))] == [
                1,
                2,
                3,
                4,
            ]
    finally:
        db.close()
