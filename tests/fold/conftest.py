"""The content of a new store, which tests of the fold copy in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytest.register_assert_rewrite("agreement")


@pytest.fixture(scope="session")
def empty(sqlite_template: Path) -> Iterator[sqlite3.Connection]:
    """The content of a store that was just made."""
    with closing(sqlite3.connect(":memory:")) as content:
        with closing(sqlite3.connect(sqlite_template)) as file:
            file.backup(content)
        yield content
