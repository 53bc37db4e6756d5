"""Delivering what the spool holds, in order, and what each answer does to the spool and the identity."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent import retry
from agent.config import Config, load_config
from agent.contact import Delivered, last_delivered, note_clock, note_delivered
from agent.held import in_words
from agent.identity import Identity, enrolled, learnt, read_key, save_identity
from agent.lock import exclusive
from agent.network import way
from agent.paths import State
from agent.pressure import Gone
from agent.rules.fetching import announce
from agent.spool import Spool, Spooled, Unreadable
from agent.upkeep import Upkeep
from agent.uplink import Uplink
from checks.envelope import Ack, Envelope, seal
from checks.errors import BadInput, UplinkError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ERRORS_IN_A_ROW = 3
"""After so many server errors the rest waits; fewer, and one run that upsets the server would stop all."""


Outcome = Literal["sent", "held", "quarantined", "damaged", "waiting", "thinned", "dropped"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one run: `sent`, `held` (kept until enrolled again or upgraded), `quarantined`,
    `damaged` (its file was torn; set aside), `waiting` (the collector could not be reached, or it is not time
    yet), `thinned` or `dropped` (given up because the spool is full, and counted)."""

    outcome: Outcome
    sequence: int
    run: str
    detail: str = ""
    url: str = ""


def deliver_pending(
    state: State,
    *,
    tell: Callable[[Delivery], None] = lambda _: None,
    lock_wait_s: float = 10.0,
    retry_wait_s: float = 0.0,
    budget_s: float | None = None,
    if_due: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    wall: Callable[[], float] = time.time,
) -> list[Delivery]:
    """Send every pending run once, oldest first, and say what became of each.

    `lock_wait_s` is the patience with another process that is delivering (then `Busy`), `retry_wait_s`
    the patience with a collector that asks to wait, `budget_s` the seconds after which the rest waits for
    the next time. With `if_due` nothing is sent before the time that the last failure set. Afterwards the
    spool is brought within its limits. Raises `BadInput` where this machine is not enrolled, `OSError` where
    the spool cannot be changed.
    """
    enrolled(state)  # before there is a folder to lock in
    with exclusive(state.delivery_lock, wait_s=lock_wait_s):
        config = load_config(state)
        identity = enrolled(state)
        spool = Spool(state.spool)
        spool.prepare()
        done = _Done(tell)
        upkeep = Upkeep(state, spool, config, lambda name, text: done.add(Delivery("damaged", 0, name, text)))
        upkeep.before(wall())
        known = retry.load_retry(state) if if_due else None
        try:
            if known is not None and known.blocks(wall()):
                for entry in spool.pending():
                    done.note(entry, "waiting", retry.in_words(known, wall()))
            else:
                with connect(state, identity, config) as uplink:
                    if state.renewal.exists():
                        from agent.rotation import finish_rotation

                        identity = finish_rotation(state, identity, uplink)
                    key = read_key(state.root / identity.key_file)
                    passing = _Pass(state, identity, spool, uplink, key, done, retry_wait_s, sleep, wall)
                    passing.deliver(until=None if budget_s is None else clock() + budget_s, clock=clock)
        finally:
            # Also where the settings or the key are wrong: the spool must not grow meanwhile.
            for gone in upkeep.after(wall()):
                done.gone(gone)
        return list(done.runs.values())


def connect(state: State, identity: Identity, config: Config) -> Uplink:
    """The uplink to the identity's collector. Raises `BadInput` for wrong settings of the network."""
    ca = state.root / identity.ca_file if identity.ca_file else None
    return uplink_to(state, identity.url, ca, config)


def uplink_to(state: State, url: str, ca: Path | None, config: Config) -> Uplink:
    """The uplink to a collector, the way that the configuration says. Raises `BadInput`."""
    try:
        along = way(config.network, state.root)
    except BadInput as error:
        raise BadInput(f"{state.config}: {error}") from error
    return Uplink(url, ca=ca, connect_s=config.connect_timeout_s, read_s=config.read_timeout_s, way=along)


