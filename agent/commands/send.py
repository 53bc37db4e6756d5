"""firstlight send: deliver what waits in the spool."""

from __future__ import annotations

import click


@click.command(short_help="Deliver the runs that wait in the spool.")
@click.option(
    "--if-due",
    is_flag=True,
    help="Not before the time that the last failure set; for timers. Typed by hand it tries at once.",
)
def command(if_due: bool) -> None:
    """Deliver the runs that wait in the spool, oldest first.

    Prints one line a run: what became of it, its number, its id, and why. Ends with 0 also where the
    collector cannot be reached (the runs stay), 4 where it refused one, 3 where one was damaged here.
    """
    from agent.delivery import Delivery, deliver_pending
    from agent.lock import Busy
    from agent.paths import state
    from agent.rules.fetching import refresh

    def tell(delivery: Delivery) -> None:
        words = [delivery.outcome, str(delivery.sequence), delivery.run, delivery.detail or delivery.url]
        click.echo("\t".join(words).rstrip())

    try:
        done = deliver_pending(state(), tell=tell, retry_wait_s=60.0, if_due=if_due)
    except Busy:
        click.echo("firstlight: another firstlight is delivering just now; it takes these runs too", err=True)
        return
    except OSError as error:
        click.echo(f"firstlight: {error.filename or 'spool'}: {error.strerror or error}", err=True)
        raise SystemExit(3) from None
    outcomes = [delivery.outcome for delivery in done]
    if "waiting" not in outcomes and (rules := refresh(state())):
        click.echo(f"firstlight: {rules}", err=True)
    waiting = outcomes.count("waiting")
    if not done:
        click.echo("firstlight: nothing waits", err=True)
    elif waiting:
        runs = "1 run stays" if waiting == 1 else f"{waiting} runs stay"
        why = next(delivery.detail for delivery in done if delivery.outcome == "waiting")
        click.echo(f"firstlight: {runs} spooled: {why}", err=True)
    given_up = outcomes.count("thinned") + outcomes.count("dropped")
    if given_up:
        number = "1 run was" if given_up == 1 else f"{given_up} runs were"
        click.echo(f"firstlight: {number} given up, as the spool is full; the next run tells of it", err=True)
    if "damaged" in outcomes:
        raise SystemExit(3)
    if "held" in outcomes or "quarantined" in outcomes:
        raise SystemExit(4)
