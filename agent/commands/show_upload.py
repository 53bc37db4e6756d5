"""firstlight show-upload: exactly what leaves this machine."""

from __future__ import annotations

import click

from checks.errors import BadInput


@click.command("show-upload", short_help="Print exactly what would be sent.")
@click.argument("run", required=False)
@click.option("--raw", is_flag=True, help="The body byte for byte, as it is hashed and signed.")
def command(run: str | None, raw: bool) -> None:
    """Print the body of a spooled run: the newest that waits, or RUN (an id, its beginning, or a number).

    Nothing else of the machine's readings leaves it: beside the body only the headers that go to standard
    error here, compression aside.
    """
    import msgspec

    from agent.paths import state
    from agent.spool import Spool
    from checks.envelope import HEADER_AGENT, HEADER_RUN, HEADER_SIGNATURE

    spool = Spool(state().spool)
    if run is None:
        spooled = spool.pending() or spool.kept()
        if not spooled:
            raise BadInput("the spool is empty; firstlight check on an enrolled machine puts a run there")
        entry = spooled[-1]
    else:
        entry = spool.find(run)
    envelope = spool.read(entry)
    headers = {
        HEADER_AGENT: envelope.seal.agent,
        HEADER_RUN: envelope.seal.run,
        HEADER_SIGNATURE: envelope.seal.signature,
    }
    for name, value in headers.items():
        click.echo(f"{name}: {value}", err=True)
    click.echo(f"({entry.place}, {len(envelope.body)} bytes, SHA-256 {envelope.seal.hash})", err=True)
    click.echo(envelope.body if raw else msgspec.json.format(envelope.body, indent=2), nl=not raw)
