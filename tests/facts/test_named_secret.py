"""A secret is named; it is looked up when it is needed, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.asks import RunCommand
from checks.facts.localhost import LocalHost
from checks.facts.named_secret import LIMIT, refuse_unnamed, secret_of


def test_a_secret_is_in_the_environment_or_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_SECRET", "open sesame")
    (tmp_path / "secret").write_text("from a file \r\n")
    assert secret_of("env:FL_SECRET").reveal() == "open sesame"
    assert secret_of(f"file:{tmp_path}/secret").reveal() == "from a file "


@pytest.mark.parametrize("where", ["env:FL_NOBODY_SETS", "file:/nowhere/at/all", "file:/", "open sesame", ""])
def test_a_secret_that_cannot_be_had_is_a_failed_reading(where: str) -> None:
    with pytest.raises(NotReadable) as told:
        secret_of(where)
    assert told.value.cause == "failed" and "sesame" not in told.value.reason


def test_a_file_that_is_far_too_large_for_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(NotReadable, match="larger than"):
        secret_of(f"file:{tmp_path}/secret")


@pytest.mark.parametrize("where", ["env:NAME", "file:/path", "", "{password}"])
def test_a_name_is_let_pass(where: str) -> None:
    refuse_unnamed(where, "the database")


@pytest.mark.parametrize("where", ["sesame", "env:", "env:no name", "file:relative", "keyring:x"])
def test_what_may_be_the_secret_itself_is_refused_and_not_shown(where: str) -> None:
    with pytest.raises(BadInput) as told:
        refuse_unnamed(where, "the database")
    assert where not in str(told.value).replace("env:NAME", "").replace("file:/path", "")


def test_a_program_gets_its_secrets_and_nobody_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_SECRET", "open sesame")
    ask = RunCommand(
        ("sh", "-c", 'echo "$TOKEN"; cat; tr "\\0" " " </proc/$$/cmdline'),
        environment=(("PLAIN", "x"),),
        secret_environment=(("TOKEN", "env:FL_SECRET"),),
        secret_stdin="env:FL_SECRET",
    )
    out = LocalHost().execute(ask).out.decode()
    assert out.startswith("open sesame\nopen sesame") and out.count("sesame") == 2
    assert "sesame" not in ask.describe() and "<env:FL_SECRET>" in ask.describe()
