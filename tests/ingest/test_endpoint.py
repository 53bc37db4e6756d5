"""The ingest route as agents meet it: one clear answer to everything, nothing stored half."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from building import START, Machine, bind, enrol, found_vendor
from sqlalchemy import func, select
from zstandard import ZstdDecompressor

from checks import envelope
from checks.model import decode_report, encode_report
from server.db import Database
from server.ingest import writer as writer_module
from server.ingest.arrival import Answer, Arrival
from server.ingest.delivery import Delivery, open_delivery
from server.ingest.endpoint import Endpoint
from server.ingest.writer import Writer
from server.settings import Settings
from server.tables import Document, Receipt

NOW = START + timedelta(days=30)
LIMITS = Settings(db="", max_body=200_000, max_decompressed=1_000_000)


class Door:
    """Sends requests to the endpoint as a server would hand them over."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.writer = Writer(db, LIMITS.max_decompressed)
        self.writer.start()
        self.endpoint = Endpoint(self.writer, LIMITS, lambda: NOW)

    def post(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        return self.post_all([(headers, body)])[0]

    def post_all(
        self, requests: list[tuple[dict[str, str], bytes]]
    ) -> list[tuple[int, dict[str, Any], dict[str, str]]]:
        """All at once, as from as many connections."""

        async def every() -> list[tuple[int, dict[str, Any], dict[str, str]]]:
            return list(await asyncio.gather(*(self._one(*request) for request in requests)))

        return asyncio.run(every())

    async def _one(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        sent: list[Any] = []
        scope = {"headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]}

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.endpoint(scope, receive, send)
        answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], json.loads(sent[1]["body"]), answered

    def stored(self) -> int:
        with self.db.read() as session:
            receipts = session.scalar(select(func.count()).select_from(Receipt))
            documents = session.scalar(select(func.count()).select_from(Document))
        assert receipts == documents, "a run is stored half"
        return receipts or 0


@pytest.fixture
def door(db: Database) -> Iterator[Door]:
    door = Door(db)
    yield door
    door.writer.stop()


@pytest.fixture
def machine(db: Database) -> Machine:
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
    return machine


def headers_of(sealed: envelope.Envelope, **more: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        envelope.HEADER_AGENT: sealed.seal.agent,
        envelope.HEADER_RUN: sealed.seal.run,
        envelope.HEADER_SIGNATURE: sealed.seal.signature,
        envelope.HEADER_SENT_AT: NOW.isoformat(),
        **more,
    }


def sign(machine: Machine, run: str, body: bytes) -> envelope.Envelope:
    return envelope.seal(machine.agent, run, body, machine.key)


def test_plain_and_gzip_are_the_same_run(door: Door, machine: Machine) -> None:
    sealed = machine.run(START + timedelta(days=1), {"disk": "pass"})
    status, ack, _ = door.post(headers_of(sealed), sealed.body)
    assert (status, ack["status"], ack["run"]) == (201, "new", sealed.seal.run)
    packed = gzip.compress(sealed.body)
    status, ack, _ = door.post(headers_of(sealed, **{"Content-Encoding": "gzip"}), packed)
    assert (status, ack["status"]) == (200, "same")
    assert door.stored() == 1


def test_every_refusal_is_a_problem_document(door: Door, machine: Machine) -> None:
    sealed = machine.run(START + timedelta(days=1), {"disk": "pass"})
    good = headers_of(sealed)
    torn = gzip.compress(sealed.body)[:-9]
    cases = [
        (415, good | {"Content-Type": "text/plain"}, sealed.body),
        (415, good | {"Content-Encoding": "br"}, sealed.body),
        (401, {k: v for k, v in good.items() if k != envelope.HEADER_SIGNATURE}, sealed.body),
        (401, good | {envelope.HEADER_AGENT: "nobody"}, sealed.body),
        (401, good | {envelope.HEADER_SIGNATURE: "bm9uc2Vuc2U="}, sealed.body),
        (401, good | {envelope.HEADER_SIGNATURE: "\xff\xfe"}, sealed.body),
        (400, good | {envelope.HEADER_RUN: "not-a-run"}, sealed.body),
        (400, good | {envelope.HEADER_SENT_AT: "yesterday"}, sealed.body),
        (400, good | {envelope.HEADER_SENT_AT: "2026-01-01T00:00:00"}, sealed.body),
        (400, good | {"Content-Encoding": "gzip"}, sealed.body),
        (400, good | {"Content-Encoding": "gzip"}, torn),
        (400, good | {"Content-Encoding": "gzip"}, gzip.compress(sealed.body) + b"more"),
        (413, good | {"Content-Length": "99999999"}, sealed.body),
        (413, good | {"Content-Length": "-1"}, sealed.body),
        (413, good, b" " * 200_001),
    ]
    for expected, headers, body in cases:
        status, problem, answered = door.post(headers, body)
        assert (status, problem["status"]) == (expected, expected), (headers, problem)
        assert answered["content-type"] == "application/problem+json"
        assert problem["title"]
    assert door.stored() == 0


def test_a_decompression_bomb_is_refused_at_its_bound(door: Door, machine: Machine) -> None:
    sealed = machine.run(START + timedelta(days=1), {"disk": "pass"})
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b" " * 50_000_000) + packer.flush()
    assert len(bomb) < LIMITS.max_body
    status, problem, _ = door.post(headers_of(sealed, **{"Content-Encoding": "gzip"}), bomb)
    assert (status, problem["title"]) == (413, "run too large")
    assert door.stored() == 0


def hostile_bodies(machine: Machine) -> Iterator[tuple[str, str, bytes]]:
    report = machine.report(START + timedelta(days=1), [machine.result("disk", "pass")])
    body = encode_report(report)
    yield "empty", report.run, b""
    yield "not JSON", report.run, b"\x00\x01"
    yield "deep", report.run, b"[" * 100_000 + b"]" * 100_000
    yield "deep inside", report.run, body.replace(b'"evidence":{}', b'"evidence":{"a":' + b"[" * 50_000)
    yield "invalid UTF-8", report.run, body.replace(b"Title", b"\xff\xfe")
    yield "lone surrogate", report.run, body.replace(b"Title", b"\\ud800")
    yield "NaN", report.run, body.replace(b'"duration_ms":1.5', b'"duration_ms":NaN')
    yield "infinite", report.run, body.replace(b'"duration_ms":1.5', b'"duration_ms":1e999')
    yield "huge integer", report.run, body.replace(b'"sequence":1', b'"sequence":' + b"9" * 5000)
    yield "negative sequence", report.run, body.replace(b'"sequence":1', b'"sequence":-1')
    yield "naive time", report.run, body.replace(b'Z"', b'"')
    yield "unknown field", report.run, body[:-1] + b',"surprise":1}'
    yield "unknown field inside", report.run, body.replace(b'"duration_ms":', b'"surprise":1,"duration_ms":')
    yield "unknown status", report.run, body.replace(b'"status":"pass"', b'"status":"fine"')
    yield "no targets", report.run, body.replace(b'"targets":[{', b'"targets":[],"ignored":[{')
    yield "NUL", report.run, body.replace(b"Title", b"\\u0000")
    yield "many keys", report.run, b'{"wire":1,' + b",".join(b'"k%d":1' % i for i in range(60_000)) + b"}"


def test_hostile_bodies_get_one_clear_answer_each(door: Door, machine: Machine) -> None:
    for name, run, body in hostile_bodies(machine):
        sealed = sign(machine, run, body)
        packed = gzip.compress(body)
        status, problem, _ = door.post(headers_of(sealed, **{"Content-Encoding": "gzip"}), packed)
        assert status == 400, (name, status, problem)
        assert problem["title"], name
        assert len(problem.get("detail", "")) < 1000, name
    assert door.stored() == 0


def test_a_huge_number_in_evidence_is_kept_in_the_document(door: Door, machine: Machine) -> None:
    result = machine.result("disk", "fail", evidence={"inode": 10**30})
    sealed = machine.run(START + timedelta(days=1), [result])
    status, _, _ = door.post(headers_of(sealed), sealed.body)
    assert status == 201
    with door.db.read() as session:
        document = session.scalars(select(Document)).one()
        body = ZstdDecompressor().decompress(document.body, max_output_size=document.size)
    assert body == sealed.body
    assert decode_report(body).results[0].evidence == {"inode": 10**30}


def test_a_defect_met_by_one_run_costs_neither_the_others_nor_the_next(
    door: Door, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = [machine.run(START + timedelta(days=day), {"disk": "pass"}) for day in range(1, 6)]
    unlucky = sealed[2].seal.run

    def defective(delivery: Delivery, limit: int) -> Arrival | Answer:
        if delivery.run == unlucky:
            raise ZeroDivisionError
        return open_delivery(delivery, limit)

    monkeypatch.setattr(writer_module, "open_delivery", defective)
    answers = door.post_all([(headers_of(one), one.body) for one in sealed])
    assert [status for status, _, _ in answers] == [201, 201, 500, 201, 201]
    monkeypatch.undo()
    assert door.post(headers_of(sealed[2]), sealed[2].body)[0] == 201
    assert door.stored() == 5


def test_clocks_that_are_ten_years_off_are_stored_and_held(door: Door, machine: Machine) -> None:
    for years in (-10, 10):
        moment = NOW + timedelta(days=365 * years)
        sealed = machine.run(moment, {"disk": "fail"})
        headers = headers_of(sealed) | {envelope.HEADER_SENT_AT: moment.isoformat()}
        status, ack, _ = door.post(headers, sealed.body)
        assert (status, ack["held"]) == (201, "skew")


def test_the_ends_of_time_are_stored_and_held(door: Door, machine: Machine) -> None:
    first = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
    last = datetime.fromisoformat("9999-12-30T00:00:00+00:00")
    for observed, sent in ((first, last), (last, first)):
        sealed = machine.run(START, {"disk": "fail"}, started=observed, ended=observed)
        headers = headers_of(sealed) | {envelope.HEADER_SENT_AT: sent.isoformat()}
        status, ack, _ = door.post(headers, sealed.body)
        assert (status, ack["held"]) == (201, "skew")
    with door.db.read() as session:
        assert len(session.scalars(select(Receipt)).all()) == 2


def test_a_bad_run_in_a_shared_commit_takes_no_other_with_it(door: Door, machine: Machine) -> None:
    sealed = [machine.run(START + timedelta(days=day), {"disk": "pass"}) for day in range(1, 9)]
    broken = [sign(machine, one.seal.run, one.body[:-2]) for one in sealed[:3]]
    requests = [(headers_of(one), one.body) for one in (*broken, *sealed)]
    statuses = [status for status, _, _ in door.post_all(requests)]
    assert sorted(statuses) == [201] * 8 + [400] * 3
    assert door.stored() == 8


def test_the_same_run_many_times_at_once_is_stored_once(door: Door, machine: Machine) -> None:
    sealed = machine.run(START + timedelta(days=1), {"disk": "fail"})
    statuses = [status for status, _, _ in door.post_all([(headers_of(sealed), sealed.body)] * 20)]
    assert sorted(statuses) == [200] * 19 + [201]
    assert door.stored() == 1


def test_after_stopping_runs_are_told_to_come_back(door: Door, machine: Machine) -> None:
    sealed = machine.run(START + timedelta(days=1), {"disk": "pass"})
    door.writer.stop()
    status, problem, answered = door.post(headers_of(sealed), sealed.body)
    assert (status, problem["hold"]) == (503, True)
    assert int(answered["retry-after"]) > 0
