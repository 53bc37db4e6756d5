"""What needs two people: an episode's severity, cause or retirement, and the exclusion of a KPI unit.

One proposes, somebody else approves who is not charged for the case; whoever asks for another cause must
not be charged either. Both values stay on record, and a decision counts only once it is approved.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from checks.model import Severity
from server import audit
from server.auth.account import Account
from server.delivery.names import existing
from server.errors import Forbidden, NotFound, Refused
from server.tables import Decision, Episode, EpisodeShare, Finding, User

Kind = Literal["severity", "cause", "exclusion", "retirement"]
Cause = Literal["implementation", "product", "environment", "third_party", "unknown"]
ExclusionReason = Literal[
    "customer-request", "data-error", "planned-maintenance", "force-majeure", "duplicate"
]

CAUSES: Final = get_args(Cause)
EXCLUSION_REASONS: Final = get_args(ExclusionReason)
COUNTED, EXCLUDED = "counted", "excluded"
LAPSED, RETIRED = "lapsed", "retired"

BASE_CAUSE: Final[dict[str, Cause]] = {
    "vendor": "implementation",
    "customer-it": "environment",
    "dba": "environment",
    "network": "environment",
    "product": "product",
    "third-party": "third_party",
}
"""The cause a finding starts with, by its check's owner; any other owner is unknown."""


def propose_severity(
    session: Session, finding_id: int, at: datetime, new: str, reason: str, *, by: Account, now: datetime
) -> Decision:
    """Ask for another severity of the episode that covers `at`."""
    levels = [level.value for level in Severity]
    if new not in levels:
        raise BadInput(f"severity is {new!r}; right is one of {', '.join(levels)}")
    episode = episode_at(session, finding_id, at, now)
    return _propose(session, "severity", episode, at, new, reason, by, now)


def propose_cause(
    session: Session, finding_id: int, at: datetime, new: str, reason: str, *, by: Account, now: datetime
) -> Decision:
    """Ask for another cause of the episode that covers `at`; nobody charged for it may ask."""
    if new not in CAUSES:
        raise BadInput(f"cause is {new!r}; right is one of {', '.join(CAUSES)}")
    episode = episode_at(session, finding_id, at, now)
    if by.engineer_id in charged_for(session, episode.id):
        raise Forbidden("who is charged for this episode cannot ask for another cause of it")
    return _propose(session, "cause", episode, at, new, reason, by, now)


def propose_retirement(
    session: Session, finding_id: int, at: datetime, reason: str, *, by: Account, now: datetime
) -> Decision:
    """Ask to put a lapsed episode away: what it was about is gone for good. It still never counts as closed,
    and if the finding fails again it is open again.
    """
    episode = episode_at(session, finding_id, at, now)
    if episode.lapsed_at is None or at < episode.lapsed_at:
        raise Refused(f"at {at.isoformat()} the episode had not lapsed; only a lapsed one is retired")
    return _propose(session, "retirement", episode, at, RETIRED, reason, by, now)


def propose_exclusion(
    session: Session, kpi: str, unit: str, reason: str, note: str, *, by: Account, now: datetime
) -> Decision:
    """Ask to leave a unit out of a KPI, for one of the typed reasons; `note` says more in words."""
    if reason not in EXCLUSION_REASONS:
        raise BadInput(f"reason is {reason!r}; right is one of {', '.join(EXCLUSION_REASONS)}")
    if not note.strip() or len(note) > 1000:
        raise BadInput("an exclusion needs a note of 1 to 1000 characters that the approver can judge")
    engineers_of_unit(session, kpi, unit, now)
    standing = sa.select(Decision).where(
        Decision.kind == "exclusion",
        Decision.kpi == kpi,
        Decision.unit == unit,
        Decision.rejected_at.is_(None),
    )
    before = session.scalars(standing).first()
    if before is not None:
        state = "excluded" if before.approved_at is not None else "proposed for exclusion"
        raise Refused(f"unit {unit} of {kpi} is already {state} (decision {before.id})")
    row = Decision(
        kind="exclusion",
        kpi=kpi,
        unit=unit,
        old_value=COUNTED,
        new_value=f"{EXCLUDED}: {note.strip()}",
        reason=reason,
        proposed_by=by.login,
        proposed_at=now,
    )
    return _added(session, row, f"unit:{kpi}/{unit}", by, now)


def approve(session: Session, decision_id: int, *, by: Account, now: datetime) -> Decision:
    """Let a proposal count.

    Raises `Forbidden` for the proposer and for whoever is charged, `Refused` where it was decided already
    or where the value has changed since it was proposed.
    """
    row = existing(session, Decision, decision_id, lock=True)
    _second_person(session, row, by)
    if row.kind == "exclusion":
        assert row.kpi is not None and row.unit is not None
        charged = engineers_of_unit(session, row.kpi, row.unit, now)
    else:
        episode = _episode_of(session, row, now)
        charged = charged_for(session, episode.id)
        if effective(session, row.kind, episode, now) != row.old_value:
            raise Refused(f"the {row.kind} is no longer {row.old_value}; reject this and propose anew")
    if by.engineer_id is not None and by.engineer_id in charged:
        raise Forbidden("who is charged for a case cannot decide on it")
    return _decide(session, row, {"approved_by": by.login, "approved_at": now}, "approve", by, now)


def reject(session: Session, decision_id: int, *, by: Account, now: datetime) -> Decision:
    """Turn a proposal down, or take back one's own; it stays on record."""
    row = existing(session, Decision, decision_id, lock=True)
    return _decide(session, row, {"rejected_at": now}, "reject", by, now)


