"""What goes wrong between here and any database, and that nothing of it takes long or tells a secret."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any, get_args

import pytest
from database_servers import PASSWORD
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.bridge import bridged
from checks.facts.database import CELL_LIMIT, AskDatabase, Rows, Talked, plain
from checks.facts.dbbackup import DatabaseBackup
from checks.facts.dbbase import moment
from checks.facts.dbclock import DatabaseClock
from checks.facts.dberrors import told
from checks.facts.dbfacts import (
    DatabaseConnections,
    DatabaseEncoding,
    DatabaseLogin,
    DatabaseRights,
    QueryRows,
)
from checks.facts.dbstatements import read_rights
from checks.facts.dburl import Product
from checks.facts.effective import PostgresEffective
from checks.facts.localhost import LocalHost
from checks.facts.mysql import MysqlHealth
from checks.facts.mysql import read_server as read_mysql
from checks.facts.postgres import PostgresHealth
from checks.facts.postgres import read_server as read_postgres
from checks.facts.sqltext import unsafe
from checks.secret import NONE, Secret

DB = "env:FL_DB"
PRODUCTS: tuple[Product, ...] = get_args(Product)


def at(product: str, port: int, host: str = "127.0.0.1") -> str:
    return f"{product}://app@{host}:{port}/erp"


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A server that takes connections and says this, or (None) nothing at all for as long as it takes."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                link = listener.accept()[0]
                with closing(link):
                    if answer is None:
                        over.wait(60)
                    else:
                        link.sendall(answer)
                        link.recv(4096)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_server_that_takes_the_connection_and_says_nothing_times_out(product: str) -> None:
    with listening(None) as port:
        began = monotonic()
        login = DatabaseLogin(at(product, port), DB, timeout=1.0).read(LocalHost())
        took = monotonic() - began
    assert login.outcome == "timeout"
    assert login.detail == f"127.0.0.1:{port}: no login within 1 s"
    assert took < 20  # far above what it may take, far below the minutes of drivers


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 4096])
def test_a_server_that_is_none_of_the_kind_is_no_login(product: str, answer: bytes) -> None:
    with listening(answer) as port:
        try:
            login = DatabaseLogin(at(product, port), DB, timeout=2.0).read(LocalHost())
        except NotReadable as problem:
            assert PASSWORD not in problem.reason
        else:
            assert login.outcome != "in"


@pytest.mark.parametrize("product", PRODUCTS)
def test_nobody_listens_and_nobody_has_the_name(product: str) -> None:
    assert DatabaseLogin(at(product, 1), DB).read(LocalHost()).outcome == "refused"
    assert DatabaseLogin(at(product, 1, "nowhere.invalid"), DB).read(LocalHost()).outcome == "dns"


@pytest.mark.parametrize(
    ("product", "driver", "extra"),
    [
        ("postgresql", "psycopg", "db"),
        ("mysql", "pymysql", "db"),
        ("mssql", "sqlalchemy_pytds", "mssql"),
        ("oracle", "oracledb", "oracle"),
    ],
)
def test_a_driver_that_is_missing_is_named(
    product: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(NotReadable) as problem:
        DatabaseLogin(at(product, 1), DB).read(LocalHost())
    assert problem.value.reason == f"needs: pip install 'firstlight[{extra}]'"
    assert problem.value.cause == "unsupported"


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_each_product_is_asked_only_reads_by_the_rules_for_profiles(product: Product) -> None:
    facts: list[Any] = [DatabaseLogin(at(product, 1)), DatabaseEncoding(at(product, 1))]
    facts += [DatabaseRights(at(product, 1)), DatabaseRights(at(product, 1), user="odoo")]
    facts += [DatabaseConnections(at(product, 1))]
    facts += [DatabaseBackup(at(product, 1))] if product != "mysql" else [MysqlHealth(at(product, 1))]
    facts += [PostgresHealth(at(product, 1))] if product == "postgresql" else []
    for fact in facts:
        assert fact.statements()
        for statement in fact.statements():
            assert unsafe(statement, product) == "", statement
        (ask,) = fact.asks()
        assert ask.destination == ("127.0.0.1", 1)
        assert ask.describe().startswith(f"ask {product} at 127.0.0.1:1, database erp as app: S")


@pytest.mark.parametrize(
    ("dialect", "driver"),
    [
        ("postgresql+psycopg", "psycopg"),
        ("mysql+pymysql", "pymysql"),
        ("mssql+pytds", "pytds"),
        ("oracle+oracledb", "oracledb"),
    ],
)
def test_sqlalchemy_has_every_dialect(dialect: str, driver: str) -> None:
    import sqlalchemy as sa

    assert sa.make_url(f"{dialect}://").get_dialect().driver == driver


def test_a_query_that_writes_is_refused_when_the_profile_is_read() -> None:
    with pytest.raises(BadInput, match="does not begin with SELECT"):
        QueryRows(at("postgresql", 1), query="DELETE FROM orders")
    with pytest.raises(BadInput, match="INTO does more than read"):
        QueryRows(at("mysql", 1), query="SELECT '{a}' INTO OUTFILE '/tmp/x'")
    with pytest.raises(BadInput, match="only one statement"):
        DatabaseBackup(at("mysql", 1), query="SELECT 1; SELECT 2")


def test_grants_are_those_of_the_product() -> None:
    assert PostgresHealth(at("postgresql", 1)).grants() == ('GRANT pg_monitor TO "app";',)
    assert MysqlHealth(at("mariadb", 1)).grants() == (
        "GRANT BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'app'@'%';",
    )
    assert MysqlHealth(at("mysql", 1)).grants() == ("GRANT REPLICATION CLIENT ON *.* TO 'app'@'%';",)
    assert DatabaseConnections(at("mssql", 1)).grants() == ("GRANT VIEW SERVER STATE TO [app];",)
    assert DatabaseConnections(at("oracle", 1)).grants() == ("GRANT SELECT ON v_$resource_limit TO app;",)
    assert DatabaseLogin(at("postgresql", 1)).grants() == ()


def test_rights_of_products_that_do_not_run_here() -> None:
    assert read_rights("mssql", [["sa", 1, 0, 0, 1]]) == (("sysadmin",), ("db_owner",))
    assert read_rights("mssql", [["app", 0, None, 0, 0]]) == ((), ())
    rows = [["APP", "CONNECT"], ["APP", "DBA"], ["APP", "SELECT ANY TABLE"], ["APP", None]]
    assert read_rights("oracle", rows) == (("DBA",), ("SELECT ANY TABLE",))


# ---- errors


class Complaint(Exception):
    """A driver's error, with what drivers hang on it."""

    def __init__(self, *args: object, **attributes: object) -> None:
        super().__init__(*args)
        vars(self).update(attributes)


