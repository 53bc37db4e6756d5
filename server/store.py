"""The one row that says which life of the store this is."""

from __future__ import annotations

import secrets
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import audit, keys
from server.errors import NotFound
from server.tables import Store

ONLY = 1


def found_store(session: Session, now: datetime, *, example_data: bool = False) -> str:
    """The store's epoch; a store without one gets it here, and the keys it lacks. Calling it again changes
    nothing.
    """
    store = session.get(Store, ONLY)
    if store is None:
        store = Store(id=ONLY, epoch=secrets.token_hex(8), created_at=now, example_data=example_data)
        session.add(store)
        session.flush()
    keys.make_keys(session, now)
    return store.epoch


def epoch(session: Session) -> str:
    """The epoch that acknowledgements carry; raises `NotFound` for a store that was never initialised."""
    value = session.scalar(sa.select(Store.epoch).where(Store.id == ONLY))
    if value is None:
        raise NotFound("this store was never initialised; run `firstlight server init`")
    return value


def begin_new_life(session: Session, *, by: str, now: datetime) -> tuple[str, str]:
    """Another epoch, after a restore from a backup; the one before and the new one.

    Raises `NotFound` for a store that was never initialised.
    """
    before, after = epoch(session), secrets.token_hex(8)
    session.execute(sa.update(Store).where(Store.id == ONLY).values(epoch=after))
    audit.record(session, now, by, "restored", "store:1", f"epoch {before} ended, {after} began")
    return before, after
