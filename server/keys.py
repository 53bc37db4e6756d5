"""The collector's key pairs, made with the store: one to sign what it publishes, one to open what is sealed.

They lie in the store because several processes share it: whoever can read the store can publish in its name.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy.orm import Session

from server.errors import NotFound
from server.tables import ServerKey

if TYPE_CHECKING:
    from collections.abc import Sequence

Purpose = Literal["sign", "seal"]


def make_keys(session: Session, now: datetime) -> None:
    """Make the key of each purpose that has none in use. Calling it again changes nothing."""
    for purpose in ("sign", "seal"):
        if _newest(session, purpose) is None:
            key = Ed25519PrivateKey.generate() if purpose == "sign" else X25519PrivateKey.generate()
            public, private = key.public_key().public_bytes_raw(), key.private_bytes_raw()
            session.add(ServerKey(purpose=purpose, public=public, private=private, created_at=now))
    session.flush()


def public_key(session: Session, purpose: Purpose) -> bytes:
    """The public key in use (raw); raises `NotFound` for a store that was never initialised."""
    return _in_use(session, purpose).public


def signing_key(session: Session) -> Ed25519PrivateKey:
    """What the collector signs with; raises `NotFound`."""
    return Ed25519PrivateKey.from_private_bytes(_in_use(session, "sign").private)


def opening_keys(session: Session) -> Sequence[X25519PrivateKey]:
    """Every key that files may have been sealed for, newest first: a file may be long on its way."""
    rows = session.scalars(
        sa.select(ServerKey).where(ServerKey.purpose == "seal").order_by(ServerKey.id.desc())
    )
    return [X25519PrivateKey.from_private_bytes(row.private) for row in rows]


def _in_use(session: Session, purpose: Purpose) -> ServerKey:
    found = _newest(session, purpose)
    if found is None:
        raise NotFound("this store has no keys of its own; run `firstlight server init`")
    return found


def _newest(session: Session, purpose: str) -> ServerKey | None:
    query = sa.select(ServerKey).where(ServerKey.purpose == purpose, ServerKey.retired_at.is_(None))
    return session.scalar(query.order_by(ServerKey.id.desc()).limit(1))
