"""Reading the facts of a plan: each once per target, side by side, none waiting for one that hangs.

Facts of this machine are read by a few threads; a read that outlives its deadline is given up and its thread
with it. A remote target has a thread of its own, which keeps its deadlines itself, and so many of them run at
a time. Whatever happens, every fact that was asked for has a reading in the end. What to read is the plan's
business, how is the fact's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import msgspec

from agent.reading import reading_of
from checks.fact import Fact, Reading, Unavailable
from checks.facts.permitted import NOT_APPROVED, Permitted
from checks.snapshot import Readings, Snapshot

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.plan import Plan

READERS = 16
"""Reads at a time. Far more than a processor can use: nearly all that take long wait for something else."""

PATIENCE_S = 0.005
"""How long nothing may finish before another reader is started; most runs never need a second one."""

TELL_S = 0.004
LOOK_S = 0.05
"""How often readers tell what they have read, and how long may pass before somebody looks unasked."""

HOSTS_AT_ONCE = 16
"""Remote targets at a time, unless told otherwise. Eight of them keep a core busy."""

OnReading = Callable[[str, Fact, Reading], None]


class Remote(Protocol):
    """A target that is read as a whole, in a thread of its own; `lost` says why it could not be had."""

    @property
    def lost(self) -> Unavailable | None: ...

    def read(self, facts: Iterable[Fact], deliver: Callable[[Fact, Reading, float], None]) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Interrupted(KeyboardInterrupt):
    """The user stopped the collection; `snapshot` has what was read, and says of the rest that it was not."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__("interrupted")
        self.snapshot = snapshot


class _Job(msgspec.Struct, eq=False):
    target: str
    fact: Fact
    name: str
    host: Host | None = None


class _Gathered(msgspec.Struct):
    """What one target gave so far; `open` names the facts asked for and not yet read."""

    values: dict[str, Reading] = {}
    duration_ms: dict[str, float] = {}
    open: dict[str, _Job] = {}
    last: datetime | None = None


Done = tuple[_Job, Reading, float]


class _Reader(threading.Thread):
    """A thread that reads until it is told to stop. A daemon: a stuck one must not keep the program alive.

    What it has read lies in `finished`; it says so (None in `done`) at most every few milliseconds, because
    waking somebody for each of hundreds of quick reads costs more than the reads.
    """

    def __init__(self, jobs: SimpleQueue[_Job | None], done: SimpleQueue[Done | None]) -> None:
        super().__init__(name="reader", daemon=True)
        self.jobs, self.done = jobs, done
        self.finished: deque[Done] = deque()
        self.now: tuple[_Job, float] | None = None

    def run(self) -> None:
        told = 0.0
        while (job := self.jobs.get()) is not None:
            started = monotonic()
            self.now = (job, started)
            assert job.host is not None
            reading = reading_of(job.fact, Permitted(job.host, job.fact))
            self.now = None
            ended = monotonic()
            self.finished.append((job, reading, ended - started))
            if self.jobs.empty() or ended - told > TELL_S:
                self.done.put(None)
                told = ended


class _Visit(threading.Thread):
    """A remote target's thread: it reads batch after batch, until it is told that there are no more."""

    def __init__(self, remote: Remote, done: SimpleQueue[Done | None]) -> None:
        super().__init__(name="target", daemon=True)
        self.remote, self.done = remote, done
        self.batches: SimpleQueue[list[_Job] | None] = SimpleQueue()

    def run(self) -> None:
        try:
            while (batch := self.batches.get()) is not None:
                self.read(batch)
        finally:
            self.remote.close()

    def read(self, batch: list[_Job]) -> None:
        jobs = {job.fact: job for job in batch}

        def deliver(fact: Fact, reading: Reading, seconds: float) -> None:
            self.done.put((jobs.pop(fact), reading, seconds))

        try:
            self.remote.read(tuple(jobs), deliver)
        except Exception as problem:  # noqa: BLE001 - the border: one target must not cost the others
            for job in list(jobs.values()):
                lost = Unavailable(f"{type(problem).__name__}: {problem}"[:1000], "failed")
                self.done.put((job, lost, 0.0))


