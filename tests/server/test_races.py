"""Writes that exclude each other, made at the same moment: the promise holds whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from building import START, Machine, enrol, found_vendor
from sqlalchemy import func, select

from checks.errors import BadInput
from server import delivery
from server.db import Database
from server.tables import Assignment, Binding, TargetRow

AT_ONCE = 6


def race(deeds: list[Callable[[], object]]) -> int:
    """How many of the deeds were let through, all begun together; a refusal is `BadInput`, all else fails."""
    start = threading.Barrier(len(deeds))
    done: list[object] = []

    def run(deed: Callable[[], object]) -> None:
        start.wait()
        try:
            deed()
            done.append(True)
        except BadInput:
            done.append(False)
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            done.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [outcome for outcome in done if not isinstance(outcome, bool)] == []
    assert len(done) == len(deeds)
    return done.count(True)


def test_shares_of_a_project_never_add_up_to_more_than_one(db: Database) -> None:
    with db.write() as session:
        found_vendor(session)

    def assign(role: str) -> None:
        with db.write() as session:
            delivery.assign(session, "erp", "ann", role, share=0.4, by="root", now=START)

    assert race([partial(assign, f"role-{n}") for n in range(AT_ONCE)]) == 2
    with db.read() as session:
        assert session.scalar(select(func.sum(Assignment.share))) == 0.8


def test_a_target_is_bound_to_one_project_at_a_time(db: Database) -> None:
    with db.write() as session:
        found_vendor(session)
        enrol(session, Machine())
        target = session.scalars(select(TargetRow.id)).one()
        for number in range(AT_ONCE):
            delivery.add_project(
                session, "plant", "suite", f"P{number}", by="root", now=START, id=f"p{number}"
            )

    def bind(number: int) -> None:
        with db.write() as session:
            delivery.bind(session, target, f"profile-{number}", project_id=f"p{number}", by="root", now=START)

    assert race([partial(bind, n) for n in range(AT_ONCE)]) == 1
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Binding)) == 1
