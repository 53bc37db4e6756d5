"""Servers that the tests of databases share: each is started once, when the first test needs it."""

from __future__ import annotations

from collections.abc import Iterator

import database_servers as servers
import pytest

from checks.facts.localhost import LocalHost


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.Server]:
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.Server]:
    with servers.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[servers.Rabbit]:
    with servers.rabbitmq() as server:
        yield server


@pytest.fixture
def here() -> LocalHost:
    return LocalHost()


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right password and a wrong one, by name; nothing of the person who runs the tests gets in."""
    monkeypatch.setenv("FL_DB", servers.PASSWORD)
    monkeypatch.setenv("FL_WRONG", "another-" + servers.PASSWORD)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    for name in ("PGUSER", "PGHOST", "PGDATABASE", "PGSERVICE", "PGPASSWORD", "PGOPTIONS"):
        monkeypatch.delenv(name, raising=False)
