"""``firstlight server``: the collector's commands, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

import click

from checks.errors import BadInput

NEEDED: Final = ("sqlalchemy", "alembic", "litestar", "argon2", "uvicorn", "zstandard")
COMMANDS: Final = {
    "init": "Make the store, or bring it to this version; the first admin is created.",
    "run": "Serve pages, API and agents.",
    "token": "Make a one-time token that enrols a machine.",
    "agent": "The machines that report: list, show, revoke, accept-branch.",
    "restored": "Say that the store was restored from a backup.",
    "publish": "Publish profiles, schedules and waivers to agents; withdraw them.",
    "user": "Add people, give them passwords, shut them out.",
    "enrol": "Enrol a machine that no network reaches, from the file it wrote.",
    "import": "Take in the files that agents exported, and write their receipts.",
    "demo": "Fill a store with an example vendor and show it.",
}

MODULES: Final = {"import": "import_"}
"""Modules that cannot bear the name of their command."""


class Lazy(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise BadInput(f"{', '.join(missing)} is not installed; pip install 'firstlight[server]'")
        module = MODULES.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"server.commands.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, short_help="Run the collector and look after it.")
def group() -> None:
    """Run the collector and look after it.

    The store is an SQLite file, or PostgreSQL by URL: --db, or FIRSTLIGHT_DB.
    """
