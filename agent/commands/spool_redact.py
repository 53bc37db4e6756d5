"""firstlight spool redact: waiting runs made anew under the present rules of redaction."""

from __future__ import annotations

import click

from checks.errors import BadInput

_WORDS = {
    "replaced": "replaced by run {by}",
    "finished": "had been replaced by run {by}; removed",
    "unchanged": "holds nothing more to take out",
    "left": "left as it is: {detail}",
}


@click.command("redact", short_help="Redact waiting runs again, where the rules were tightened.")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="All that wait.")
def redact(run: str | None, every: bool) -> None:
    """Redact runs that wait once more, by the present rules. RUN is an id, the beginning of one, or a number.

    A signed body is never rewritten: it is replaced by a new run with another id and the next number, which
    names the old one. The old file is overwritten and removed; flash storage, snapshots and backups may still
    hold a copy of it. A run that was delivered stays at the collector as it is.
    """
    from agent.identity import enrolled
    from agent.paths import state
    from agent.respool import respool
    from agent.spool import Spool

    if (run is None) != every:
        raise BadInput("name a RUN, or --all; firstlight spool list shows those there are")
    at = state()
    enrolled(at)
    spool = Spool(at.spool)
    chosen = None
    if run is not None:
        entry = spool.find(run)
        if entry.place != "pending":
            raise BadInput(f"{entry.run}: is in {entry.place}/; only a run that still waits can be made anew")
        chosen = [entry]
    tried = at.retry.exists()
    done = respool(at, chosen)
    for each in done:
        words = _WORDS[each.outcome].format(by=each.by, detail=each.detail)
        click.echo(f"{each.outcome}\t{each.entry.sequence}\t{each.entry.run}\t{words}")
    if not done:
        click.echo("firstlight: nothing waits", err=True)
    if tried and any(each.outcome in ("replaced", "finished") for each in done):
        click.echo(
            "firstlight: a delivery failed not long ago; where only its answer was lost, the collector has "
            "the old run too. Its administrator can see that by the id",
            err=True,
        )
    if any(each.outcome == "left" for each in done):
        raise SystemExit(3)
