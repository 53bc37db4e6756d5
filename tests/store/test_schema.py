"""The migrations make what the tables declare, on both databases, and can be taken back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from building import START, Machine, arrive, enrol, found_vendor

from checks.errors import BadInput
from server import db as db_module
from server import keys, schema
from server.db import Database, open_database
from server.publishing.audience import Audience
from server.publishing.events import publish_profile
from server.publishing.outgoing import rules_for
from server.tables import AgentRow, Receipt, metadata


def test_the_migrations_make_what_the_tables_declare(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert schema.current(db) == schema.newest()
    schema.require_current(db)


def test_every_migration_can_be_taken_back_and_made_again(db: Database) -> None:
    schema.downgrade(db, "base")
    assert sa.inspect(db.engine).get_table_names() == ["alembic_version"]
    schema.upgrade(db)
    schema.require_current(db)


def test_a_store_that_was_never_made_is_refused_with_the_command_to_type(tmp_path: Path) -> None:
    db = open_database(str(tmp_path / "new.db"))
    with pytest.raises(BadInput, match="firstlight server init"):
        schema.require_current(db)
    db.close()


def test_a_store_of_a_newer_program_is_refused(sqlite_db: Database) -> None:
    with sqlite_db.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadInput, match="does not know; upgrade Firstlight"):
        schema.require_current(sqlite_db)


def test_an_sqlite_store_is_durable_and_checks_its_references(sqlite_db: Database) -> None:
    with sqlite_db.read() as session:
        connection = session.connection()
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_a_read_sees_one_moment_however_much_is_written_meanwhile(db: Database) -> None:
    count = sa.text("SELECT count(*) FROM product")
    with db.read() as session:
        before = session.execute(count).scalar()
        with db.write() as other:
            other.execute(sa.text("INSERT INTO product (id, name) VALUES ('p', 'P')"))
        assert session.execute(count).scalar() == before == 0
    with db.read() as session:
        assert session.execute(count).scalar() == 1


def test_a_store_on_a_network_filesystem_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = db_module.filesystem_of(tmp_path)
    assert kind, "the mount table names the filesystem of every folder"
    monkeypatch.setattr(db_module, "NETWORK_FILESYSTEMS", frozenset({kind}))
    with pytest.raises(BadInput, match="network filesystem"):
        open_database(str(tmp_path / "store.db"))


def test_a_url_that_is_no_database_gets_one_clear_line(tmp_path: Path) -> None:
    for url, problem in {
        "mysql://localhost/x": "sqlite or postgresql",
        "://": "not a database URL",
        str(tmp_path / "missing" / "x.db"): "does not exist",
    }.items():
        with pytest.raises(BadInput, match=problem):
            open_database(url)


def test_a_store_of_the_first_schema_keeps_its_rows_on_the_way_up_and_down(db: Database) -> None:
    schema.downgrade(db, "0001")
    with db.write() as session:
        session.execute(sa.text("INSERT INTO product (id, name) VALUES ('p', 'P')"))
    schema.upgrade(db)
    schema.downgrade(db, "0001")
    with db.read() as session:
        assert session.execute(sa.text("SELECT id, name FROM product")).all() == [("p", "P")]


def test_a_store_in_use_goes_back_to_any_schema_and_up_again_and_works_on(db: Database) -> None:
    machine = Machine()
    text = "profile: acme\nversion: 1\nitems:\n- {id: a, check: file.stat, with: {path: /etc/hosts}}\n"

    def use(hours: int) -> None:
        with db.write() as session:
            before = machine.sequence
            first = machine.run(START + timedelta(hours=hours), {"disk": "pass"})
            again = {"replaces": first.seal.run, "replaced": (before + 1,)}
            for sealed in (
                first,
                machine.run(START + timedelta(hours=hours, minutes=1), {"disk": "pass"}, **again),
            ):
                assert arrive(session, sealed).status == 201
            publish_profile(session, text, Audience("plant"), by="root", now=START)
            assert rules_for(session, session.get_one(AgentRow, machine.agent), START)
            assert keys.public_key(session, "sign")

    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
    for place, older in enumerate(("0003", "0002", "0001")):
        with db.write() as session:
            session.execute(sa.text("DELETE FROM agent_rules"))
            session.execute(sa.text("DELETE FROM publication"))
        use(place)
        schema.downgrade(db, older)
        schema.upgrade(db)
    with db.read() as session:
        assert sorted(session.scalars(sa.select(Receipt.sequence))) == [1, 2, 3, 4, 5, 6]
    assert schema.current(db) == schema.newest()
