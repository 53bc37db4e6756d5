"""A secret in memory shows itself to nobody who does not ask for it by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.pretty import pretty_repr

from agent.targets.credentials import Credentials
from agent.targets.route import Route
from checks.facts.named_secret import secret_if_named, secret_of
from checks.secret import NONE, Secret

CANARY = "c4n4ry-5e21-hunter2"
SECRET = Secret(CANARY)


@dataclass
class Holder:
    secret: Secret


WAYS: dict[str, Callable[[], object]] = {
    "str": lambda: str(SECRET),
    "repr": lambda: repr(SECRET),
    "format": lambda: format(SECRET, ">40"),
    "f-string": lambda: f"{SECRET} {SECRET!r} {SECRET!s:>30}",
    "%s": lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031
    "str.format": lambda: "{} {0!r}".replace("{}", "{0}").format(SECRET),
    "in a list": lambda: str([SECRET, {"x": SECRET}, (SECRET,)]),
    "in a dataclass": lambda: repr(Holder(SECRET)),
    "as a dict": lambda: repr(asdict(Holder(SECRET))),
    "a copy": lambda: repr((copy.copy(SECRET), copy.deepcopy([SECRET]))),
    "rich": lambda: pretty_repr({"secret": SECRET}),
    "its attributes": lambda: str([getattr(SECRET, "__dict__", ""), dir(SECRET)]),
}

REFUSED: dict[str, Callable[[], object]] = {
    "pickle": lambda: pickle.dumps(SECRET),
    "msgspec": lambda: msgspec.json.encode({"secret": SECRET}),
    "msgspec to builtins": lambda: msgspec.to_builtins([SECRET]),
    "json": lambda: json.dumps(SECRET),
    "joined": lambda: "".join(SECRET),  # type: ignore[arg-type]
    "added": lambda: "x" + SECRET,  # type: ignore[operator]
    "as bytes": lambda: bytes(SECRET),  # type: ignore[call-overload]
    "hashed": lambda: hash(SECRET),
    "changed": lambda: setattr(SECRET, "_value", "x"),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_prints_it(way: str) -> None:
    assert "hunter2" not in str(WAYS[way]())


@pytest.mark.parametrize("way", REFUSED)
def test_nothing_writes_it_down(way: str) -> None:
    with pytest.raises((TypeError, AttributeError)) as refused:
        REFUSED[way]()
    assert "hunter2" not in str(refused.value)


def test_it_comes_out_by_its_one_word() -> None:
    assert SECRET.reveal() == CANARY
    assert Secret(CANARY) == SECRET
    assert SECRET != CANARY
    assert Secret("other") != SECRET
    assert (bool(SECRET), bool(NONE)) == (True, False)
    assert SECRET.scrubbed(f"login {CANARY} failed") == "login *** failed"
    assert NONE.scrubbed("as it is") == "as it is"


def broken(secret: Secret) -> None:
    held = {"secret": secret, "list": [secret]}
    raise RuntimeError(f"cannot use {held['secret']}")


def test_a_traceback_with_all_variables_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    text = StringIO()
    try:
        broken(SECRET)
    except RuntimeError:
        kind, error, trace = sys.exc_info()
        assert kind is not None
        assert trace is not None
        Console(file=text, width=200).print_exception(show_locals=True)
        text.write(
            "".join(traceback.TracebackException(kind, error or kind(), trace, capture_locals=True).format())
        )
        logging.getLogger("firstlight").exception("with %s and %r", SECRET, {"x": SECRET})
    assert "cannot use ***" in text.getvalue()
    assert "hunter2" not in text.getvalue() + caplog.text


def test_what_is_named_is_held_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_CANARY", CANARY)
    (tmp_path / "secret").write_text(CANARY + "\n")
    for found in (secret_of("env:FL_CANARY"), secret_of(f"file:{tmp_path}/secret")):
        assert isinstance(found, Secret)
        assert found.reveal() == CANARY
    assert secret_if_named("") is NONE


def test_the_passwords_of_targets_are_held_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FL_CANARY", CANARY)
    credentials = Credentials()
    route = Route("db1", "db1", 22, "ann", "db1", password="env:FL_CANARY")
    for secret in (credentials.password(route), credentials.named("env:FL_CANARY", "sudo", "password")):
        assert isinstance(secret, Secret)
        assert secret.reveal() == CANARY
    assert "hunter2" not in pretty_repr(vars(credentials)) + repr(vars(credentials)) + repr(route)
