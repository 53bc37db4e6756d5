"""One run from the door to the answer, in a transaction of the caller's."""

from __future__ import annotations

from sqlalchemy.orm import Session

from server import store
from server.ingest.arrival import Answer, Arrival
from server.ingest.chain import lock_tips
from server.ingest.examine import examine, senders
from server.ingest.record import record


def accept(session: Session, arrival: Arrival, *, check_signature: bool = True) -> Answer:
    """Examine, record and fold one arrival; `check_signature` is off only for runs just signed here."""
    connection = session.connection()
    sender = senders(connection, [arrival.seal.agent]).get(arrival.seal.agent)
    run = examine(arrival, sender, check_signature=check_signature)
    if isinstance(run, Answer):
        return run
    lock_tips(connection, [run.sender])
    return record(connection, run, store.epoch(session)).answer
