"""One key of an ini, yaml or json file, and nothing else of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.config import ConfigValue, SecretMatches, Setting
from checks.facts.formats import MISSING, look_up
from checks.facts.localhost import LocalHost

INI = """\
; a comment
port = 1
[mysqld]
Port = 3306
skip-networking
# port = 9
[client]
socket: /run/mysqld.sock
[mysqld]
port = "3307"
paths =
    /a
    /b
[a.b]
c.d = e
"""
YAML = """\
defaults: &defaults {pool: 10, debug: off}
server:
  <<: *defaults
  ports: [80, 443]
  debug: yes
  spring.profile: prod
  mode: 0644
  ratio: .inf
  since: 2024-01-01
  vault: !vault abc
list:
  - name: a
  - name: b
---
second: document
"""
JSON = '{"server": {"port": 8080, "hosts": ["a", "b"], "big": 99999999999999999999, "tls": null, "on": true}}'


@pytest.mark.parametrize(
    ("format", "text", "key", "value"),
    [
        ("ini", INI, "port", "1"),
        ("ini", INI, "mysqld.port", "3307"),
        ("ini", INI, "mysqld.skip-networking", ""),
        ("ini", INI, "client.socket", "/run/mysqld.sock"),
        ("ini", INI, "mysqld.paths", "\n/a\n/b"),
        ("ini", INI, "a.b.c.d", "e"),
        ("ini", INI, "client.port", MISSING),
        ("ini", INI, "mysqld.port[]", ["3306", "3307"]),
        ("ini", INI, "port[]", ["1"]),
        ("ini", INI, "client.port[]", MISSING),
        ("yaml", YAML, "server.ports", [80, 443]),
        ("yaml", YAML, "server.ports[1]", 443),
        ("yaml", YAML, "server.ports.0", 80),
        ("yaml", YAML, "server.ports.2", MISSING),
        ("yaml", YAML, "server.pool", 10),
        ("yaml", YAML, "server.debug", True),
        ("yaml", YAML, "server.spring.profile", "prod"),
        ("yaml", YAML, "server.mode", 0o644),
        ("yaml", YAML, "server.ratio", "inf"),
        ("yaml", YAML, "server.since", "2024-01-01"),
        ("yaml", YAML, "list[1].name", "b"),
        ("yaml", YAML, "second", "document"),
        ("yaml", YAML, "server.port", MISSING),
        ("yaml", "", "a", MISSING),
        ("yaml", "just text", "a", MISSING),
        ("json", JSON, "server.port", 8080),
        ("json", JSON, "server.hosts", ["a", "b"]),
        ("json", JSON, "server.hosts.1", "b"),
        ("json", JSON, "server.big", "99999999999999999999"),
        ("json", JSON, "server.tls", None),
        ("json", JSON, "server.on", True),
        ("json", JSON, "server.none", MISSING),
        ("json", JSON, "server.hosts[]", ["a", "b"]),
        ("json", JSON, "server.port[]", [8080]),
        ("json", '{"half": "a\\ud800"}', "half", "a\ufffd"),
    ],
)
def test_a_key_is_found_where_it_stands(format: str, text: str, key: str, value: Any) -> None:
    assert look_up(text, format, key, "/etc/app") == value


@pytest.mark.parametrize(
    ("format", "text", "where"),
    [
        ("ini", "[a]\nb = 1\n[c\n", "/etc/app:3"),
        ("yaml", "a: 1\nb: c: d\n", "/etc/app:2"),
        ("yaml", "a: [1, 2\n", "/etc/app:2"),
        ("yaml", "\tx: 1", "/etc/app:1"),
        ("json", '{"a": 1,\n"b": }', "/etc/app:2"),
    ],
)
def test_a_mistake_names_its_line_and_nothing_of_the_file(format: str, text: str, where: str) -> None:
    with pytest.raises(NotReadable) as problem:
        look_up(text, format, "a.b", "/etc/app")
    assert problem.value.cause == "parse"
    assert str(problem.value).startswith(where + ": ")


@pytest.mark.parametrize(
    ("format", "text"), [("yaml", "[" * 60_000), ("json", "[" * 60_000), ("yaml", "- " * 60_000)]
)
def test_a_file_nested_without_end_is_refused_and_not_the_end_of_the_process(format: str, text: str) -> None:
    with pytest.raises(NotReadable) as problem:
        look_up(text, format, "a", "/etc/app")
    assert problem.value.cause == "parse"


def test_a_mapping_that_merges_itself_ends() -> None:
    assert look_up("a: &x\n  <<: *x\n  b: 1\n", "yaml", "a.c", "/etc/app") is MISSING
    assert look_up("a: &x [*x]\n", "yaml", "b", "/etc/app") is MISSING


def test_a_section_is_not_a_value(tmp_path: Path) -> None:
    for format, text in (("yaml", YAML), ("json", JSON)):
        with pytest.raises(NotReadable, match="is a section"):
            look_up(text, format, "server", "/etc/app")


@given(st.text(max_size=200), st.sampled_from(["ini", "yaml", "json"]), st.text(max_size=20))
def test_any_text_gives_a_value_or_says_why_not(text: str, format: str, key: str) -> None:
    try:
        value = look_up(text, format, key, "/etc/app")
    except NotReadable as problem:
        assert problem.cause in ("parse", "unsupported")
    else:
        assert value is MISSING or value is None or isinstance(value, str | int | float | bool | list)


def test_the_format_is_told_from_the_extension_and_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    for name, text in (("a.yml", "a: {b: 1}"), ("a.json", '{"a": {"b": 1}}'), ("a.conf", "[a]\nb = 1")):
        (tmp_path / name).write_text("\ufeff" + text)
        setting = ConfigValue(str(tmp_path / name), "auto", "a.b").read(LocalHost())
        assert setting.found
        assert str(setting.value) == "1"


def test_a_key_whose_name_looks_secret_is_seen_but_its_value_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("db: {password: 123456, url: 'jdbc:postgresql://app:hunter2@db1/app'}")
    assert ConfigValue(str(path), "auto", "db.password").read(LocalHost()) == Setting(True, withheld=True)
    url = ConfigValue(str(path), "auto", "db.url").read(LocalHost())
    assert url.value == "jdbc:postgresql://app:***@db1/app"


def test_a_secret_is_compared_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, key = tmp_path / "app.yaml", tmp_path / "secret"
    path.write_text("db: {password: hünter2}")
    monkeypatch.setenv("DB_PASSWORD", "hünter2")
    assert SecretMatches(str(path), "auto", "db.password", "env:DB_PASSWORD").read(LocalHost()) is True
    key.write_text("hünter2\n")
    assert SecretMatches(str(path), "auto", "db.password", f"file:{key}").read(LocalHost()) is True
    key.write_text("other\n")
    assert SecretMatches(str(path), "auto", "db.password", f"file:{key}").read(LocalHost()) is False


def test_a_secret_that_is_missing_is_told_apart_from_a_key_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("db: {password: x}")
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    for key, secret, cause in (
        ("db.password", "env:NO_SUCH_SECRET", "failed"),
        ("db.password", f"file:{tmp_path}/nothing", "failed"),
        ("db.pass", "env:HOME", "absent"),
    ):
        with pytest.raises(NotReadable) as problem:
            SecretMatches(str(path), "auto", key, secret).read(LocalHost())
        assert problem.value.cause == cause


def test_a_secret_written_out_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadInput, match="env:NAME or file:/path") as problem:
        SecretMatches("/etc/app.yaml", "auto", "db.password", "hunter2")
    assert "hunter2" not in str(problem.value)
