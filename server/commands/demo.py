"""firstlight server demo: everything once, for real, on this machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from server.demo.house import House


@click.command(short_help="Show it all on this machine, beside an example vendor.")
@click.option("--once", is_flag=True, help="End when this machine's run is visible, instead of staying up.")
@click.option("--folder", default=".firstlight-demo", metavar="DIR", help="Where the demo keeps everything.")
@click.option("--host", default="127.0.0.1", help="The address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="The port [default: 8750, or a free one].")
def command(once: bool, folder: str, host: str, port: int | None) -> None:
    """Start a collector with an example vendor, enrol this machine, check it and show where to look.

    Everything lives in one folder, which each start makes anew. Stays up until Ctrl-C.
    """
    from server.clock import utc_now
    from server.db import open_database
    from server.demo import collector, house

    # However it is told to end, the collector it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    where = Path(folder).absolute()
    database = house.clear(where)
    click.secho("1  An example vendor, two years of it (example data, clearly marked)", bold=True)
    db = open_database(str(database))
    try:
        with _progress() as progress:
            home = house.furnish(db, where, utc_now(), progress)
    finally:
        db.close()
    click.echo(f"   {home.examples}")
    with collector.running(database, host, collector.free_port(host, port)) as url:
        click.secho(f"2  The collector is up at {url}", bold=True)
        click.secho("3  This machine joins as an agent and is checked now", bold=True)
        _or_raise(
            collector.agent(home.agent_state, "enrol", url, "--token", "-", secret=home.enrolment_token)
        )
        _or_raise(
            collector.agent(home.agent_state, "check", "linux-server", "--fail-on", "never"), fine=(0, 3)
        )
        run = _arrived(url, home.api_token)
        _where_to_look(url, home, run)
        if not once:
            _stay()


def _arrived(url: str, token: str) -> str:
    """The id of this machine's run as the API shows it; raises `FirstlightError` if it is not there."""
    from checks.errors import FirstlightError
    from server.demo import collector, house

    runs = collector.ask(url, token, f"runs?site={house.SITE}")["items"]
    if not runs:
        raise FirstlightError("this machine's run did not arrive at the collector")
    detail = collector.ask(url, token, f"runs/{runs[0]['id']}")
    if not detail["counted_at"]:
        raise FirstlightError(f"run {runs[0]['id']} arrived, but none of its results count")
    return str(runs[0]["id"])


def _where_to_look(url: str, home: House, run: str) -> None:
    from server.demo import collector
    from server.demo.house import ADMIN, SITE

    found = collector.ask(url, home.api_token, f"sites/{SITE}/findings?episode=open")["items"]
    click.secho("4  What the collector made of it", bold=True)
    for finding in found:
        click.echo(f"   {finding['severity']}  {finding['title']}: {finding['object'] or finding['item']}")
    if not found:
        click.echo("   no open finding on this machine")
    click.secho("\nWhere to look", bold=True)
    click.echo(f"   log in           {url}/login   as {ADMIN}, password {home.password}")
    click.echo(f"   this machine     {url}/sites/{SITE}")
    click.echo(f"   this run         {url}/runs/{run}")
    click.echo(f"   the figures      {url}/kpi/first-go-live   {url}/kpi/recurrence   (example data)")
    click.secho("What to do next", bold=True)
    state = f"FIRSTLIGHT_STATE={home.agent_state}"
    program = _program()
    click.echo(f"   check again, and see it arrive     {state} {program} check")
    click.echo(f"   check every day from now on        {state} {program} install --every 1d")
    click.echo(f"   what exactly left this machine     {state} {program} show-upload")


def _program() -> str:
    """How the person at this terminal calls the console script."""
    import shutil

    beside = Path(sys.executable).with_name("firstlight")
    found = shutil.which("firstlight")
    if found is not None and Path(found).resolve() == beside.resolve():
        return "firstlight"
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)


def _stay() -> None:
    import threading

    click.echo("\nThe collector stays up; Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("\nstopped")


def _or_raise(code: int, fine: tuple[int, ...] = (0,)) -> None:
    from checks.errors import FirstlightError

    if code not in fine:
        raise FirstlightError(f"the agent ended with exit code {code}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stdout.isatty():
        yield None
        return
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("   runs")

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
