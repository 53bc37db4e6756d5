"""Working out episodes and their shares again after somebody edited what they were derived from."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import episodes, history
from server.tables import Binding, Episode, EpisodeShare


def refold_project(session: Session, project_id: str) -> None:
    """After an edit of a project's assignments or handovers."""
    targets = sa.select(Binding.target_id).where(Binding.project_id == project_id).distinct()
    refold_targets(session, session.scalars(targets))


def refold_targets(session: Session, targets: Iterable[str]) -> None:
    """After an edit of what these targets are held to. Locks them in id order, as every writer does."""
    session.flush()
    connection = session.connection()
    ordered = sorted(targets)
    for target in ordered:
        history.lock(connection, target)
    for target in ordered:
        episodes.refold_target(connection, target)
    # The fold writes rows behind the session's back.
    for row in session:
        if isinstance(row, Episode | EpisodeShare):
            session.expire(row)
