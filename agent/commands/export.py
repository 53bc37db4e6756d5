"""firstlight export: write what waits into a file, for a collector that this machine cannot reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.carry.export import Exported


@click.command(short_help="Write the runs that wait into a file to carry.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--sealed", "--encrypt", is_flag=True, help="Encrypt it, so that only the collector can read it."
)
@click.option("--all", "everything", is_flag=True, help="Delivered runs too, as long as they are kept.")
@click.option("--since", metavar="WHEN", help="Only runs from this number, day (2026-11-25) or span (7d) on.")
@click.option("--enrolment", is_flag=True, help="Ask to be enrolled instead, where no network gets there.")
@click.option(
    "--target", default="", metavar="NAME", help="With --enrolment: this machine's name at its site."
)
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
def command(
    file: Path,
    sealed: bool,
    everything: bool,
    since: str | None,
    enrolment: bool,
    target: str,
    force: bool,
) -> None:
    """Write the runs that wait into FILE, or into a folder FILE under a name of its own.

    The file is signed. Carry it to the collector; what it answers comes back as a receipts file, for
    firstlight import. Until then the runs stay in the spool, and a later export takes them again.
    """
    from datetime import UTC, datetime

    from checks.errors import BadInput

    if target and not enrolment:
        raise BadInput(
            "--target goes with --enrolment; runs bear the name that the machine was enrolled under"
        )
    if enrolment:
        if sealed or everything or since:
            raise BadInput("--enrolment writes no runs: leave --sealed, --all and --since out")
        _ask(file, target, force=force)
        return
    from agent.carry.chosen import read_since
    from agent.carry.export import export
    from agent.paths import state

    now = datetime.now(UTC)
    done = export(
        state(),
        file,
        now=now,
        sealed=sealed,
        everything=everything,
        since=read_since(since, now) if since else None,
        force=force,
    )
    _say(done, sealed=sealed)
    if done.chosen.damaged:
        raise SystemExit(3)


def _ask(file: Path, target: str, *, force: bool) -> None:
    from agent.carry.enrolling import ask_for_enrolment, write_request
    from agent.enrolment import checked_name
    from agent.paths import state

    at = state()
    data, key = ask_for_enrolment(at, checked_name(target))
    path = write_request(at, file, data, force=force)
    click.echo(f"{path}: asks to enrol this machine with key {key}; the private key stays here")
    click.echo("bring it to the collector: firstlight server enrol --site ID FILE")
    click.echo("then bring its answer back here: firstlight import FILE")


def _say(done: Exported, *, sealed: bool) -> None:
    from checks.units import size_text

    manifest = done.manifest
    if manifest is None:
        click.echo("firstlight: nothing waits; no file was written", err=True)
    else:
        runs = f"run {manifest.first}" if manifest.runs == 1 else f"runs {manifest.first} to {manifest.last}"
        count = "1 run" if manifest.runs == 1 else f"{manifest.runs:,} runs"
        how = "sealed for the collector" if sealed else "signed, not sealed: whoever finds it can read it"
        click.echo(f"{done.path}: {count} ({runs}), {size_text(done.size)}, {how}")
        click.echo(f"bring it to {manifest.collector}: its page Imports, or firstlight server import FILE")
        click.echo("then bring the receipts file back here, for firstlight import; until then the runs stay")
    for line in done.chosen.damaged:
        click.echo(f"firstlight: left out, damaged: {line}", err=True)
    if done.chosen.strangers:
        click.echo(
            f"firstlight: left out: {done.chosen.strangers} made as the agent that this machine was before; "
            "only a collector that knows it takes them",
            err=True,
        )
    if done.chosen.over and manifest:
        click.echo(
            f"firstlight: left out: {done.chosen.over:,} more than one file takes; "
            f"firstlight export --since {manifest.last + 1} FILE writes them into another",
            err=True,
        )
