"""Keeping house around a delivery: settling the account of losses, tidying, relieving a spool that is full.

It never keeps a delivery from happening: on a disk that is full or read-only it does nothing, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.config import Config
from agent.lock import exclusive
from agent.losses import Damaged, Losses, set_aside, settle
from agent.paths import State
from agent.pressure import Gone, look_at_the_clock, relieve
from agent.spool import Spool, Spooled


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The spool of a state, looked after with the delivery lock held.

    `trouble` is called with the name of a file and a line for people.
    """

    state: State
    spool: Spool
    config: Config
    trouble: Callable[[str, str], None]

    def before(self, now: float) -> None:
        """Settle, sweep away what was left half written, and let go of what was delivered long ago."""
        try:
            with exclusive(self.state.sequence_lock):
                self.spool.clean()
                losses = look_at_the_clock(self.state, self._settled(), now)
            if now >= losses.trusted_from:
                self.spool.prune(self.config.keep_sent_days, now)
        except OSError:
            return  # a full disk: what cannot be tidied now is tidied later, and delivery makes room

    def after(self, now: float) -> list[Gone]:
        """Bring the spool within its limits; what was lost by it."""
        try:
            with exclusive(self.state.sequence_lock):
                return relieve(self.state, self.spool, self.config.spool, self._settled(), now)
        except OSError as error:
            where = error.filename or self.state.losses
            self.trouble(
                "spool", f"{where}: {error.strerror or error}; the spool was not brought within its limits"
            )
            return []

    def _settled(self) -> Losses:
        files: dict[str, list[Spooled]] = {}

        def of(run: str) -> list[Spooled]:
            if not files:
                for entry in [*self.spool.pending(), *self.spool.kept(), *self.spool.quarantined()]:
                    files.setdefault(entry.run, []).append(entry)
            return files.get(run, [])

        def remove(run: str) -> None:
            for entry in of(run):
                self.spool.drop(entry)

        try:
            return settle(self.state, lambda run: bool(of(run)), remove)
        except Damaged:
            self.trouble(self.state.losses.name, set_aside(self.state))
            return Losses()
