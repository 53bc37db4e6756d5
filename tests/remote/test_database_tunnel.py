"""Real databases from a target's side: through the connection to a real sshd, and as they are read here."""

from __future__ import annotations

from collections.abc import Iterator

import database_servers as servers
import pytest
from far_side import cause, read_at, value
from sshd import Sshd, start_sshd

from checks.facts.dbclock import DatabaseClock
from checks.facts.dbfacts import DatabaseConnections, DatabaseLogin, DatabaseRights, QueryRows
from checks.facts.localhost import LocalHost
from checks.facts.mysql import MysqlHealth
from checks.facts.postgres import PostgresHealth
from checks.facts.rabbitmq import RabbitHealth
from checks.facts.redis import RedisHealth

DB = "env:FL_DB"


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_DB", servers.PASSWORD)
    monkeypatch.setenv("FL_WRONG", "another")
    monkeypatch.setenv("PGPASSFILE", "/dev/null")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[servers.Server]:
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[servers.Server]:
    with servers.mariadb() as server:
        yield server


def test_postgresql_through_the_tunnel(ssh_server: Sshd, postgresql: servers.Server) -> None:
    at = f"postgresql://monitor@localhost:{postgresql.port}/erp"
    login = DatabaseLogin(at, DB, tls="verify", ca=postgresql.ca)
    wrong = DatabaseLogin(at, "env:FL_WRONG")
    nowhere = DatabaseLogin(at.replace("/erp", "/nowhere"), DB)
    other_name = DatabaseLogin(at.replace("localhost", "127.0.0.1"), DB, tls="verify", ca=postgresql.ca)
    plain = DatabaseLogin(at, DB, tls="off")
    rights, health = DatabaseRights(at, DB), PostgresHealth(at, DB)
    rows = QueryRows(at, DB, query="SELECT generate_series(1, 100000000)", cap=2)
    clock = DatabaseClock(at, DB)
    facts = [login, wrong, nowhere, other_name, plain, rights, health, rows, clock]
    found = read_at(ssh_server, facts)
    assert (value(found[login]).outcome, value(found[login]).encrypted) == ("in", True)
    assert value(found[wrong]).outcome == "login"
    assert value(found[nowhere]).outcome == "database"
    # The name to verify is the real one, and not that of this side's end of the tunnel.
    assert value(found[other_name]).outcome == "tls"
    assert value(found[plain]).encrypted is False
    assert value(found[rights]) == rights.read(LocalHost())
    assert value(found[health]).settings == health.read(LocalHost()).settings
    assert value(found[rows]) == rows.read(LocalHost())
    assert abs(value(found[clock]).offset_s) <= value(found[clock]).doubt_s + 0.05


def test_mariadb_through_the_tunnel(ssh_server: Sshd, mariadb: servers.Server) -> None:
    at = f"mariadb://monitor@localhost:{mariadb.port}"
    login = DatabaseLogin(at, DB, tls="verify", ca=mariadb.ca)
    wrong, health = DatabaseLogin(at, "env:FL_WRONG"), MysqlHealth(at, DB)
    found = read_at(ssh_server, [login, wrong, health])
    assert (value(found[login]).outcome, value(found[login]).encrypted) == ("in", True)
    assert value(found[wrong]).outcome == "login"
    assert value(found[health]).logs.on


def test_what_is_not_there_is_told_as_the_target_sees_it(ssh_server: Sshd) -> None:
    refused = DatabaseLogin("postgresql://app@127.0.0.1:1/erp")
    nameless = DatabaseLogin("mariadb://app@nowhere.invalid/erp")
    counted = DatabaseConnections("postgresql://app@127.0.0.1:1/erp")
    found = read_at(ssh_server, [refused, nameless, counted])
    assert value(found[refused]).outcome == "refused"
    assert value(found[nameless]).outcome == "dns"
    assert cause(found[counted]) == "refused"


def test_a_server_that_forwards_nothing_says_what_it_would_take(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start_sshd(tmp_path_factory.mktemp("sshd"), options={"AllowTcpForwarding": "no"}) as server:
        login = DatabaseLogin("postgresql://app@127.0.0.1:1/erp")
        found = read_at(server, [login])
    # It was not tried: no login that fails, but nothing that is known.
    assert cause(found[login]) == "denied"


def test_redis_through_the_tunnel(ssh_server: Sshd) -> None:
    with servers.redis("--requirepass", servers.PASSWORD) as server, servers.redis(tls=True) as closed:
        state = RedisHealth("127.0.0.1", server.port, "", DB)
        wrong = RedisHealth("127.0.0.1", server.port, "", "env:FL_WRONG")
        secure = RedisHealth("localhost", closed.port, tls="verify", ca=closed.ca)
        found = read_at(ssh_server, [state, wrong, secure])
    assert (value(found[state]).unknown, value(found[state]).bind) == ("password", ("127.0.0.1",))
    assert cause(found[wrong]) == "login"
    assert value(found[secure]).unknown == "open"


def test_rabbitmq_through_the_tunnel(ssh_server: Sshd) -> None:
    with servers.rabbitmq() as rabbit:
        health = RabbitHealth(rabbit.url, "mon", DB)
        wrong = RabbitHealth(rabbit.url, "mon", "env:FL_WRONG")
        found = read_at(ssh_server, [health, wrong])
    assert [node.running for node in value(found[health]).nodes] == [True]
    assert cause(found[wrong]) == "login"
