"""Everything that can be said of an arrival before the store is written: who sent it, and is it sound?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
from sqlalchemy import Connection

from checks.envelope import verify
from checks.model import WIRE_VERSION, RunReport, WireVersion, decode_report
from server.ingest.arrival import Answer, Arrival, refuse
from server.sql import select_in
from server.tables.base import to_micros

SKEW_FLAGGED = timedelta(minutes=5)
SKEW_HELD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the last sequence number it may sign (None = the newest key)."""

    public: bytes
    last_sequence: int | None
    revoked: bool


@dataclass(slots=True)
class Sender:
    """An enrolled agent as ingest needs it. `unbound_token` is set until its first plan was accepted, `rules`
    is the version of what is published for its site.
    """

    agent: str
    site: str
    fingerprint: str
    tip_sequence: int
    tip_hash: str
    enrolled_at: int
    unbound_token: str | None
    rules: int = 0
    keys: list[Key] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Examined:
    """A sound run. Times in microseconds; `held` is ``skew`` where the clocks are too far apart to fold."""

    arrival: Arrival
    report: RunReport
    sender: Sender
    effective_at: int
    offset_ms: int
    held: str
    flags: tuple[str, ...]


_SENDERS = (
    "SELECT a.id, a.site_id, a.fingerprint, a.tip_sequence, a.tip_hash, a.enrolled_at, t.token_hash,"
    # Three looks at the end of an index each.
    " (SELECT COALESCE(MAX(m.version), 0) FROM ("
    "SELECT MAX(version) AS version FROM publication WHERE site_id = a.site_id"
    " UNION ALL SELECT MAX(version) FROM publication WHERE customer_id = s.customer_id"
    " UNION ALL SELECT MAX(version) FROM publication WHERE site_id IS NULL AND customer_id IS NULL) m)"
    " FROM agent a JOIN site s ON s.id = a.site_id"
    " LEFT JOIN enrolment_token t ON t.token_hash = a.token_hash AND t.bound_at IS NULL"
    " WHERE a.id IN ({})"
)
_KEYS = (
    "SELECT agent_id, public_key, last_sequence, revoked_at FROM agent_key"
    " WHERE agent_id IN ({}) ORDER BY id DESC"
)


def senders(connection: Connection, agents: Iterable[str]) -> dict[str, Sender]:
    """The enrolled agents among these ids, with their keys, newest first."""
    wanted = sorted(set(agents))
    found = {str(row[0]): Sender(*row) for row in select_in(connection, _SENDERS, wanted)}
    for agent, public, last_sequence, revoked_at in select_in(connection, _KEYS, wanted):
        if agent in found:
            found[agent].keys.append(Key(bytes(public), last_sequence, revoked_at is not None))
    return found


def examine(arrival: Arrival, sender: Sender | None, *, check_signature: bool = True) -> Examined | Answer:
    """The sound run in an arrival, or the refusal its sender gets."""
    seal = arrival.seal
    if sender is None:
        return refuse(401, "unknown agent", f"agent {seal.agent} is not enrolled here", hold=True)
    digest = hashlib.sha256(arrival.body)
    if digest.hexdigest() != seal.hash:
        return refuse(400, "torn run", "the body does not fit the hash in its seal")
    key = _signer(arrival, sender, digest.digest()) if check_signature else None
    if isinstance(key, Answer):
        return key
    report = _decode(arrival.body)
    if isinstance(report, Answer):
        return report
    if key is not None and key.last_sequence is not None and report.sequence > key.last_sequence:
        detail = f"this key signed up to run {key.last_sequence}; a newer key took over"
        return refuse(401, "rotated key", detail, hold=True)
    return _contradiction(report, arrival, sender) or _timed(arrival, report, sender)


