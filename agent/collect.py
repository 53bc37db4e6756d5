"""Reading the facts of a plan: each once per target, side by side, none waiting for one that hangs.

A read that outlives its deadline is given up and its thread with it; whatever happens, every fact that was
asked for has a reading in the end. What to read is the plan's business, how is the fact's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from checks.fact import Fact, Known, NotReadable, Reading, Unavailable
from checks.snapshot import Readings, Snapshot

if TYPE_CHECKING:
    from checks.facts.host import Host
    from checks.plan import Plan

READERS = 16
"""Reads at a time. Far more than a processor can use: nearly all that take long wait for something else."""

PATIENCE_S = 0.005
"""How long nothing may finish before another reader is started; most runs never need a second one."""

OnReading = Callable[[str, Fact, Reading], None]


class Interrupted(KeyboardInterrupt):
    """The user stopped the collection; `snapshot` has what was read, and says of the rest that it was not."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__("interrupted")
        self.snapshot = snapshot


class _Job(msgspec.Struct, eq=False):
    target: str
    fact: Fact
    name: str
    host: Host


class _Gathered(msgspec.Struct):
    """What one target gave so far; `open` names the facts asked for and not yet read."""

    values: dict[str, Reading] = {}
    duration_ms: dict[str, float] = {}
    open: dict[str, _Job] = {}
    last: datetime | None = None


class _Reader(threading.Thread):
    """A thread that reads until it is told to stop. A daemon: a stuck one must not keep the program alive."""

    def __init__(
        self, jobs: SimpleQueue[_Job | None], done: SimpleQueue[tuple[_Job, Reading, float]]
    ) -> None:
        super().__init__(name="reader", daemon=True)
        self.jobs, self.done = jobs, done
        self.now: tuple[_Job, float] | None = None

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            started = monotonic()
            self.now = (job, started)
            reading = read(job.fact, job.host)
            self.now = None
            self.done.put((job, reading, monotonic() - started))


def utc_now() -> datetime:
    return datetime.now(UTC)


def read(fact: Fact, host: Host) -> Reading:
    """One reading; whatever a fact raises becomes `Unavailable` with its cause."""
    try:
        return Known(fact.read(host))
    except NotReadable as problem:
        return Unavailable(problem.reason, problem.cause)
    except PermissionError as problem:
        return Unavailable(_says(problem, "permission denied"), "denied")
    except FileNotFoundError as problem:
        return Unavailable(_says(problem, "does not exist"), "absent")
    except TimeoutError as problem:
        return Unavailable(_says(problem, "timed out"), "timeout")
    except OSError as problem:
        return Unavailable(_says(problem, problem.strerror or type(problem).__name__), "failed")
    except Exception as problem:  # noqa: BLE001 - the border: a fact may be anyone's, the others go on
        return Unavailable(f"{type(problem).__name__}: {problem}"[:1000], "failed")


def collect(
    plan: Plan,
    hosts: Mapping[str, Host],
    *,
    on_reading: OnReading | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Snapshot:
    """Read what the plan needs from each of its targets; `hosts` has a host for every target's name.

    `on_reading` is called in the caller's thread after every reading. Raises `Interrupted`, with what was
    read by then, when the user presses Ctrl-C.
    """
    collection = _Collection(plan, hosts, on_reading, clock)
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
        on_reading: OnReading | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.plan, self.hosts, self.on_reading, self.clock = plan, hosts, on_reading, clock
        self.gathered = {target.name: _Gathered() for target in plan.targets}
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.done: SimpleQueue[tuple[_Job, Reading, float]] = SimpleQueue()
        self.readers: list[_Reader] = []

    def run(self) -> None:
        try:
            for target in self.gathered:
                self.ask(target, self.plan.facts(target))
            self.add_reader()
            while any(part.open for part in self.gathered.values()):
                busy = [now for reader in self.readers if (now := reader.now) and self.awaited(now[0])]
                full = len(busy) >= READERS or self.jobs.empty()
                try:
                    self.keep(*self.done.get(timeout=_wait(busy) if full else PATIENCE_S))
                except Empty:
                    if not full and all(reader.now for reader in self.readers):
                        self.add_reader()
                self.give_up_late(busy)
        finally:
            self.stop()

    def ask(self, target: str, facts: Iterable[Fact]) -> None:
        part = self.gathered[target]
        for fact in facts:
            name = fact.id()
            if name not in part.values and name not in part.open:
                part.open[name] = job = _Job(target, fact, name, self.hosts[target])
                self.jobs.put(job)

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
        """Drop what nobody has begun, and let every reader end after the read it is at."""
        with suppress(Empty):
            while True:
                self.jobs.get_nowait()
        for _ in self.readers:
            self.jobs.put(None)

    def snapshot(self) -> Snapshot:
        """Everything read so far. What is still open was interrupted, and says so."""
        with suppress(Empty):
            while True:
                self.take(*self.done.get_nowait())
        now = self.clock()
        targets = []
        for target in self.plan.targets:
            part = self.gathered[target.name]
            unread = Unavailable("not read: the run was interrupted", "interrupted")
            values = dict.fromkeys(part.open, unread) | part.values
            targets.append(Readings(target, dict(sorted(values.items())), part.last or now, part.duration_ms))
        return Snapshot(captured_at=now, targets=tuple(targets), profile=self.plan.profile.id)


def _wait(busy: list[tuple[_Job, float]]) -> float:
    """Seconds until the next deadline; short where a reader is only just taking its job."""
    if not busy:
        return PATIENCE_S
    return max(0.0, min(started + job.fact.deadline_s for job, started in busy) - monotonic()) + 0.001


def _says(problem: OSError, otherwise: str) -> str:
    return f"{problem.filename}: {otherwise}" if problem.filename else otherwise
