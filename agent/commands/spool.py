"""firstlight spool: look into the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.commands.spool_redact import redact

if TYPE_CHECKING:
    from agent.spool import Spool, Spooled


@click.group(short_help="Look after runs that wait, were sent or were refused.")
def command() -> None:
    """Look after the runs that wait, were sent in the last days, or were refused."""


command.add_command(redact)


@command.command("list", short_help="One line a run.")
@click.option("--all", "every", is_flag=True, help="Delivered runs too, as long as they are kept.")
def list_(every: bool) -> None:
    """One line a run: where it is, its number, its id, its size in bytes, its age, why it is held or refused,
    and into which file it was exported.

    On standard error: when delivery is tried next, and what was given up and is still to be told.
    """
    import time
    from contextlib import suppress

    from agent.carry.exports import told
    from agent.paths import state
    from agent.spool import SUFFIX

    spool, now, exported = _spool(), time.time(), told(state())
    runs = spool.quarantined() + (spool.kept() if every else []) + spool.pending()
    for entry in runs:
        with suppress(FileNotFoundError):  # delivered meanwhile
            size, age = str(entry.path.stat().st_size), _age(now - entry.made)
            why = "; ".join(filter(None, (entry.note(), exported(entry) if entry.place == "pending" else "")))
            words = [_standing(entry), str(entry.sequence), entry.run, size, age, why]
            click.echo("\t".join(words).rstrip())
    known = {entry.path for entry in runs}
    for path in sorted(spool.refused.glob(f"*{SUFFIX}")):
        if path not in known:
            size = str(path.stat().st_size)
            click.echo(f"quarantine\t-\t{path.name}\t{size}\t-\tnot a name that the spool gives")
    for line in _outlook(now):
        click.echo(f"firstlight: {line}", err=True)


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


@command.command(short_help="Let what was refused or is held go with the next delivery.")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="All that is in quarantine or held.")
def retry(run: str | None, every: bool) -> None:
    """Put a run that was refused, or is held, back among those that wait. RUN is its id, the beginning of it,
    or its number.

    Do so when what was wrong is mended: at the collector, at the proxy, or with an upgrade.
    """
    from agent import retry as waits
    from agent.lock import exclusive
    from agent.paths import state
    from checks.errors import BadInput, FirstlightError

    if (run is None) != every:
        raise BadInput("name a RUN, or --all; firstlight spool list shows those there are")
    spool = _spool()
    again = 0
    try:
        with exclusive(state().delivery_lock, wait_s=30):
            held = [entry for entry in spool.pending() if entry.note()]
            for entry in spool.quarantined() + held if run is None else [spool.find(run)]:
                if entry.place == "sent":
                    raise BadInput(f"{entry.run}: was delivered; there is nothing to try again")
                try:
                    spool.read(entry)
                except BadInput as error:
                    click.echo(f"firstlight: stays where it is: {error}", err=True)
                    continue
                spool.put_back(entry)
                again += 1
            if again:
                waits.forget(state())
    except OSError as error:
        raise FirstlightError(f"{error.filename or spool.folder}: {error.strerror or error}") from error
    number = "1 run waits" if again == 1 else f"{again} runs wait"
    click.echo(f"{number} again; firstlight send delivers" if again else "nothing was put back")


def _outlook(now: float) -> list[str]:
    """What the list does not show: the next attempt, and what was given up."""
    from agent.losses import Damaged, load_losses
    from agent.paths import state
    from agent.retry import in_words, load_retry

    lines = []
    if not _spool().anything_waits():
        lines.append("nothing waits")
    elif (retry := load_retry(state())) is not None:
        lines.append(in_words(retry, now))
    try:
        told = load_losses(state()).open
    except Damaged as error:
        return [*lines, str(error)]
    if told.runs and told.oldest and told.newest:
        number = "1 run was" if told.runs == 1 else f"{told.runs} runs were"
        results = "1 result" if told.results == 1 else f"{told.results} results"
        span = f"{told.oldest:%Y-%m-%d %H:%M} to {told.newest:%Y-%m-%d %H:%M} UTC"
        lines.append(f"{number} given up ({results}, {span}); the next run tells the collector")
    return lines


def _age(seconds: float) -> str:
    """``3 d``, ``5 h``, ``12 min``; a run from the future is new."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "new"


def _standing(entry: Spooled) -> str:
    return "held" if entry.place == "pending" and entry.note() else entry.place


def _spool() -> Spool:
    from agent.paths import state
    from agent.spool import Spool

    return Spool(state().spool)
