"""Forks of an agent's chain: clones, restored disks, clones of clones, in any order of arrival."""

from __future__ import annotations

import copy
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from building import START, Machine, arrive, assign, bind, enrol, found_vendor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from checks.envelope import Ack, Envelope
from server.db import Database, open_database
from server.errors import NotFound, Refused
from server.ingest.branches import accept_branch, branches_of
from server.ingest.chain import Node, decide
from server.ingest.holds import release
from server.tables import AgentRow, AuditEntry, Episode, Receipt

DAY = timedelta(days=1)
CLONE = "machine-2"


@pytest.fixture
def machine(db: Database) -> Machine:
    """A bound machine of a project that ann leads."""
    machine = Machine()
    with db.write() as session:
        set_up(session, machine)
    return machine


def set_up(session: Session, machine: Machine) -> None:
    found_vendor(session)
    enrol(session, machine)
    bind(session, machine)
    assign(session, "ann")


def copy_of(machine: Machine, fingerprint: str = "machine-1") -> Machine:
    """The same state folder elsewhere: a clone, or with the same fingerprint a restored disk."""
    copied = copy.copy(machine)
    copied.fingerprint = fingerprint
    return copied


def runs(machine: Machine, count: int, *, first_day: float, status: str = "pass") -> list[Envelope]:
    return [machine.run(START + (first_day + i) * DAY, {"disk": status}) for i in range(count)]


def send(session: Session, sealed: Envelope, at: datetime) -> Ack:
    """Deliver a run at a moment of its own, however long ago it was made."""
    answer = arrive(session, sealed, received_at=at)
    assert answer.ack is not None, answer.problem
    return answer.ack


class Door:
    """Takes runs in the order in which they come, a second apart."""

    def __init__(self, session: Session) -> None:
        self.session, self.now = session, START + 100 * DAY

    def take(self, *sealed: Envelope) -> list[str]:
        """Why each run is held, empty where it counts."""
        held = []
        for one in sealed:
            self.now += timedelta(seconds=1)
            held.append(send(self.session, one, self.now).held)
        return held


def standing(session: Session) -> set[str]:
    """The ids of the runs that count."""
    session.expire_all()
    return set(session.scalars(select(Receipt.id).where(Receipt.held == "")))


def ids(sealed: list[Envelope]) -> set[str]:
    return {one.seal.run for one in sealed}


def tip_of(session: Session) -> int:
    session.expire_all()
    return session.scalars(select(AgentRow.tip_sequence)).one()


def test_a_clone_that_goes_on_beside_the_original_is_held_from_its_first_run(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 3, first_day=1)
    clone = copy_of(machine, CLONE)
    original, copied = runs(machine, 2, first_day=4), runs(clone, 3, first_day=4.5, status="fail")
    with db.write() as session:
        door = Door(session)
        door.take(*before)
        assert door.take(original[0], copied[0], original[1], *copied[1:]) == ["", "fork", "", "fork", "fork"]
        assert session.scalars(select(Episode)).all() == []
        flags = set(session.scalars(select(Receipt.flags).where(Receipt.held == "fork")))
        assert flags == {"fork,other-machine"}
        assert tip_of(session) == 5


def test_a_clone_that_reports_first_steps_back_when_the_original_speaks(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 3, first_day=1)
    clone = copy_of(machine, CLONE)
    copied = runs(clone, 4, first_day=4, status="fail")
    original = runs(machine, 2, first_day=9)
    with db.write() as session:
        door = Door(session)
        assert door.take(*before, *copied) == [""] * 7
        assert [e.state for e in session.scalars(select(Episode))] == ["open"]
        assert door.take(*original) == ["", ""]
        assert standing(session) == ids(before + original)
        assert session.scalars(select(Episode)).all() == []
        assert tip_of(session) == 5
        assert door.take(*runs(clone, 1, first_day=12, status="fail")) == ["fork"]


def test_a_clone_of_a_clone_and_three_branches_leave_only_the_enrolled_machine(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 2, first_day=1)
    clone = copy_of(machine, CLONE)
    shared = runs(clone, 2, first_day=3)
    second = copy_of(clone, "machine-3")
    third = copy_of(machine, "machine-4")
    branches = [
        *shared,
        *runs(clone, 2, first_day=5),
        *runs(second, 3, first_day=5),
        *runs(third, 6, first_day=3),
    ]
    original = runs(machine, 4, first_day=3.5)
    with db.write() as session:
        door = Door(session)
        door.take(*before, *branches, *original)
        assert standing(session) == ids(before + original)
        found = branches_of(session, "agent-1")
        assert sorted((b.first, b.last, b.runs, b.stranger) for b in found) == [
            (3, 7, 7, True),
            (3, 8, 6, True),
        ]


