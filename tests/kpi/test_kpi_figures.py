"""Figures over any units: weights, limits, ranks, bounds; and the cost of asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from building import found_vendor
from kpi_history import day, histories, play

from server.db import Database
from server.errors import NotFound
from server.kpi.figures import by_engineer, figure, figure_of, headlines, unit
from server.kpi.registry import GO_LIVE, KPIS, RECURRENCE, list_kpis
from server.kpi.unit import UNATTRIBUTED, Exclusion, Maturity, Unit
from server.tables import GoLive, Project

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def some(
    number: int,
    outcome: int | None = 1,
    *,
    shares: dict[str, float] | None = None,
    maturity: Maturity = Maturity.MATURE,
    excluded: bool = False,
    first: int = 0,
    left_out: int = 0,
) -> list[Unit]:
    return [
        Unit(
            kpi="first-go-live",
            id=f"p{first + index}",
            site="s",
            customer="c",
            project=f"p{first + index}",
            product="x",
            industry="trade",
            shares={"ann": 1.0} if shares is None else shares,
            outcome=outcome,
            reason="",
            matures_at=NOW + timedelta(days=index),
            maturity=maturity,
            coverage=1.0,
            exclusion=Exclusion("data-error", "carl", "dora", NOW) if excluded else None,
            left_out=left_out,
        )
        for index in range(number)
    ]


def test_the_team_counts_whole_units_once() -> None:
    units = some(18, shares={"ann": 0.5, "bo": 0.5}) + some(2, 0, shares={"bo": 0.2})
    found = figure_of(GO_LIVE, units, as_of=NOW)
    assert (found.k, found.n, found.n_eff, found.rate) == (18, 20, 20, 0.9)
    assert found.interval == pytest.approx((0.699, 0.972), abs=5e-4)
    assert not found.too_few
    assert not found.greyed


def test_an_engineer_counts_by_share_and_limits_look_at_the_effective_size() -> None:
    units = some(8, shares={"ann": 0.5}) + some(2, 0, shares={"ann": 0.5, "bo": 0.5})
    ann = figure_of(GO_LIVE, units, as_of=NOW, engineer="ann")
    assert (ann.k, ann.n, ann.n_eff, ann.rate) == (4.0, 5.0, pytest.approx(10), 0.8)
    assert not ann.too_few
    bo = figure_of(GO_LIVE, units, as_of=NOW, engineer="bo")
    assert (bo.k, bo.n, bo.rate, bo.interval, bo.bounds) == (0.0, 1.0, None, None, None)
    assert bo.unranked == "fewer than 5 units"


def test_the_shares_and_the_rest_add_up_to_the_team() -> None:
    units = some(3, shares={"ann": 0.7, "bo": 0.1}) + some(4, 0, shares={"bo": 0.4}) + some(1, shares={})
    parts = [figure_of(GO_LIVE, units, as_of=NOW, engineer=who) for who in ("ann", "bo", UNATTRIBUTED)]
    team = figure_of(GO_LIVE, units, as_of=NOW)
    assert sum(part.n for part in parts) == pytest.approx(team.n)
    assert sum(part.k for part in parts) == pytest.approx(team.k)


def test_below_five_there_is_no_percentage_and_below_twenty_it_is_grey() -> None:
    four, five, nineteen, twenty = (figure_of(GO_LIVE, some(n), as_of=NOW) for n in (4, 5, 19, 20))
    assert (four.rate, four.too_few, four.k, four.n) == (None, True, 4, 4)
    assert (five.rate, five.too_few, five.greyed) == (1.0, False, True)
    assert (nineteen.greyed, twenty.greyed) == (True, False)


def test_more_than_a_fifth_unverifiable_takes_the_rank() -> None:
    dark = Maturity.UNVERIFIABLE
    fifth = figure_of(GO_LIVE, some(8) + some(2, None, maturity=dark), as_of=NOW, engineer="ann")
    more = figure_of(GO_LIVE, some(8) + some(3, None, maturity=dark), as_of=NOW, engineer="ann")
    assert (fifth.unranked, fifth.unverifiable_share) == ("", 0.2)
    assert more.unranked == "more than 20% unverifiable"
    assert (more.unverifiable, more.bounds) == (3, pytest.approx((8 / 11, 1.0)))
    assert more.rate == 1.0, "the unverifiable neither help nor hurt the rate itself"


def test_pending_and_excluded_units_are_shown_and_do_not_count() -> None:
    units = some(5) + some(2, 0, maturity=Maturity.PENDING, first=5) + some(3, 0, excluded=True, left_out=1)
    found = figure_of(GO_LIVE, units, as_of=NOW)
    assert (found.k, found.n, found.pending, found.excluded, found.left_out) == (5, 5, 2, 3, 3)
    assert found.next_known_at == NOW
    assert len(found.units) == 10


def test_nothing_yet_is_a_figure_too() -> None:
    found = figure_of(RECURRENCE, [], as_of=NOW)
    assert (found.k, found.n, found.rate, found.too_few, found.unverifiable_share) == (0, 0, None, True, 0.0)


def test_every_figure_explains_itself() -> None:
    for kpi in list_kpis():
        assert kpi.version >= 1
        assert kpi.title
        assert kpi.title_zh
        assert len(kpi.definition) > 100
        assert kpi.window
        assert kpi.attribution
        assert KPIS[kpi.id][0] is kpi


def test_filters_narrow_and_unknown_names_are_refused(sqlite_db: Database) -> None:
    with sqlite_db.write() as session:
        play(session, histories("first_go_live.yaml")["a clean window succeeds at its end"])
    with sqlite_db.read() as session:
        ask = {"as_of": day(60)}
        assert figure(session, "first-go-live", **ask, industry="manufacturing").n == 1
        assert figure(session, "first-go-live", **ask, industry="finance").n == 0
        assert figure(session, "first-go-live", **ask, project="erp", product="suite").n == 1
        assert figure(session, "first-go-live", **ask, engineer="ann").name == "Ann"
        assert figure(session, "first-go-live", **ask, engineer="bo").n == 0
        rows = by_engineer(session, "first-go-live", **ask)
        assert [row.engineer for row in rows] == ["ann", "bo", UNATTRIBUTED]
        assert [found.kpi.id for found in headlines(session, **ask)] == ["first-go-live", "recurrence"]
        with pytest.raises(NotFound, match="there are first-go-live, recurrence"):
            figure(session, "luck", **ask)
        with pytest.raises(NotFound, match="no engineer 'zed'"):
            figure(session, "first-go-live", **ask, engineer="zed")
        with pytest.raises(NotFound, match="has no unit"):
            unit(session, "recurrence", "erp/disk", **ask)


def test_a_thousand_projects_cost_no_more_questions_than_one(db: Database) -> None:
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    with db.write() as session:
        found_vendor(session)
        _go_live(session, "erp")
    with db.read() as session:
        asked.clear()
        assert len(headlines(session, as_of=NOW)) == 2
        one = len(asked)
    with db.write() as session:
        for number in range(999):
            _go_live(session, f"erp-{number}")
    with db.read() as session:
        asked.clear()
        first, _ = headlines(session, as_of=NOW)
        assert first.unverifiable == 1000
        assert len(asked) == one


def _go_live(session: sa.orm.Session, project: str) -> None:
    if session.get(Project, project) is None:
        session.add(Project(id=project, site_id="plant", product_id="suite", name="ERP", started_at=day(0)))
        session.flush()
    session.add(GoLive(project_id=project, started_at=day(5), cutover_at=day(5), outcome="live"))
