"""What the collector's commands share: the store they mean, and a password that is never in argv."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from server.db import Database

STORE_HELP = "The store: an SQLite file or postgresql://… [default: $FIRSTLIGHT_DB, else one file]."

OPERATOR = "console"
"""Who the audit trail names for what is typed on the collector's own machine."""


def db_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--db", metavar="URL", help=STORE_HELP)(function)


@contextmanager
def store_of(db: str | None) -> Iterator[Database]:
    """The store of --db or the settings, at this program's schema; raises `BadInput` otherwise."""
    from checks.errors import BadInput
    from server.db import open_database
    from server.schema import require_current
    from server.settings import load_settings

    opened = open_database(load_settings(db=db).db)
    name = opened.engine.url.database if opened.is_sqlite else None
    if name and not Path(name).exists():  # to look would make it
        raise BadInput(f"{name}: there is no store; run `firstlight server init`")
    try:
        require_current(opened)
        yield opened
    finally:
        opened.close()


def ask_password(generate: bool) -> tuple[str, bool]:
    """A password and whether it was made here: typed twice on a terminal, else a line of standard input."""
    from checks.errors import BadInput

    if generate:
        from server.auth.passwords import generate_password

        return generate_password(), True
    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed, False
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise BadInput("no password on standard input; give one there, or --generate")
    return line, False


def plain(text: str) -> str:
    """A line with nothing in it that a terminal would obey; tabs stay."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)