def test_of_a_restored_disk_and_what_it_was_before_the_first_that_came_stays(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 3, first_day=1)
    restored = copy_of(machine)
    lost = runs(machine, 2, first_day=4)
    again = runs(restored, 4, first_day=7)
    with db.write() as session:
        door = Door(session)
        assert door.take(*before, *lost) == [""] * 5
        assert door.take(*again) == ["fork"] * 4
        assert standing(session) == ids(before + lost)
        (branch,) = branches_of(session, "agent-1")
        assert (branch.first, branch.last, branch.runs, branch.stranger) == (4, 7, 4, False)


def test_an_admin_who_accepts_the_restored_branch_lets_it_count_and_lets_it_go_on(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 3, first_day=1)
    restored = copy_of(machine)
    lost = runs(machine, 3, first_day=4, status="fail")
    again = runs(restored, 2, first_day=8)
    with db.write() as session:
        door = Door(session)
        door.take(*before, *lost, *again)
        assert [e.state for e in session.scalars(select(Episode))] == ["open"]
        assert accept_branch(session, again[0].seal.run, by="root", now=START) == 2
        assert standing(session) == ids(before + lost + again)
        assert [e.state for e in session.scalars(select(Episode))] == ["closed"]
        audited = session.scalars(select(AuditEntry).where(AuditEntry.action == "accept-branch")).one()
        assert (audited.actor, audited.subject, audited.detail) == ("root", "agent:agent-1", "runs 4 to 5")
        # The number 6 is taken on the branch that was left; the restored machine gets it all the same.
        assert door.take(*runs(restored, 3, first_day=11)) == ["", "", ""]
        assert tip_of(session) == 8
        # If what was left speaks up again, it was no restored disk but a second machine.
        assert door.take(*runs(machine, 2, first_day=15, status="fail")) == ["fork", "fork"]
        assert branches_of(session, "agent-1")[0].runs == 2


def test_a_disk_restored_twice_is_accepted_twice(db: Database, machine: Machine) -> None:
    before = runs(machine, 2, first_day=1)
    once, twice = copy_of(machine), copy_of(machine)
    with db.write() as session:
        door = Door(session)
        door.take(*before, *runs(machine, 2, first_day=3))
        first = runs(once, 2, first_day=6)
        door.take(*first)
        accept_branch(session, first[-1].seal.run, by="root", now=START)
        second = runs(twice, 2, first_day=9)
        assert door.take(*second) == ["fork", "fork"]
        accept_branch(session, second[-1].seal.run, by="root", now=START)
        assert door.take(*runs(twice, 2, first_day=12)) == ["", ""]
        assert door.take(*runs(once, 1, first_day=15)) == ["fork"]


def test_a_branch_that_another_machine_made_makes_it_the_enrolled_one(db: Database, machine: Machine) -> None:
    before = runs(machine, 2, first_day=1)
    moved = copy_of(machine, CLONE)
    with db.write() as session:
        door = Door(session)
        door.take(*before, *runs(machine, 1, first_day=3))
        held = runs(moved, 2, first_day=4)
        assert door.take(*held) == ["fork", "fork"]
        accept_branch(session, held[0].seal.run, by="root", now=START)
        assert session.get_one(AgentRow, "agent-1").fingerprint == CLONE
        assert door.take(*runs(moved, 1, first_day=7)) == [""]
        assert door.take(*runs(machine, 1, first_day=8)) == ["fork"]


def test_only_a_held_branch_can_be_accepted(db: Database, machine: Machine) -> None:
    sealed = runs(machine, 1, first_day=1)[0]
    with db.write() as session:
        Door(session).take(sealed)
        with pytest.raises(Refused, match="is not held as a fork"):
            accept_branch(session, sealed.seal.run, by="root", now=START)
        with pytest.raises(NotFound):
            accept_branch(session, "none", by="root", now=START)


