"""Enrolling a machine that asks by file: whoever does it here stands where a token stands elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.carried import EnrolledByFile
from checks.envelope import Enrolled, Enrolment
from checks.errors import BadInput
from checks.signed import parse, raw_key, sign, signer
from server import keys, store
from server.delivery.enrolment import answer_again, enrol, issue_enrolment_token
from server.delivery.names import existing
from server.errors import Refused
from server.tables import AgentKey, AgentRow


def asked_in(data: bytes) -> Enrolment:
    """What a machine asks for in a file, if it holds the key that it wants enrolled; raises `BadInput`."""
    file = parse(data, "enrolment")
    try:
        asked = msgspec.json.decode(file.body, type=Enrolment)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not an enrolment: {error}") from error
    if signer(file, [raw_key(asked.public_key)]) is None:
        raise BadInput("not an enrolment: it is not signed with the key that it wants enrolled")
    return asked


def enrol_from_file(
    session: Session,
    asked: Enrolment,
    site_id: str,
    *,
    url: str,
    by: str,
    now: datetime,
    project_id: str | None = None,
    profile_id: str = "",
    interval_s: int = 86_400,
) -> tuple[Enrolled, bytes]:
    """The answer, and the signed file that carries it back. The same file again gets the same answer.

    Raises `Refused` where its key was enrolled for something else, and what enrolment raises.
    """
    known = _known(session, asked, site_id)
    if known is not None:
        answer = answer_again(session, known)
    else:
        token = issue_enrolment_token(
            session,
            site_id,
            project_id=project_id,
            profile_id=profile_id,
            interval_s=interval_s,
            valid_for=timedelta(hours=1),
            by=by,
            now=now,
        )
        answer = enrol(session, msgspec.structs.replace(asked, token=token), now=now)
    told = EnrolledByFile(answer, asked.public_key, asked.install, url)
    signing = keys.signing_key(session)
    return answer, sign("enrolled", store.epoch(session), msgspec.json.encode(told), signing).to_bytes()


def _known(session: Session, asked: Enrolment, site_id: str) -> AgentRow | None:
    """The agent that this very file enrolled before."""
    query = sa.select(AgentKey).where(AgentKey.public_key == raw_key(asked.public_key))
    key = session.scalars(query).first()
    if key is None:
        return None
    agent = existing(session, AgentRow, key.agent_id)
    if key.revoked_at is not None or key.last_sequence is not None:
        raise Refused(f"the key in this file was given up; agent {agent.id} writes a new file to be enrolled")
    if (agent.install, agent.site_id) != (asked.install, site_id):
        raise Refused(f"the key in this file is enrolled for site {agent.site_id} as agent {agent.id}")
    return agent
