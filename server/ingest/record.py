"""Record a sound run: receipt, document, heartbeat, fold; all in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection
from zstandard import ZstdCompressor

from checks.envelope import Ack
from checks.ids import new_run_id
from checks.model import RunReport, Status
from server.episodes import came_back, refold, refold_target
from server.history import insert_run
from server.ingest.arrival import Answer, refuse
from server.ingest.chain import FORK, STRANGER, Fork, find_fork, hold, is_stranger, tip
from server.ingest.eligible import count, may_bind
from server.ingest.examine import Examined
from server.ingest.stored import stored_run, targets_of
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
_BELOW = Sql("SELECT MAX(sequence) FROM receipt WHERE agent_id = ? AND sequence < ?")
_DOCUMENT = Sql("INSERT INTO document (run_id, body, size) VALUES (?, ?, ?)")
_HEARTBEAT = Sql(
    "UPDATE agent SET last_seen_at = ?, clock_offset_ms = COALESCE(?, clock_offset_ms), tip_sequence = ?,"
    " tip_hash = ? WHERE id = ?"
)
_FLAGS = Sql("UPDATE receipt SET flags = ? WHERE id = ?")
_HELD = Sql("UPDATE receipt SET held = ? WHERE id = ?")
_TARGET = Sql("SELECT id FROM target WHERE site_id = ? AND name = ?")
_TARGET_BY_ID = Sql("UPDATE target SET name = ? WHERE id = ? AND site_id = ?")
_TARGET_ADD = Sql(
    "INSERT INTO target (id, site_id, name, created_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (site_id, name) DO NOTHING"
)
_BOUND_TOKEN = Sql("UPDATE enrolment_token SET bound_at = ? WHERE token_hash = ?")
_REPLACED = Sql(
    "INSERT INTO replaced_run (agent_id, sequence, run_id) VALUES (?, ?, ?)"
    " ON CONFLICT (agent_id, sequence, run_id) DO NOTHING"
)
_ARRIVED = Sql("SELECT 1 FROM receipt WHERE id = ? AND agent_id = ?")
_AUDIT = Sql("INSERT INTO audit_entry (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")

_compressor = ZstdCompressor(level=3)


@dataclass(frozen=True, slots=True)
class Folded:
    """A recorded run and the episodes that it opened, closed or changed."""

    answer: Answer
    episodes: tuple[int, ...] = ()


def record(connection: Connection, run: Examined, epoch: str) -> Folded:
    """Store a run once and fold it. The same run again is 200 and changes nothing.

    The caller has locked its sender's tip (`chain.lock_tips`).
    """
    report, seal, sender = run.report, run.arrival.seal, run.sender
    received = to_micros(run.arrival.received_at)
    clean = report.sequence == sender.tip_sequence + 1 and report.previous == sender.tip_hash
    fork = Fork() if clean else find_fork(connection, report, seal.hash, sender, received)
    held = FORK if fork.hold_this else run.held
    flags = (*run.flags, FORK) if fork.found else run.flags
    if is_stranger(report, sender):
        flags = (*flags, STRANGER)
    held_before = report.sequence - 1 if clean else _held_below(connection, report)
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
    changed = settle(connection, fork)
    if fork.hold_others or fork.free:
        sender.tip_sequence, sender.tip_hash = tip(connection, report.agent)
    elif held != FORK and report.sequence > sender.tip_sequence:
        sender.tip_sequence, sender.tip_hash = report.sequence, seal.hash
    offset = run.offset_ms if run.arrival.sent_at is not None else None  # a file carries no clock
    _HEARTBEAT(connection, (received, offset, sender.tip_sequence, sender.tip_hash, sender.agent))
    targets = {t.name: _target(connection, report.site, t.name, t.id, received) for t in report.targets}
    if report.replaces is not None:
        _note_replaced(connection, report, received)
    if held:
        _AUDIT(connection, (received, f"agent:{report.agent}", "hold", f"run:{report.run}", held))
        return Folded(_stored(run, epoch, held, targets, held_before), changed)
    changed += fold(connection, run, targets, flags)
    return Folded(_stored(run, epoch, "", targets, held_before), changed)


def _note_replaced(connection: Connection, report: RunReport, received: int) -> None:
    """Say in the audit trail that a run was made anew to take something out of it, and whether the one with
    it in had arrived all the same: somebody has to decide about that. Its number is no gap from now on.
    """
    for sequence in report.replaced:
        if sequence < report.sequence:
            _REPLACED(connection, (report.agent, sequence, report.run))
    arrived = _ARRIVED(connection, (report.replaces, report.agent)).first() is not None
    detail = f"by {report.run}, redacted further" + ("; the old run had arrived" if arrived else "")
    _AUDIT(connection, (received, f"agent:{report.agent}", "replaced", f"run:{report.replaces}", detail))


def settle(connection: Connection, fork: Fork) -> tuple[int, ...]:
    """Hold what has to step back and fold what no longer has to; the ids of the episodes that changed."""
    hold(connection, fork.hold_others)
    changed: tuple[int, ...] = ()
    for id in fork.free:
        changed += fold_stored(connection, id)
    return changed


def fold_stored(connection: Connection, id: str) -> tuple[int, ...]:
    """Let a held run of the chain count after all, unless its clock forbids it or its document is gone."""
    run = stored_run(connection, id)
    if run is None:
        return ()
    _HELD(connection, (run.held, id))
    return () if run.held else fold(connection, run, targets_of(connection, run), run.flags)


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
        if part.replanned:  # what the plan before had and this one has not, lapses
            changed += refold_target(connection, part.target)
        else:
            changed += refold(connection, part.target, report.site, list(touched.values()))
    return tuple(changed)


def _again(connection: Connection, run: Examined, epoch: str, received: int) -> Answer:
    """The answer to a run id that is stored already: 200 for the same body, 409 for another."""
    row = _KNOWN.row(connection, (run.report.run,))
    assert row is not None
    if row[0] == run.arrival.seal.hash:
        return Answer(200, _ack(run, "same", epoch, row[1], {}, _held_below(connection, run.report)))
    detail = f"sent {run.arrival.seal.hash[:16]}…, stored {row[0][:16]}…"
    _AUDIT(connection, (received, f"agent:{run.report.agent}", "conflict", f"run:{run.report.run}", detail))
    return refuse(409, "another run has this id", "a run with this id and another body is stored")


def _held_below(connection: Connection, report: RunReport) -> int:
    """The highest number below this run's own that the store holds, in whatever branch; 0 where none is."""
    return _BELOW(connection, (report.agent, report.sequence)).scalar() or 0


def _stored(run: Examined, epoch: str, held: str, targets: dict[str, str], before: int) -> Answer:
    return Answer(201, _ack(run, "new", epoch, held, targets, before))


def _ack(run: Examined, status: str, epoch: str, held: str, targets: dict[str, str], before: int) -> Ack:
    path = f"/runs/{run.report.run}"
    highest = run.sender.tip_sequence
    return Ack(run.report.run, status, epoch, highest, held, path, targets, run.sender.rules, before)


def _target(connection: Connection, site: str, name: str, registered: str, now: int) -> str:
    """The id of a target of a site; a registered one that changed its name keeps its id."""
    found = _TARGET(connection, (site, name)).scalar()
    if found is not None:
        return str(found)
    if registered and _TARGET_BY_ID(connection, (name, registered, site)).rowcount == 1:
        return registered
    _TARGET_ADD(connection, (new_run_id(), site, name, now))
    return str(_TARGET(connection, (site, name)).scalar_one())