def test_a_fork_with_a_wrong_clock_stays_a_fork_and_then_waits_for_its_clock(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 1, first_day=1)
    restored = copy_of(machine)
    now = START + 200 * DAY
    wrong = restored.run(now + 3 * DAY, {"disk": "fail"})
    with db.write() as session:
        Door(session).take(*before, *runs(machine, 1, first_day=2))
        answer = arrive(session, wrong, received_at=now, sent_at=now + 3 * DAY)
        assert answer.ack is not None
        assert answer.ack.held == "fork"
        accept_branch(session, wrong.seal.run, by="root", now=now)
        session.expire_all()
        assert session.get_one(Receipt, wrong.seal.run).held == "skew"
        assert session.scalars(select(Episode)).all() == []
        release(session, wrong.seal.run, "root", now)
        assert [episode.state for episode in session.scalars(select(Episode))] == ["open"]


def test_one_released_run_counts_and_what_follows_it_is_judged_by_itself(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 1, first_day=1)
    restored = copy_of(machine)
    with db.write() as session:
        door = Door(session)
        door.take(*before, *runs(machine, 2, first_day=2))
        one = runs(restored, 1, first_day=5, status="fail")
        assert door.take(*one) == ["fork"]
        release(session, one[0].seal.run, "root", START)
        assert [episode.state for episode in session.scalars(select(Episode))] == ["open"]
        assert door.take(*runs(restored, 1, first_day=6)) == ["fork"]
        assert door.take(*runs(machine, 1, first_day=7)) == [""]


def test_two_machines_of_one_template_with_installs_of_their_own_are_no_fork(db: Database) -> None:
    one, two = Machine(), Machine(agent="agent-2", target="other")
    with db.write() as session:
        set_up(session, one)
        enrol(session, two)
        assert Door(session).take(*runs(one, 2, first_day=1), *runs(two, 2, first_day=1)) == [""] * 4


def test_a_late_run_of_the_branch_that_lost_takes_what_follows_it_along(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 1, first_day=1)
    restored = copy_of(machine)
    mine, other = runs(machine, 3, first_day=2), runs(restored, 3, first_day=6)
    with db.write() as session:
        door = Door(session)
        # The other's second comes before its first, so the number 3 looked free, and mine had to wait.
        assert door.take(*before, mine[0], other[1], mine[1]) == ["", "", "", "fork"]
        assert door.take(other[0]) == ["fork"]
        assert standing(session) == ids([*before, mine[0], mine[1]])
        assert door.take(mine[2], other[2]) == ["", "fork"]


@st.composite
def family(draw: st.DrawFn) -> tuple[list[tuple[int, int, bool]], list[int]]:
    """A chain and its copies: (parent branch, runs it shares with that, is it another machine), lengths."""
    copies = draw(st.integers(1, 3))
    lengths = [draw(st.integers(1, 5))]
    shape: list[tuple[int, int, bool]] = []
    for number in range(copies):
        parent = draw(st.integers(0, number))
        shared = draw(st.integers(0, lengths[parent]))
        shape.append((parent, shared, True))
        lengths.append(draw(st.integers(1, 5)))
    return shape, lengths


def grown(shape: list[tuple[int, int, bool]], lengths: list[int]) -> list[list[Node]]:
    """The branches as nodes, each whole from its first run on."""
    branches: list[list[Node]] = []
    for number, length in enumerate(lengths):
        start: list[Node] = []
        if number:
            parent, shared, _ = shape[number - 1]
            start = branches[parent][:shared]
        chain = list(start)
        for _ in range(length):
            previous = chain[-1].hash if chain else "0"
            sequence = len(chain) + 1
            name = f"{number}.{sequence}"
            chain.append(Node(name, sequence, previous, f"#{name}", (0, name), stranger=number > 0))
        branches.append(chain)
    return branches


def expected(branches: list[list[Node]]) -> set[str] | None:
    """Who counts where the fingerprint decides: the enrolled machine whole, and of each copy nothing once it
    claims a place of the original. None where copies contend with each other for a place the original
    never claimed: there the first that came stays.
    """
    original = branches[0]
    own = {node.run for node in original}
    numbers = {node.sequence for node in original}
    doomed: set[str] = set()
    free: dict[int, set[str]] = {}
    for branch in branches[1:]:
        for node in branch:
            if node.run in own:
                continue
            if node.sequence in numbers or node.previous in doomed:
                doomed.add(node.hash)
            else:
                free.setdefault(node.sequence, set()).add(node.run)
    if any(len(runs) > 1 for runs in free.values()):
        return None
    return own | {run for runs in free.values() for run in runs}


