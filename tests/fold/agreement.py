"""A history brought to a store, and the store held against the reference fold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from histories import History
from history_readout import Stored, stored
from history_store import RECEIVED, arrive, found
from history_words import Finding, Past
from reference import history as reference_history

from server.db import Database, open_database


@contextmanager
def store_in_memory(content: sqlite3.Connection) -> Iterator[Database]:
    """A copy of a store: folding in memory is the same as in a file, and no disk is waited for."""
    db = open_database("sqlite://")
    content.backup(content_of(db))
    yield db
    db.close()


def content_of(db: Database) -> sqlite3.Connection:
    """The one connection that a store in memory consists of."""
    with closing(db.engine.raw_connection()) as raw:
        assert isinstance(raw.driver_connection, sqlite3.Connection)
        return raw.driver_connection


def agree(db: Database, history: History) -> None:
    with db.write() as session:
        found(session, history)


def deliver(db: Database, history: History, order: Sequence[int]) -> Stored:
    """What the store holds after the runs arrived in that order."""
    for _ in arrive(db, history, order):
        pass
    with db.read() as session:
        return stored(session, RECEIVED)


def assert_agrees(got: Stored, history: History) -> None:
    """The store holds exactly what the reference makes of the history."""
    wanted = reference_history(history.world, history.runs)
    assert got.pasts.keys() == wanted.keys()
    for finding, past in wanted.items():
        assert got.pasts[finding].changes == past.changes, finding
        assert rounded(got.pasts[finding]) == rounded(past), finding
        newest = past.changes[-1]
        now = (newest.at, newest.status, newest.severity, newest.cause, newest.rule)
        assert got.present[finding][:5] == now, finding
    assert_reasons(got, wanted)


def rounded(past: Past) -> list[dict[str, object]]:
    """Episodes field by field, shares to 9 digits: adding 0.1 and 0.2 leaves dust."""
    told = []
    for episode in past.episodes:
        shares = {engineer: round(share, 9) for engineer, share in episode.shares.items()}
        fields = vars(episode) | {"shares": shares}
        del fields["share_reasons"]
        told.append(fields)
    return told


def assert_reasons(got: Stored, wanted: dict[Finding, Past]) -> None:
    """Each share is given a reason for which its engineer is charged."""
    for finding, past in wanted.items():
        for episode in past.episodes:
            for engineer, reasons in episode.share_reasons.items():
                assert got.share_reasons[finding, episode.opened_run, engineer] in reasons
