"""Which runs of the spool an export takes, and which stay behind and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.identity import Identity
from agent.spool import Spool, Spooled
from checks.carried import MOST_RUNS
from checks.errors import BadInput


@dataclass(frozen=True, slots=True)
class Since:
    """Only runs from this number on, or made from this moment on."""

    number: int = 0
    moment: datetime | None = None

    def takes(self, entry: Spooled) -> bool:
        return entry.sequence >= self.number and (self.moment is None or made_at(entry.run) >= self.moment)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The runs to write, by number. `damaged` names files that are no whole run; `strangers` is how many runs
    belong to an agent that this machine was before, `over` how many were too many for one file.
    """

    runs: tuple[Spooled, ...]
    damaged: tuple[str, ...] = ()
    strangers: int = 0
    over: int = 0


def choose(spool: Spool, identity: Identity, *, everything: bool, since: Since) -> Chosen:
    """Every pending run, held ones too, because what held them may have been put right since; with
    `everything` also what was acknowledged and is still kept. Each file is read once to see that it is whole.
    """
    runs: list[Spooled] = []
    damaged: list[str] = []
    strangers = over = 0
    for entry in sorted(spool.pending() + (spool.kept() if everything else [])):
        if not since.takes(entry):
            continue
        if len(runs) == MOST_RUNS:
            over += 1
            continue
        try:
            agent = spool.read(entry).seal.agent
        except FileNotFoundError:
            continue  # dropped under pressure just now, and counted
        except (BadInput, OSError) as error:
            damaged.append(str(error))
            continue
        if agent == identity.agent:
            runs.append(entry)
        else:
            strangers += 1
    return Chosen(tuple(runs), tuple(damaged), strangers, over)


def read_since(text: str, now: datetime) -> Since:
    """``41`` (a number), ``2026-11-25`` or a whole time, or a span before now such as ``7d``.

    Raises `BadInput`.
    """
    from checks.units import read_span

    if text.isascii() and text.isdecimal() and len(text) <= 16:
        return Since(number=int(text))
    try:
        moment = datetime.fromisoformat(text)
        return Since(moment=moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError:
        pass
    try:
        return Since(moment=now - timedelta(seconds=read_span(text)))
    except (ValueError, OverflowError):
        raise BadInput(
            f"--since {text:.60}: right are a run's number, a day such as 2026-11-25, or a span such as 7d"
        ) from None


def made_at(run: str) -> datetime:
    """When a run was spooled, by the agent's clock: its id (RFC 9562, version 7) begins with it."""
    return datetime.fromtimestamp(int(run[:8] + run[9:13], 16) / 1000, UTC)
