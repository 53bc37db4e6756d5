"""firstlight doctor: is this agent itself in order?"""

from __future__ import annotations

import click


@click.command(short_help="See whether this agent itself is in order.")
def command() -> None:
    """See whether this agent itself is in order: packages, state folder, identity, collector, spool.

    Prints one line for each, and below what to type where something is wrong. Ends with 3 where something is.
    """
    from agent.examine import examine
    from agent.paths import state

    well = True
    for symptom in examine(state()):
        click.echo(f"{'!!' if symptom.remedy else 'ok'}  {symptom.about:<11}{symptom.found}")
        if symptom.remedy:
            click.echo(f"    {'':<11}→ {symptom.remedy}")
            well = False
    if not well:
        raise SystemExit(3)
