"""The example's two years played in the order of time, with the clock passed in, through the real doors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import decisions, delivery, store
from server.auth.account import Account
from server.db import Database
from server.example.machine import PROFILE, TOOK, Machine
from server.example.readings import noise
from server.example.stories import CUSTOMERS, ENGINEERS, PRODUCTS, STORIES, Attempt, Handover, Ruling, Story
from server.ingest.accept import accept
from server.ingest.arrival import Arrival
from server.kpi import go_live
from server.tables import Assignment, Binding, Customer, Finding, Store

BY = "example"
ASKS = Account(id=0, login="example-asks", name="Example", role="admin", engineer_id=None)
APPROVES = Account(id=0, login="example-approves", name="Example", role="admin", engineer_id=None)
DAILY, WEEKLY = 86_400, 7 * 86_400
HYPERCARE = 92
"""Days after the cutover for which a machine reports daily; then weekly."""
BATCH = 60
"""Steps a transaction: each costs the disk one wait."""


class Summary(msgspec.Struct, frozen=True):
    """What was built."""

    customers: int
    sites: int
    engineers: int
    projects: int
    runs: int


@dataclass(order=True)
class Step:
    """Something that happened at a moment; `order` keeps what a story tells in its own order."""

    at: datetime
    order: int
    deed: Callable[[Session, datetime], None] = field(compare=False)


def build(db: Database, now: datetime, progress: Callable[[int, int], None] | None = None) -> Summary:
    """Fill an initialised store with the example vendor, up to `now`, and mark it as holding example data.

    `progress` is told steps done and steps in all. Raises `BadInput` where the example is there already.
    The same `now` gives the same history; keys and ids of runs are made afresh.
    """
    plays = [Play(story, _midnight(now) - timedelta(days=story.ago)) for story in STORIES]
    steps = sorted(step for play in plays for step in play.steps() if step.at < now)
    with db.write() as session:
        _found(session, min(step.at for step in steps), now)
    for start in range(0, len(steps), BATCH):
        with db.write() as session:
            for step in steps[start : start + BATCH]:
                step.deed(session, step.at)
        if progress is not None:
            progress(min(start + BATCH, len(steps)), len(steps))
    return Summary(
        customers=len(CUSTOMERS),
        sites=len(STORIES),
        engineers=len(ENGINEERS),
        projects=len(STORIES),
        runs=sum(play.machine.sequence for play in plays),
    )


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _found(session: Session, then: datetime, now: datetime) -> None:
    store.found_store(session, now, example_data=True)
    session.execute(sa.update(Store).values(example_data=True))
    if session.get(Customer, next(iter(CUSTOMERS))) is not None:
        raise BadInput("the example vendor is in this store already")
    for customer, (name, industry) in CUSTOMERS.items():
        delivery.add_customer(session, name, id=customer, industry=industry, by=BY, now=then)
    for product, name in PRODUCTS.items():
        delivery.add_product(session, name, id=product, by=BY, now=then)
    for engineer, name in ENGINEERS.items():
        delivery.add_engineer(session, name, id=engineer, by=BY, now=then)


class Play:
    """One story on its way: what the later steps need of the earlier ones."""

    def __init__(self, story: Story, day_zero: datetime) -> None:
        self.story, self.zero = story, day_zero
        self.machine = Machine(story.machine, story.site)
        self.attempt = 0
        self.last_run = ""
        self.decision = 0

    def day(self, number: float) -> datetime:
        return self.zero + timedelta(days=number)

    def steps(self) -> Iterator[Step]:
        """All that happens, some of it perhaps after the present."""
        for order, (number, deed) in enumerate(self._told()):
            yield Step(self.day(number), order, deed)

    def _told(self) -> Iterator[tuple[float, Callable[[Session, datetime], None]]]:
        yield -22, self._begin
        yield -3.5, self._enrol
        for attempt in self.story.attempts:
            yield attempt.started, self._start
            if attempt.cutover is not None:
                yield attempt.cutover, self._cut_over
            yield from self._end(attempt)
        for moment in self._moments():
            yield moment, self._report
        if self.story.handover is not None:
            yield self.story.handover.day, self._handing_over(self.story.handover)
        for ruling in self.story.rulings:
            yield ruling.day, self._asking(ruling)
            yield ruling.day + 1, self._approve
        yield self._settled, self._rebind

    @property
    def _settled(self) -> float:
        return max(attempt.started for attempt in self.story.attempts) + HYPERCARE

    def _moments(self) -> Iterator[float]:
        """When it reports: nightly around a quarter past two, later once a week."""
        day: float = -3
        while day < self.story.ago + 1:
            at = day + (135 + 20 * noise(self.story.machine, day)) / 1440
            if not any(first <= day < last for first, last in self.story.dark):
                yield at
            day += 1 if day < self._settled else 7

    def _begin(self, session: Session, now: datetime) -> None:
        story = self.story
        delivery.add_site(session, story.customer, f"{story.name} (example)", id=story.site, by=BY, now=now)
        delivery.add_project(
            session,
            story.site,
            story.product,
            f"{PRODUCTS[story.product].split(' (')[0]} · {story.name} (example)",
            id=story.project,
            window_days=story.window_days,
            by=BY,
            now=now,
        )
        for member in story.team:
            if member.first < 0:
                since = self.day(member.first)
                delivery.assign(
                    session,
                    story.project,
                    member.engineer,
                    member.role,
                    share=member.share,
                    valid_from=since,
                    by=BY,
                    now=now,
                )

    def _enrol(self, session: Session, now: datetime) -> None:
        token = delivery.issue_enrolment_token(
            session,
            self.story.site,
            project_id=self.story.project,
            profile_id=PROFILE,
            interval_s=DAILY,
            by=BY,
            now=now,
        )
        self.machine.enrolled(delivery.enrol(session, self.machine.enrolment(token), now=now))

    def _report(self, session: Session, now: datetime) -> None:
        day = (now - self.zero) / timedelta(days=1)
        troubles = {t.kind for t in self.story.troubles if t.first <= day < t.last}
        sealed = self.machine.run(now, troubles)
        arrived = now + TOOK
        answer = accept(session, Arrival(sealed.seal, sealed.body, arrived, arrived))
        if answer.status != 201:
            raise BadInput(f"the example's run was refused: {answer.problem}")
        self.last_run = sealed.seal.run

    def _start(self, session: Session, now: datetime) -> None:
        self.attempt = delivery.record_go_live(session, self.story.project, by=BY, now=now).id

    def _cut_over(self, session: Session, now: datetime) -> None:
        delivery.record_cutover(session, self.attempt, by=BY, now=now)
        delivery.end_go_live(session, self.attempt, "live", by=BY, now=now)

    def _end(self, attempt: Attempt) -> Iterator[tuple[float, Callable[[Session, datetime], None]]]:
        def ending(outcome: str) -> Callable[[Session, datetime], None]:
            def end(session: Session, now: datetime) -> None:
                delivery.end_go_live(session, self.attempt, outcome, by=BY, now=now)

            return end

        if attempt.aborted is not None:
            yield attempt.aborted, ending("aborted")
        if attempt.rolled_back is not None:
            yield attempt.rolled_back, ending("rolled-back")

    def _handing_over(self, handover: Handover) -> Callable[[Session, datetime], None]:
        def hand_over(session: Session, now: datetime) -> None:
            project = self.story.project
            held = sa.select(Assignment.id).where(
                Assignment.project_id == project, Assignment.engineer_id == handover.giver
            )
            delivery.end_assignment(session, session.scalars(held).one(), now, by=BY, now=now)
            delivery.assign(session, project, handover.taker, handover.role, by=BY, now=now)
            delivery.record_handover(
                session,
                project,
                handover.role,
                handover.taker,
                self.last_run,
                from_engineer_id=handover.giver,
                by=BY,
                now=now,
            )

        return hand_over

    def _asking(self, ruling: Ruling) -> Callable[[Session, datetime], None]:
        def ask(session: Session, now: datetime) -> None:
            if ruling.kind == "exclusion":
                row = decisions.propose_exclusion(
                    session, go_live.ID, self.story.project, ruling.to, ruling.why, by=ASKS, now=now
                )
            else:
                finding = session.scalars(
                    sa.select(Finding.id).where(
                        Finding.site_id == self.story.site, Finding.item == ruling.item
                    )
                ).one()
                covered = next(t.first for t in self.story.troubles if t.first < ruling.day) + 1
                row = decisions.propose_cause(
                    session, finding, self.day(covered), ruling.to, ruling.why, by=ASKS, now=now
                )
            self.decision = row.id

        return ask

    def _approve(self, session: Session, now: datetime) -> None:
        decisions.approve(session, self.decision, by=APPROVES, now=now)

    def _rebind(self, session: Session, now: datetime) -> None:
        """Hypercare is over: the machine is expected once a week from here on."""
        bound = session.scalars(sa.select(Binding.id).where(Binding.target_id == self.machine.target)).one()
        delivery.end_binding(session, bound, by=BY, now=now)
        delivery.bind(
            session,
            self.machine.target,
            PROFILE,
            project_id=self.story.project,
            interval_s=WEEKLY,
            by=BY,
            now=now,
        )
