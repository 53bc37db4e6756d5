"""Which of the collector's signing keys an agent goes by, and how a new one takes over.

A new key is in use at once. An agent that still goes by an older one gets its rules signed with that one, and
in them the key that comes after it (`Rules.next_sign_key`); however long it was away, it finds the way.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from checks.signed import key_name
from server import audit, keys
from server.publishing.events import announce_key
from server.tables import AgentRow, AgentRules, EnrolmentToken, Micros, ServerKey


def rotate_signing_key(session: Session, *, by: str, now: datetime) -> ServerKey:
    """Sign with a new key from now on; agents learn of it by what the key before it signs for them."""
    session.execute(
        sa.update(ServerKey)
        .where(ServerKey.purpose == "sign", ServerKey.retired_at.is_(None))
        .values(retired_at=now)
    )
    keys.make_keys(session, now)
    public = keys.public_key(session, "sign")
    announce_key(session, public, by=by, now=now)
    audit.record(session, now, by, "rotate-signing-key", f"key:{key_name(public)}")
    return session.scalars(sa.select(ServerKey).where(ServerKey.public == public)).one()


def key_for(session: Session, agent: AgentRow, named: str = "") -> ServerKey:
    """The signing key that an agent goes by: the one it names (`checks.signed.key_name`), else the one it
    went by when it last fetched, else the one that was in use when it was enrolled.
    """
    every = session.scalars(
        sa.select(ServerKey).where(ServerKey.purpose == "sign").order_by(ServerKey.id.desc())
    ).all()
    enrolled = session.scalar(
        sa.select(sa.type_coerce(sa.func.max(EnrolmentToken.used_at), Micros())).where(
            EnrolmentToken.used_by == agent.id
        )
    )
    since = max(filter(None, (enrolled, agent.enrolled_at)))
    fetched = session.get(AgentRules, agent.id)
    for key in every:
        if named:
            found = key_name(key.public) == named
        elif fetched is not None and fetched.fetched_at >= since:
            found = key.public == fetched.sign_key
        else:
            found = key.created_at <= since
        if found:
            return key
    public = keys.public_key(session, "sign")
    return next(key for key in every if key.public == public)


def private_half(key: ServerKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.private)
