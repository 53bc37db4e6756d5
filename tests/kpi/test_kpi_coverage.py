"""Coverage against a naive model that asks, moment by moment, how old the newest observation is."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.kpi.coverage import Coverage
from server.kpi.observations import Log, Obligation, Observations
from server.scopes import Scope

WINDOW = (10, 50)
TOLERANCE = 6
STATUSES = ["pass", "warn", "fail", "error", "skip", "manual"]
DECISIVE = {"pass", "warn", "fail"}

Said = dict[tuple[str, str], str]
"""What a run says by item and object; an item that is not named is out of the run's scope."""


def observations(runs: dict[int, Said], items: list[str], target: str = "host") -> Observations:
    """The store's view of these runs, each of which enumerates the items it speaks for."""
    log = Log()
    scopes: dict[int, Scope] = {}
    numbers: dict[tuple[str, str], int] = {}
    current: dict[tuple[str, str], str] = {}
    changes: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for at in sorted(runs):
        spoken = frozenset(item for item, _ in runs[at])
        scope = next((n for n, s in scopes.items() if s.complete == spoken), len(scopes) + 1)
        scopes[scope] = Scope(spoken)
        log.runs.append((at, f"r{at:03}", scope))
        log.scopes.add(scope)
        for name in {*runs[at], *(n for n in current if n[0] in spoken)}:
            status = runs[at].get(name, "gone")
            if current.get(name) != status:
                current[name] = status
                changes[name].append((at, f"r{at:03}", status))
    for name, told in changes.items():
        number = numbers.setdefault(name, len(numbers) + 1)
        log.keys[number] = "/".join(name)
        log.findings.setdefault(name[0], {})[number] = told
    held = [Obligation(target, item, "P1", 0, 60, TOLERANCE) for item in items]
    return Observations({"erp": held}, {target: log}, scopes)


def naive(runs: dict[int, Said], items: list[str]) -> float:
    """The same by the words of the definition, on whole moments."""
    asked = [item for item in items if not only_skips(runs, item)]
    covered = sum(bool(asked) and all(seen(runs, item, at) for item in asked) for at in range(*WINDOW))
    return covered / (WINDOW[1] - WINDOW[0])


def only_skips(runs: dict[int, Said], item: str) -> bool:
    said = {
        s for at, run in runs.items() if WINDOW[0] <= at <= WINDOW[1] for n, s in run.items() if n[0] == item
    }
    return said == {"skip"}


def seen(runs: dict[int, Said], item: str, now: int) -> bool:
    """Some object was seen lately, and none that is there went unseen for longer than the tolerance."""
    last: dict[str, int] = {}
    there: dict[str, int] = {}
    for at in sorted(runs):
        spoken = {label: status for (i, label), status in runs[at].items() if i == item}
        if at > now or not spoken:
            continue
        for label in list(there):
            if spoken.get(label, "gone") in ("gone", "skip"):
                del there[label]
        for label, status in spoken.items():
            if status != "skip":
                there.setdefault(label, at)
            if status in DECISIVE:
                last[label] = at
    fresh = {label for label, at in last.items() if now - at < TOLERANCE}
    return bool(fresh) and all(label in fresh or now - since < TOLERANCE for label, since in there.items())


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 55),
        st.dictionaries(
            st.tuples(st.sampled_from(["disk", "port"]), st.sampled_from(["/", "/data"])),
            st.sampled_from([*STATUSES, "pass", "pass"]),
            max_size=4,
        ),
        max_size=20,
    )
)
def test_any_history_is_covered_as_the_definition_says(runs: dict[int, Said]) -> None:
    items = ["disk", "port"]
    measured = Coverage(observations(runs, items)).share("erp", WINDOW, lambda _: True)
    assert measured == pytest.approx(naive(runs, items))


def test_runs_that_speak_for_other_items_only_observe_nothing() -> None:
    runs: dict[int, Said] = {at: {("port", ""): "pass"} for at in range(0, 50, 5)}
    runs[5] = {("port", ""): "pass", ("disk", ""): "pass"}
    coverage = Coverage(observations(runs, ["disk", "port"]))
    assert coverage.share("erp", WINDOW, lambda held: held.item == "port") == 1.0
    # Day 5 stands to day 11 of a window from 10 to 50.
    assert coverage.share("erp", WINDOW, lambda _: True) == pytest.approx(1 / 40)


def test_a_run_that_could_not_enumerate_speaks_for_what_it_names() -> None:
    runs: dict[int, Said] = {at: {("disk", "/"): "pass", ("disk", "/data"): "pass"} for at in range(0, 50, 5)}
    world = observations(runs, ["disk"])
    world.scopes = {1: Scope(frozenset(), frozenset({"disk//"}))}
    coverage = Coverage(world)
    # Of /data nothing was ever heard again after its first change, so the item is not observed past 6.
    assert coverage.share("erp", WINDOW, lambda _: True) == 0.0


def test_outside_every_binding_nothing_is_covered() -> None:
    world = observations({at: {("disk", ""): "pass"} for at in range(0, 56, 5)}, [])
    world.obligations = {"erp": [Obligation("host", "disk", "P1", 30, 60, TOLERANCE)]}
    assert Coverage(world).share("erp", WINDOW, lambda _: True) == 0.5


def test_a_shorter_interval_makes_older_observations_worthless() -> None:
    world = observations({at: {("disk", ""): "pass"} for at in range(0, 56, 5)}, [])
    world.obligations = {
        "erp": [Obligation("host", "disk", "P1", 0, 30, 6), Obligation("host", "disk", "P1", 30, 60, 2)]
    }
    # Until 30 always; then 2 of every 5.
    assert Coverage(world).share("erp", WINDOW, lambda _: True) == pytest.approx((20 + 8) / 40)


def test_the_evidence_of_a_quiet_window_is_its_first_and_last_run() -> None:
    world = observations({at: {("disk", ""): "pass"} for at in (5, 12, 20, 50, 55)}, ["disk"])
    assert Coverage(world).runs("erp", WINDOW) == ("r012", "r050")
