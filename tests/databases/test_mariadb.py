"""MariaDB, a real one: the same questions in its own words, and what is asked of it alone."""

from __future__ import annotations

from typing import Any

import pytest
from database_servers import PASSWORD, Server

from checks.fact import Fact, NotReadable
from checks.facts.database import Refused, Rows
from checks.facts.dbbackup import DatabaseBackup
from checks.facts.dbclock import DatabaseClock
from checks.facts.dbfacts import (
    DatabaseConnections,
    DatabaseEncoding,
    DatabaseLogin,
    DatabaseRights,
    QueryRows,
)
from checks.facts.localhost import LocalHost
from checks.facts.mysql import MysqlHealth
from checks.facts.permitted import Permitted

DB = "env:FL_DB"


def url(server: Server, user: str = "app", database: str = "erp", host: str = "127.0.0.1") -> str:
    return f"mariadb://{user}@{host}:{server.port}/{database}"


def read(fact: Fact) -> Any:
    return fact.read(Permitted(LocalHost(), fact))


def refused(fact: Fact) -> NotReadable:
    with pytest.raises(NotReadable) as problem:
        read(fact)
    assert PASSWORD not in problem.value.reason
    return problem.value


def query(server: Server, statement: str, user: str = "app", **more: Any) -> Rows:
    rows: Rows = read(QueryRows(url(server, user), DB, query=statement, **more))
    return rows


def test_a_login_gets_in_over_tls(mariadb: Server) -> None:
    login = read(DatabaseLogin(url(mariadb), DB))
    assert (login.outcome, login.encrypted) == ("in", True)
    assert "MariaDB" in login.version
    assert read(DatabaseLogin(url(mariadb), DB, tls="off")).encrypted is False


@pytest.mark.parametrize(
    ("where", "password", "outcome"),
    [
        ({}, "env:FL_WRONG", "login"),
        ({"user": "nobody"}, DB, "login"),
        ({"user": "boss", "database": "nowhere"}, DB, "database"),
        ({"database": "mysql"}, DB, "closed"),
        ({"host": "nowhere.invalid"}, DB, "dns"),
    ],
)
def test_why_nobody_gets_in_is_told_apart(
    mariadb: Server, where: dict[str, str], password: str, outcome: str
) -> None:
    login = read(DatabaseLogin(url(mariadb, **where), password))
    assert login.outcome == outcome
    assert PASSWORD not in login.detail


def test_a_certificate_is_held_against_the_name_and_the_authority(mariadb: Server) -> None:
    by_name = url(mariadb, host="localhost")
    assert read(DatabaseLogin(by_name, DB, tls="verify", ca=mariadb.ca)).encrypted is True
    assert read(DatabaseLogin(by_name, DB, tls="verify")).outcome == "tls"
    assert read(DatabaseLogin(url(mariadb), DB, tls="verify", ca=mariadb.ca)).outcome == "tls"
    assert read(DatabaseLogin(url(mariadb), DB, tls="require")).encrypted is True


def test_a_database_that_is_closed_to_the_login_names_the_grant(mariadb: Server) -> None:
    problem = refused(DatabaseConnections(url(mariadb, "monitor"), DB))
    assert problem.cause == "closed"
    assert problem.reason.startswith("needs: GRANT SELECT ON `erp`.* TO 'monitor'@'%';")


def test_a_table_that_is_closed_to_the_login_names_the_grant(mariadb: Server) -> None:
    problem = refused(QueryRows(url(mariadb), DB, query="SELECT user FROM mysql.global_priv"))
    assert problem.reason.startswith("needs: GRANT SELECT ON `mysql`.`global_priv` TO 'app'@")


def test_a_function_that_writes_fails_and_writes_nothing(mariadb: Server) -> None:
    mariadb.administer(
        "CREATE TABLE notes (x int); \nDELIMITER //\n"
        "CREATE FUNCTION write_note() RETURNS int BEGIN INSERT INTO notes VALUES (1); RETURN 1; END//\n",
        "erp",
    )
    try:
        problem = refused(QueryRows(url(mariadb), DB, query="SELECT write_note()"))
        written = mariadb.administer("SELECT count(*) FROM notes", "erp")
    finally:
        mariadb.administer("DROP FUNCTION write_note; DROP TABLE notes", "erp")
    assert problem.cause == "read-only"
    assert written == "0"


