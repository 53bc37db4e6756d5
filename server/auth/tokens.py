"""API tokens: a random text that acts as its user until it expires or is revoked."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import audit
from server.auth.account import Account
from server.auth.secret import digest_of, new_secret
from server.auth.sessions import account_of
from server.errors import NotFound
from server.tables import ApiToken, User

LONGEST = timedelta(days=366)


def issue_api_token(
    session: Session, user_id: int, label: str, valid_for: timedelta, *, by: str, now: datetime
) -> str:
    """A token to be shown once; `label` says what it is for."""
    if not label.strip() or len(label) > 100:
        raise BadInput("a token needs a label of 1 to 100 characters that says what it is for")
    if not timedelta(0) < valid_for <= LONGEST:
        raise BadInput(f"a token is valid for up to {LONGEST.days} days")
    text = new_secret("fla")
    row = ApiToken(
        token_hash=digest_of(text), user_id=user_id, label=label, created_at=now, expires_at=now + valid_for
    )
    session.add(row)
    audit.record(session, now, by, "issue-api-token", f"token:{public_id(text)}", label)
    return text


def revoke_api_token(session: Session, token_id: str, *, owner: int | None, by: str, now: datetime) -> None:
    """Revoke the token whose hash begins with `token_id`; `owner` limits it to a user's own."""
    mine = sa.true() if owner is None else ApiToken.user_id == owner
    revoked = session.execute(
        sa.update(ApiToken)
        .where(ApiToken.token_hash == token_hash_of(session, token_id), ApiToken.revoked_at.is_(None), mine)
        .values(revoked_at=now)
        .returning(ApiToken.label)
    ).one_or_none()
    if revoked is None:
        raise NotFound(f"there is no valid token {token_id}")
    audit.record(session, now, by, "revoke-api-token", f"token:{token_id}", revoked[0])


def public_id(token: str) -> str:
    """What a token is called in lists and in the audit trail: the first 12 digits of its hash."""
    return digest_of(token)[:12]


def token_hash_of(session: Session, token_id: str) -> str:
    """The stored hash that a token's public id (its first 12 digits) stands for."""
    if len(token_id) != 12:
        return ""
    like = ApiToken.token_hash.startswith(token_id, autoescape=True)
    return session.scalar(sa.select(ApiToken.token_hash).where(like)) or ""


def account_of_token(session: Session, token: str, now: datetime) -> Account | None:
    """Who the bearer of this token acts as."""
    user = session.scalar(
        sa.select(User)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(
            ApiToken.token_hash == digest_of(token),
            ApiToken.expires_at > now,
            ApiToken.revoked_at.is_(None),
            User.disabled_at.is_(None),
        )
    )
    return account_of(user) if user is not None else None
