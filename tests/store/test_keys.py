"""The collector's own keys: made once with the store, one in use for each purpose."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from server import keys, store
from server.db import Database
from server.errors import NotFound
from server.tables import ServerKey

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_store_gets_one_key_for_each_purpose_and_keeps_it(db: Database) -> None:
    with db.write() as session:
        store.found_store(session, NOW)
        before = keys.public_key(session, "sign"), keys.public_key(session, "seal")
    with db.write() as session:
        store.found_store(session, NOW)
        assert (keys.public_key(session, "sign"), keys.public_key(session, "seal")) == before
        assert keys.signing_key(session).public_key().public_bytes_raw() == before[0]
        assert [key.public_key().public_bytes_raw() for key in keys.opening_keys(session)] == [before[1]]


def test_a_retired_key_is_replaced_and_still_opens_what_was_sealed_for_it(db: Database) -> None:
    with db.write() as session:
        store.found_store(session, NOW)
        old = keys.public_key(session, "seal")
        session.execute(sa.update(ServerKey).where(ServerKey.purpose == "seal").values(retired_at=NOW))
        keys.make_keys(session, NOW)
        new = keys.public_key(session, "seal")
        assert new != old
        assert [key.public_key().public_bytes_raw() for key in keys.opening_keys(session)] == [new, old]


def test_a_store_that_was_never_made_has_no_keys(db: Database) -> None:
    with db.read() as session, pytest.raises(NotFound, match="firstlight server init"):
        keys.signing_key(session)
