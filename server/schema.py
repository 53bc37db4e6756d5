"""The store's schema: brought to the newest revision, or refused with the command to type."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from checks.errors import BadInput
from server.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def _config(db: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = db.engine
    return config


def upgrade(db: Database, revision: str = "head") -> None:
    """Bring the store to a revision, by default the newest this program knows."""
    command.upgrade(_config(db), revision)


def downgrade(db: Database, revision: str) -> None:
    """Bring the store back to an older revision (``base`` empties it)."""
    command.downgrade(_config(db), revision)


def newest() -> str:
    """The revision this program works with."""
    script = ScriptDirectory(str(MIGRATIONS))
    head = script.get_current_head()
    assert head is not None
    return head


def current(db: Database) -> str | None:
    """The revision the store is at, None for one that was never initialised."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_current(db: Database) -> None:
    """Raise `BadInput` unless the store is at the revision this program works with."""
    found = current(db)
    if found == newest():
        return
    if found is None:
        raise BadInput("this store was never initialised; run `firstlight server init`")
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if found in known:
        raise BadInput(
            f"this store is at schema {found}, older than {newest()}; run `firstlight server init`"
        )
    raise BadInput(f"this store is at schema {found}, which this program does not know; upgrade Firstlight")
