"""SQL text for both databases, for the paths where a statement object per call would cost too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult


class Sql:
    """A statement written once with ``?`` places; PostgreSQL's driver wants ``%s``."""

    def __init__(self, text: str) -> None:
        self._sqlite = text
        self._postgresql = text.replace("%", "%%").replace("?", "%s")

    def __call__(
        self, connection: Connection, parameters: tuple[Any, ...] | list[tuple[Any, ...]] = ()
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run it once with a tuple, or once per tuple of a list."""
        sqlite = connection.dialect.name == "sqlite"
        return connection.exec_driver_sql(self._sqlite if sqlite else self._postgresql, parameters)

    def rows(self, connection: Connection, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return cast("list[tuple[Any, ...]]", self(connection, parameters).all())

    def row(self, connection: Connection, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, if there is one."""
        return cast("tuple[Any, ...] | None", self(connection, parameters).first())


CHUNK = 500
"""How many values one IN list carries; SQLite's default limit is far above."""


def select_in(connection: Connection, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a query whose ``IN (…)`` holds `values`, asked in chunks. `text` has ``IN ({})`` once."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(values), CHUNK):
        part = tuple(values[start : start + CHUNK])
        rows.extend(Sql(text.format(", ".join("?" * len(part)))).rows(connection, part))
    return rows