def test_a_second_statement_would_not_run_even_if_its_text_were_let_through(
    mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checks.facts.dbfacts.refuse_unsafe", lambda *_: None)
    fact = QueryRows(url(mariadb), DB, query="SELECT 1; CREATE TABLE gone (x int)")
    assert refused(fact).cause == "statement"


def test_a_row_bomb_is_cut_off(mariadb: Server) -> None:
    rows = query(mariadb, "SELECT seq FROM seq_1_to_1000000000", cap=3)
    assert rows == Rows(("seq",), ((1,), (2,), (3,)), cut=True)


def test_a_long_query_is_ended_by_the_server(mariadb: Server) -> None:
    fact = QueryRows(
        url(mariadb), DB, query="SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b", timeout=1.0
    )
    assert refused(fact).cause == "timeout"
    left = "SELECT count(*) FROM information_schema.processlist WHERE user = 'app'"
    assert mariadb.administer(left) == "0"


def test_values_arrive_as_plain_ones(mariadb: Server) -> None:
    rows = query(mariadb, "SELECT 'a%b', 1.5, NULL, from_unixtime(0), time('00:01:30'), X'00FF', 'héé'")
    assert rows.rows[0] == ("a%b", 1.5, None, "1970-01-01T00:00:00", 90.0, "2 bytes", "héé")


def test_show_is_a_query_too(mariadb: Server) -> None:
    assert query(mariadb, "SHOW VARIABLES LIKE 'port'").rows == (("port", str(mariadb.port)),)


def test_encodings(mariadb: Server) -> None:
    kept = read(DatabaseEncoding(url(mariadb), DB))
    assert (kept.encoding, kept.collation, kept.odd) == ("utf8mb4", "utf8mb4_unicode_ci", ())
    assert read(DatabaseEncoding(url(mariadb, "app", "old"), DB)).encoding == "latin1"
    mariadb.administer(
        "CREATE TABLE a (x text) COLLATE utf8mb4_bin; CREATE TABLE b (x text CHARACTER SET latin1, y int);",
        "erp",
    )
    try:
        kept = read(DatabaseEncoding(url(mariadb), DB))
    finally:
        mariadb.administer("DROP TABLE a, b", "erp")
    assert kept.odd == ("erp.a: utf8mb4_bin", "erp.b.x: latin1_swedish_ci")


@pytest.mark.parametrize(
    ("user", "database", "powers", "broad"),
    [
        ("app", "erp", (), ()),
        ("boss", "erp", ("ALL PRIVILEGES ON *.*", "GRANT OPTION ON *.*"), ()),
        ("monitor", "", (), ()),
        ("wide", "erp", (), ("DROP ON *.*", "SELECT ON *.*")),
    ],
)
def test_what_a_user_may(
    mariadb: Server, user: str, database: str, powers: tuple[str, ...], broad: tuple[str, ...]
) -> None:
    rights = read(DatabaseRights(url(mariadb, user, database), DB))
    assert (rights.user, rights.all_powerful, rights.broad) == (f"'{user}'@'%'", powers, broad)
    other = read(DatabaseRights(url(mariadb, "boss"), DB, user=user))
    assert (other.user, other.all_powerful, other.broad) == (user, powers, broad)


def test_another_user_is_not_seen_without_the_right_that_the_plan_prints(mariadb: Server) -> None:
    fact = DatabaseRights(url(mariadb), DB, user="boss")
    assert fact.grants() == ("GRANT SELECT ON mysql.* TO 'app'@'%';",)
    assert refused(fact).cause == "absent"


def test_connections_and_clock(mariadb: Server) -> None:
    seen = read(DatabaseConnections(url(mariadb), DB))
    assert (seen.used >= 1, seen.limit) == (True, 151)
    clock = read(DatabaseClock(url(mariadb), DB))
    assert abs(clock.offset_s) <= clock.doubt_s + 0.01


def test_it_keeps_no_catalogue_of_backups(mariadb: Server) -> None:
    fact = DatabaseBackup(url(mariadb), DB)
    assert refused(fact).cause == "unsupported"
    assert fact.asks() == ()
    asked = DatabaseBackup(url(mariadb), DB, query="SELECT unix_timestamp('2026-01-02 03:04:05')")
    assert read(asked).at == 1767323045.0


# ---- health


def test_how_the_server_is(mariadb: Server) -> None:
    seen = read(MysqlHealth(url(mariadb, "monitor", ""), DB))
    assert "MariaDB" in seen.version
    assert seen.pool.size == 32 * 1024 * 1024
    assert seen.pool.requests > seen.pool.misses > 0
    assert seen.pool.uptime_s > 0
    assert seen.logs.on
    assert (seen.logs.size or 0) > 0
    assert "STRICT_TRANS_TABLES" in seen.sql_mode
    assert seen.replicas == ()


def test_without_rights_replication_and_logs_say_what_they_need(mariadb: Server) -> None:
    seen = read(MysqlHealth(url(mariadb), DB))
    assert isinstance(seen.replicas, Refused)
    assert seen.replicas.cause == "denied"
    needs = "needs: GRANT BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'app'@'%';"
    assert seen.replicas.reason.startswith(needs)
    assert seen.logs.size is None
    assert seen.logs.unread.startswith(needs)


def test_the_grants_of_the_plan_are_enough(mariadb: Server) -> None:
    mariadb.administer(f"CREATE USER 'fresh'@'%' IDENTIFIED BY '{PASSWORD}'")
    fact = MysqlHealth(url(mariadb, "fresh", ""), DB)
    try:
        mariadb.administer("\n".join(fact.grants()))
        seen = read(fact)
    finally:
        mariadb.administer("DROP USER 'fresh'@'%'")
    assert seen.logs.size is not None
    assert seen.replicas == ()


def test_a_replica_that_cannot_reach_its_source(mariadb: Server) -> None:
    mariadb.administer(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_PASSWORD='y'; "
        "START SLAVE SQL_THREAD;"
    )
    try:
        seen = read(MysqlHealth(url(mariadb, "monitor", ""), DB))
    finally:
        mariadb.administer("STOP SLAVE; RESET SLAVE ALL")
    (replica,) = seen.replicas
    assert (replica.receives, replica.applies, replica.lag_s) == (False, True, None)
