"""The account of what was dropped: every lost run is counted once, and the count travels with a later run.

Two things change together here, a file of the spool and the account, and a process can die between the two.
So the intent is written down first: `leaving` names the runs that are about to be removed, `carried` the runs
that are about to be spooled with a count in them. Whoever comes next looks which files there are and settles
what that means. The account is written under the sequence lock, and settled with the delivery lock held
beside it, so that no run moves meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from agent.durable import read_bounded, write_durably
from agent.paths import State
from checks.errors import FirstlightError
from checks.model import Dropped

NOTHING = Dropped()
LARGEST = 64 * 1024 * 1024


class Losses(msgspec.Struct, frozen=True):
    """`open` is what no run carries yet. `carried` is what the run of that id was made with, `leaving` what
    is lost once the file of the run of that id is gone. `seen` and `trusted_from` are moments of the
    machine's clock in seconds since 1970, by which ages are believed (`agent.pressure`).
    """

    open: Dropped = NOTHING
    carried: dict[str, Dropped] = {}
    leaving: dict[str, Dropped] = {}
    seen: float = 0.0
    trusted_from: float = 0.0


class Damaged(FirstlightError):
    """The account cannot be read."""


def load_losses(state: State) -> Losses:
    """The account. Raises `Damaged`."""
    try:
        return msgspec.json.decode(read_bounded(state.losses, LARGEST), type=Losses)
    except FileNotFoundError:
        return Losses()
    except (IsADirectoryError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{state.losses}: damaged ({error})") from error


def save_losses(state: State, losses: Losses) -> None:
    """Write the account, durably. Raises `OSError`."""
    write_durably(state.losses, msgspec.json.encode(losses))


def set_aside(state: State) -> str:
    """Keep a damaged account under another name and begin a new one; says so in one line. Raises `OSError`.

    What it counted is not known any more. A guess would be a lie, and an agent that stops is worse.
    """
    aside = state.losses.with_suffix(".damaged")
    state.losses.replace(aside)
    return f"damaged; kept as {aside}, and what it counted as dropped is told nowhere else"


def carry(state: State, run: str) -> Dropped:
    """What the run of this id takes along, written down as its intent. Raises `OSError`.

    The caller holds the sequence lock and spools the run next. If it never gets there, settling gives the
    count back.
    """
    try:
        losses = load_losses(state)
    except Damaged:
        return NOTHING  # the next delivery sets it aside, aloud; a run is not held up by it
    if losses.open == NOTHING:
        return NOTHING
    carried = losses.carried | {run: losses.open}
    save_losses(state, msgspec.structs.replace(losses, open=NOTHING, carried=carried))
    return losses.open


def settle(state: State, there: Callable[[str], bool], remove: Callable[[str], None]) -> Losses:
    """Finish what a process that died had begun. The caller holds the delivery and the sequence lock.

    `there` says whether a run is anywhere in the spool, `remove` takes its file away for good. Raises
    `OSError` and `Damaged`.
    """
    losses = load_losses(state)
    if not losses.carried and not losses.leaving:
        return losses
    never_kept = [count for run, count in losses.carried.items() if not there(run)]
    for run in losses.leaving:
        remove(run)
    settled = msgspec.structs.replace(
        losses, open=total([losses.open, *never_kept, *losses.leaving.values()]), carried={}, leaving={}
    )
    save_losses(state, settled)
    return settled


def total(counts: Iterable[Dropped]) -> Dropped:
    """Several counts as one."""
    every = list(counts)
    moments = [moment for one in every for moment in (one.oldest, one.newest) if moment is not None]
    return Dropped(
        sum(one.runs for one in every),
        sum(one.results for one in every),
        min(moments, default=None),
        max(moments, default=None),
    )


def lost(results: int, at: datetime, carried: Dropped = NOTHING) -> Dropped:
    """What goes with one run of so many results that ended `at`: itself, and the count it carried."""
    return total([Dropped(1, results, at, at), carried])
