"""firstlight agent: stay, and check when it is time; or do once whatever is due."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput, FirstlightError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.paths import State


@click.command(short_help="Stay, and check when it is time.")
@click.option("--once", is_flag=True, help="Run whatever is due now, one after the other, and end.")
@click.option(
    "--schedule", "name", metavar="NAME", help="Run this schedule now; with --once only if it is due."
)
@click.option("--list", "listed", is_flag=True, help="Show every schedule: when next, and how it went last.")
@click.option("--state", "folder", metavar="DIR", help="The state folder. [env: FIRSTLIGHT_STATE]")
def command(once: bool, name: str | None, listed: bool, folder: str | None) -> None:
    """Stay, and start each scheduled check when it is time; deliver what waits.

    Schedules stand in config.toml of the state folder, and come from the collector. This is for machines
    where nothing else wakes the check, such as containers; elsewhere `firstlight install` has systemd, cron
    or Windows call --once and --schedule. It ends with SIGTERM.

    A run that is missed runs once when the machine is there again, and two runs of one schedule never
    overlap: the second says so and ends with 0.
    """
    from agent.log import Log, heard
    from agent.paths import state
    from agent.schedules.surroundings import machine, surroundings

    if folder is not None:
        os.environ["FIRSTLIGHT_STATE"] = os.path.abspath(folder)  # noqa: PTH100 - also for the children
    if listed and (once or name):
        raise BadInput("--list shows and runs nothing; leave --once and --schedule out")
    at = state()
    if listed:
        from agent.schedules.listing import listing
        from agent.schedules.running import now_utc

        lines = list(listing(at, surroundings(at).schedules, machine(), now_utc()))
        click.echo(
            "\n".join(lines) or f"there is no schedule; firstlight install writes one into {at.config}"
        )
        return
    try:
        at.prepare()
    except OSError as error:
        raise FirstlightError(f"{error.filename or at.root}: {error.strerror or error}") from error
    from agent.install import program

    if not once and name is None:
        raise SystemExit(_stay(at, program()))
    from agent.schedules.once import run_due, run_now

    log = Log(at.log, echo=heard() or not once)
    around, stopped = surroundings(at), _ends_politely()
    if once:
        code = run_due(at, around, machine(), log, program=program(), stopped=stopped, only=name or "")
    else:
        code = run_now(at, around, name or "", machine(), log, program=program(), stopped=stopped)
    log.close()
    raise SystemExit(code)


def _stay(at: State, program: list[str]) -> int:
    """The loop, of which one is enough."""
    from agent.lock import take
    from agent.log import Log
    from agent.schedules.loop import Loop
    from agent.schedules.surroundings import machine

    lock = take(at.loop_lock)
    if lock is None:
        raise FirstlightError(f"another firstlight agent stays with {at.root} already; one is enough")
    log = Log(at.log, echo=True)
    log.say(f"firstlight agent stays with {at.root}")
    return Loop(at, log, machine(), program).run()


def _ends_politely() -> Callable[[], bool]:
    """Whether somebody has asked this process to end; what it runs is then ended first."""
    import signal

    asked = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.append(True))
    return lambda: bool(asked)
