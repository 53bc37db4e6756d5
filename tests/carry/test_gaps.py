"""Numbers of runs that never arrived, and what the agent itself says it dropped of them."""

from __future__ import annotations

from collections.abc import Iterable

import building
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.ids import new_run_id
from checks.model import Dropped
from server import gaps
from server.db import Database
from server.gaps import Gap, account


def chain(db: Database, numbers: Iterable[int], dropped: dict[int, int] | None = None) -> str:
    """A store in which these numbers of an agent's chain arrived, in this order."""
    machine = building.Machine()
    with db.write() as session:
        building.found_vendor(session)
        building.enrol(session, machine)
        for number in numbers:
            lost = Dropped(runs=(dropped or {}).get(number, 0))
            report = machine.report(
                building.START, [], sequence=number, previous=f"{number:064x}", dropped=lost
            )
            answer = building.arrive(session, machine.seal(report))
            assert answer.status == 201, answer
    return machine.agent


@pytest.mark.parametrize(
    ("arrived", "said"),
    [
        ([], []),
        ([1], []),
        ([1, 2, 3], []),
        ([3, 1, 2], []),
        ([2], ["run 1 missing"]),
        ([1, 2, 45], ["runs 3–44 missing"]),
        ([1, 45, 3, 46, 50], ["run 2 missing", "runs 4–44 missing", "runs 47–49 missing"]),
    ],
)
def test_holes_are_told_as_ranges(db: Database, arrived: list[int], said: list[str]) -> None:
    agent = chain(db, arrived)
    with db.read() as session:
        found = gaps.missing_of(session, agent)
    assert [str(gap) for gap in found.gaps] == said
    assert found.runs == sum(gap.missing for gap in found.gaps)


def test_what_the_agent_says_it_dropped_is_told_with_the_hole_before(db: Database) -> None:
    agent = chain(db, [40, *range(1, 40), 45, 46], {46: 3})
    with db.read() as session:
        found = gaps.missing_of(session, agent)
    assert [str(gap) for gap in found.gaps] == [
        "runs 41–44 missing, 3 of them dropped by the agent under pressure"
    ]
    assert (found.runs, found.dropped) == (4, 3)


def test_all_of_a_site_are_told_at_once_and_whole_chains_are_not_named(db: Database) -> None:
    with db.write() as session:
        building.found_vendor(session)
        for name, numbers in {"a": [1, 4], "b": [1, 2], "c": [2]}.items():
            machine = building.Machine(f"agent-{name}", target=name)
            building.enrol(session, machine)
            for number in numbers:
                report = machine.report(building.START, [], sequence=number, previous=f"{number:064x}")
                building.arrive(session, machine.seal(report))
    with db.read() as session:
        found, more = gaps.missing_at(session, "plant")
        assert more == 0
        assert gaps.missing_at(session, "nowhere") == ({}, 0)
        first, more = gaps.missing_at(session, "plant", most=1)
        assert (list(first), more) == (["agent-a"], 1)
    assert {agent: [str(gap) for gap in missing.gaps] for agent, missing in found.items()} == {
        "agent-a": ["runs 2–3 missing"],
        "agent-c": ["run 1 missing"],
    }


def test_a_held_fork_fills_no_hole_and_makes_none(db: Database) -> None:
    machine = building.Machine()
    with db.write() as session:
        building.found_vendor(session)
        building.enrol(session, machine)
        for number in (1, 2, 5):
            report = machine.report(building.START, [], sequence=number)
            building.arrive(session, machine.seal(report))
        # A clone went on from run 2: its branch claims 3 and 4, and one more number than the chain has.
        clone = building.Machine(fingerprint="machine-2", key=machine.key, sequence=1)
        for number in (2, 3, 4, 9):
            report = clone.report(building.START, [], sequence=number, previous=building.NO_HASH)
            answer = building.arrive(session, clone.seal(report))
            assert answer.ack is not None
            assert answer.ack.held == "fork"
    with db.read() as session:
        found = gaps.missing_of(session, machine.agent)
    assert [str(gap) for gap in found.gaps] == ["runs 3–4 missing"]


