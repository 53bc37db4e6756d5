"""firstlight server user: people who may log in."""

from __future__ import annotations

import click

from server.commands.options import OPERATOR, ask_password, db_option, store_of


@click.group(short_help="Add people, give them passwords, shut them out.")
def command() -> None:
    """Add people, give them passwords, shut them out."""


@command.command()
@click.argument("login")
@click.option("--role", type=click.Choice(["admin", "engineer"]), required=True, help="What they may do.")
@click.option("--engineer", metavar="ID", help="Which engineer this is; an engineer's login must say so.")
@click.option("--name", default="", help="The name that is shown [default: the login].")
@click.option("--generate", is_flag=True, help="Make a password and print it once.")
@db_option
def add(login: str, role: str, engineer: str | None, name: str, generate: bool, db: str | None) -> None:
    """Let somebody log in. The password is asked for, or read from standard input."""
    from server.auth.users import add_user
    from server.clock import utc_now

    with store_of(db) as opened:
        password, made = ask_password(generate)
        with opened.write() as session:
            user = add_user(
                session, login, role, password, name=name, engineer_id=engineer, by=OPERATOR, now=utc_now()
            )
    _done(f"{user.login} may log in as {role}", password if made else "")


@command.command()
@click.argument("login")
@click.option("--generate", is_flag=True, help="Make a password and print it once.")
@db_option
def password(login: str, generate: bool, db: str | None) -> None:
    """Replace a password, and end the sessions begun with the old one."""
    from server.auth.users import set_password, user_of
    from server.clock import utc_now

    with store_of(db) as opened:
        with opened.read() as session:
            user_of(session, login)
        text, made = ask_password(generate)
        with opened.write() as session:
            set_password(session, login, text, by=OPERATOR, now=utc_now())
    _done(f"{login} has a new password", text if made else "")


@command.command()
@click.argument("login")
@db_option
def disable(login: str, db: str | None) -> None:
    """Shut somebody out from now on: sessions end, API tokens stop working."""
    from server.auth.users import disable_user
    from server.clock import utc_now

    with store_of(db) as opened, opened.write() as session:
        disable_user(session, login, by=OPERATOR, now=utc_now())
    _done(f"{login} can no longer log in", "")


@command.command(name="list")
@db_option
def list_users(db: str | None) -> None:
    """Show who may log in: login, role, engineer, and whether disabled."""
    import sqlalchemy as sa

    from server.tables import User

    with store_of(db) as opened, opened.read() as session:
        for user in session.scalars(sa.select(User).order_by(User.login)):
            disabled = "disabled" if user.disabled_at is not None else ""
            click.echo("\t".join((user.login, user.role, user.engineer_id or "", disabled)))


def _done(line: str, password: str) -> None:
    click.echo(line)
    if password:
        click.echo(f"password {password} (shown this once)")
