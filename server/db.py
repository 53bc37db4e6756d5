"""The store's connection: embedded SQLite by default, PostgreSQL by URL, and how a transaction begins.

SQLite runs in WAL mode with synchronous=FULL, so that a commit is on the disk when it returns; writers
begin IMMEDIATE, so that two never discover a conflict halfway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput

BUSY_TIMEOUT_MS = 5_000
NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs"})


@dataclass(frozen=True)
class Database:
    """An engine and its two ways in."""

    engine: sa.Engine

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A short read-only transaction with one consistent view."""
        with Session(self.engine) as session:
            if self.is_sqlite:
                session.connection().exec_driver_sql("BEGIN")
            else:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session
            session.rollback()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block and rolls back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session:
            connection = session.connection()
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield session
            session.commit()

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a store by SQLAlchemy URL, or by the path of an SQLite file.

    Raises `BadInput` for another database or an SQLite file on a network filesystem, where its locks lie.
    """
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadInput(
            f"{url}: not a database URL; right are a file name or postgresql://user@host/name"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite(parsed))
    if parsed.get_backend_name() == "postgresql":
        return Database(_postgresql(parsed))
    raise BadInput(f"{parsed.get_backend_name()}: Firstlight stores in sqlite or postgresql")


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        path = Path(url.database).absolute()
        if not path.parent.is_dir():
            raise BadInput(f"{path}: its folder does not exist; create {path.parent} first")
        kind = filesystem_of(path.parent)
        if kind in NETWORK_FILESYSTEMS:
            raise BadInput(f"{path}: on a network filesystem ({kind}); use a local disk or PostgreSQL")
    engine = sa.create_engine(url, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver must not begin transactions by itself: writers begin IMMEDIATE (Database.write).
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "cache_size = -32768",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=5,
        pool_pre_ping=True,
        connect_args={"options": "-c timezone=UTC -c lock_timeout=10000"},
    )


def filesystem_of(path: Path) -> str:
    """The filesystem type a path lies on, empty where the mount table cannot be read."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        _, mount, filesystem, *_ = line.split()
        mount = mount.replace("\\040", " ")
        inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, filesystem
    return kind
