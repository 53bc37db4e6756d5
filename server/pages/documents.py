"""Reading stored run documents, and what the newest of them say about findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from zstandard import ZstdDecompressor, ZstdError

from checks.model import Result, RunReport, decode_report
from server.pages.open_findings import Unsettled
from server.tables import Document, TargetState, Transition

MOST_DOCUMENTS = 12
"""How many documents one page reads for the words of its findings; the rest is shown without."""


def body_of(session: Session, run_id: str) -> bytes | None:
    """The body of a run exactly as it was signed; None once it was thinned, or if it cannot be unpacked."""
    row = session.execute(
        sa.select(Document.body, Document.size).where(Document.run_id == run_id)
    ).one_or_none()
    if row is None:
        return None
    try:
        return ZstdDecompressor().decompress(row.body, max_output_size=row.size)
    except ZstdError:
        # A document this program cannot read must not take the page of its receipt away.
        return None


def report_in(body: bytes | None) -> RunReport | None:
    """The report in a body, None where there is none or a later program wrote it."""
    try:
        return decode_report(body) if body is not None else None
    except msgspec.MsgspecError:
        return None


def results_by_key(session: Session, run_ids: Sequence[str]) -> dict[str, dict[str, Result]]:
    """For each run whose document is kept, its results by key."""
    found = {}
    for run_id in islice(run_ids, MOST_DOCUMENTS):
        report = report_in(body_of(session, run_id))
        if report is not None:
            found[run_id] = {result.key: result for result in report.results}
    return found


def with_words(session: Session, findings: Sequence[Unsettled]) -> list[Unsettled]:
    """The findings with what their target's newest run said, else the run that last changed them."""
    targets = list(dict.fromkeys(finding.target_id for finding in findings))
    states = sa.select(TargetState.target_id, TargetState.run_id).where(TargetState.target_id.in_(targets))
    newest = dict(session.execute(states).all())
    said = results_by_key(session, list(dict.fromkeys(newest.values())))
    missing = [f for f in findings if f.key not in said.get(newest.get(f.target_id, ""), {})]
    changed_in = _last_change(session, [f.finding_id for f in missing])
    said |= results_by_key(session, sorted(set(changed_in.values()) - said.keys()))
    worded = []
    for finding in findings:
        result = said.get(newest.get(finding.target_id, ""), {}).get(finding.key)
        if result is None:
            result = said.get(changed_in.get(finding.finding_id, ""), {}).get(finding.key)
        if result is None or result.status.value != finding.status:
            worded.append(finding)
        else:
            worded.append(replace(finding, message=str(result.message), remedy=result.remedy))
    return worded


def _last_change(session: Session, finding_ids: Sequence[int]) -> dict[int, str]:
    """The run of each finding's newest transition."""
    if not finding_ids:
        return {}
    newest = (
        sa.select(Transition.finding_id, sa.func.max(Transition.effective_at).label("at"))
        .where(Transition.finding_id.in_(finding_ids[:500]))
        .group_by(Transition.finding_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(Transition.finding_id, Transition.run_id)
        .join(
            newest,
            sa.and_(Transition.finding_id == newest.c.finding_id, Transition.effective_at == newest.c.at),
        )
        .order_by(Transition.run_id)
    )
    return dict(rows.all())
