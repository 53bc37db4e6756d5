"""Any order of arrival, and any repetition, of one set of runs gives one history: the reference fold's."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from agreement import agree, assert_agrees, content_of, deliver, store_in_memory
from histories import STEPS, History, big_history, histories, orders, shuffled
from history_readout import aliases, episode_ids, stored
from history_store import RECEIVED, arrive, live_through
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.db import Database, open_database

# The examples are the same in every run. No deadline holds on a shared machine, and shrinking a history that
# fails takes minutes, which the mark below gives it.
THOROUGH = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
BRIEF = settings(THOROUGH, max_examples=40)
pytestmark = pytest.mark.timeout(420)


@settings(THOROUGH)
@given(data=st.data(), history=histories())
def test_any_order_and_repetition_gives_the_history_of_the_reference(
    data: st.DataObject, history: History, empty: sqlite3.Connection
) -> None:
    with store_in_memory(empty) as db, closing(sqlite3.connect(":memory:")) as before_any_run:
        agree(db, history)
        content_of(db).backup(before_any_run)
        in_order = deliver(db, history, range(len(history.runs)))
        assert_agrees(in_order, history)
        with store_in_memory(before_any_run) as other:
            assert deliver(other, history, data.draw(orders(len(history.runs)))) == in_order


@settings(BRIEF)
@given(data=st.data(), history=histories())
def test_after_every_arrival_the_history_is_that_of_the_runs_so_far(
    data: st.DataObject, history: History, empty: sqlite3.Connection
) -> None:
    order = data.draw(st.permutations(range(len(history.runs))))
    arrived: set[str] = set()
    with store_in_memory(empty) as db:
        agree(db, history)
        for run in arrive(db, history, order):
            arrived.add(run)
            with db.read() as session:
                assert_agrees(stored(session, RECEIVED), history.known_by(arrived))


@settings(BRIEF)
@given(data=st.data(), history=histories())
def test_what_is_agreed_later_gives_the_same_history_as_if_it_had_always_stood_there(
    data: st.DataObject, history: History, empty: sqlite3.Connection
) -> None:
    delays = data.draw(st.tuples(*[st.sampled_from(STEPS)] * len(history.runs)))
    with store_in_memory(empty) as db:
        live_through(db, history, delays)
        with db.read() as session:
            assert_agrees(stored(session, RECEIVED), history)


@settings(BRIEF)
@given(data=st.data(), history=histories())
def test_an_episode_that_was_seen_once_can_always_be_found_again(
    data: st.DataObject, history: History, empty: sqlite3.Connection
) -> None:
    seen: set[int] = set()
    with store_in_memory(empty) as db:
        agree(db, history)
        for _ in arrive(db, history, data.draw(orders(len(history.runs)))):
            with db.read() as session:
                there, alias = episode_ids(session), aliases(session)
            seen |= there
            assert {alias.get(episode, episode) for episode in seen} == there


@pytest.mark.parametrize("seed", range(12))
def test_a_long_history_agrees_with_the_reference(seed: int, empty: sqlite3.Connection) -> None:
    history = big_history(seed)
    with store_in_memory(empty) as db:
        agree(db, history)
        assert_agrees(deliver(db, history, shuffled(seed, len(history.runs))), history)


def test_a_store_in_a_file_holds_the_same_history(sqlite_db: Database) -> None:
    history = big_history(50)
    agree(sqlite_db, history)
    assert_agrees(deliver(sqlite_db, history, shuffled(50, len(history.runs))), history)


@pytest.mark.parametrize("seed", range(100, 103))
def test_postgresql_holds_the_same_history(seed: int, postgres_url: str, empty: sqlite3.Connection) -> None:
    history = big_history(seed, runs=40)
    with store_in_memory(empty) as db:
        agree(db, history)
        in_sqlite = deliver(db, history, range(len(history.runs)))
    db = open_database(postgres_url)
    agree(db, history)
    in_postgresql = deliver(db, history, shuffled(seed, len(history.runs)))
    db.close()
    assert_agrees(in_postgresql, history)
    assert in_postgresql == in_sqlite
