"""PostgreSQL, a real one: logins, limits, rights, and what is asked of it when it is not well."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from database_servers import PASSWORD, Server

from checks.errors import BadInput
from checks.fact import Fact, NotReadable, Unavailable
from checks.facts.auditlog import LogKeys
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
from checks.facts.effective import PostgresEffective
from checks.facts.localhost import LocalHost
from checks.facts.memory import NoMemory, Sample
from checks.facts.permitted import Permitted
from checks.facts.postgres import PostgresHealth, PostgresHistory, Sequence, Waiting
from checks.library.audit import complete_audit_log
from checks.library.pg import postgres_health
from checks.model import Verdict

DB = "env:FL_DB"
_ASLEEP = "FROM pg_stat_activity WHERE application_name = 'firstlight' AND wait_event = 'PgSleep'"


def url(server: Server, user: str = "app", database: str = "erp", host: str = "127.0.0.1") -> str:
    return f"postgresql://{user}@{host}:{server.port}/{database}"


def read(fact: Fact) -> Any:
    """Through the guard that lets pass only what the fact said it asks."""
    return fact.read(Permitted(LocalHost(), fact))


def refused(fact: Fact) -> NotReadable:
    with pytest.raises(NotReadable) as problem:
        read(fact)
    assert PASSWORD not in problem.value.reason
    return problem.value


def query(server: Server, statement: str, user: str = "app", **more: Any) -> Rows:
    rows: Rows = read(QueryRows(url(server, user), DB, query=statement, **more))
    return rows


@contextmanager
def session(server: Server, user: str = "app", database: str = "erp") -> Iterator[psycopg.Connection[Any]]:
    with closing(
        psycopg.connect(
            host="127.0.0.1", port=server.port, user=user, dbname=database, password=PASSWORD, autocommit=True
        )
    ) as link:
        yield link


# ---- who gets in


def test_a_login_gets_in_over_tls(postgresql: Server) -> None:
    login = read(DatabaseLogin(url(postgresql), DB))
    assert (login.outcome, login.detail, login.encrypted) == ("in", "", True)
    assert login.version.split(".")[0] == postgresql.administer("SHOW server_version").split(".")[0]
    assert login.latency_ms > 0


@pytest.mark.parametrize(
    ("where", "password", "outcome", "said"),
    [
        ({}, "env:FL_WRONG", "login", "password authentication failed"),
        ({"user": "nobody"}, DB, "login", "password authentication failed"),
        ({"database": "nowhere"}, DB, "database", 'database "nowhere" does not exist'),
        ({"host": "nowhere.invalid"}, DB, "dns", "not known"),
    ],
)
def test_why_nobody_gets_in_is_told_apart(
    postgresql: Server, where: dict[str, str], password: str, outcome: str, said: str
) -> None:
    login = read(DatabaseLogin(url(postgresql, **where), password))
    assert login.outcome == outcome
    assert said in login.detail
    assert PASSWORD not in login.detail


def test_a_port_nobody_listens_on_is_refused(postgresql: Server) -> None:
    closed = url(postgresql).replace(str(postgresql.port), "1")
    assert read(DatabaseLogin(closed, DB)).outcome == "refused"
    assert refused(DatabaseConnections(closed, DB)).cause == "refused"


def test_a_certificate_is_held_against_the_name_and_the_authority(postgresql: Server) -> None:
    by_name, by_address = url(postgresql, host="localhost"), url(postgresql)
    right = read(DatabaseLogin(by_name, DB, tls="verify", ca=postgresql.ca))
    assert (right.outcome, right.encrypted) == ("in", True)
    for where, ca, said in ((by_name, "", "verify failed"), (by_address, postgresql.ca, "does not match")):
        wrong = read(DatabaseLogin(where, DB, tls="verify", ca=ca))
        assert wrong.outcome == "tls"
        assert said in wrong.detail
    assert read(DatabaseLogin(by_address, DB, tls="off")).encrypted is False


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as told:
        DatabaseLogin("postgresql://app:hunter2@db/erp")
    assert "hunter2" not in str(told.value)
    with pytest.raises(BadInput) as told:
        DatabaseLogin("postgresql://app@db/erp", "hunter2")
    assert "hunter2" not in str(told.value)


def test_a_secret_that_is_not_there_is_an_error_and_no_failed_login(postgresql: Server) -> None:
    problem = refused(DatabaseLogin(url(postgresql), "env:FL_NOT_SET"))
    assert problem.reason == "the environment variable FL_NOT_SET is not set"


def test_no_connection_left_is_told(postgresql: Server) -> None:
    postgresql.administer("ALTER ROLE maker CONNECTION LIMIT 0")
    try:
        login = read(DatabaseLogin(url(postgresql, "maker", "postgres"), DB))
    finally:
        postgresql.administer("ALTER ROLE maker CONNECTION LIMIT -1")
    assert login.outcome == "full"


def test_a_database_that_a_login_may_not_enter_names_the_grant(postgresql: Server) -> None:
    postgresql.administer("REVOKE CONNECT ON DATABASE latin FROM PUBLIC")
    login = read(DatabaseLogin(url(postgresql, "maker", "latin"), DB))
    assert login.outcome == "closed"
    assert 'GRANT CONNECT ON DATABASE "latin" TO "maker";' in login.detail


# ---- what cannot happen


@pytest.fixture
def writer(postgresql: Server) -> Iterator[str]:
    """A function that writes, called by a query that reads."""
    postgresql.administer(
        "CREATE TABLE notes (x int); GRANT ALL ON notes TO app;"
        "CREATE FUNCTION write_note() RETURNS int LANGUAGE sql "
        "AS 'INSERT INTO notes VALUES (1) RETURNING x';",
        "erp",
    )
    yield "SELECT write_note()"
    postgresql.administer("DROP FUNCTION write_note; DROP TABLE notes", "erp")


def test_a_function_that_writes_fails_and_writes_nothing(postgresql: Server, writer: str) -> None:
    problem = refused(QueryRows(url(postgresql), DB, query=writer))
    assert problem.cause == "read-only"
    assert "does more than read" in problem.reason
    assert postgresql.administer("SELECT count(*) FROM notes", "erp") == "0"


@pytest.mark.parametrize(
    "statement",
    [
        "WITH gone AS (DELETE FROM notes RETURNING x) SELECT x FROM gone",
        "SELECT set_config('transaction_read_only', 'off', false), write_note()",
        "SELECT nextval('one')",
    ],
)
def test_no_way_around_reading(postgresql: Server, writer: str, statement: str) -> None:
    postgresql.administer("CREATE SEQUENCE one; GRANT ALL ON SEQUENCE one TO app", "erp")
    try:
        assert refused(QueryRows(url(postgresql), DB, query=statement)).cause in ("read-only", "failed")
        assert postgresql.administer("SELECT is_called FROM one", "erp") == "f"
    finally:
        postgresql.administer("DROP SEQUENCE one", "erp")


def test_a_second_statement_would_not_run_even_if_its_text_were_let_through(
    postgresql: Server, writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checks.facts.dbfacts.refuse_unsafe", lambda *_: None)
    statement = "SELECT 1; COMMIT; INSERT INTO notes VALUES (2)"
    assert refused(QueryRows(url(postgresql), DB, query=statement)).cause == "statement"
    assert postgresql.administer("SELECT count(*) FROM notes", "erp") == "0"


def test_a_row_bomb_is_cut_off(postgresql: Server) -> None:
    rows = query(postgresql, "SELECT generate_series(1, 1000000000)", cap=3)
    assert rows == Rows(("generate_series",), ((1,), (2,), (3,)), cut=True)


def test_a_long_query_is_ended_by_the_server(postgresql: Server) -> None:
    problem = refused(QueryRows(url(postgresql), DB, query="SELECT pg_sleep(600)", timeout=1.0))
    assert problem.cause == "timeout"
    left = f"SELECT count(*) {_ASLEEP}"
    assert postgresql.administer(left) == "0"


def test_waiting_for_a_lock_is_ended_too(postgresql: Server, writer: str) -> None:
    with session(postgresql, "boss") as link, link.transaction():
        link.execute("LOCK TABLE notes")
        statement = "SELECT count(*) FROM notes"
        assert refused(QueryRows(url(postgresql), DB, query=statement, timeout=0.5)).cause == "timeout"


def test_a_server_that_dies_in_the_middle_is_lost(postgresql: Server) -> None:
    def end_it() -> None:
        for _ in range(200):
            if postgresql.administer(f"SELECT count(pg_terminate_backend(pid)) {_ASLEEP}") != "0":
                return
            time.sleep(0.05)

    killer = threading.Thread(target=end_it)
    killer.start()
    problem = refused(QueryRows(url(postgresql), DB, query="SELECT pg_sleep(77)", timeout=20.0))
    killer.join()
    assert problem.cause == "lost"


def test_nothing_stays_connected(postgresql: Server) -> None:
    query(postgresql, "SELECT 1")
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'firstlight'"
    for _ in range(100):
        if postgresql.administer(mine) == "0":
            return
        time.sleep(0.02)
    raise AssertionError("a session stayed open")


# ---- what is read


def test_values_arrive_as_plain_ones(postgresql: Server) -> None:
    rows = query(
        postgresql,
        "SELECT 'a%b', 1.5, 12::numeric, NULL, true, timestamptz '2026-01-02 03:04:05+02', "
        "date '2026-01-02', "
        "interval '90 s', '\\x00ff'::bytea, 'NaN'::float8, 12345678901234567890::numeric, "
        "'postgres://u:hunter2@db/x', ARRAY[1, 2]",
    )
    assert rows.rows[0] == (
        *("a%b", 1.5, 12, None, True, "2026-01-02T01:04:05+00:00", "2026-01-02", 90.0, "2 bytes", "nan"),
        *("12345678901234567890", "postgres://u:***@db/x", "[1, 2]"),
    )


def test_a_right_that_is_missing_is_named(postgresql: Server) -> None:
    problem = refused(QueryRows(url(postgresql), DB, query="SELECT rolpassword FROM pg_authid"))
    assert problem.cause == "denied"
    assert problem.reason.startswith('needs: GRANT SELECT ON pg_authid TO "app";')


def test_a_table_that_is_not_there_and_a_statement_that_is_none(postgresql: Server) -> None:
    assert refused(QueryRows(url(postgresql), DB, query="SELECT 1 FROM nowhere")).cause == "absent"
    assert refused(QueryRows(url(postgresql), DB, query="SELECT FROM FROM")).cause == "statement"


def test_encodings(postgresql: Server) -> None:
    kept = read(DatabaseEncoding(url(postgresql), DB))
    assert (kept.encoding, kept.collation, kept.odd) == ("UTF8", "C", ())
    assert read(DatabaseEncoding(url(postgresql, "app", "latin"), DB)).encoding == "LATIN1"


def test_a_column_with_another_collation_is_named(postgresql: Server) -> None:
    postgresql.administer(
        "CREATE COLLATION german (provider = icu, locale = 'de');"
        'CREATE TABLE names (a text, b text COLLATE german, c text COLLATE "C");',
        "erp",
    )
    try:
        kept = read(DatabaseEncoding(url(postgresql), DB))
    finally:
        postgresql.administer("DROP TABLE names; DROP COLLATION german", "erp")
    assert (kept.odd, kept.odd_count) == (("public.names.b: german",), 1)


@pytest.mark.parametrize(
    ("user", "powers", "broad"),
    [("app", (), ()), ("boss", ("SUPERUSER",), ()), ("maker", (), ("CREATEDB",)), ("monitor", (), ())],
)
def test_what_a_user_may(
    postgresql: Server, user: str, powers: tuple[str, ...], broad: tuple[str, ...]
) -> None:
    mine = read(DatabaseRights(url(postgresql, user), DB))
    assert (mine.user, mine.all_powerful, mine.broad) == (user, powers, broad)
    assert read(DatabaseRights(url(postgresql), DB, user=user)) == mine


def test_membership_in_a_superuser_counts(postgresql: Server) -> None:
    postgresql.administer("GRANT boss TO maker")
    try:
        rights = read(DatabaseRights(url(postgresql), DB, user="maker"))
    finally:
        postgresql.administer("REVOKE boss FROM maker")
    assert rights.all_powerful == ("member of boss",)


def test_a_user_that_nobody_is(postgresql: Server) -> None:
    assert refused(DatabaseRights(url(postgresql), DB, user="nobody")).cause == "absent"


def test_connections_of_others_are_counted_without_a_right_to_see_them(postgresql: Server) -> None:
    before = read(DatabaseConnections(url(postgresql), DB))
    assert before.limit == 37  # 40, of which 3 are for administrators
    with session(postgresql, "boss"), session(postgresql, "boss"):
        assert read(DatabaseConnections(url(postgresql), DB)).used >= before.used + 2


def test_the_archiver_tells_of_the_last_backup(postgresql: Server) -> None:
    began = time.time()
    postgresql.administer("SELECT pg_switch_wal(); CHECKPOINT")
    postgresql.administer("CREATE TABLE IF NOT EXISTS filler (x int); SELECT pg_switch_wal()")
    fact = DatabaseBackup(url(postgresql), DB)
    for _ in range(200):
        found = read(fact)
        if found.at is not None:
            break
        time.sleep(0.05)
    assert began - 60 < found.at < time.time() + 1
    asked = DatabaseBackup(url(postgresql), DB, query="SELECT timestamptz '2026-01-02 03:04:05+00'")
    assert read(asked).at == 1767323045.0


def test_its_clock_is_that_of_this_machine(postgresql: Server) -> None:
    clock = read(DatabaseClock(url(postgresql), DB))
    assert abs(clock.offset_s) <= clock.doubt_s + 0.01


# ---- health


def health(server: Server, user: str = "monitor") -> Any:
    return read(PostgresHealth(url(server, user), DB))


def test_sequences_end_where_their_column_does(postgresql: Server) -> None:
    postgresql.administer(
        "CREATE TABLE a (id serial, big bigserial); CREATE SEQUENCE wide; "
        "CREATE SEQUENCE round CYCLE MAXVALUE 9;"
        "ALTER TABLE a ALTER id TYPE bigint; CREATE TABLE b (id int); "
        "CREATE SEQUENCE narrow AS bigint OWNED BY b.id; "
        "SELECT setval('narrow', 2000000000), setval('a_id_seq', 7), setval('wide', 100);"
        "CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY); "
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO monitor",
        "erp",
    )
    try:
        found = {each.name.removeprefix("public."): each for each in health(postgresql).sequences}
        unseen = health(postgresql, "maker").sequences
    finally:
        postgresql.administer("DROP TABLE a, b, c; DROP SEQUENCE wide, round", "erp")
    assert found["narrow"] == Sequence("public.narrow", 2000000000, 2147483647, 1, "int4")
    assert round(found["narrow"].percent, 1) == 93.1
    assert found["a_id_seq"] == Sequence("public.a_id_seq", 7, 2147483647, 1, "int8")
    assert found["a_big_seq"].possible == 2**63 - 1
    assert found["c_id_seq"] == Sequence("public.c_id_seq", 1, 2147483647, 1, "int4")
    assert "round" not in found
    assert next(iter(found)) == "narrow"
    assert {each.used for each in unseen} == {None}


def test_a_lock_that_is_waited_for(postgresql: Server) -> None:
    postgresql.administer("CREATE TABLE busy (x int); GRANT ALL ON busy TO app", "erp")
    with session(postgresql, "boss") as holder, session(postgresql, "app") as waiter:
        holder.execute("BEGIN; LOCK TABLE busy")
        thread = threading.Thread(target=lambda: waiter.execute("SELECT * FROM busy"))
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        for _ in range(200):
            if postgresql.administer(waits) == "1":
                break
            time.sleep(0.02)
        time.sleep(0.2)
        seen, unprivileged = health(postgresql).waits, health(postgresql, "app").waits
        holder.execute("ROLLBACK")
        thread.join()
    postgresql.administer("DROP TABLE busy", "erp")
    assert (seen.count, seen.untold) == (1, 0)
    assert 0.2 <= seen.oldest_s < 30
    assert unprivileged.count == 1
    assert health(postgresql).waits == Waiting(0)


def test_a_prepared_transaction(postgresql: Server) -> None:
    postgresql.administer("BEGIN; CREATE TABLE later (x int); PREPARE TRANSACTION 'one'", "erp")
    try:
        time.sleep(0.2)
        seen = health(postgresql, "app").prepared
    finally:
        postgresql.administer("ROLLBACK PREPARED 'one'", "erp")
    assert seen.count == 1
    assert 0.2 <= seen.oldest_s < 30
    assert health(postgresql).prepared == Waiting(0)


def test_ages_and_settings(postgresql: Server) -> None:
    seen = health(postgresql)
    assert {each.database for each in seen.xids} == {"postgres", "template1", "erp", "latin"}
    assert all(0 < each.age < 100_000 for each in seen.xids)
    assert seen.settings.values["shared_buffers"] == 16 * 1024 * 1024
    assert seen.settings.values["max_connections"] == 40
    assert PostgresHealth.series(seen)["xid erp"] > 0


def test_one_part_that_is_refused_does_not_take_the_others_along(postgresql: Server) -> None:
    postgresql.administer("REVOKE SELECT ON pg_prepared_xacts FROM PUBLIC", "erp")
    try:
        seen = health(postgresql, "app")
    finally:
        postgresql.administer("GRANT SELECT ON pg_prepared_xacts TO PUBLIC", "erp")
    assert isinstance(seen.prepared, Refused)
    assert seen.prepared.cause == "denied"
    assert seen.prepared.reason.startswith('needs: GRANT pg_monitor TO "app";')
    assert not isinstance(seen.settings, Refused)


def test_another_product_is_not_asked() -> None:
    fact = PostgresHealth("mysql://app@127.0.0.1:1/erp")
    assert fact.asks() == ()
    assert refused(fact).cause == "unsupported"


def test_a_setting_that_waits_for_a_restart(postgresql: Server) -> None:
    postgresql.administer("ALTER SYSTEM SET max_wal_senders = 7")
    postgresql.administer("SELECT pg_reload_conf()")
    fact = PostgresEffective(url(postgresql, "boss"), DB)
    try:
        for _ in range(200):
            seen = read(fact)
            if "max_wal_senders" in seen.restart:
                break
            time.sleep(0.02)
        unprivileged = read(PostgresEffective(url(postgresql), DB))
    finally:
        postgresql.administer("ALTER SYSTEM RESET max_wal_senders")
        postgresql.administer("SELECT pg_reload_conf()")
    # What the command line of this server says otherwise than its file waits as well.
    assert seen.restart == ("max_connections", "max_wal_senders", "shared_buffers")
    assert (seen.wrong, seen.files_unread) == ((), "")
    assert unprivileged.restart == seen.restart
    assert 'GRANT SELECT ON pg_file_settings TO "app";' in unprivileged.files_unread


def test_the_grants_of_the_plan_are_enough(postgresql: Server) -> None:
    """What `plan --privileges` prints, pasted, lets a login with nothing read everything."""
    postgresql.administer(f"CREATE ROLE fresh LOGIN PASSWORD '{PASSWORD}'")
    where = url(postgresql, "fresh")
    facts = [PostgresHealth(where, DB), PostgresEffective(where, DB), DatabaseEncoding(where, DB)]
    try:
        for fact in facts:
            postgresql.administer("\n".join(fact.grants()), "erp")
        assert read(facts[1]).files_unread == ""
        assert not isinstance(read(facts[0]).waits, Refused)
    finally:
        postgresql.administer("DROP OWNED BY fresh; DROP ROLE fresh", "erp")


def test_the_end_of_a_sequence_is_foretold_from_earlier_runs(postgresql: Server) -> None:
    """A login reads, the agent records, and later runs judge by both."""
    postgresql.administer(
        "CREATE SEQUENCE orders_seq AS int; SELECT setval('orders_seq', 500000000);"
        "GRANT SELECT ON SEQUENCE orders_seq TO monitor",
        "erp",
    )
    fact = PostgresHealth(url(postgresql, "monitor"), DB)
    try:
        seen = read(fact)
    finally:
        postgresql.administer("DROP SEQUENCE orders_seq", "erp")
    recorded = PostgresHealth.series(seen)
    assert recorded["seq public.orders_seq"] == 500_000_000
    now = datetime.now(UTC)
    runs = tuple(
        Sample(now - timedelta(hours=6 * back), {"seq public.orders_seq": 500_000_000.0 - 10_000_000 * back})
        for back in range(10, 0, -1)
    )

    class Remembers(NoMemory):
        def series(self, fact_id: str) -> tuple[Sample, ...]:
            return runs if fact_id == fact.id() else ()

    past = PostgresHistory(fact.url, DB)
    history = past.read(Permitted(LocalHost(memory=Remembers()), past))
    assert [point.level for point in history["seq public.orders_seq"]][-1] == 490_000_000
    verdicts = postgres_health(seen, history, Unavailable("-"), now, url=fact.url, ram=2**36)
    assert isinstance(verdicts, list)
    told = {verdict.object: verdict for verdict in verdicts}["sequences"]
    assert (told.status, told.cause) == ("warn", "soon")
    # 1647 million are left, at 40 million a day.
    assert round(told.evidence["seconds_left"] / 86400) == 41


def test_operations_without_their_audit_entry_are_found(postgresql: Server, tmp_path: Path) -> None:
    postgresql.administer(
        "CREATE TABLE payments (id int); INSERT INTO payments SELECT generate_series(1, 5);"
        "CREATE TABLE audit (payment int); INSERT INTO audit SELECT generate_series(1, 4);"
        "GRANT SELECT ON payments, audit TO app",
        "erp",
    )
    (tmp_path / "audit.log").write_text("".join(f"INFO payment={number} done\n" for number in range(1, 6)))
    try:
        done = query(postgresql, "SELECT id FROM payments ORDER BY id")
        entries = query(postgresql, "SELECT payment FROM audit")
    finally:
        postgresql.administer("DROP TABLE payments, audit", "erp")
    log = str(tmp_path / "audit.log")
    logged = read(LogKeys(log, r"payment=(\d+)"))
    wanted = {"url": url(postgresql), "operations": "SELECT id FROM payments"}
    missing = complete_audit_log(done, entries, None, **wanted)
    complete = complete_audit_log(done, None, logged, **wanted)
    assert isinstance(missing, Verdict)
    assert isinstance(complete, Verdict)
    assert (missing.status, missing.evidence["examples"]) == ("fail", "5")
    assert complete.status == "pass"