ASK = AskDatabase(at("postgresql", 1), DB, ("SELECT 1",))


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (Complaint("x", sqlstate="42501"), "denied"),
        (Complaint("x", sqlstate="57014"), "timeout"),
        (Complaint("x", sqlstate="08006"), "lost"),
        (Complaint("连接失败", pgconn=Complaint(used_password=True)), "login"),
        (Complaint("连接失败", pgconn=Complaint(used_password=False)), "failed"),
        (Complaint(1045, "Access denied"), "login"),
        (Complaint(1040, "Too many connections"), "full"),
        (Complaint(2026, "SSL connection error"), "tls"),
        (Complaint("Login failed for user 'app'.", number=18456), "login"),
        (Complaint("The SELECT permission was denied", number=229), "denied"),
        (Complaint("ORA-01017: invalid credential"), "login"),
        (Complaint("ORA-12514: Cannot connect to database"), "database"),
        (Complaint("ORA-00942: table or view does not exist"), "absent"),
        (Complaint("DPY-4024: call timeout of 1000 ms exceeded"), "timeout"),
        (Complaint(), "failed"),
        (TimeoutError(), "timeout"),
    ],
)
def test_errors_have_their_cause(problem: BaseException, cause: str) -> None:
    assert told(problem, ASK, NONE).cause == cause