def _signer(arrival: Arrival, sender: Sender, digest: bytes) -> Key | Answer:
    seal = arrival.seal
    for key in sender.keys:
        if verify(key.public, seal.agent, seal.run, digest, seal.signature):
            if key.revoked:
                detail = "the key that signed this run was revoked; enrol again"
                return refuse(403, "revoked key", detail, hold=True)
            return key
    return refuse(401, "bad signature", "no key of this agent signed this run", hold=True)


def _decode(body: bytes) -> RunReport | Answer:
    try:
        report = decode_report(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        newer = _newer_wire(body)
        if newer is not None:
            return newer
        text = str(error)
        problem, _, path = text.partition(" - at `")
        return refuse(400, "not a run report", problem, path=path.rstrip("`") or "$")
    return report if report.wire == WIRE_VERSION else (_newer_wire(body) or _odd_wire(report.wire))


def _odd_wire(wire: int) -> Answer:
    return refuse(400, "unknown wire version", f"{wire}; this server reads {WIRE_VERSION}", path="$.wire")


def _newer_wire(body: bytes) -> Answer | None:
    try:
        wire = msgspec.json.decode(body, type=WireVersion).wire
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if wire <= WIRE_VERSION:
        return None
    detail = f"this server reads wire version {WIRE_VERSION}, the run is {wire}; upgrade the server"
    return refuse(400, "newer wire version", detail, path="$.wire", hold=True)


def _contradiction(report: RunReport, arrival: Arrival, sender: Sender) -> Answer | None:
    """What decoding cannot see: the parts of a report must name each other, in storable text."""
    if report.agent != arrival.seal.agent:
        detail = "the body names another agent than its seal"
        return refuse(400, "another agent's run", detail, path="$.agent")
    if report.run != arrival.seal.run:
        return refuse(400, "another run", "the body names another run than its seal", path="$.run")
    if report.site != sender.site:
        detail = f"agent {sender.agent} may not report for site {report.site}; it may for {sender.site}"
        return refuse(403, "foreign site", detail, path="$.site")
    names = {target.name for target in report.targets}
    if len(names) != len(report.targets):
        return refuse(400, "double target", "two targets have one name", path="$.targets")
    seen: set[tuple[str, str]] = set()
    for index, result in enumerate(report.results):
        if result.target not in names:
            detail = f"{result.target} is not among the run's targets"
            return refuse(400, "unknown target", detail, path=f"$.results[{index}].target")
        seen.add((result.target, result.key))
    if len(seen) != len(report.results):
        return refuse(400, "double finding", "two results of one target have one key", path="$.results")
    if b"\\u0000" in arrival.body and _holds_nul(msgspec.json.decode(arrival.body)):
        return refuse(400, "unstorable text", "a text holds the character U+0000")
    return None


def _holds_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def _timed(arrival: Arrival, report: RunReport, sender: Sender) -> Examined:
    """Fix `effective_at`: the observed time corrected by the clock offset, and never after the receipt."""
    offset = arrival.received_at - arrival.sent_at if arrival.sent_at is not None else timedelta(0)
    received, offset_us = to_micros(arrival.received_at), offset // timedelta(microseconds=1)
    observed = to_micros(report.ended)
    skew = _skew(observed, received, offset_us)
    flags = ("skew",) if skew > SKEW_FLAGGED else ()
    held = "skew" if skew > SKEW_HELD else ""
    effective = max(0, min(observed + offset_us, received))
    return Examined(arrival, report, sender, effective, offset_us // 1000, held, flags)


def held_for_skew(observed: int, received: int, offset_ms: int) -> str:
    """``skew`` where the clocks of a stored run were too far apart to fold it. Times in microseconds."""
    return "skew" if _skew(observed, received, offset_ms * 1000) > SKEW_HELD else ""


def _skew(observed: int, received: int, offset_us: int) -> timedelta:
    """By how much the clocks differ: as measured, or as a run shows that claims to come from the future."""
    return timedelta(microseconds=max(abs(offset_us), observed + offset_us - received))
