"""One vendor for all page tests: they only look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import page_reader
import pages_world
import pytest
from litestar.testing import TestClient

from server.app import create_app
from server.db import Database, open_database
from server.settings import Settings


@pytest.fixture(scope="session")
def vendor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("pages") / "store.db"
    path.write_bytes(sqlite_template.read_bytes())
    db = open_database(str(path))
    pages_world.build(db)
    yield db
    db.close()


@pytest.fixture(scope="session")
def collector(vendor: Database) -> Iterator[TestClient]:
    app = create_app(vendor, Settings(db=""), lambda: pages_world.NOW)
    with TestClient(app, base_url="http://127.0.0.1") as client:  # type: ignore[arg-type]  # any ASGI app will do
        client.follow_redirects = False
        yield client


@pytest.fixture
def stranger(collector: TestClient) -> TestClient:
    """A browser that has not logged in and follows no redirect by itself."""
    collector.cookies.clear()
    return collector


@pytest.fixture
def browser(stranger: TestClient) -> TestClient:
    """A browser in which the administrator has logged in."""
    answer = stranger.post("/login", data={"login": "root", "password": pages_world.PASSWORD, "next": "/"})
    assert answer.status_code == 303
    return stranger


@pytest.fixture(scope="session")
def every_page(collector: TestClient) -> dict[str, str]:
    """All pages that links lead to from the overview, by address."""
    collector.cookies.clear()
    collector.post("/login", data={"login": "root", "password": pages_world.PASSWORD})
    return page_reader.crawl(collector)
