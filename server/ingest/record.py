"""Record a sound run: receipt, document, heartbeat, fold; all in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection
from zstandard import ZstdCompressor

from checks.envelope import Ack
from checks.ids import new_run_id
from checks.model import Status
from server.episodes import came_back, refold
from server.history import insert_run
from server.ingest.arrival import Answer, refuse
from server.ingest.chain import Fork, find_fork, hold_branch, tip
from server.ingest.eligible import count, may_bind
from server.ingest.examine import Examined
from server.sql import Sql
from server.tables.base import to_micros

_RECEIPT = Sql(
    "INSERT INTO receipt (id, agent_id, sequence, previous, hash, signature, site_id, profile_id,"
    " profile_version, plan_digest, trigger, stage, operator, fingerprint, observed_at, received_at,"
    " effective_at, offset_ms, held, flags, passed, warned, failed, errors, skipped, manual, dropped_runs)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
_KNOWN = Sql("SELECT hash, held FROM receipt WHERE id = ?")
_DOCUMENT = Sql("INSERT INTO document (run_id, body, size) VALUES (?, ?, ?)")
_HEARTBEAT = Sql(
    "UPDATE agent SET last_seen_at = ?, clock_offset_ms = ?, tip_sequence = ?, tip_hash = ? WHERE id = ?"
)
_FLAGS = Sql("UPDATE receipt SET flags = ? WHERE id = ?")
_TARGET = Sql("SELECT id FROM target WHERE site_id = ? AND name = ?")
_TARGET_BY_ID = Sql("UPDATE target SET name = ? WHERE id = ? AND site_id = ?")
_TARGET_ADD = Sql(
    "INSERT INTO target (id, site_id, name, created_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (site_id, name) DO NOTHING"
)
_BOUND_TOKEN = Sql("UPDATE enrolment_token SET bound_at = ? WHERE token_hash = ?")
_AUDIT = Sql("INSERT INTO audit_entry (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")

_compressor = ZstdCompressor(level=3)


@dataclass(frozen=True, slots=True)
class Folded:
    """A recorded run and the episodes that it opened, closed or changed."""

    answer: Answer
    episodes: tuple[int, ...] = ()


def record(connection: Connection, run: Examined, epoch: str) -> Folded:
    """Store a run once and fold it. The same run again is 200 and changes nothing."""
    report, seal, sender = run.report, run.arrival.seal, run.sender
    received = to_micros(run.arrival.received_at)
    clean = report.sequence == sender.tip_sequence + 1 and report.previous == sender.tip_hash
    fork = Fork() if clean else find_fork(connection, report, seal.hash, sender)
    held = run.held or ("fork" if fork.hold_this else "")
    flags = (*run.flags, "fork") if fork.found else run.flags
    statuses = Counter([result.status for result in report.results])
    inserted = _RECEIPT(
        connection,
        (
            report.run,
            report.agent,
            report.sequence,
            report.previous,
            seal.hash,
            seal.signature,
            report.site,
            report.profile.id,
            report.profile.version,
            report.plan_digest,
            report.trigger.value,
            report.stage,
            report.operator,
            report.fingerprint,
            to_micros(report.ended),
            received,
            run.effective_at,
            run.offset_ms,
            held,
            ",".join(flags),
            *(statuses[status] for status in Status),
            report.dropped.runs,
        ),
    )
    if inserted.rowcount != 1:
        return Folded(_again(connection, run, epoch, received))
    _DOCUMENT(connection, (report.run, _compressor.compress(run.arrival.body), len(run.arrival.body)))
    if fork.hold_others:
        hold_branch(connection, fork.hold_others)
        sender.tip_sequence, sender.tip_hash = tip(connection, report.agent)
    elif held != "fork" and report.sequence > sender.tip_sequence:
        sender.tip_sequence, sender.tip_hash = report.sequence, seal.hash
    _HEARTBEAT(connection, (received, run.offset_ms, sender.tip_sequence, sender.tip_hash, sender.agent))
    targets = {t.name: _target(connection, report.site, t.name, t.id, received) for t in report.targets}
    if held:
        _AUDIT(connection, (received, f"agent:{report.agent}", "hold", f"run:{report.run}", held))
        return Folded(_stored(run, epoch, held, targets))
    changed = fold(connection, run, targets, flags)
    return Folded(_stored(run, epoch, "", targets), changed)


def fold(
    connection: Connection, run: Examined, targets: dict[str, str], flags: tuple[str, ...]
) -> tuple[int, ...]:
    """Put a recorded run into the history of its targets; the ids of the episodes it changed."""
    report, sender = run.report, run.sender
    place = (run.effective_at, report.run)
    token = may_bind(connection, sender.unbound_token, report)
    counted = count(connection, report, targets, run.effective_at, bind_under=token)
    if token is not None:
        _BOUND_TOKEN(connection, (to_micros(run.arrival.received_at), token))
        sender.unbound_token = None
    eligible = sum(len(part.entries) for part in counted)
    if eligible < len(report.results):
        mark = "adhoc" if eligible == 0 else "part-adhoc"
        _FLAGS(connection, (",".join((*flags, mark)), report.run))
    changed: list[int] = []
    for part in counted:
        inserted = insert_run(
            connection, part.target, report.site, place, part.scope, part.entries, part.accepted
        )
        touched = {finding.id: finding for finding in inserted.changed}
        if inserted.spoken:
            back = came_back(connection, part.target, inserted.spoken, run.effective_at)
            touched |= {finding.id: finding for finding in back}
        changed += refold(connection, part.target, report.site, list(touched.values()))
    return tuple(changed)


def _again(connection: Connection, run: Examined, epoch: str, received: int) -> Answer:
    """The answer to a run id that is stored already: 200 for the same body, 409 for another."""
    row = _KNOWN.row(connection, (run.report.run,))
    assert row is not None
    if row[0] == run.arrival.seal.hash:
        return Answer(200, _ack(run, "same", epoch, row[1], {}))
    detail = f"sent {run.arrival.seal.hash[:16]}…, stored {row[0][:16]}…"
    _AUDIT(connection, (received, f"agent:{run.report.agent}", "conflict", f"run:{run.report.run}", detail))
    return refuse(409, "another run has this id", "a run with this id and another body is stored")


def _stored(run: Examined, epoch: str, held: str, targets: dict[str, str]) -> Answer:
    return Answer(201, _ack(run, "new", epoch, held, targets))


def _ack(run: Examined, status: str, epoch: str, held: str, targets: dict[str, str]) -> Ack:
    path = f"/runs/{run.report.run}"
    return Ack(run.report.run, status, epoch, run.sender.tip_sequence, held, path, targets)


def _target(connection: Connection, site: str, name: str, registered: str, now: int) -> str:
    """The id of a target of a site; a registered one that changed its name keeps its id."""
    found = _TARGET(connection, (site, name)).scalar()
    if found is not None:
        return str(found)
    if registered and _TARGET_BY_ID(connection, (name, registered, site)).rowcount == 1:
        return registered
    _TARGET_ADD(connection, (new_run_id(), site, name, now))
    return str(_TARGET(connection, (site, name)).scalar_one())
