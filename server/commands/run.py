"""firstlight server run: the collector in one process."""

from __future__ import annotations

import click

from server.commands.options import db_option


@click.command(short_help="Serve pages, API and agents.")
@click.option("--host", help="The address to listen on [default: 127.0.0.1].")
@click.option("--port", type=int, help="The port; 0 takes a free one [default: 8750].")
@click.option(
    "--public-url",
    metavar="URL",
    help="How agents and browsers reach it, where that differs, such as https://…",
)
@db_option
def command(host: str | None, port: int | None, public_url: str | None, db: str | None) -> None:
    """Serve pages, API and agents until stopped with Ctrl-C or SIGTERM.

    TLS belongs to a proxy in front; name its address with --public-url. One process serves an SQLite file;
    several may serve one PostgreSQL.
    """
    import msgspec

    from server.app import create_app
    from server.commands.options import store_of
    from server.serving import listen, only_process, serve
    from server.settings import load_settings

    settings = load_settings(db=db, host=host, port=port, public_url=public_url)
    with store_of(settings.db) as opened, only_process(opened), listen(settings) as listener:
        settings = msgspec.structs.replace(settings, port=listener.getsockname()[1])
        app = create_app(opened, settings)
        click.echo(f"Firstlight collector at {settings.url} (Ctrl-C stops it)")
        serve(app, listener)
