"""Passwords, sessions, tokens and the slowing down of guesses, without HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from building import START, found_vendor

from checks.errors import BadInput
from server.auth import sessions, tokens, users
from server.auth.passwords import generate_password, hash_password, verify_password
from server.auth.throttle import FREE, LONGEST_WAIT, MOST_KEYS, Throttle, wait_after
from server.db import Database
from server.errors import LoginFailed, NotFound, Refused, Throttled
from server.tables import ApiToken, AuditEntry, Session, User

PASSWORD = "correct horse battery"
HERE = {"by": "root", "now": START}


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    with sqlite_db.write() as session:
        found_vendor(session)
        users.add_user(session, "root", "admin", PASSWORD, **HERE)
    return sqlite_db


def test_a_password_fits_only_its_own_hash_and_an_unknown_login_fits_none() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, PASSWORD)
    assert not verify_password(stored, PASSWORD + " ")
    assert not verify_password(None, PASSWORD)
    assert not verify_password("not a hash", PASSWORD)
    assert not verify_password(stored, "x" * 2000)


def test_a_short_password_is_refused_and_a_generated_one_is_long_enough() -> None:
    with pytest.raises(BadInput, match="10 to 1024 characters"):
        hash_password("short")
    assert len(generate_password()) == 20
    assert generate_password() != generate_password()


def test_the_first_wrong_passwords_cost_nothing_then_each_doubles_the_wait_up_to_a_limit() -> None:
    waits = [wait_after(count).total_seconds() for count in range(FREE + 4)]
    assert waits == [0] * FREE + [2, 4, 8, 16]
    assert wait_after(1000) == LONGEST_WAIT


def test_who_guessed_too_often_waits_and_nobody_else_does() -> None:
    throttle = Throttle()
    for _ in range(FREE):
        throttle.check("ann", "10.0.0.1", START)
        throttle.failed("ann", "10.0.0.1", START)
    with pytest.raises(Throttled, match="try again in 2 s"):
        throttle.check("ann", "10.0.0.1", START)
    throttle.check("ann", "10.0.0.2", START)
    throttle.check("bo", "10.0.0.1", START)
    throttle.check("ann", "10.0.0.1", START + timedelta(seconds=2))


def test_the_right_password_wipes_the_slate() -> None:
    throttle = Throttle()
    for _ in range(FREE):
        throttle.failed("ann", "", START)
    throttle.succeeded("ann", "")
    throttle.check("ann", "", START)


def test_the_throttle_forgets_after_an_hour_and_never_grows_without_bound() -> None:
    throttle = Throttle()
    for number in range(MOST_KEYS + 50):
        throttle.failed(f"login-{number}", "", START)
    assert len(throttle._failures) <= MOST_KEYS
    throttle.failed("late", "", START + timedelta(hours=2))
    assert list(throttle._failures) == [("late", "")]


def test_a_session_lasts_twelve_hours_and_ends_on_logging_out(db: Database) -> None:
    begun = sessions.log_in(db, Throttle(), " Root ", PASSWORD, address="", now=START)
    assert begun.account.is_admin
    assert begun.account.by_cookie
    nearly, later = START + timedelta(hours=11.9), START + timedelta(hours=12)
    with db.write() as session:
        assert sessions.account_of_session(session, begun.token, nearly) == begun.account
        assert sessions.account_of_session(session, begun.token, later) is None
        assert sessions.account_of_session(session, "fls_guessed", START) is None
        sessions.log_out(session, begun.token)
        assert sessions.account_of_session(session, begun.token, START) is None


def test_the_store_holds_no_token_and_no_password(db: Database) -> None:
    begun = sessions.log_in(db, Throttle(), "root", PASSWORD, address="", now=START)
    with db.write() as session:
        issued = tokens.issue_api_token(session, 1, "ci", timedelta(days=1), **HERE)
    secrets = (begun.token, issued, PASSWORD)
    with db.read() as session:
        for table in (Session, ApiToken, User, AuditEntry):
            rows = session.execute(sa.select(*table.__table__.columns)).all()
            assert not [row for row in rows for value in row for s in secrets if s in str(value)]


def test_unknown_login_wrong_password_and_disabled_user_read_the_same(db: Database) -> None:
    with db.write() as session:
        users.add_user(session, "gone", "admin", PASSWORD, **HERE)
        users.disable_user(session, "gone", **HERE)
    said = set()
    for login, password in (("nobody", PASSWORD), ("root", "wrong password"), ("gone", PASSWORD)):
        with pytest.raises(LoginFailed) as refused:
            sessions.log_in(db, Throttle(), login, password, address="", now=START)
        said.add(str(refused.value))
    assert said == {"login or password is wrong"}


def test_a_new_password_ends_the_sessions_begun_with_the_old_one(db: Database) -> None:
    begun = sessions.log_in(db, Throttle(), "root", PASSWORD, address="", now=START)
    with db.write() as session:
        users.set_password(session, "root", "another password", **HERE)
        assert sessions.account_of_session(session, begun.token, START) is None
    with pytest.raises(LoginFailed):
        sessions.log_in(db, Throttle(), "root", PASSWORD, address="", now=START)


def test_an_api_token_acts_as_its_user_until_it_expires_or_is_revoked(db: Database) -> None:
    with db.write() as session:
        token = tokens.issue_api_token(session, 1, "ci", timedelta(days=1), **HERE)
        account = tokens.account_of_token(session, token, START)
        assert account is not None
        assert (account.login, account.by_cookie) == ("root", False)
        assert tokens.account_of_token(session, token, START + timedelta(days=1)) is None
        tokens.revoke_api_token(session, tokens.public_id(token), owner=None, **HERE)
        assert tokens.account_of_token(session, token, START) is None
        with pytest.raises(NotFound, match="no valid token"):
            tokens.revoke_api_token(session, tokens.public_id(token), owner=None, **HERE)


def test_a_disabled_users_token_stops_working(db: Database) -> None:
    with db.write() as session:
        ann = users.add_user(session, "ann", "engineer", PASSWORD, engineer_id="ann", **HERE)
        token = tokens.issue_api_token(session, ann.id, "ci", timedelta(days=1), **HERE)
        users.disable_user(session, "ann", **HERE)
        assert tokens.account_of_token(session, token, START) is None


def test_the_last_admin_cannot_be_disabled(db: Database) -> None:
    with db.write() as session, pytest.raises(Refused, match="last admin"):
        users.disable_user(session, "root", **HERE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"login": "a b"}, "cannot be a login"),
        ({"login": "root"}, "already a user root"),
        ({"role": "boss"}, "right is one of admin, engineer"),
        ({"role": "engineer"}, "must say which engineer"),
        ({"role": "engineer", "engineer_id": "nobody"}, "no engineer nobody"),
        ({"password": "short"}, "10 to 1024"),
    ],
)
def test_a_user_that_makes_no_sense_is_refused_with_one_line(
    db: Database, change: dict[str, str], said: str
) -> None:
    asked = {"login": "new", "role": "admin", "password": PASSWORD, **HERE, **change}
    with db.write() as session, pytest.raises(BadInput, match=said):
        users.add_user(session, **asked)
