"""firstlight spool: look into the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.spool import Spool, Spooled


@click.group(short_help="Look at runs that wait, were sent or were refused.")
def command() -> None:
    """Look at the runs that wait, were sent in the last days, or were refused."""


@command.command("list", short_help="One line a run.")
@click.option("--all", "every", is_flag=True, help="Delivered runs too, as long as they are kept.")
def list_(every: bool) -> None:
    """One line a run: where it is, its number, its id, its size in bytes, and why it is held or refused."""
    from agent.spool import SUFFIX

    spool = _spool()
    runs = spool.quarantined() + (spool.kept() if every else []) + spool.pending()
    for entry in runs:
        size = str(entry.path.stat().st_size)
        click.echo("\t".join([_standing(entry), str(entry.sequence), entry.run, size, entry.note()]).rstrip())
    known = {entry.path for entry in runs}
    for path in sorted(spool.refused.glob(f"*{SUFFIX}")):
        if path not in known:
            click.echo(f"quarantine\t-\t{path.name}\t{path.stat().st_size}\tnot a name that the spool gives")
    if not runs:
        click.echo("firstlight: nothing waits", err=True)


@command.command(short_help="What one run holds and where it stands.")
@click.argument("run")
def show(run: str) -> None:
    """What a run holds and where it stands. RUN is its id, the beginning of it, or its number."""
    from checks.model import decode_report

    spool = _spool()
    entry = spool.find(run)
    envelope = spool.read(entry)
    report = decode_report(envelope.body)
    statuses = [result.status for result in report.results]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(sorted(statuses)))
    ack = spool.acknowledgement(entry)
    lines = {
        "run": report.run,
        "stands": _standing(entry) + (f" ({entry.note()})" if entry.note() else ""),
        "number": str(report.sequence),
        "agent": report.agent,
        "site": report.site,
        "targets": ", ".join(target.name for target in report.targets[:20]),
        "profile": f"{report.profile.id} {report.profile.version}",
        "began": report.started.isoformat(timespec="seconds"),
        "ended": report.ended.isoformat(timespec="seconds") + (" (partial)" if report.partial else ""),
        "results": counts or "none",
        "body": f"{len(envelope.body)} bytes, SHA-256 {envelope.seal.hash}",
        "file": str(entry.path),
    }
    if ack:
        lines["acknowledged"] = " ".join(filter(None, [ack.status, ack.held, ack.url]))
    for name, value in lines.items():
        click.echo(f"{name:<13}{value}")


def _standing(entry: Spooled) -> str:
    return "held" if entry.place == "pending" and entry.note() else entry.place


def _spool() -> Spool:
    from agent.paths import state
    from agent.spool import Spool

    return Spool(state().spool)
