"""Taking in an export: run by run through the door of ingest, and a signed answer to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

import msgspec
from sqlalchemy.orm import Session

from checks.carried import Answered, Frame, Receipts, walk
from checks.signed import sign
from server import audit, gaps, store
from server.carry.opening import Export, open_export
from server.clock import Clock
from server.db import Database
from server.delivery.names import existing
from server.errors import Refused
from server.ingest.arrival import Answer, refuse
from server.ingest.delivery import Delivery
from server.ingest.writer import MOST_AT_ONCE, Writer
from server.publishing.outgoing import note_fetched, outgoing
from server.publishing.signing import key_for, private_half
from server.settings import Settings
from server.tables import AgentRow, Site, TargetRow

BATCH_BYTES = 16 * 1024 * 1024
"""Compressed bytes of the runs that share a transaction, beside their number."""

MOST_REFUSED = 1_000
"""After so many runs that can never be taken the rest of a file is not looked at: it wastes our time."""

SHOWN = 20
"""How many refused runs are named; the receipts file names all."""

_NOT_LOOKED_AT = refuse(
    503, "not looked at", f"{MOST_REFUSED} runs of this file were refused before", hold=True
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A run that was not taken: for good, or (`hold`) until something is put right."""

    run: str
    status: int
    words: str
    hold: bool


@dataclass(slots=True)
class Import:
    """What became of one file. `new` and `same` were stored now or before; `held` of them do not count yet.

    `held_back` are refused until something is put right, `refused` for good, `failed` could not be stored
    just now. `receipts` is the signed file to carry back.
    """

    agent: str
    target: str
    site_id: str
    site: str
    first: int
    last: int
    runs: int
    sealed: bool
    new: int = 0
    same: int = 0
    held: int = 0
    held_back: int = 0
    refused: int = 0
    failed: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    gaps: gaps.Missing = gaps.NOTHING
    receipts: bytes = b""

    @property
    def receipts_name(self) -> str:
        """A file name for people; made of nothing that came from outside but the agent's id."""
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in self.agent[:60])
        return f"firstlight-{safe}-{self.first}-{self.last}.receipts"


def take_export(db: Database, settings: Settings, clock: Clock, file: BinaryIO, *, by: str) -> Import:
    """Store what is new in an export and answer every run in it; the same file again changes nothing.

    Runs go in small transactions of their own, so that a large file stops nobody, and one bad run never stops
    the rest. Raises `BadInput` and `Forbidden` as `open_export` does; nothing is stored then.
    """
    with open_export(db, file) as export:
        answers: list[Answered] = []
        targets: dict[str, str] = {}
        taken = _begun(db, export)
        writer = Writer(db, settings.max_decompressed)
        for frames in _batches(walk(export.body, export.manifest, settings.max_body)):
            if taken.refused >= MOST_REFUSED:
                found = [_NOT_LOOKED_AT] * len(frames)
            else:
                found = _answers(writer, export, frames, settings, clock)
            for frame, answer in zip(frames, found, strict=True):
                targets |= answer.ack.targets if answer.ack else {}
                answers.append(_counted(taken, frame.head.run, answer))
        with db.write() as session:
            _finish(session, taken, export, tuple(answers), targets, clock(), by)
        return taken


def _begun(db: Database, export: Export) -> Import:
    with db.read() as session:
        agent = existing(session, AgentRow, export.manifest.agent)
        site = existing(session, Site, export.site)
        target = session.get(TargetRow, agent.target_id)
        manifest = export.manifest
        return Import(
            agent=agent.id,
            target=target.name if target else agent.target_id,
            site_id=site.id,
            site=site.name,
            first=manifest.first,
            last=manifest.last,
            runs=manifest.runs,
            sealed=export.sealed,
        )


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    size = 0
    for frame in frames:
        batch.append(frame)
        size += len(frame.body or b"")
        if len(batch) == MOST_AT_ONCE or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _answers(
    writer: Writer, export: Export, frames: list[Frame], settings: Settings, clock: Clock
) -> list[Answer]:
    """The door's answer to each frame; what is not this agent's never gets to the door."""
    answers: dict[int, Answer] = {}
    deliveries: dict[int, Delivery] = {}
    now = clock()
    for place, frame in enumerate(frames):
        head = frame.head
        if head.agent != export.manifest.agent:
            answers[place] = refuse(400, "another agent's run", "the file is signed by another agent")
        elif frame.body is None:
            detail = f"a run is at most {settings.max_body} bytes as it is sent"
            answers[place] = refuse(413, "run too large", detail)
        else:
            # No clock travels with a file: what the agent observed counts as it is, never after today.
            deliveries[place] = Delivery(head.agent, head.run, head.signature, "", "gzip", frame.body, now)
    answers |= zip(deliveries, writer.take(list(deliveries.values())), strict=True)
    return [answers[place] for place in range(len(frames))]


def _counted(taken: Import, run: str, answer: Answer) -> Answered:
    """The answer as it goes back, counted."""
    if answer.ack is not None:
        taken.new += answer.status == 201
        taken.same += answer.status == 200
        taken.held += bool(answer.ack.held)
        return Answered(run, answer.status, held=answer.ack.held)
    problem = answer.problem
    assert problem is not None
    taken.failed += answer.status >= 500
    taken.held_back += problem.hold and answer.status < 500
    taken.refused += not problem.hold and answer.status < 500
    words = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if len(taken.refusals) < SHOWN:
        taken.refusals.append(Refusal(run, answer.status, words, problem.hold))
    return Answered(
        run,
        answer.status,
        title=problem.title[:500],
        detail=problem.detail[:4000],
        path=problem.path[:500],
        hold=problem.hold,
    )


def _finish(
    session: Session,
    taken: Import,
    export: Export,
    answers: tuple[Answered, ...],
    targets: dict[str, str],
    now: datetime,
    by: str,
) -> None:
    """Sign the answers, see what is missing, and leave a line in the audit trail."""
    agent = existing(session, AgentRow, taken.agent)
    epoch = store.epoch(session)
    key = private_half(key_for(session, agent, export.manifest.goes_by))
    version, rules = _rules(session, agent, export.manifest.goes_by, now)
    receipts = Receipts(
        agent=agent.id,
        epoch=epoch,
        file=export.hash,
        issued=now,
        highest_sequence=agent.tip_sequence,
        answers=answers,
        targets=targets,
        rules_version=version,
        rules=rules,
    )
    body = msgspec.json.encode(receipts)
    taken.receipts = sign("receipts", epoch, body, key).to_bytes()
    taken.gaps = gaps.missing_of(session, agent.id)
    detail = f"{taken.new} new, {taken.same} same, {taken.held_back + taken.refused + taken.failed} not taken"
    detail += f"; runs {taken.first} to {taken.last}; file {export.hash[:16]}"
    audit.record(session, now, by, "import", f"agent:{agent.id}", detail)


def _rules(session: Session, agent: AgentRow, goes_by: str, now: datetime) -> tuple[int, bytes]:
    """The version and the signed file of what is published for an agent's site; 0 where that is nothing."""
    try:
        found = outgoing(session, agent, goes_by)
    except Refused:  # it goes by a key that this store never had; its runs are as welcome
        return 0, b""
    if found is None:
        return 0, b""
    note_fetched(session, agent.id, found, now)
    return found.version, found.file
