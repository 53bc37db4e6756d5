"""firstlight server restored: the store came back from a backup, and its agents are to fill the gap."""

from __future__ import annotations

import click

from server.commands.options import OPERATOR, db_option


@click.command(short_help="Say that the store was restored from a backup.")
@db_option
def command(db: str | None) -> None:
    """Give the store a new epoch after it was restored from a backup, before the collector starts again.

    Agents keep what they delivered for some days (7, unless told otherwise). By the new epoch they see that
    the store began another life, and send again what it lost. What it has already is not doubled.
    """
    from server import store
    from server.clock import utc_now
    from server.commands.options import store_of

    with store_of(db) as opened, opened.write() as session:
        before, after = store.begin_new_life(session, by=OPERATOR, now=utc_now())
    click.echo(
        f"epoch {before} ended, {after} began; agents send again what they still keep and this store lacks"
    )
