"""firstlight import: take in what a collector answered on a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.carry.receipts import Settled
    from agent.paths import State


@click.command(short_help="Take in the collector's receipts from a file.")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Take in FILE, which the collector wrote when it imported an export of this machine, or enrolled it.

    Runs that it stored leave the spool, and what it refused says why. Profiles and schedules that came along
    are taken up as they would be over the network. The same file again changes nothing.
    """
    from agent.carry.incoming import incoming
    from agent.paths import state
    from agent.rules.intake import take
    from checks.errors import BadInput, FirstlightError

    at = state()
    kind, data = incoming(file)
    try:
        if kind == "rules":
            click.echo(str(take(at, data)))
        elif kind == "enrolled":
            _enrolled(at, data)
        else:
            _settled(at, data)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error
    except OSError as error:
        raise FirstlightError(
            f"{error.filename or at.spool}: {error.strerror or error}; mend that and import {file} again"
        ) from error


def _enrolled(at: State, data: bytes) -> None:
    from agent.carry.enrolling import take_enrolment

    done = take_enrolment(at, data)
    identity = done.identity
    sites = ", ".join(identity.sites)
    click.echo(f"enrolled as {identity.agent} for {sites}, this machine as {identity.target}")
    click.echo(f"the collector's key is {done.collector_key}: compare it with what the collector printed")
    if done.signed_again:
        click.echo(f"{_runs(done.signed_again)} signed with the new key; firstlight export FILE writes them")
    profile = f" {identity.profile}" if identity.profile else ""
    click.echo(f"next: firstlight check{profile}, then firstlight export FILE")


def _settled(at: State, data: bytes) -> None:
    from agent.carry.receipts import settle
    from agent.rules.intake import take

    settled = settle(at, data)
    _say(settled)
    if settled.rules:
        click.echo(str(take(at, settled.rules)))
    if waiting := settled.count("waiting"):
        click.echo(f"{_runs(waiting)} not stored just now: have the collector import the export once more")
        raise SystemExit(3)
    if settled.count("held") or settled.count("quarantined"):
        raise SystemExit(4)


def _say(settled: Settled) -> None:
    stored = settled.count("sent")
    issued, highest = settled.receipts.issued, settled.receipts.highest_sequence
    click.echo(f"receipts of {issued:%Y-%m-%d %H:%M} UTC; the collector holds runs up to number {highest}")
    if stored:
        leave = "it leaves" if stored == 1 else "they leave"
        click.echo(f"{_runs(stored)} stored by the collector; {leave} the spool")
    for delivery in settled.done:
        if delivery.outcome != "sent" or delivery.detail:
            words = [delivery.outcome, str(delivery.sequence), delivery.run, delivery.detail]
            click.echo("\t".join(words).rstrip())
    if settled.before:
        was = "was settled before, or is" if settled.before == 1 else "were settled before, or are"
        click.echo(f"{_runs(settled.before)} in it {was} not in the spool any more")
    if settled.again:
        click.echo(
            f"the collector's store began a new life: {_runs(settled.again)} go again with the next export"
        )


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
