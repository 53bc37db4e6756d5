"""The example vendor tells its stories through the real doors, and the figures find them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from checks.errors import BadInput
from checks.model import decode_report
from server.db import Database, open_database
from server.example import Summary, build
from server.kpi.figures import Figure, by_engineer, figure
from server.tables import (
    Customer,
    Decision,
    Engineer,
    Episode,
    EpisodeShare,
    Finding,
    Product,
    Project,
    Receipt,
    Site,
    Store,
    TargetState,
)

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

GO_LIVES = {
    "qinglan-1-erp": "success",
    "qinglan-2-mes": "P1 episode of app.running was open",
    "lantern-erp": "aborted",
    "stillwater-1-erp": "success",
    "stillwater-2-erp": "unverifiable",
    "lingyun-erp": "success",
    "northgale-erp": "excluded: force-majeure",
    "mingche-1-mes": "P0 episode of app.database was open",
    "lingyun-2-erp": "success",
    "mingche-2-erp": "pending",
}


@pytest.fixture(scope="module")
def built(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Summary]]:
    path = tmp_path_factory.mktemp("example") / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    db = open_database(str(path))
    told: list[tuple[int, int]] = []
    summary = build(db, NOW, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    yield db, summary
    db.close()


def told(found: Figure) -> dict[str, str]:
    stories = {}
    for unit in found.units:
        known = "success" if unit.outcome else unit.reason
        if unit.maturity != "mature":
            known = unit.maturity.value
        if unit.exclusion is not None:
            known = f"excluded: {unit.exclusion.reason}"
        stories[unit.id.removeprefix("example-")] = known
    return stories


def test_every_go_live_ends_as_its_story_tells(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with db.read() as session:
        found = figure(session, "first-go-live", as_of=NOW)
    assert told(found) == GO_LIVES
    assert (found.k, found.n, found.pending, found.unverifiable, found.excluded) == (4, 7, 1, 1, 1)
    assert found.greyed
    assert not found.too_few


def test_some_families_recur_and_one_was_never_closed(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with db.read() as session:
        found = figure(session, "recurrence", as_of=NOW)
        rows = {row.engineer: row for row in by_engineer(session, "recurrence", as_of=NOW)}
    came_back = {unit.id.removeprefix("example-") for unit in found.units if unit.outcome == 1}
    assert came_back == {
        "qinglan-1-erp/app.database-pool",
        "qinglan-2-mes/app.open-files",
        "lantern-erp/disk.free",
        "lingyun-erp/app.database-pool",
        "mingche-1-mes/app.config",
    }
    assert "example-lingyun-2-erp/app.database-pool" in {
        u.id for u in found.units if u.note == "never closed"
    }
    assert sum(row.n for row in rows.values()) == pytest.approx(found.n)
    assert rows["unattributed"].n > 0


def test_what_failed_at_the_handover_stays_with_the_giver(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with db.read() as session:
        shares = session.execute(
            sa.select(Episode.item, EpisodeShare.engineer_id)
            .join(EpisodeShare, EpisodeShare.episode_id == Episode.id)
            .where(Episode.site_id == "example-lingyun")
            .distinct()
        )
        assert {tuple(row) for row in shares} == {
            ("app.open-files", "example-zhang"),
            ("app.database-pool", "example-emma"),
        }


def test_everything_is_marked_as_an_example(built: tuple[Database, Summary]) -> None:
    db, summary = built
    with db.read() as session:
        assert session.scalars(sa.select(Store.example_data)).one() is True
        for table in (Customer, Site, Product, Project, Engineer):
            for row in session.scalars(sa.select(table)):
                assert row.id.startswith("example-")
                assert row.name.endswith("(example)")
        assert session.scalar(sa.select(sa.func.count(Site.id))) == summary.sites


def test_the_runs_are_real_signed_and_few(built: tuple[Database, Summary]) -> None:
    import zstandard

    from server.tables import Document

    db, summary = built
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count(Receipt.id))) == summary.runs <= 1500
        assert session.scalars(sa.select(Receipt.held).distinct()).all() == [""]
        assert session.scalars(sa.select(Receipt.flags).distinct()).all() == [""]
        document = session.scalars(sa.select(Document).order_by(Document.run_id.desc()).limit(1)).one()
        report = decode_report(zstandard.ZstdDecompressor().decompress(document.body, document.size))
    assert report.profile.id == "app-server"
    assert {result.check for result in report.results} >= {
        "disk.free",
        "lim.nofile",
        "cfg.value",
        "file.stat",
    }
    assert not [result.item for result in report.results if result.cause == "unsupported"]


def test_a_healthy_day_has_nothing_to_say_and_an_unreadable_file_is_no_finding(
    built: tuple[Database, Summary],
) -> None:
    db, _ = built
    with db.read() as session:
        totals = session.execute(
            sa.select(sa.func.sum(Receipt.errors), sa.func.sum(Receipt.warned), sa.func.sum(Receipt.skipped))
        ).one()
        # Where a disk is full already, nothing is remembered that a forecast could be made from.
        assert tuple(totals) == (1, 0, 11)
        sites = session.scalars(sa.select(Receipt.site_id).where(Receipt.errors > 0)).all()
        assert sites == ["example-stillwater-1"]
        opened = session.scalars(
            sa.select(Finding.item).join(Episode).where(Finding.site_id == sites[0])
        ).all()
        assert "app.database-pool" not in opened


def test_one_site_is_silent_now_and_the_others_are_not(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with db.read() as session:
        ages = {
            row.target_id: (NOW - row.effective_at).days for row in session.scalars(sa.select(TargetState))
        }
    assert sum(age > 14 for age in ages.values()) == 1


def test_two_people_stand_behind_every_decision(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with db.read() as session:
        rows = session.scalars(sa.select(Decision)).all()
        assert {row.kind for row in rows} == {"cause", "exclusion"}
        assert all(row.approved_by and row.approved_by != row.proposed_by for row in rows)


def test_a_second_time_it_refuses(built: tuple[Database, Summary]) -> None:
    db, _ = built
    with pytest.raises(BadInput, match="in this store already"):
        build(db, NOW)
