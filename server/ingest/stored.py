"""A run that was stored before, as ingest needs it to fold it now."""

from __future__ import annotations

from sqlalchemy import Connection
from zstandard import ZstdDecompressor

from checks.envelope import Seal
from checks.model import decode_report
from server.ingest.arrival import Arrival
from server.ingest.examine import Examined, held_for_skew, senders
from server.sql import Sql
from server.tables.base import from_micros

_RECEIPT = Sql(
    "SELECT agent_id, hash, signature, site_id, observed_at, received_at, effective_at, offset_ms, flags"
    " FROM receipt WHERE id = ?"
)
_DOCUMENT = Sql("SELECT body, size FROM document WHERE run_id = ?")
_TARGETS = Sql("SELECT name, id FROM target WHERE site_id = ?")


def stored_run(connection: Connection, run: str) -> Examined | None:
    """A stored run with the effective time that was fixed when it arrived; None where its document is gone.

    `held` says whether its clock alone would still keep it from being folded.
    """
    document = _DOCUMENT.row(connection, (run,))
    row = _RECEIPT.row(connection, (run,))
    if document is None or row is None:
        return None
    agent, body_hash, signature, _, observed, received, effective, offset_ms, flags = row
    body = ZstdDecompressor().decompress(bytes(document[0]), max_output_size=document[1])
    return Examined(
        Arrival(Seal(agent, run, body_hash, signature), body, from_micros(received)),
        decode_report(body),
        senders(connection, [agent])[agent],
        effective,
        offset_ms,
        held_for_skew(observed, received, offset_ms),
        tuple(filter(None, flags.split(","))),
    )


def targets_of(connection: Connection, run: Examined) -> dict[str, str]:
    """The ids that a stored run's targets were registered under, by name."""
    known = dict(_TARGETS.rows(connection, (run.report.site,)))
    return {target.name: str(known[target.name]) for target in run.report.targets}