def episode_at(session: Session, finding_id: int, at: datetime, now: datetime) -> Episode:
    """The finding's episode that covers a moment; raises `NotFound` where there is none."""
    existing(session, Finding, finding_id)
    if at > now:
        raise BadInput(f"{at.isoformat()} has not come yet")
    covering = sa.select(Episode).where(
        Episode.finding_id == finding_id,
        Episode.opened_at <= at,
        sa.or_(Episode.closed_at.is_(None), Episode.closed_at >= at),
    )
    episode = session.scalar(covering.order_by(Episode.opened_at.desc()).limit(1))
    if episode is None:
        raise NotFound(f"finding {finding_id} has no episode at {at.isoformat()}")
    return episode


def effective(session: Session, kind: str, episode: Episode, now: datetime) -> str:
    """An episode's severity or cause after the latest approved decision, else what it began with.

    For a retirement: its state, ``retired`` where two people put it away since it lapsed.
    """
    since = episode.opened_at
    if kind == "retirement":
        if episode.lapsed_at is None:
            return episode.state
        since = episode.lapsed_at
    latest = (
        sa.select(Decision.new_value)
        .where(
            Decision.kind == kind,
            Decision.finding_id == episode.finding_id,
            Decision.approved_at.is_not(None),
            Decision.at >= since,
            Decision.at <= (episode.closed_at or now),
        )
        .order_by(Decision.approved_at.desc(), Decision.id.desc())
        .limit(1)
    )
    decided = session.scalar(latest)
    if decided is not None:
        return decided
    if kind == "severity":
        return episode.severity
    if kind == "retirement":
        return episode.state
    return BASE_CAUSE.get(existing(session, Finding, episode.finding_id).owner, "unknown")


def charged_for(session: Session, episode_id: int) -> set[str]:
    """The engineers who hold a share of an episode."""
    shares = sa.select(EpisodeShare.engineer_id).where(EpisodeShare.episode_id == episode_id)
    return set(session.scalars(shares))


def engineers_of_unit(session: Session, kpi: str, unit: str, now: datetime) -> set[str]:
    """The engineers who hold a share of a KPI's unit, or of an episode that it rests on.

    Raises `NotFound` for an unknown KPI or unit.
    """
    # The figures read decisions, so they import this module.
    from server.kpi import figures

    found = figures.unit(session, kpi, unit, as_of=now)
    evidence = sa.select(EpisodeShare.engineer_id).where(EpisodeShare.episode_id.in_(found.evidence.episodes))
    return {*found.shares, *session.scalars(evidence)}


def _propose(
    session: Session,
    kind: Kind,
    episode: Episode,
    at: datetime,
    new: str,
    reason: str,
    by: Account,
    now: datetime,
) -> Decision:
    if not reason.strip() or len(reason) > 1000:
        raise BadInput("a change needs a reason of 1 to 1000 characters that the approver can judge")
    old = effective(session, kind, episode, now)
    if new == old:
        raise Refused(f"the {kind} of this episode already is {old}")
    pending = sa.select(Decision.id).where(
        Decision.kind == kind,
        Decision.finding_id == episode.finding_id,
        Decision.at >= episode.opened_at,
        Decision.at <= (episode.closed_at or now),
        Decision.approved_at.is_(None),
        Decision.rejected_at.is_(None),
    )
    waiting = session.scalar(pending)
    if waiting is not None:
        raise Refused(f"another {kind} of this episode is already proposed (decision {waiting})")
    row = Decision(
        kind=kind,
        finding_id=episode.finding_id,
        at=at,
        old_value=old,
        new_value=new,
        reason=reason.strip(),
        proposed_by=by.login,
        proposed_at=now,
    )
    return _added(session, row, f"finding:{episode.finding_id}", by, now)


def _added(session: Session, row: Decision, subject: str, by: Account, now: datetime) -> Decision:
    session.add(row)
    session.flush()
    detail = f"decision {row.id}: {row.kind} {row.old_value} → {row.new_value}: {row.reason}"
    audit.record(session, now, by.login, "propose", subject, detail)
    return row


def _second_person(session: Session, row: Decision, by: Account) -> None:
    proposer = session.scalar(sa.select(User).where(User.login == row.proposed_by))
    engineer = proposer.engineer_id if proposer is not None else None
    # A second login does not make a second person.
    if by.login == row.proposed_by or (engineer is not None and engineer == by.engineer_id):
        raise Forbidden("a second person must approve this; whoever proposed it cannot")


def _episode_of(session: Session, row: Decision, now: datetime) -> Episode:
    assert row.finding_id is not None and row.at is not None
    return episode_at(session, row.finding_id, row.at, now)


def _decide(
    session: Session, row: Decision, values: dict[str, object], action: str, by: Account, now: datetime
) -> Decision:
    decided = session.execute(
        sa.update(Decision)
        .where(Decision.id == row.id, Decision.approved_at.is_(None), Decision.rejected_at.is_(None))
        .values(**values)
        .returning(Decision.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if decided is None:
        raise Refused(f"decision {row.id} was already {'approved' if row.approved_at else 'rejected'}")
    session.refresh(row)
    subject = f"finding:{row.finding_id}" if row.finding_id is not None else f"unit:{row.kpi}/{row.unit}"
    audit.record(session, now, by.login, action, subject, f"decision {row.id}")
    return row