@pytest.mark.parametrize(
    ("arrived", "replaced", "said"),
    [
        ([1, 3], {3: [2]}, []),
        ([1, 6], {6: [2, 5]}, ["runs 3–4 missing"]),
        ([1, 6, 9], {6: [2, 3, 4, 5], 9: [7]}, ["run 8 missing"]),
        ([1, 2, 4], {4: [2]}, ["run 3 missing"]),
        ([1, 3], {3: [9]}, ["run 2 missing"]),
    ],
)
def test_a_run_that_was_made_anew_fills_the_places_of_those_it_stands_for(
    db: Database, arrived: list[int], replaced: dict[int, list[int]], said: list[str]
) -> None:
    machine = building.Machine()
    with db.write() as session:
        building.found_vendor(session)
        building.enrol(session, machine)
        for number in arrived:
            stands_for = tuple(replaced.get(number, ()))
            report = machine.report(
                building.START,
                [],
                sequence=number,
                previous=f"{number:064x}",
                replaces=new_run_id() if stands_for else None,
                replaced=stands_for,
            )
            assert building.arrive(session, machine.seal(report)).status == 201
    with db.read() as session:
        found = gaps.missing_of(session, machine.agent)
    assert [str(gap) for gap in found.gaps] == said


def test_a_held_fork_stands_for_nothing(db: Database) -> None:
    machine = building.Machine()
    with db.write() as session:
        building.found_vendor(session)
        building.enrol(session, machine)
        for number in (1, 3):
            building.arrive(session, machine.seal(machine.report(building.START, [], sequence=number)))
        clone = building.Machine(fingerprint="machine-2", key=machine.key)
        report = clone.report(building.START, [], sequence=3, replaces=new_run_id(), replaced=(2,))
        answer = building.arrive(session, clone.seal(report))
        assert answer.ack is not None
        assert answer.ack.held == "fork"
    with db.read() as session:
        found = gaps.missing_of(session, machine.agent)
    assert [str(gap) for gap in found.gaps] == ["run 2 missing"]


@given(
    st.sets(st.integers(1, 40)).map(sorted),
    st.sets(st.integers(1, 45)).map(sorted),
)
def test_what_is_left_of_holes_are_the_numbers_that_nobody_took(missing: list[int], taken: list[int]) -> None:
    holes = gaps._joined([(number, number) for number in missing], 40)
    left = [number for first, last in gaps._without(holes, taken) for number in range(first, last + 1)]
    assert left == sorted(set(missing) - set(taken))


def test_a_count_belongs_to_the_oldest_holes_before_the_run_that_tells_it() -> None:
    holes = [(2, 3), (5, 5), (8, 9)]
    assert account(holes, [(6, 2)]).gaps == (Gap(2, 3, 2), Gap(5, 5), Gap(8, 9))
    assert account(holes, [(6, 3)]).gaps == (Gap(2, 3, 2), Gap(5, 5, 1), Gap(8, 9))
    assert account(holes, [(4, 1), (6, 1), (10, 1)]).gaps == (Gap(2, 3, 2), Gap(5, 5, 1), Gap(8, 9))
    assert account(holes, [(4, 9)]).gaps == (Gap(2, 3, 2), Gap(5, 5), Gap(8, 9))
    assert account(holes, [(99, 5)]).dropped == 5


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (Gap(41, 44), "runs 41–44 missing"),
        (Gap(41, 41), "run 41 missing"),
        (Gap(41, 41, 1), "run 41 missing, dropped by the agent under pressure"),
        (Gap(41, 44, 4), "runs 41–44 missing, all of them dropped by the agent under pressure"),
        (Gap(41, 44, 3), "runs 41–44 missing, 3 of them dropped by the agent under pressure"),
    ],
)
def test_a_gap_in_words(gap: Gap, text: str) -> None:
    assert str(gap) == text


def test_a_long_list_is_cut_and_its_sum_is_not() -> None:
    found = account([(number, number) for number in range(1, 1001, 2)], [])
    assert (len(found.gaps), found.runs, found.more) == (gaps.SHOWN, 500, True)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), max_size=8),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), max_size=8),
)
def test_no_more_is_told_as_dropped_than_is_missing_or_was_said(
    spans: list[tuple[int, int]], told: list[tuple[int, int]]
) -> None:
    holes, end = [], 0
    for start, length in spans:
        first = end + 2 + start % 3
        end = first + length - 1
        holes.append((first, end))
    found = account(holes, sorted(told))
    assert all(0 <= gap.dropped <= gap.missing for gap in found.gaps)
    assert found.dropped <= sum(count for _, count in told)
    for sequence, _ in told:
        if all(number <= sequence for number, _ in told):
            assert all(gap.dropped == 0 for gap in found.gaps if gap.first > sequence)
