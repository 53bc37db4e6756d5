"""An agent takes a new key by itself: the key it has vouches for the next one."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.envelope import KeyChange, KeyChanged, keys_path
from checks.errors import BadInput
from checks.signed import raw_key, verify_request
from server import audit
from server.errors import Forbidden, Refused
from server.tables import AgentKey, AgentRow


def rotate_key(
    session: Session,
    agent_id: str,
    *,
    body: bytes,
    signature: str,
    new_signature: str,
    now: datetime,
) -> KeyChanged:
    """Trust an agent's next key, and the present one up to the last number it was used for.

    The same new key again, because the answer was lost, gets the same answer. Raises `Forbidden` where the
    request is not signed by a key in use and by the new one, `BadInput` where it is malformed, and `Refused`
    where the new key was in use before.
    """
    try:
        change = msgspec.json.decode(body, type=KeyChange)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not a change of key: {error}") from error
    new = raw_key(change.public_key)
    path = keys_path(agent_id)
    # An unknown agent and a wrong key are told the same: who is enrolled here is nobody's business.
    agent = session.get(AgentRow, agent_id, with_for_update=True)
    keys = session.scalars(sa.select(AgentKey).where(AgentKey.agent_id == agent_id)).all()
    signer = next(
        (key for key in keys if verify_request(key.public_key, agent_id, "POST", path, body, signature)), None
    )
    if agent is None or signer is None:
        raise Forbidden("no key of this agent signed the request; enrol again")
    if signer.revoked_at is not None:
        raise Forbidden("the key that signed the request was revoked; enrol again")
    if not verify_request(new, agent_id, "POST", path, body, new_signature):
        raise Forbidden("the new key did not sign the request, so nobody has shown that it is at hand")
    known = next((key for key in keys if key.public_key == new), None)
    if known is not None:
        return _again(agent_id, change, signer, known)
    if signer.last_sequence is not None:
        raise Forbidden("the key that signed the request was replaced by another one; enrol again")
    if session.scalar(sa.select(AgentKey.id).where(AgentKey.public_key == new).limit(1)) is not None:
        raise Refused("the new key is another agent's; a key belongs to one machine")
    signer.last_sequence = change.last_sequence
    session.add(AgentKey(agent_id=agent_id, public_key=new, created_at=now))
    session.flush()
    detail = f"the key before it ends with run {change.last_sequence}"
    audit.record(session, now, f"agent:{agent_id}", "rotate-key", f"agent:{agent_id}", detail)
    return KeyChanged(agent_id, change.public_key, change.last_sequence)


def _again(agent_id: str, change: KeyChange, signer: AgentKey, known: AgentKey) -> KeyChanged:
    """The answer to a change that was made before, as long as the new key is still the one in use."""
    if known.revoked_at is not None or known.last_sequence is not None or known is signer:
        raise Refused("the new key was in use before; make another one")
    ends = change.last_sequence if signer.last_sequence is None else signer.last_sequence
    return KeyChanged(agent_id, change.public_key, ends)
