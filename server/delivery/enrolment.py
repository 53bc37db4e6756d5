"""How a machine becomes an agent: a one-time token names the site, the machine brings its public key."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import shlex
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.envelope import Enrolled, Enrolment
from checks.errors import BadInput
from checks.machines import same_machine
from server import audit, keys, store
from server.auth.secret import digest_of, new_secret
from server.delivery.names import existing, expected_interval
from server.errors import Forbidden, Refused
from server.tables import AgentKey, AgentRow, EnrolmentToken, Project, Receipt, Site, TargetRow

LONGEST = timedelta(days=31)
KEY_BYTES = 32
LONGEST_REASON = 500
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def issue_enrolment_token(
    session: Session,
    site_id: str,
    *,
    by: str,
    now: datetime,
    project_id: str | None = None,
    profile_id: str = "",
    interval_s: int = 86_400,
    valid_for: timedelta = timedelta(hours=24),
) -> str:
    """A one-time permission for one machine to report for a site; only its SHA-256 is stored.

    The first plan reported under it is accepted together with a binding to `project_id`, or to the site.
    """
    existing(session, Site, site_id)
    if project_id is not None and existing(session, Project, project_id).site_id != site_id:
        raise Refused(f"project {project_id} is not at site {site_id}")
    if not timedelta(0) < valid_for <= LONGEST:
        raise BadInput(f"a token is valid for up to {LONGEST.days} days")
    expected_interval(interval_s)
    if len(profile_id) > 200:
        raise BadInput("a profile's id has at most 200 characters")
    text = new_secret("fle")
    session.add(
        EnrolmentToken(
            token_hash=digest_of(text),
            site_id=site_id,
            project_id=project_id,
            profile_id=profile_id,
            interval_s=interval_s,
            created_by=by,
            created_at=now,
            expires_at=now + valid_for,
        )
    )
    detail = f"for {project_id or 'the site'}, until {(now + valid_for).isoformat()}"
    audit.record(session, now, by, "issue-enrolment-token", f"site:{site_id}", detail)
    return text


def enrol_command(url: str, token: str) -> str:
    """What to type on the machine. The token comes over standard input, because argv is no secret."""
    parts = urlsplit(url)
    local = parts.scheme == "https" or parts.hostname in LOOPBACK
    # Without TLS the agent wants to be told that this is meant.
    flag = "" if local else " --insecure-http"
    return f"echo {token} | firstlight enrol {shlex.quote(url)} --token -{flag}"


def enrol(session: Session, asked: Enrolment, *, now: datetime) -> Enrolled:
    """Register a machine's key under a token, or its next key if it was enrolled before.

    The same machine asking again with the same key and token, because the answer was lost, gets the same
    answer. Raises `Forbidden` for a token that does not serve, `BadInput` for a malformed key or name.
    """
    key = _public_key(asked.public_key)
    _sound_names(asked)
    token = session.get(EnrolmentToken, digest_of(asked.token), with_for_update=True)
    if token is None:
        raise Forbidden("this enrolment token is not known; ask for one with `firstlight server token`")
    if token.used_at is not None:
        agent = session.get(AgentRow, token.used_by) if token.used_by else None
        if agent is None or agent.install != asked.install or _current_key(session, agent.id) != key:
            raise Forbidden("this enrolment token was already used; each token enrols one machine")
        return _answer(session, agent, token)
    if token.expires_at <= now:
        raise Forbidden(f"this enrolment token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC")
    known = session.get(AgentRow, asked.agent, with_for_update=True) if asked.agent else None
    # Without the install it had, a copied state folder would take over the original's name.
    again = known is not None and known.install == asked.install
    if again and known is not None and known.site_id != token.site_id:
        raise Forbidden(
            f"this machine reports for site {known.site_id}, the token is for {token.site_id};"
            " use a token of its site, or enrol with an empty state folder"
        )
    owner = session.execute(sa.select(AgentKey).where(AgentKey.public_key == key)).scalars().first()
    if owner is not None:
        raise Forbidden("this key was enrolled before; enrol once more: the machine then makes another")
    if again and known is not None:
        agent = known
        _rotate(session, agent, asked)
        _accept_its_branch(session, agent, asked, token, now)
    else:
        target = _target(session, token.site_id, asked, now)
        agent = AgentRow(
            id=_agent_id(asked, known),
            site_id=token.site_id,
            install=asked.install,
            fingerprint=asked.fingerprint,
            target_id=target.id,
            enrolled_at=now,
            token_hash=token.token_hash,
        )
        session.add(agent)
        session.flush()
    session.add(AgentKey(agent_id=agent.id, public_key=key, created_at=now))
    agent.token_hash = token.token_hash
    token.used_at, token.used_by = now, agent.id
    session.flush()
    action = "enrol-again" if again else "enrol"
    audit.record(
        session, now, f"agent:{agent.id}", action, f"site:{token.site_id}", f"target {agent.target_id}"
    )
    return _answer(session, agent, token)


def _agent_id(asked: Enrolment, known: AgentRow | None) -> str:
    """The id an agent had before, where this store knows nobody by it (it was restored, or is another one):
    the runs that the machine still holds name it. Otherwise a new one.
    """
    if known is None and re.fullmatch(r"a-[0-9a-f]{16}", asked.agent):
        return asked.agent
    return f"a-{secrets.token_hex(8)}"


def _rotate(session: Session, agent: AgentRow, asked: Enrolment) -> None:
    """Close the agent's keys at the highest sequence that arrived; what it still holds is signed again."""
    highest = sa.select(sa.func.max(Receipt.sequence)).where(Receipt.agent_id == agent.id)
    session.execute(
        sa.update(AgentKey)
        .where(AgentKey.agent_id == agent.id, AgentKey.last_sequence.is_(None))
        .values(last_sequence=session.scalar(highest) or 0)
    )
    # The token vouches for the machine as it is now: the same install may have moved to new hardware.
    agent.fingerprint = asked.fingerprint