@given(st.text(max_size=300), st.integers() | st.none() | st.text(max_size=5))
def test_any_error_is_told_without_the_secret(text: str, first: object) -> None:
    said = told(Complaint(first, f"{text}{PASSWORD}{text}"), ASK, Secret(PASSWORD))
    assert PASSWORD not in said.reason
    assert len(said.reason) < 1000


# ---- values


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=50)
    | st.binary(max_size=50)
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
)
def test_any_value_travels(value: object) -> None:
    import msgspec

    cell = plain(value)
    assert msgspec.json.decode(msgspec.json.encode(Rows(("a",), ((cell,),))), type=Rows).rows == ((cell,),)


def test_values_are_plain() -> None:
    assert plain(Decimal("1E+1000000")) == "1E+1000000"
    assert plain(2**70) == str(2**70)
    assert plain("x" * 5000) == "x" * CELL_LIMIT
    assert plain(datetime(2026, 1, 2, 3, tzinfo=UTC)) == "2026-01-02T03:00:00+00:00"
    assert (plain(date(2026, 1, 2)), plain(timedelta(minutes=1))) == ("2026-01-02", 60.0)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40))
def test_any_cell_is_a_moment_or_none(value: Any) -> None:
    try:
        assert isinstance(moment(value), float)
    except NotReadable as problem:
        assert problem.cause == "parse"


CELLS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
ROWS = st.builds(
    Rows,
    st.lists(st.sampled_from(["a", "Slave_IO_Running", "Seconds_Behind_Master"]), max_size=3).map(tuple),
    st.lists(st.lists(CELLS, max_size=3).map(tuple), max_size=3).map(tuple),
)


@given(st.lists(ROWS, min_size=5, max_size=5).map(tuple))
def test_any_rows_of_mysql_are_read(results: Any) -> None:
    assert read_mysql(Talked(results)).version is not None


@given(st.lists(ROWS, min_size=5, max_size=5).map(tuple))
def test_any_rows_of_postgresql_are_read_or_refused(results: Any) -> None:
    try:
        assert PostgresHealth.series(read_postgres(Talked(results))) is not None
    except NotReadable as problem:
        assert problem.cause == "parse"


class Says(LocalHost):
    """A machine where every conversation ends so."""

    def __init__(self, said: Talked) -> None:
        super().__init__()
        self.said = said

    def talk(self, ask: object) -> Talked:
        return self.said


@given(st.lists(ROWS, min_size=2, max_size=2).map(tuple), st.sampled_from(PRODUCTS))
def test_any_rows_of_any_database_are_read_or_refused(results: Any, product: str) -> None:
    said = Says(Talked(results, moments=((0.0, 0.0), (0.0, 0.0))))
    kinds: list[Any] = [DatabaseLogin, DatabaseEncoding, DatabaseRights, DatabaseConnections, DatabaseClock]
    kinds += [DatabaseBackup] if product != "mysql" else []
    kinds += [PostgresEffective] if product == "postgresql" else []
    for kind in kinds:
        fact = kind(at(product, 1))
        try:
            assert isinstance(fact.read(said), kind.value_type)
        except NotReadable as problem:
            assert problem.cause in ("parse", "absent", "denied")


# ---- the bridge


def test_a_bridge_carries_both_ways_and_closes() -> None:
    near, far = socket.socketpair()
    with bridged(far, 5) as place, socket.create_connection(place, 5) as link:
        link.sendall(b"there")
        assert near.recv(100) == b"there"
        near.sendall(b"back")
        assert link.recv(100) == b"back"
        near.close()
        assert link.recv(100) == b""
    with pytest.raises(OSError):
        socket.create_connection(place, 1)
