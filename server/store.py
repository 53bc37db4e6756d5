"""The one row that says which life of the store this is."""

from __future__ import annotations

import secrets
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import keys
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
