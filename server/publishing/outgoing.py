"""What is published for an agent's site as the file that it takes: signed, and alike for one version."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.signed import key_name, sign
from server import keys, store
from server.errors import Refused
from server.publishing.signing import key_for, private_half
from server.publishing.standing import standing
from server.tables import AgentRow, AgentRules


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed file of rules. `key` is the public half that it can be checked with."""

    version: int
    key: bytes
    file: bytes

    @property
    def etag(self) -> str:
        return f'"{self.version}-{key_name(self.key)}"'


def rules_for(session: Session, agent: AgentRow, now: datetime) -> bytes | None:
    """The signed file for an agent, None where nothing was ever published for its site.

    To be carried to it: who asks for it over the network says itself which key it goes by (`outgoing`).
    """
    found = outgoing(session, agent)
    if found is None:
        return None
    note_fetched(session, agent.id, found, now)
    return found.file


def outgoing(session: Session, agent: AgentRow, named: str = "") -> Outgoing | None:
    """The file for an agent that names the signing key it goes by; it is signed with that key.

    Where another key is in use by now, the file announces that one. Raises `Refused` for a key that was never
    this collector's.
    """
    rules = standing(session, agent.site_id).rules()
    if rules is None:
        return None
    key = key_for(session, agent, named)
    if named and key_name(key.public) != named:
        raise Refused("the signing key that this agent goes by was never this collector's; enrol it again")
    present = keys.public_key(session, "sign")
    if key.public != present:
        rules = msgspec.structs.replace(rules, next_sign_key=base64.b64encode(present).decode())
    body = msgspec.json.encode(rules)
    file = sign("rules", store.epoch(session), body, private_half(key)).to_bytes()
    return Outgoing(rules.version, key.public, file)


def note_fetched(session: Session, agent: str, taken: Outgoing, now: datetime) -> None:
    """Remember what an agent was given."""
    row = session.get(AgentRules, agent)
    if row is None:
        session.add(AgentRules(agent_id=agent, version=taken.version, sign_key=taken.key, fetched_at=now))
    else:
        row.version, row.sign_key, row.fetched_at = taken.version, taken.key, now


def fetched_at_site(session: Session, site: str) -> list[tuple[str, int, datetime]]:
    """What the agents of a site have fetched: agent, version and when."""
    query = sa.select(AgentRules.agent_id, AgentRules.version, AgentRules.fetched_at)
    query = query.join(AgentRow, AgentRow.id == AgentRules.agent_id).where(AgentRow.site_id == site)
    return [(row[0], row[1], row[2]) for row in session.execute(query.order_by(AgentRules.agent_id))]
