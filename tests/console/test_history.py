"""What runs leave behind for the forecasts of later ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import history
from agent.baselines import accept
from agent.history import Recollection, record, thinned
from agent.paths import State
from checks.fact import FACTS, Fact, Known, NotReadable, Reading, Unavailable, fact
from checks.facts.memory import Accepted, Sample
from checks.model import Target
from checks.snapshot import Readings, Snapshot

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Level(msgspec.Struct, frozen=True):
    height: float


@pytest.fixture(autouse=True)
def gauge() -> object:
    """A fact with a series."""

    @fact
    class Gauge(Fact, frozen=True):
        value_type: ClassVar[type] = Level
        of: str

        @classmethod
        def series(cls, value: Level) -> Mapping[str, float]:
            return {"height": value.height}

    yield Gauge
    del FACTS["Gauge"]


def run(at: datetime, target: str = "db1", site: str = "plant", **values: Reading) -> Snapshot:
    readings = {f"Gauge(of={name})": reading for name, reading in values.items()}
    return Snapshot(at, (Readings(Target(target), readings, at),), site=site)


def test_a_number_is_recalled_with_the_moment_it_was_read(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    for hour, height in enumerate((1.5, 2.5, 4.0)):
        record(state, run(NOW + timedelta(hours=hour), tank=Known(Level(height))))
    assert Recollection(state, "plant", "db1").series("Gauge(of=tank)") == tuple(
        Sample(NOW + timedelta(hours=hour), {"height": height}) for hour, height in enumerate((1.5, 2.5, 4.0))
    )


def test_each_site_and_target_has_a_memory_of_its_own(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    record(state, run(NOW, tank=Known(Level(1))))
    assert Recollection(state, "plant", "db2").series("Gauge(of=tank)") == ()
    assert Recollection(state, "", "db1").series("Gauge(of=tank)") == ()
    assert Recollection(state, "plant", "db1").series("Gauge(of=pool)") == ()


def test_what_could_not_be_read_is_no_number(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    record(state, run(NOW, tank=Unavailable("no"), pool=Known(Level(float("inf")))))
    assert not state.root.exists()


def test_a_line_that_a_crash_cut_off_costs_no_other(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    record(state, run(NOW, tank=Known(Level(1))))
    (path,) = state.history.iterdir()
    with path.open("ab") as file:
        file.write(b'{"at":"2026-03-01T13:00:00Z","of":{"Gau\n')
    record(state, run(NOW + timedelta(hours=2), tank=Known(Level(3))))
    heights = [
        sample.values["height"] for sample in Recollection(state, "plant", "db1").series("Gauge(of=tank)")
    ]
    assert heights == [1, 3]


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    record(State(tmp_path / "state"), run(NOW, tank=Known(Level(1))))
    assert (tmp_path / "state").read_text() == "a file where the folder should be"
    assert Recollection(State(tmp_path / "state"), "plant", "db1").series("Gauge(of=tank)") == ()


def test_a_file_that_has_grown_is_thinned_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_SIZE", 2000)
    state = State(tmp_path / "state")
    for minute in range(0, 60 * 24 * 10, 30):
        record(state, run(NOW + timedelta(minutes=minute), tank=Known(Level(minute))))
    (path,) = state.history.iterdir()
    kept = Recollection(state, "plant", "db1").series("Gauge(of=tank)")
    assert path.stat().st_size < 40_000 and path.stat().st_mode & 0o777 == 0o600
    assert kept[-1].values == {"height": 60 * 24 * 10 - 30}
    assert kept[0].at < NOW + timedelta(hours=1)


AGES = st.lists(st.integers(min_value=0, max_value=500 * 86400), max_size=300)


@given(AGES)
def test_thinning_keeps_the_recent_past_whole_and_some_of_the_rest(ages: list[int]) -> None:
    lines = [history._Line(NOW - timedelta(seconds=age), {"x": {"n": float(age)}}) for age in ages]
    kept = thinned(lines, NOW)
    left = {line.of["x"]["n"] for line in kept}
    assert {age for age in ages if age <= 2 * 86400} <= left <= set(ages)
    assert all(age <= 400 * 86400 for age in left)
    assert [line.at for line in kept] == sorted(line.at for line in kept)
    hours = [
        int((NOW - timedelta(seconds=age)).timestamp()) // 3600
        for age in left
        if 2 * 86400 < age <= 60 * 86400
    ]
    assert len(hours) == len(set(hours))
    assert thinned(kept, NOW) == kept


def test_what_was_accepted_is_recalled_by_target_and_profile(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    at = msgspec.structs.replace(run(NOW, tank=Known({"height": 2})), profile="erp")
    accept(state, at, "plant", ("Ann", "Bo"), NOW)
    found = Recollection(state, "plant", "db1", "erp").accepted("Gauge(of=tank)")
    assert found == Accepted({"height": 2}, ("Ann", "Bo"), NOW)
    for site, target, profile in (("plant", "db2", "erp"), ("plant", "db1", "mes"), ("", "db1", "erp")):
        assert Recollection(state, site, target, profile).accepted("Gauge(of=tank)") is None
    (file,) = state.baselines.glob("*.json")
    file.write_text("damaged")
    with pytest.raises(NotReadable):
        Recollection(state, "plant", "db1", "erp").accepted("Gauge(of=tank)")