@given(family(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_whatever_the_order_the_fingerprint_decides(
    drawn: tuple[list[tuple[int, int, bool]], list[int]], chance: object
) -> None:
    branches = grown(*drawn)
    wanted = expected(branches)
    nodes = list({node.run: node for branch in branches for node in branch}.values())
    chance.shuffle(nodes)  # type: ignore[attr-defined]
    came = [
        Node(n.run, n.sequence, n.previous, n.hash, (i, n.run), stranger=n.stranger)
        for i, n in enumerate(nodes)
    ]
    counted = {node.run for node in came} - decide(came)
    if wanted is not None:
        assert counted == wanted
    assert {node.run for node in branches[0]} <= counted
    assert len({node.sequence for node in came if node.run in counted}) == len(counted)


@pytest.fixture(scope="module")
def template(sqlite_template: Path) -> bytes:
    return sqlite_template.read_bytes()


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_decides_as_the_whole_chain_does_in_any_order(
    data: st.DataObject, template: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two disks of one fingerprint and a clone; runs come one at a time, and what is stored is what the whole
    set of runs would decide."""
    machine = Machine()
    shared = data.draw(st.integers(1, 2))
    chain = runs(machine, shared, first_day=1)
    branches = {"restored": copy_of(machine), "clone": copy_of(machine, CLONE)}
    everything = chain + runs(machine, data.draw(st.integers(1, 3)), first_day=10)
    for offset, branch in enumerate(branches.values()):
        everything += runs(branch, data.draw(st.integers(1, 3)), first_day=20.3 + 10 * offset)
    order = data.draw(st.permutations(everything))
    path = tmp_path_factory.mktemp("forks") / "store.db"
    path.write_bytes(template)
    db = open_database(str(path))
    try:
        with db.write() as session:
            set_up(session, machine)
            Door(session).take(*order)
            rows = session.execute(
                select(
                    Receipt.id,
                    Receipt.sequence,
                    Receipt.previous,
                    Receipt.hash,
                    Receipt.received_at,
                    Receipt.fingerprint,
                    Receipt.held,
                )
            ).all()
            nodes = [
                Node(
                    r.id,
                    r.sequence,
                    r.previous,
                    r.hash,
                    (int(r.received_at.timestamp()), r.id),
                    stranger=r.fingerprint == CLONE,
                )
                for r in rows
            ]
            assert {r.id for r in rows if r.held == "fork"} == decide(nodes)
            tips = [r.sequence for r in rows if r.held == ""]
            assert tip_of(session) == max(tips)
    finally:
        db.close()


def test_two_branches_that_come_in_at_the_same_moment_do_not_both_count(
    db: Database, machine: Machine
) -> None:
    before = runs(machine, 1, first_day=1)
    restored = copy_of(machine)
    (first,), (second,) = runs(machine, 1, first_day=2), runs(restored, 1, first_day=2.5)
    with db.write() as session:
        Door(session).take(*before)
    held: list[str] = []

    def deliver_second() -> None:
        with db.write() as session:
            held.append(send(session, second, START + 101 * DAY).held)

    thread = threading.Thread(target=deliver_second)
    with db.write() as session:
        held.append(send(session, first, START + 100 * DAY).held)
        thread.start()
        thread.join(0.3)  # by now it has seen what is committed, or waits for this transaction
    thread.join(60)
    assert held == ["", "fork"]


def test_of_two_admins_who_accept_one_branch_at_once_one_is_told_that_it_counts_already(
    db: Database, machine: Machine
) -> None:
    before, restored = runs(machine, 1, first_day=1), copy_of(machine)
    first, second = runs(machine, 2, first_day=2), runs(restored, 2, first_day=2.5)
    with db.write() as session:
        assert Door(session).take(*before, *first, *second) == ["", "", "", "fork", "fork"]
    said: list[object] = []

    def accept() -> None:
        try:
            with db.write() as session:
                said.append(accept_branch(session, second[0].seal.run, by="bo", now=START + 101 * DAY))
        except Refused as error:
            said.append(str(error))

    thread = threading.Thread(target=accept)
    with db.write() as session:
        said.append(accept_branch(session, second[0].seal.run, by="root", now=START + 101 * DAY))
        thread.start()
        thread.join(0.3)  # by now it has seen what is committed, or waits for this transaction
    thread.join(60)
    assert said == [2, f"run {second[0].seal.run} is not held as a fork"]
    with db.read() as session:
        assert standing(session) == ids(before) | ids(first) | ids(second)
        left = session.scalars(select(Receipt.id).where(Receipt.flags.contains("left")))
        assert set(left) == ids(first)
