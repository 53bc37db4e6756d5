"""firstlight server init: a store with a schema, an epoch and somebody who can log in."""

from __future__ import annotations

from pathlib import Path

import click

from checks.errors import BadInput
from server.commands.options import OPERATOR, db_option


@click.command(short_help="Make the store, or bring it to this version.")
@db_option
@click.option("--admin", default="admin", metavar="LOGIN", help="The first admin's login [default: admin].")
def command(db: str | None, admin: str) -> None:
    """Make the store, or bring an older one to this version; on a current one it changes nothing.

    A new store gets an admin, whose generated password is printed this once.
    """
    import sqlalchemy as sa

    from server import store
    from server.auth.passwords import generate_password
    from server.auth.users import add_user
    from server.clock import utc_now
    from server.db import open_database
    from server.schema import current, newest, upgrade
    from server.settings import load_settings
    from server.tables import User

    url = load_settings(db=db).db
    make_private(url)
    opened = open_database(url)
    try:
        before = current(opened)
        upgrade(opened)
        password = ""
        with opened.write() as session:
            now = utc_now()
            store.found_store(session, now)
            if session.scalar(sa.select(User.id).limit(1)) is None:
                password = generate_password()
                add_user(session, admin, "admin", password, by=OPERATOR, now=now)
        shown = opened.engine.url.render_as_string(hide_password=True)
    finally:
        opened.close()
    done = "made" if before is None else "is current" if before == newest() else "brought to this version"
    click.echo(f"store {done}: {shown}")
    if password:
        click.echo(f"login {admin.strip().lower()} with password {password} (shown this once)")
        click.echo("next: firstlight server run")


def make_private(url: str) -> None:
    """An SQLite file and its folder, readable by nobody else if they are made here."""
    path = url.removeprefix("sqlite:///")
    if "://" in path or path == ":memory:":
        return
    try:
        Path(path).absolute().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journal files the mode of this one.
        Path(path).touch(mode=0o600)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; name another file with --db") from error
