"""Statements that only read are told from all others by their text; the database is the second guard."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.facts.dburl import address_of
from checks.facts.sqltext import LENGTH_LIMIT, literal, unsafe

PRODUCTS = ("postgresql", "mysql", "mssql", "oracle")


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM orders",
        "  select 1 ; ",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "SELECT 'a;b', \"c;d\" FROM t -- done",
        "SELECT /* why; */ 1",
        "SELECT 'it''s; fine'",
        "SELECT updated_at, insert_time FROM t",
    ],
)
def test_what_reads_is_let_through(statement: str, product: str) -> None:
    assert unsafe(statement, product) == ""


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("", "does not begin"),
        ("DELETE FROM orders", "does not begin"),
        ("EXPLAIN ANALYZE DELETE FROM orders", "does not begin"),
        ("SELECT 1; DELETE FROM orders", "only one statement"),
        ("SELECT 1;; ", "only one statement"),
        ("SELECT * INTO copy FROM orders", "INTO does more"),
        ("SELECT 1 FROM t FOR UPDATE", "takes locks"),
        ("SELECT 1 FROM t FOR NO KEY UPDATE", "takes locks"),
        ("SELECT 'open", "does not end"),
        ("SELECT 1 /* open", "does not end"),
        ("SELECT 1 /* a /* b */ ; DROP TABLE t */", "comment within"),
        ("SELECT 1 /*! INTO OUTFILE 'x' */", "MySQL would run"),
        ("SELECT 1\0", "zero byte"),
        ("SELECT " + "1," * LENGTH_LIMIT, "longer than"),
    ],
)
def test_what_does_more_is_refused(statement: str, said: str, product: str) -> None:
    told = unsafe(statement, product)
    assert said in told or (product == "mssql" and told == "UPDATE does more than read")


def test_each_product_quotes_in_its_own_way() -> None:
    assert unsafe("SELECT $$;$$, $x$ ' $x$", "postgresql") == ""
    assert "only one" in unsafe("SELECT 'a\\'; DELETE FROM t", "postgresql")
    assert "backslash" in unsafe("SELECT 'a\\'; DELETE FROM t'", "mysql")
    assert unsafe("SELECT `a;b` FROM t # so", "mysql") == ""
    assert "#" in unsafe("SELECT 1 # 2", "postgresql")
    assert unsafe("SELECT [a;b]]c] FROM t", "mssql") == ""
    assert "only one" in unsafe("SELECT a[1;2]", "postgresql")
    assert "space behind --" in unsafe("SELECT 5--1", "mysql")
    assert unsafe("SHOW GLOBAL STATUS", "mysql") == ""
    assert "current_setting" in unsafe("SHOW work_mem", "postgresql")


@pytest.mark.parametrize("word", ["DELETE", "exec", "Waitfor", "DBCC"])
def test_sql_server_needs_no_semicolon_for_a_second_statement(word: str) -> None:
    assert "does more than read" in unsafe(f"SELECT 1 {word} something", "mssql")


@given(st.text(alphabet="SELECT select'\"`$-/*#;[]\\ \n\0aé", max_size=400), st.sampled_from(PRODUCTS))
def test_any_text_is_judged_and_none_with_a_second_statement_passes(text: str, product: str) -> None:
    assert isinstance(unsafe(f"SELECT {text}", product), str)
    if unsafe(f"SELECT {text}", product) == "":
        assert "only one" in unsafe(f"SELECT {text}\n; DROP TABLE t", product) or ";" in text


@pytest.mark.parametrize("piece", ["/*", "'", "$a$", "$$", "[", "`", "--", "/* */", '"'])
@pytest.mark.parametrize("product", PRODUCTS)
def test_no_text_takes_long(piece: str, product: str) -> None:
    began = time.process_time()
    unsafe("SELECT 1 " + piece * ((LENGTH_LIMIT - 20) // len(piece)), product)
    assert time.process_time() - began < 2  # processor time: a quadratic scan would take more


@pytest.mark.parametrize("name", ["a'b", "a\\b", "a;b", "a\nb", "", "x" * 200])
def test_a_name_that_no_user_has_is_no_literal(name: str) -> None:
    with pytest.raises(BadInput):
        literal(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://monitor@db1:5433/erp", "postgresql at db1:5433, database erp"),
        ("mariadb://app@[::1]/erp", "mysql at [::1]:3306, database erp"),
        ("sqlserver://sa@db", "mssql at db:1433"),
        ("oracle://app@db/ORCL", "oracle at db:1521, database ORCL"),
        ("postgres://a%40b@db/x%2Fy", "postgresql at db:5432, database x/y"),
    ],
)
def test_an_address_has_its_parts(url: str, shown: str) -> None:
    assert str(address_of(url)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db/erp",
        "postgresql://app:hun/ter2@db/erp",
        "postgresql://app@db/erp?password=hunter2",
        "http://db/erp",
        "hunter2",
        "postgresql:///erp",
        "postgresql://app@db:99999/erp",
        "postgresql://a:hunter2@b@db/erp",
        "postgresql://a:hunter2@db/{erp}",
    ],
)
def test_an_address_that_is_none_or_holds_a_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        address_of(url)
    assert "ter2" not in str(refused.value)