@dataclass(slots=True)
class _Done:
    """What became of each run so far, told as it happens."""

    tell: Callable[[Delivery], None]
    runs: dict[str, Delivery] = field(default_factory=dict)

    def note(self, entry: Spooled, outcome: Outcome, detail: str = "", url: str = "") -> None:
        self.add(Delivery(outcome, entry.sequence, entry.run, detail, url))

    def gone(self, gone: Gone) -> None:
        self.note(gone.entry, "thinned" if gone.thinned else "dropped", gone.why)

    def add(self, delivery: Delivery) -> None:
        self.runs[delivery.run] = delivery
        self.tell(delivery)


@dataclass(slots=True)
class _Pass:
    """One walk over the spool, with the delivery lock held."""

    state: State
    identity: Identity
    spool: Spool
    uplink: Uplink
    key: Ed25519PrivateKey
    done: _Done
    patience_s: float
    sleep: Callable[[float], None]
    wall: Callable[[], float]
    last: Delivered | None = None
    hash: str = ""
    epochs: int = 0

    def deliver(self, *, until: float | None, clock: Callable[[], float]) -> None:
        self.last = self._last()
        self._set_strangers_aside()
        stopped: UplinkError | None = None
        out_of_time = False
        errors = sent = 0
        try:
            while todo := [entry for entry in self.spool.pending() if entry.run not in self.done.runs]:
                # Taken anew until nothing is left: other processes spool while this one delivers.
                for entry in todo:
                    out_of_time = out_of_time or (not stopped and until is not None and clock() >= until)
                    if stopped or out_of_time:
                        self._leave(entry, stopped)
                        continue
                    try:
                        ack = self._one_life(self._deliver(entry))
                    except Unreadable as error:
                        self.done.note(entry, "damaged", str(error))
                    except BadInput as error:
                        with suppress(FileNotFoundError):  # somebody took it away
                            self.spool.quarantine(entry.path, str(error))
                        self.done.note(entry, "damaged", str(error))
                    except UplinkError as error:
                        errors = errors + 1 if error.status is not None and error.status >= 500 else 0
                        stopped = error if self._failed(entry, error, errors) else None
                    else:
                        errors, sent = 0, sent + 1
                        for run in self._acknowledged(entry, ack):
                            self.done.runs.pop(run, None)
                        self.done.note(entry, "sent", in_words(ack.held), self._address(ack))
        finally:
            if self.uplink.offset_s is not None:
                note_clock(self.state, self.uplink.offset_s)
        self._note_retry(stopped, sent, out_of_time)

    def _leave(self, entry: Spooled, stopped: UplinkError | None) -> None:
        """Say of a run that was not tried what became of it."""
        if stopped is None:
            self.done.note(entry, "waiting", "the time for this was up; firstlight send does the rest")
        elif stopped.hold:
            self.done.note(entry, "held", _held(stopped))
        else:
            self.done.note(entry, "waiting", str(stopped))

    def _note_retry(self, stopped: UplinkError | None, sent: int, out_of_time: bool) -> None:
        """When the next delivery is due: soon again, after a wait, or whenever there is something new."""
        left = [one for one in self.done.runs.values() if one.outcome in ("waiting", "held")]
        nothing_went = not sent and not out_of_time and any(one.outcome == "waiting" for one in left)
        if nothing_went or (stopped is not None and not stopped.hold):
            asked = stopped.retry_after_s if stopped is not None else None
            retry.failed(self.state, left[-1].detail, asked, self.wall())
        elif left and not out_of_time:
            retry.held(self.state, left[-1].detail, self.wall())
        else:
            retry.forget(self.state)

    def _deliver(self, entry: Spooled) -> Ack:
        envelope = self._sealed(entry)
        try:
            return self.uplink.deliver(envelope)
        except UplinkError as error:
            wait = error.retry_after_s
            if error.permanent or wait is None or wait > self.patience_s:
                raise
            self.patience_s -= wait
            self.sleep(wait)
        return self.uplink.deliver(envelope)

    def _one_life(self, ack: Ack) -> Ack:
        """The acknowledgement, unless the store began a second new life in one walk: each would have all that
        is kept sent again, and a collector that never keeps to one would never let the walk end.
        """
        if self.identity.epoch and ack.epoch != self.identity.epoch:
            self.epochs += 1
            if self.epochs > 1:
                raise UplinkError(
                    f"{self.uplink.url} answers from another store each time; tell its administrator",
                    permanent=False,
                )
        return ack

    def _sealed(self, entry: Spooled) -> Envelope:
        """The run under the present key: the same body, signed again where the key has changed since."""
        envelope = self.spool.read(entry)
        agent = envelope.seal.agent
        if agent != self.identity.agent:
            raise UplinkError(
                f"made as agent {agent}, before this machine was enrolled as {self.identity.agent}; "
                "only the collector that knows that agent takes it",
                permanent=False,
                hold=True,
            )
        self.hash = envelope.seal.hash
        renewed = seal(agent, entry.run, envelope.body, self.key)  # RFC 8032: equal key, equal signature
        if renewed.seal != envelope.seal:
            self.spool.reseal(entry, renewed)
        return renewed

    def _failed(self, entry: Spooled, error: UplinkError, errors: int) -> bool:
        """Deal with a run that was not taken; whether the answer, if any, holds for all others, too."""
        if error.permanent:
            reason = f"{error} (HTTP {error.status})"
            self.spool.quarantine(entry.path, reason)
            self.done.note(entry, "quarantined", reason)
            return False
        if error.hold:
            self.spool.hold(entry, _held(error))
            self.done.note(entry, "held", _held(error))
            return error.status == 401
        self.done.note(entry, "waiting", str(error))
        answered = error.status is not None and error.status >= 500
        return not answered or error.retry_after_s is not None or errors >= ERRORS_IN_A_ROW

    def _acknowledged(self, entry: Spooled, ack: Ack) -> list[str]:
        """Settle a run; says which runs are pending again because the collector's store lost some."""
        again: list[Spooled] = []
        held, number = ack.held_before, entry.sequence
        if self.identity.epoch and ack.epoch != self.identity.epoch:
            # Where the store holds more than this run's number, it got that in an attempt before this one,
            # which ended in between: then all kept goes again.
            if held < 0:
                held = ack.highest_sequence
            again = self.spool.send_again(held if held < number else 0, self.identity.agent)
        elif self.last is not None and 0 <= held < self.last.sequence < number:
            # It lacks what it acknowledged: restored, and nobody said so. Cut off in the middle, this run is
            # sent once more, and what was not put back yet still shows: it has the highest numbers.
            again = self.spool.send_again(held, self.identity.agent)
        self.spool.mark_acknowledged(entry, ack)
        self._note_delivered(entry, ack)
        announce(self.state, self.identity, ack.rules)
        told = learnt(self.identity, ack.epoch, ack.targets)
        if told != self.identity:
            self.identity = told
            save_identity(self.state, told)  # after the runs were put back: a crash repeats it
        return [old.run for old in again]

    def _last(self) -> Delivered | None:
        """What the collector acknowledged last, in this life of its store."""
        last = last_delivered(self.state)
        if last is None or (last.agent, last.epoch) != (self.identity.agent, self.identity.epoch):
            return None
        return last

    def _note_delivered(self, entry: Spooled, ack: Ack) -> None:
        newest = (entry.sequence, self.hash)
        if self.last is not None and self.last.agent == self.identity.agent:
            newest = max(newest, (self.last.sequence, self.last.hash))
        now = datetime.now(UTC)
        self.last = Delivered(self.identity.agent, ack.epoch, ack.highest_sequence, *newest, now)
        note_delivered(self.state, self.last)

    def _set_strangers_aside(self) -> None:
        for path in self.spool.strangers():
            reason = f"{path}: not a name that the spool gives"
            self.spool.quarantine(path, reason)
            self.done.add(Delivery("damaged", 0, path.name, reason))

    def _address(self, ack: Ack) -> str:
        if not ack.url.isprintable():
            return ""
        return self.identity.url + ack.url if ack.url.startswith("/") else ack.url


def _held(error: UplinkError) -> str:
    return f"{error}; {_what_to_do(error)}" if error.status is not None else str(error)


def _what_to_do(error: UplinkError) -> str:
    if error.status == 401:
        return "it stays in the spool: enrol again (firstlight enrol URL --token TOKEN)"
    if error.status == 403:
        return "it stays in the spool: let the collector's administrator allow it, or enrol again"
    return "it stays in the spool: upgrade the agent or the collector, then firstlight send"
