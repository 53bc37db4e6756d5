"""docs/kpis.md is what the figures do: its tables are computed, its examples played."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from document_reader import prose, read, section, table

from server.decisions import EXCLUSION_REASONS
from server.kpi import go_live, recurrence
from server.kpi.coverage import ENOUGH
from server.kpi.episodes import Seen
from server.kpi.figures import figure_of
from server.kpi.projects import Attempt, Held, Project
from server.kpi.registry import KPIS, list_kpis
from server.kpi.stats import GREYED, TOO_FEW, UNVERIFIABLE_LIMIT, bounds, effective_size, wilson
from server.kpi.unit import UNATTRIBUTED, Maturity, Unit

DOCUMENT = read("kpis.md")
CUTOVER = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_figure_is_listed_with_its_titles_and_has_a_section_of_its_own() -> None:
    rows = table(DOCUMENT, "id", "title", "中文", "better when")
    assert [(row["id"], row["title"], row["中文"], row["better when"] == "higher") for row in rows] == [
        (kpi.id, kpi.title, kpi.title_zh, kpi.higher_is_better) for kpi in list_kpis()
    ]
    for kpi in KPIS:
        assert f"\n`{kpi}`, " in section(DOCUMENT, KPIS[kpi][0].title)


def test_every_state_and_every_reason_for_an_exclusion_is_explained_and_no_other() -> None:
    assert {row["state"] for row in table(DOCUMENT, "state", "means")} == {*Maturity}
    assert tuple(row["reason"] for row in table(DOCUMENT, "reason", "for")) == EXCLUSION_REASONS


def test_every_reason_for_no_rank_is_explained_and_no_other() -> None:
    def unit(number: int, maturity: Maturity) -> Unit:
        none = dict.fromkeys(("site", "customer", "project", "product", "industry", "reason"), "")
        return Unit(
            kpi="x", id=str(number), shares={"ann": 1.0}, outcome=1, matures_at=None,
            maturity=maturity, coverage=1.0, **none,
        )  # fmt: skip

    few = [unit(n, Maturity.MATURE) for n in range(TOO_FEW - 1)]
    dark = [unit(n, Maturity.UNVERIFIABLE if n < 3 else Maturity.MATURE) for n in range(10)]
    kpi = list_kpis()[0]
    given = {
        figure_of(kpi, few, as_of=CUTOVER, engineer="ann").unranked,
        figure_of(kpi, dark, as_of=CUTOVER, engineer="ann").unranked,
        figure_of(kpi, dark, as_of=CUTOVER, engineer=UNATTRIBUTED).unranked,
    }
    said = {row["reason"] for row in table(DOCUMENT, "reason", "when")}
    assert {words.replace("20%", "20 %") for words in given} == said


def test_the_limits_are_those_of_the_code() -> None:
    text = " ".join(prose(DOCUMENT).split())
    assert f"coverage of at least {ENOUGH:.0%}".replace("%", " %") in text
    assert [row["n_eff"] for row in table(DOCUMENT, "n_eff", "shown")] == [
        f"under {TOO_FEW}", f"under {GREYED}", f"{GREYED} and more",
    ]  # fmt: skip
    assert UNVERIFIABLE_LIMIT == 0.2
    assert f"{recurrence.WINDOW.days} days from the project's first cutover" in text
    assert f"at least {recurrence.CLEAN // timedelta(hours=1)} hours have passed" in text


@pytest.mark.parametrize(
    "row", table(DOCUMENT, "k", "n", "rate"), ids=lambda row: f"{row['k']} of {row['n']}"
)
def test_the_intervals_are_wilsons(row: dict[str, str]) -> None:
    k, n = int(row["k"]), int(row["n"])
    shown = [f"{100 * part:.1f} %" for part in (k / n, *wilson(k / n, n))]
    assert [row["rate"], row["from"], row["to"]] == shown


def test_the_effective_sizes_are_right() -> None:
    for row in table(DOCUMENT, "shares held", "n", "n_eff"):
        shares = [float(share) for share in row["shares held"].split(",")]
        assert float(row["n"]) == sum(shares)
        assert float(row["n_eff"]) == pytest.approx(effective_size(shares), abs=0.005)


def test_the_example_of_both_bounds_is_right() -> None:
    assert bounds(9, 10, 2) == (9 / 12, 11 / 12)
    assert "9/12 = 75 %" in DOCUMENT and "11/12 = 92 %" in DOCUMENT


class Observed:
    """Stands in for coverage: this share of every window was observed."""

    def __init__(self, share: str) -> None:
        self._share = int(share.removesuffix("%")) / 100

    def share(self, *_: object) -> float:
        return self._share

    def runs(self, *_: object) -> tuple[str, ...]:
        return ()


def day(number: float) -> datetime:
    return CUTOVER + timedelta(days=number)


def project(*attempts: Attempt) -> Project:
    held = [Held("ann", 1.0, day(-90), None)]
    return Project("erp", "plant", "acme", "suite", "trade", 30, list(attempts), held)


def episode(opened: str, closed: str, cause: str = "implementation") -> Seen:
    ends = None if closed == "open" else day(float(closed))
    return Seen(
        id=1, finding=1, key="", project="erp", item="disk.free", object="/", opened_at=day(float(opened)),
        opened_run="", closed_at=ends, closed_run=None, lapsed=False, left_out=False,
        reported_severity="P1", reported_cause=cause, severity="P1", cause=cause, shares={"ann": 1.0},
    )  # fmt: skip


def attempts(said: str) -> tuple[Attempt, ...]:
    first = Attempt(1, day(0), day(0), "live", day(0))
    if said == "cut over":
        return (first,)
    if said == "aborted":
        return (Attempt(1, day(0), None, "aborted", day(0)),)
    what, _, when = said.rpartition(" on ")
    if what == "rolled back":
        return (Attempt(1, day(0), day(0), "rolled-back", day(int(when))),)
    assert what == "second cutover"
    return first, Attempt(2, day(int(when)), day(int(when)), "live", day(int(when)))


def called(unit: Unit, good: str, bad: str, seen: str = "") -> str:
    if unit.maturity is Maturity.MATURE:
        return good if unit.outcome == (good == "success") else bad
    return f"{unit.maturity}{seen if unit.outcome is not None else ''}"


GO_LIVES = table(section(DOCUMENT, "First-go-live success"), "attempt", "episode")


@pytest.mark.parametrize("row", GO_LIVES, ids=lambda row: ", ".join(row.values()))
def test_each_example_of_a_go_live_is_what_the_figure_says(row: dict[str, str]) -> None:
    found = re.fullmatch(r"(\w+), (\S+) to (\S+)", row["episode"])
    episodes = [episode(found[2], found[3], found[1])] if found else []
    episodes = [seen for seen in episodes if seen.opened_at <= day(int(row["asked on day"]))]
    unit = go_live.unit_of(
        project(*attempts(row["attempt"])), episodes, Observed(row["observed"]), day(int(row["asked on day"]))
    )
    assert called(unit, "success", "failure", ", failure seen") == row["unit"]


FAMILIES = table(section(DOCUMENT, "Recurrence"), "episodes", "observed")


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: f"{row['episodes']}, {row['observed']}")
def test_each_example_of_a_family_is_what_the_figure_says(row: dict[str, str]) -> None:
    given = [re.fullmatch(r"(\S+) to (\S+)", part.strip()) for part in row["episodes"].split(",")]
    episodes = [episode(one[1], one[2]) for one in given if one]
    assert len(episodes) == len(given)
    held = project(*attempts("cut over"))
    unit = recurrence.unit_of(held, "disk.free", episodes, CUTOVER, Observed(row["observed"]), day(90))
    assert unit is not None
    note = f", {unit.note}" if unit.note else ""
    assert called(unit, "did not recur", "recurred") + note == row["unit"]
    assert len(unit.evidence.episodes) >= int(row["spells"])
    assert (unit.outcome == 1) == (int(row["spells"]) > 1) or unit.outcome is None
