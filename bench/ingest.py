"""How many runs a second the collector takes, beside the ceiling: the same server that only examines them.

Every run has 200 results and is different in every id, time and measured value; the state vector is the
same, so that a run costs its receipt, its document and a heartbeat. Every acknowledged run is durable. The
ceiling runs the same HTTP server and does decompression, verification and decoding, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from building import START, Machine, assign, bind, enrol, found_vendor
from tables import show

from checks.envelope import HEADER_AGENT, HEADER_RUN, HEADER_SENT_AT, HEADER_SIGNATURE, Ack
from checks.ids import rule_digest
from checks.model import Message, PlanItem, Severity
from server.db import Database, open_database
from server.ingest.arrival import Answer, Arrival
from server.ingest.endpoint import Endpoint
from server.ingest.examine import Examined
from server.ingest.writer import Writer
from server.settings import Settings

RESULTS_PER_RUN = 200
GOAL = 0.4
Request = tuple[str, str, str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="runs per contender and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        machines = _prepare(store, options.connections)
        fsync = _fsync_ms(Path(folder))
        rates: dict[str, list[float]] = {"ceiling": [], "firstlight": []}
        for _ in range(options.rounds):
            for contender in rates:
                requests = [_requests(machine, options.runs // len(machines)) for machine in machines]
                rates[contender].append(_measure(contender, store, requests))
                if contender == "ceiling":
                    _rewind(machines, store)
    best = {contender: sorted(found)[len(found) // 2] for contender, found in rates.items()}
    ratio = best["firstlight"] / best["ceiling"]
    print(f"fsync of 4 KiB on this disk: {fsync:.2f} ms")
    show(
        "ingest",
        ["contender", "runs/s (median)", "of the ceiling", "durable"],
        [
            ["ceiling: decompress, verify, decode", best["ceiling"], 1.0, False],
            ["firstlight, unchanged runs of 200 results", best["firstlight"], ratio, True],
        ],
        {f"unchanged ≥ {GOAL} × the ceiling": ratio >= GOAL},
    )


def _prepare(store: Path, count: int) -> list[Machine]:
    """A store with as many enrolled and bound machines as there are connections."""
    from server.schema import upgrade

    db = open_database(str(store))
    upgrade(db)
    machines = [Machine(agent=f"agent-{i}", target=f"host-{i}") for i in range(count)]
    with db.write() as session:
        found_vendor(session)
        assign(session, "ann")
        for machine in machines:
            enrol(session, machine)
            bind(session, machine, _plan(machine))
    db.close()
    return machines


def _items() -> list[str]:
    return [f"area{i % 20}.check{i}" for i in range(RESULTS_PER_RUN)]


def _plan(machine: Machine) -> tuple[PlanItem, ...]:
    return tuple(
        PlanItem(machine.target, item, item, rule_digest(item, item, 1, {}, "fail"), Severity.P2)
        for item in _items()
    )


def _rewind(machines: list[Machine], store: Path) -> None:
    """The ceiling stored nothing: the machines' chains start again from what the store holds."""
    db = open_database(str(store))
    with db.read() as session:
        rows = session.connection().exec_driver_sql("SELECT id, tip_sequence, tip_hash FROM agent").all()
    db.close()
    tips = {row[0]: (row[1], row[2]) for row in rows}
    for machine in machines:
        machine.sequence, machine.previous = tips[machine.agent]


def _requests(machine: Machine, count: int) -> list[Request]:
    """Signed, compressed runs that differ in everything but their state vector."""
    chance = random.Random(f"{machine.agent}/{machine.sequence}")
    plan = _plan(machine)
    rules = {entry.item: entry.rule for entry in plan}
    requests = []
    for _ in range(count):
        at = START + timedelta(minutes=machine.sequence + 1, milliseconds=chance.randrange(60_000))
        results = []
        for item in _items():
            free = chance.random() * 100
            result = machine.result(item, "pass", object=f"/{item}", evidence={"free": free})
            changes: dict[str, Any] = {
                "rule": rules[item],
                "check": item,
                "severity": Severity.P2,
                "title": "A filesystem has room to grow",
                "message": Message("{free} free on {mount}", {"free": free, "mount": f"/{item}"}),
                "duration_ms": chance.random() * 20,
                "remedy": "extend the volume, or remove what du -xh names",
            }
            import msgspec

            results.append(msgspec.structs.replace(result, **changes))
        sealed = machine.run(at, results, plan=plan)
        requests.append(
            (sealed.seal.agent, sealed.seal.run, sealed.seal.signature, gzip.compress(sealed.body, 6))
        )
    return requests


class ExaminesOnly(Writer):
    """The ceiling: answers as soon as a run is known to be sound."""

    def _store(self, opened: list[Arrival | Answer]) -> list[Answer]:
        answers = []
        for one in self._examine(opened):
            if isinstance(one, Examined):
                one_ack = Ack(one.report.run, "new", "none", one.report.sequence)
                answers.append(Answer(201, one_ack))
            else:
                answers.append(one)
        return answers


def _serve(contender: str, store: Path, port: int) -> None:
    import uvicorn

    from server.app import create_app
    from server.clock import utc_now

    settings = Settings(db=str(store))
    db: Database = open_database(settings.db)
    if contender == "firstlight":
        app: Any = create_app(db, settings)
    else:
        writer = ExaminesOnly(db, settings.max_decompressed)
        endpoint = Endpoint(writer, settings, utc_now)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                while True:
                    message = await receive()
                    if message["type"] == "lifespan.startup":
                        writer.start()
                        await send({"type": "lifespan.startup.complete"})
                    else:
                        writer.stop()
                        await send({"type": "lifespan.shutdown.complete"})
                        return
            await endpoint(scope, receive, send)

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def _measure(contender: str, store: Path, requests: list[list[Request]]) -> float:
    """Runs a second over all connections, each sending its machine's runs one after another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(contender, store, port))
    server.start()
    try:
        _wait(port)
        began = time.perf_counter()
        asyncio.run(_send_all(port, requests))
        return sum(map(len, requests)) / (time.perf_counter() - began)
    finally:
        server.terminate()
        server.join(20)


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not come up")


async def _send_all(port: int, requests: list[list[Request]]) -> None:
    await asyncio.gather(*(_send(port, own) for own in requests))


async def _send(port: int, requests: list[Request]) -> None:
    from datetime import UTC, datetime

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for agent, run, signature, body in requests:
        head = (
            "POST /api/v1/runs HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n{HEADER_AGENT}: {agent}\r\n"
            f"{HEADER_RUN}: {run}\r\n{HEADER_SIGNATURE}: {signature}\r\n"
            f"{HEADER_SENT_AT}: {datetime.now(UTC).isoformat()}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        text = await reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"not stored: {answer!r} {text!r}")
    writer.close()


def _fsync_ms(folder: Path) -> float:
    times = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
