"""No secret in what leaves memory; nothing else touched."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redact import Redactor
from checks.fact import Known, Redacted, Unavailable
from checks.model import Message, Result, Severity, Status, Target
from checks.snapshot import Readings, Snapshot

SECRET = "Zx9-hunter2"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

SECRETS = [
    ("cannot reach postgresql://app:{}@db/erp", SECRET),
    ("redis://:{}@cache:6379/0", SECRET),
    ("amqp://user:{}@mq", "p@ss/word"),
    ("password={}", SECRET),
    ("db.password = {} ; the application's", SECRET),
    ("PASSWORD: '{}'", SECRET),
    ('{{"api_key": "{}", "x": 1}}', SECRET),
    ("dbPassword={}", SECRET),
    ("user=app;Pwd={};Server=db", SECRET),
    ("mysqldump --password {} erp", SECRET),
    ("X-Auth-Token: {}", SECRET),
    ("client_secret=>{}", SECRET),
    ("Authorization: Bearer {}", TOKEN),
    ("got {} from the gateway", TOKEN),
    ("found {} in a log", "AKIAIOSFODNN7EXAMPLE"),
    ("token ghp_{} leaked", "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6"),
    ("file holds {}", KEY),
    ("file holds {}", KEY[:60]),
]

HARMLESS = [
    "deploy ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s",
    "3.2 % free on /data",
    "https://collector.example:8443/runs/1",
    "http://proxy:3128/ for user@host",
    "max_tokens=5, token_ttl: 30 s",
    "bypass: 3, compass=north, passed: 12",
    "password: {value}",
    "password=****",
    "db.password = ${DB_PASSWORD}",
    "PasswordAuthentication no",
    "LimitNOFILE=65536",
    "keyboard=us",
    "basic setup of the system",
    "[redacted:ab12cd34]",
]


def result(**changes: object) -> Result:
    values: dict[str, object] = {
        "key": "a" * 32, "target": "t", "item": "db.password", "check": "cfg.value", "check_version": 1,
        "object": "/etc/app.ini:db.password", "status": Status.FAIL, "severity": Severity.P1,
        "cause": "differs", "rule": "b" * 32, "title": "A password is set", "message": Message("fine"),
        "evidence": {}, "remedy": "", "owner": "vendor", "duration_ms": 1.0,
    }  # fmt: skip
    return Result(**{**values, **changes})  # type: ignore[arg-type]  # a test's shorthand


def snapshot_of(fact: str, value: object) -> Snapshot:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    reading = value if isinstance(value, Unavailable) else Known(value)
    return Snapshot(now, (Readings(Target("t"), {fact: reading}, now),))


def reading_after(fact: str, value: object) -> object:
    return Redactor("site").snapshot(snapshot_of(fact, value)).targets[0].values[fact]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_in_a_text_is_replaced(text: str, secret: str) -> None:
    clean = Redactor("site").text(text.format(secret))
    assert secret not in clean
    assert "[redacted:" in clean


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor("site").text(text) == text


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_text_is_redacted_once_and_for_all(text: str, secret: str) -> None:
    once = Redactor("site").text(text.format(secret))
    assert Redactor("site").text(once) == once


def test_the_same_secret_of_a_site_has_the_same_token_and_of_another_site_another() -> None:
    tokens = [Redactor(site).token(SECRET) for site in ("one", "one", "two")]
    assert tokens[0] == tokens[1] != tokens[2]
    assert SECRET not in tokens[0]


@given(st.text())
def test_no_text_breaks_the_redactor(text: str) -> None:
    assert isinstance(Redactor("site").text(text), str)


@given(st.text(alphabet="0123456789abcdef-. /%\n", max_size=200))
def test_a_text_without_any_name_of_a_secret_stays(text: str) -> None:
    assert Redactor("site").text(text) == text


def test_a_hostile_text_is_searched_in_reasonable_steps() -> None:
    for text in (
        "password" * 5000,
        "a://" * 5000,
        "eyJ" * 8000,
        "-----BEGIN PRIVATE KEY-----" * 800,
        "a:" * 20000,
    ):
        assert Redactor("site").text(text)


def test_every_free_text_of_a_result_is_cleaned() -> None:
    dirty = f"postgres://app:{SECRET}@db"
    found = Redactor("site").results(
        (
            result(
                message=Message(f"{dirty} {{text}}", {"text": dirty, "password": SECRET}),
                evidence={"line": dirty, "db_password": SECRET},
                remedy=f"try {dirty}",
                object=dirty,
            ),
        )
    )
    assert SECRET not in repr(found)


def test_ids_status_keys_and_numbers_of_a_result_are_never_touched() -> None:
    before = result(
        message=Message("password is {password} long", {"password": 12}),
        evidence={"token": 7, "secret": True},
    )
    assert Redactor("site").results((before,)) == (before,)


def test_a_reading_that_holds_a_secret_is_redacted_as_a_whole() -> None:
    assert isinstance(reading_after("Line(path=/etc/app.conf)", f"password = {SECRET}"), Redacted)
    assert isinstance(reading_after("Line(path=/x)", ["fine", {"deep": f"redis://:{SECRET}@c"}]), Redacted)


def test_the_value_of_a_key_that_names_a_secret_is_redacted_whatever_it_looks_like() -> None:
    assert isinstance(
        reading_after("ConfigValue(path=/etc/app.ini, format=ini, key=db.password)", "plain"), Redacted
    )
    assert isinstance(reading_after("Any(path=/x)", {"api_key": "plain"}), Redacted)
    assert reading_after("ConfigValue(path=/etc/app.ini, format=ini, key=db.port)", "plain") == Known("plain")


def test_whether_a_secret_is_right_is_no_secret() -> None:
    assert reading_after("SecretMatches(path=/x, key=db.password, secret=env:PW)", True) == Known(True)


def test_why_a_reading_failed_is_cleaned_too() -> None:
    found = reading_after("Any(path=/x)", Unavailable(f"cannot open postgres://a:{SECRET}@db", "failed"))
    assert SECRET not in repr(found)
    assert isinstance(found, Unavailable)
    assert found.cause == "failed"


def test_a_reading_without_a_secret_stays_the_very_same() -> None:
    value = {"total": 100, "free": 3, "path": "/data"}
    assert reading_after("DiskUsage(mount=/data)", value) == Known(value)


def test_a_struct_is_searched_like_any_shape() -> None:
    class Line(msgspec.Struct, frozen=True):
        number: int
        text: str

    assert isinstance(reading_after("Any(x=1)", Line(3, f"token: {SECRET}")), Redacted)
    assert reading_after("Any(x=1)", Line(3, "fine")) == Known(Line(3, "fine"))
