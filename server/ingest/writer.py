"""The one thread that writes runs: whatever waits shares a transaction, and its commit, with the rest.

The event loop only moves bytes; decompression, hashing, verification, decoding and the fold happen here,
so that ingest never waits for itself. A batch that fails is taken apart and each run tried alone.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from server import store
from server.db import Database
from server.ingest.arrival import Answer, Arrival, refuse
from server.ingest.chain import lock_tips
from server.ingest.delivery import Delivery, open_delivery
from server.ingest.examine import Examined, examine, senders
from server.ingest.record import record

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""How many runs share a commit at most; a batch stays within a few milliseconds a run."""

Reply = Callable[[Answer], None]


@dataclass(frozen=True, slots=True)
class Job:
    delivery: Delivery
    reply: Reply


class Writer:
    """Takes deliveries from any thread and answers each once it is durable (or refused)."""

    def __init__(self, db: Database, max_decompressed: int) -> None:
        self._db = db
        self._limit = max_decompressed
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)
        self._open = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Answer everything that was taken, then end. Later deliveries are told to come back."""
        if self._open:
            self._open = False
            self._jobs.put(None)
            self._thread.join(timeout=30)

    def submit(self, delivery: Delivery, reply: Reply) -> None:
        """Queue a delivery; `reply` is called once, from the writer's thread."""
        if self._open:
            self._jobs.put(Job(delivery, reply))
        else:
            reply(refuse(503, "shutting down", "try again in a moment", hold=True))

    def take(self, deliveries: list[Delivery]) -> list[Answer]:
        """The answer to each, given here and now: for runs that came another way than HTTP."""
        return self._take(deliveries)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            batch: list[Job] = []
            while job is not None:
                batch.append(job)
                if len(batch) == MOST_AT_ONCE:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            self._answer(batch)
            if job is None:
                return

    def _answer(self, batch: list[Job]) -> None:
        answers = self._take([job.delivery for job in batch])
        for job, answer in zip(batch, answers, strict=True):
            try:
                job.reply(answer)
            except RuntimeError:  # the client's event loop is gone; the run is stored and will be sent again
                log.info("nobody waits for the answer to run %s", job.delivery.run)

    def _take(self, deliveries: list[Delivery]) -> list[Answer]:
        """The answer to each; whatever one of them provokes, the others and this thread go on."""
        try:
            return self._store([open_delivery(one, self._limit) for one in deliveries])
        except Exception as error:
            if len(deliveries) > 1:
                return [answer for one in deliveries for answer in self._take([one])]
            log.exception("a run could not be stored")
            if isinstance(error, DBAPIError | OSError):
                return [
                    refuse(503, "not stored", "the store did not take the run; try again later", hold=True)
                ]
            return [refuse(500, "not stored", "an internal error; the run was not stored")]

    def _store(self, opened: list[Arrival | Answer]) -> list[Answer]:
        """All answers of a batch, given only after its transaction was committed."""
        examined = self._examine(opened)
        if not any(isinstance(one, Examined) for one in examined):
            return [one for one in examined if isinstance(one, Answer)]
        with self._db.write() as session:
            connection = session.connection()
            epoch = store.epoch(session)
            lock_tips(connection, (one.sender for one in examined if isinstance(one, Examined)))
            # Locks are taken in one order whatever order the runs came in, so that two servers never wait
            # for each other.
            answers: dict[int, Answer] = {}
            for index, one in sorted(enumerate(examined), key=_lock_order):
                answers[index] = one if isinstance(one, Answer) else record(connection, one, epoch).answer
        return [answers[index] for index in range(len(examined))]

    def _examine(self, opened: list[Arrival | Answer]) -> list[Examined | Answer]:
        arrivals = [one.seal.agent for one in opened if isinstance(one, Arrival)]
        if not arrivals:
            return [one for one in opened if isinstance(one, Answer)]
        with self._db.read() as session:
            known = senders(session.connection(), arrivals)
        return [
            examine(one, known.get(one.seal.agent)) if isinstance(one, Arrival) else one for one in opened
        ]


def _lock_order(pair: tuple[int, Examined | Answer]) -> tuple[str, int]:
    index, one = pair
    return ("" if isinstance(one, Answer) else one.report.agent, index)
