"""A collector's API in this process, for every test of it."""

from __future__ import annotations

from collections.abc import Iterator

import building
import pytest
from api_world import Collector, Ticking
from litestar.testing import TestClient

from server.app import make_site
from server.db import Database
from server.settings import Settings


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def collector(sqlite_db: Database, clock: Ticking) -> Iterator[Collector]:
    """Its people are root (admin), ann and bo (engineers), each with an API token."""
    with sqlite_db.write() as session:
        building.found_vendor(session)
    settings = Settings(db="", public_url="http://127.0.0.1:8750")
    with TestClient(make_site(sqlite_db, settings, clock)) as client:
        made = Collector(sqlite_db, client, clock)
        made.add_person("root", "admin")
        made.add_person("ann", "engineer", "ann")
        made.add_person("bo", "engineer", "bo")
        yield made
