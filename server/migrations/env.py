"""Alembic's way into the store: always with an engine that `server.schema` hands over."""

from __future__ import annotations

from alembic import context

from server.tables import metadata

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        user_module_prefix="server.tables.base.",
    )
    if connection.dialect.name == "sqlite":
        # The driver leaves transactions to us; without this each statement would commit alone.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