def _accept_its_branch(
    session: Session, agent: AgentRow, asked: Enrolment, token: EnrolmentToken, now: datetime
) -> None:
    """A machine that stands on a held branch counts again: whoever gave it a token meant this one."""
    from server.ingest.branches import accept_branch

    held = sa.select(Receipt.id).where(
        Receipt.agent_id == agent.id, Receipt.hash == asked.last, Receipt.held == "fork"
    )
    run = session.scalar(held) if asked.last else None
    if run is not None:
        accept_branch(session, run, by=token.created_by, now=now)
        agent.fingerprint = asked.fingerprint


def _target(session: Session, site_id: str, asked: Enrolment, now: datetime) -> TargetRow:
    """The target this machine is: its old one if the fingerprint fits, else the first free name."""
    existing(session, Site, site_id, lock=True)
    name, count = asked.target, 1
    while True:
        row = session.scalar(sa.select(TargetRow).where(TargetRow.site_id == site_id, TargetRow.name == name))
        if row is None:
            row = TargetRow(id=f"t-{secrets.token_hex(8)}", site_id=site_id, name=name, created_at=now)
            session.add(row)
            session.flush()
            return row
        machines = set(session.scalars(sa.select(AgentRow.fingerprint).where(AgentRow.target_id == row.id)))
        if not machines or (asked.fingerprint and any(same_machine(m, asked.fingerprint) for m in machines)):
            return row
        count += 1
        name = f"{asked.target[:190]}-{count}"


def _current_key(session: Session, agent_id: str) -> bytes | None:
    newest = sa.select(AgentKey.public_key).where(
        AgentKey.agent_id == agent_id, AgentKey.last_sequence.is_(None), AgentKey.revoked_at.is_(None)
    )
    return session.scalar(newest.order_by(AgentKey.id.desc()).limit(1))


def answer_again(session: Session, agent: AgentRow) -> Enrolled:
    """What an agent was told when it enrolled last, for whom the answer was lost on its way."""
    return _answer(session, agent, existing(session, EnrolmentToken, agent.token_hash))


def _answer(session: Session, agent: AgentRow, token: EnrolmentToken) -> Enrolled:
    target = existing(session, TargetRow, agent.target_id)
    return Enrolled(
        agent=agent.id,
        sites=(agent.site_id,),
        target=target.name,
        target_id=target.id,
        epoch=store.epoch(session),
        profile=token.profile_id,
        interval_s=token.interval_s,
        sign_key=base64.b64encode(keys.public_key(session, "sign")).decode(),
        seal_key=base64.b64encode(keys.public_key(session, "seal")).decode(),
    )


def _sound_names(asked: Enrolment) -> None:
    """Refuse what nobody could read on a page or type in a shell; `site/…` names checks across targets."""
    for field in ("install", "fingerprint", "target", "agent_version"):
        text = getattr(asked, field)
        if not text.isprintable() or text != text.strip():
            raise BadInput(f"{field} has characters that cannot be printed, or blanks around it")
    if "/" in asked.target:
        raise BadInput(
            f"a machine cannot be called {asked.target!r}: a name has no slash; --target gives another"
        )


def _public_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("public_key is not base64") from error
    if len(raw) != KEY_BYTES:
        raise BadInput(f"public_key has {len(raw)} bytes; a raw Ed25519 key has {KEY_BYTES}")
    return raw


def revoke_agent(session: Session, agent_id: str, *, by: str, now: datetime, reason: str = "") -> AgentRow:
    """Trust no key of an agent any more; enrolling the machine again gives it a new one.

    What it makes meanwhile waits on the machine. Raises `Refused` where all its keys are revoked already.
    """
    if len(reason) > LONGEST_REASON:
        raise BadInput(f"a reason has at most {LONGEST_REASON} characters")
    agent = existing(session, AgentRow, agent_id)
    revoked = session.scalars(
        sa.update(AgentKey)
        .where(AgentKey.agent_id == agent_id, AgentKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(AgentKey.id)
    ).all()
    if not revoked:
        raise Refused(f"the keys of agent {agent_id} are already revoked")
    detail = f"{len(revoked)} key{'s' if len(revoked) != 1 else ''}" + (
        f": {reason.strip()}" if reason.strip() else ""
    )
    audit.record(session, now, by, "revoke-agent", f"agent:{agent_id}", detail)
    return agent