def utc_now() -> datetime:
    return datetime.now(UTC)


def collect(
    plan: Plan,
    hosts: Mapping[str, Host],
    *,
    remotes: Mapping[str, Remote] | None = None,
    limit: int = HOSTS_AT_ONCE,
    on_reading: OnReading | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Snapshot:
    """Read what the plan needs from each of its targets.

    For every target's name there is a host in `hosts` or a remote in `remotes`, of which `limit` are read at
    a time. `on_reading` is called in the caller's thread after every reading. Raises `Interrupted`, with what
    was read by then, when the user presses Ctrl-C.
    """
    collection = _Collection(plan, hosts, remotes or {}, limit, on_reading, clock)
    try:
        collection.run()
    except KeyboardInterrupt as stop:
        raise Interrupted(collection.snapshot()) from stop
    return collection.snapshot()


class _Collection:
    """One collection under way. Only the caller's thread touches it; readers see the two queues."""

    def __init__(
        self,
        plan: Plan,
        hosts: Mapping[str, Host],
        remotes: Mapping[str, Remote],
        limit: int,
        on_reading: OnReading | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.plan, self.hosts, self.on_reading, self.clock = plan, hosts, on_reading, clock
        self.remotes, self.limit = remotes, limit
        self.visits: dict[str, _Visit] = {}
        self.queued: deque[tuple[str, list[_Job]]] = deque()
        self.gathered = {target.name: _Gathered() for target in plan.targets}
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.done: SimpleQueue[Done | None] = SimpleQueue()
        self.readers: list[_Reader] = []

    def run(self) -> None:
        try:
            for target in self.gathered:
                self.ask(target, self.plan.facts(target))
            if any(part.open for name, part in self.gathered.items() if name not in self.remotes):
                self.add_reader()
            while any(part.open for part in self.gathered.values()):
                busy = [now for reader in self.readers if (now := reader.now) and self.awaited(now[0])]
                full = len(busy) >= READERS or self.jobs.empty()
                came = self.wait(self.patience(busy) if full else PATIENCE_S)
                for job, reading, seconds in came:
                    self.keep(job, reading, seconds)
                if not came and not full and all(reader.now for reader in self.readers):
                    self.add_reader()
                self.give_up_late(busy)
        finally:
            self.stop()

    def ask(self, target: str, facts: Iterable[Fact]) -> None:
        part = self.gathered[target]
        batch = []
        for fact in facts:
            name = fact.id()
            if name in part.values or name in part.open:
                continue
            if not self.plan.permits(target, fact):
                part.values[name] = Unavailable(f"not in the approved plan: {fact.describe()}", NOT_APPROVED)
                continue
            part.open[name] = job = _Job(target, fact, name, self.hosts.get(target))
            batch.append(job)
        if target in self.remotes:
            self.visit(target, batch)
            return
        for job in batch:
            self.jobs.put(job)

    def visit(self, target: str, batch: list[_Job]) -> None:
        """Have a remote target read a batch, when its turn comes; without a batch its visit is over."""
        if target in self.visits:
            self.visits[target].batches.put(batch or None)
            if not batch:
                del self.visits[target]
                if self.queued:
                    self.begin(*self.queued.popleft())
        elif batch and len(self.visits) < self.limit:
            self.begin(target, batch)
        elif batch:
            self.queued.append((target, batch))

    def begin(self, target: str, batch: list[_Job]) -> None:
        visit = self.visits[target] = _Visit(self.remotes[target], self.done)
        visit.batches.put(batch)
        visit.start()

    def wait(self, patience: float | None) -> list[Done]:
        """What has come, waiting for it at most so many seconds (None: as long as it takes)."""
        came = self.come()
        if came:
            return came
        with suppress(Empty):
            first = self.done.get(timeout=patience)
            came = [first] if first is not None else []
        return came + self.come()

    def come(self) -> list[Done]:
        """What has come by now, from everybody."""
        came = []
        with suppress(Empty):
            while True:
                told = self.done.get_nowait()
                came += [told] if told is not None else []
        for reader in self.readers:
            while reader.finished:
                came.append(reader.finished.popleft())
        return came

    def patience(self, busy: list[tuple[_Job, float]]) -> float | None:
        """Seconds to wait for the next reading: for ever where only remote targets are read, which end by
        themselves, and by a Ctrl-C all the same."""
        mine = any(part.open for name, part in self.gathered.items() if name not in self.remotes)
        return min(_wait(busy), LOOK_S) if mine else None

    def awaited(self, job: _Job) -> bool:
        return self.gathered[job.target].open.get(job.name) is job

    def keep(self, job: _Job, reading: Reading, seconds: float) -> None:
        """Take a reading in, and ask for what it makes necessary once the target's others are in too."""
        if not self.take(job, reading, seconds):
            return
        part = self.gathered[job.target]
        if self.on_reading is not None:
            self.on_reading(job.target, job.fact, reading)
        if not part.open:
            from checks.evaluate import next_facts

            self.ask(job.target, next_facts(self.plan, job.target, part.values))

    def take(self, job: _Job, reading: Reading, seconds: float) -> bool:
        """Whether the reading was still awaited: one that was given up may come after all."""
        if not self.awaited(job):
            return False
        part = self.gathered[job.target]
        part.values[job.name] = reading
        part.duration_ms[job.name] = round(seconds * 1000, 3)
        part.last = self.clock()
        del part.open[job.name]
        return True

    def take_all(self) -> None:
        """Take in what has come and nobody has waited for."""
        for job, reading, seconds in self.come():
            self.take(job, reading, seconds)

    def give_up_late(self, busy: list[tuple[_Job, float]]) -> None:
        """Their readers are lost from here on: no longer counted, no longer waited for."""
        for job, started in busy:
            taken = monotonic() - started
            if taken >= job.fact.deadline_s:
                self.keep(job, Unavailable(f"timed out after {job.fact.deadline_s:g} s", "timeout"), taken)

    def add_reader(self) -> None:
        reader = _Reader(self.jobs, self.done)
        self.readers.append(reader)
        reader.start()

    def stop(self) -> None:
        """Drop what nobody has begun, and let every reader end after the read it is at.

        What has come by now is taken in. A remote target is ended in the middle; what it says of that is not
        heard any more: it was interrupted, not lost.
        """
        self.take_all()
        self.done = SimpleQueue()
        with suppress(Empty):
            while True:
                self.jobs.get_nowait()
        for _ in self.readers:
            self.jobs.put(None)
        for visit in self.visits.values():
            visit.remote.abort()
            visit.batches.put(None)

    def snapshot(self) -> Snapshot:
        """Everything read so far. What is still open was interrupted, and says so."""
        now = self.clock()
        targets = []
        for target in self.plan.targets:
            part = self.gathered[target.name]
            unread = Unavailable("not read: the run was interrupted", "interrupted")
            values = dict.fromkeys(part.open, unread) | part.values
            roles = self.plan.roles.get(target.name, ())
            remote = self.remotes.get(target.name)
            lost = remote.lost if remote is not None else None
            values = dict(sorted(values.items()))
            targets.append(Readings(target, values, part.last or now, part.duration_ms, roles, lost))
        return Snapshot(captured_at=now, targets=tuple(targets), profile=self.plan.profile.id)


def _wait(busy: list[tuple[_Job, float]]) -> float:
    """Seconds until the next deadline; short where a reader is only just taking its job."""
    if not busy:
        return PATIENCE_S
    return max(0.0, min(started + job.fact.deadline_s for job, started in busy) - monotonic()) + 0.001
