"""Delivering what the spool holds, in order, and what each answer does to the spool and the identity."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from agent.config import Config, load_config
from agent.identity import Identity, enrolled, read_key, save_identity
from agent.lock import exclusive
from agent.paths import State
from agent.spool import Spool, Spooled
from agent.uplink import Uplink
from checks.envelope import Ack, Envelope, seal
from checks.errors import BadInput, UplinkError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ERRORS_IN_A_ROW = 3
"""After so many server errors the rest waits; fewer, and one run that upsets the server would stop all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one run: `sent`, `held` (kept until enrolled again or upgraded), `quarantined`,
    `damaged` (its file was torn; set aside) or `waiting` (the collector could not be reached)."""

    outcome: Literal["sent", "held", "quarantined", "damaged", "waiting"]
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
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Delivery]:
    """Send every pending run once, oldest first, and say what became of each.

    `lock_wait_s` is the patience with another process that is delivering (then `Busy`), `retry_wait_s`
    the patience with a collector that asks to wait, `budget_s` the seconds after which the rest waits for
    the next time. Raises `BadInput` where this machine is not enrolled, `OSError` where the spool cannot
    be changed.
    """
    enrolled(state)  # before there is a folder to lock in
    with exclusive(state.delivery_lock, wait_s=lock_wait_s):
        config = load_config(state)
        identity = enrolled(state)
        spool = Spool(state.spool)
        spool.prepare()
        spool.prune(config.keep_sent_days)
        with connect(state, identity, config) as uplink:
            key = read_key(state.root / identity.key_file)
            passing = _Pass(state, identity, spool, uplink, key, tell, retry_wait_s, sleep)
            return passing.deliver(until=None if budget_s is None else clock() + budget_s, clock=clock)


def connect(state: State, identity: Identity, config: Config) -> Uplink:
    """The uplink to the identity's collector."""
    ca = state.root / identity.ca_file if identity.ca_file else None
    return Uplink(identity.url, ca=ca, connect_s=config.connect_timeout_s, read_s=config.read_timeout_s)


@dataclass(slots=True)
class _Pass:
    """One walk over the spool, with the delivery lock held."""

    state: State
    identity: Identity
    spool: Spool
    uplink: Uplink
    key: Ed25519PrivateKey
    tell: Callable[[Delivery], None]
    patience_s: float
    sleep: Callable[[float], None]

    def deliver(self, *, until: float | None, clock: Callable[[], float]) -> list[Delivery]:
        done: dict[str, Delivery] = {}
        stopped: Delivery | None = None
        errors = 0
        self._set_strangers_aside(done)
        while todo := [entry for entry in self.spool.pending() if entry.run not in done]:
            # Taken anew until nothing is left: other processes spool while this one delivers.
            for entry in todo:
                if not stopped and until is not None and clock() >= until:
                    stopped = Delivery(
                        "waiting", 0, "", "the time for this was up; firstlight send does the rest"
                    )
                if stopped:
                    self._note(done, entry, stopped.outcome, stopped.detail)
                    continue
                try:
                    ack = self._deliver(entry)
                except BadInput as error:
                    self.spool.quarantine(entry.path, str(error))
                    self._note(done, entry, "damaged", str(error))
                except UplinkError as error:
                    errors = errors + 1 if error.status is not None and error.status >= 500 else 0
                    stopped = self._failed(done, entry, error, errors)
                else:
                    errors = 0
                    for run in self._acknowledged(entry, ack):
                        done.pop(run, None)
                    detail = f"stored, held by the collector: {ack.held}" if ack.held else ""
                    self._note(done, entry, "sent", detail, self._address(ack))
        return list(done.values())

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
        renewed = seal(agent, entry.run, envelope.body, self.key)  # RFC 8032: equal key, equal signature
        if renewed.seal != envelope.seal:
            self.spool.reseal(entry, renewed)
        return renewed

    def _failed(
        self, done: dict[str, Delivery], entry: Spooled, error: UplinkError, errors: int
    ) -> Delivery | None:
        """Deal with a run that was not taken; the answer, if any, now holds for all others."""
        if error.permanent:
            reason = f"{error} (HTTP {error.status})"
            self.spool.quarantine(entry.path, reason)
            self._note(done, entry, "quarantined", reason)
            return None
        if error.hold:
            detail = f"{error}; {_what_to_do(error)}" if error.status is not None else str(error)
            self.spool.hold(entry, detail)
            self._note(done, entry, "held", detail)
            return done[entry.run] if error.status == 401 else None
        self._note(done, entry, "waiting", str(error))
        answered = error.status is not None and error.status >= 500
        if answered and error.retry_after_s is None and errors < ERRORS_IN_A_ROW:
            return None
        return done[entry.run]

    def _acknowledged(self, entry: Spooled, ack: Ack) -> list[str]:
        """Settle a run; says which runs are pending again because the collector's store began a new life."""
        again: list[Spooled] = []
        if self.identity.epoch and ack.epoch != self.identity.epoch:
            # The highest number held says nothing once it is this run's own: then all kept goes again.
            above = ack.highest_sequence if ack.highest_sequence < entry.sequence else 0
            again = self.spool.send_again(above, self.identity.agent)
        self.spool.mark_acknowledged(entry, ack)
        targets = self.identity.targets | ack.targets
        if ack.epoch != self.identity.epoch or targets != self.identity.targets:
            self.identity = msgspec.structs.replace(self.identity, epoch=ack.epoch, targets=targets)
            save_identity(self.state, self.identity)  # after the runs were put back: a crash repeats it
        return [old.run for old in again]

    def _set_strangers_aside(self, done: dict[str, Delivery]) -> None:
        for path in self.spool.strangers():
            reason = f"{path}: not a name that the spool gives"
            self.spool.quarantine(path, reason)
            self._tell(done, Delivery("damaged", 0, path.name, reason))

    def _note(
        self,
        done: dict[str, Delivery],
        entry: Spooled,
        outcome: Literal["sent", "held", "quarantined", "damaged", "waiting"],
        detail: str = "",
        url: str = "",
    ) -> None:
        self._tell(done, Delivery(outcome, entry.sequence, entry.run, detail, url))

    def _tell(self, done: dict[str, Delivery], delivery: Delivery) -> None:
        done[delivery.run] = delivery
        self.tell(delivery)

    def _address(self, ack: Ack) -> str:
        return self.identity.url + ack.url if ack.url.startswith("/") else ack.url


def _what_to_do(error: UplinkError) -> str:
    if error.status == 401:
        return "it stays in the spool: enrol again (firstlight enrol URL --token TOKEN)"
    if error.status == 403:
        return "it stays in the spool: let the collector's administrator allow it, or enrol again"
    return "it stays in the spool: upgrade the agent or the collector, then firstlight send"
