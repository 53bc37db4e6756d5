"""Goss files as files: templates, variables, includes, and what makes one unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from suites import items, reasons, suite_of, write

from checks.errors import BadProfile
from checks.goss import loading
from checks.goss.suite import load_suite


def test_templates_are_filled_with_variables_of_files_and_of_the_line(tmp_path: Path) -> None:
    one = write(tmp_path, "os: debian\nusers: [ann]\n", "one.yaml")
    two = write(tmp_path, json.dumps({"users": ["bob", "eve"]}), "two.json")
    file = write(
        tmp_path,
        """\
        user:
        {{- range $i, $name := .Vars.users }}
          {{ $name }}:
            exists: true
        {{- end }}
        {{ if eq .Vars.os "alpine" }}
        group: {wheel: {exists: true}}
        {{ end }}
        """,
    )
    suite = load_suite(file, (one, two), "os: alpine")
    assert [*items(suite)] == ["user.bob.exists", "user.eve.exists", "group.wheel.exists"]
    assert {each.id: each.line for each in suite.pieces} == {
        "goss.user.bob.exists": 4,
        "goss.user.eve.exists": 4,
        "goss.group.wheel.exists": 7,
    }


def test_a_file_in_json_may_be_indented_with_tabs(tmp_path: Path) -> None:
    assert [*items(suite_of(tmp_path, '{\n\t"file": {\n\t\t"/a": {"exists":\ttrue}\n\t}\n}'))] == [
        "file.a.exists"
    ]


def test_what_yaml_refers_to_is_taken_in(tmp_path: Path) -> None:
    made = items(
        suite_of(
            tmp_path,
            """\
            x-defaults:
              ours: &ours {owner: root, mode: "0644"}
              there: &there {exists: true, mode: "0640"}
            file:
              /a: {<<: *ours, mode: "0600"}
              /b: {<<: [*there, *ours], exists: false}
            """,
        )
    )
    assert [*made] == [
        "file.a.owner", "file.a.mode", "file.b.exists", "file.b.owner", "file.b.mode",
    ]  # fmt: skip
    assert made["file.b.mode"][1]["mode"] == "0640"  # of several the first counts
    assert made["file.a.mode"][1]["mode"] == "0600"
    assert made["file.b.exists"][1]["exists"] is False


def test_includes_by_name_by_attribute_and_by_pattern(tmp_path: Path) -> None:
    write(tmp_path, "user: {a: {exists: true}}", "one.yaml")
    write(tmp_path, "user: {b: {exists: true}}\ngossfile: {deeper.yaml: {}}", "sub/two.yaml")
    write(tmp_path, "user: {c: {exists: true}}", "sub/deeper.yaml")
    write(tmp_path, "user: {d: {exists: true}}", "goss.d/1.yaml")
    write(tmp_path, "user: {e: {exists: true}}", "goss.d/2.yaml")
    write(tmp_path, "user: {f: {exists: true}}", "goss.d/3.yaml")
    suite = suite_of(
        tmp_path,
        """\
        gossfile:
          one.yaml: {}
          another: {file: sub/two.yaml}
          goss.d/*.yaml: {}
          goss.d/3.yaml: {skip: true}
        """,
    )
    assert [*items(suite)] == [f"user.{name}.exists" for name in "abcde"]
    assert suite.notes == (f"{tmp_path}/goss.yaml:5: {tmp_path}/goss.d/3.yaml is left out (skip: true)",)
    assert {Path(each.where).name for each in suite.pieces} == {
        "one.yaml", "two.yaml", "deeper.yaml", "1.yaml", "2.yaml",
    }  # fmt: skip


def test_what_is_said_twice_counts_as_it_is_said_last_and_is_told(tmp_path: Path) -> None:
    write(tmp_path, "user: {a: {exists: false}}", "one.yaml")
    suite = suite_of(tmp_path, "user: {a: {exists: true}}\ngossfile: {one.yaml: {}}")
    assert items(suite)["user.a.exists"][1]["exists"] is False
    assert suite.notes == (
        f"{tmp_path}/goss.yaml:1: user 'a' is said anew in {tmp_path}/one.yaml:1, which counts, as in goss",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file:\n  /a:\n    mode: [", "goss.yaml:3: is not YAML"),
        ("user: {a: {exists: true}}\nuser: {b: {exists: true}}", "goss.yaml:2: 'user' is given twice"),
        ("file: {/a: {<<: [b]}}", "goss.yaml:1: << takes in a mapping"),
        ("- a", "goss.yaml:1: a goss file holds resources by type"),
        ("", "goss.yaml: has no resources"),
        ("user: {}", "goss.yaml: has no resources"),
        ("user: [a]", "goss.yaml:1: user holds resources by name"),
        ("a: 1\n\n{{ .Vars.nosuch }}", "goss.yaml:3: nothing is given for nosuch"),
        ("a: 1\n{{ nosuch }}", "goss.yaml:2: goss template function nosuch is not known here"),
        ("user:\n{{ if true }}\n  a: [{{ end }}", "goss.yaml:3: .*in the filled template"),
        ("gossfile: {nosuch.yaml: {}}", "goss.yaml:1: includes 'nosuch.yaml', but there is no such file"),
        ("gossfile: {'*.nosuch': {}}", "goss.yaml:1: includes .*, but there is no such file"),
        ("gossfile: {goss.yaml: {}}", "goss.yaml:1: includes .*, which leads back to this file"),
        ("gossfile: {a: {path: b}}", "goss.yaml:1: gossfile 'a' has no 'path'; it has file and skip"),
        ("gossfile: {a: {file: [b]}}", "goss.yaml:1: gossfile 'a': `file` is a path"),
    ],
)
def test_what_makes_a_file_unreadable_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "goss.yaml"
    file.write_text(text)
    with pytest.raises(BadProfile, match=problem):
        load_suite(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"nowhere.yaml: cannot be read: No such file"):
        load_suite(tmp_path / "nowhere.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 20) + b"\na: 1")
    with pytest.raises(BadProfile, match="is larger than 1 MiB"):
        load_suite(tmp_path / "large.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9")
    with pytest.raises(BadProfile, match=r"latin.yaml:2: is not UTF-8"):
        load_suite(tmp_path / "latin.yaml")
    with pytest.raises(BadProfile, match=r"vars.yaml:1: variables are a mapping"):
        load_suite(tmp_path / "latin.yaml", (write(tmp_path, "[a]", "vars.yaml"),))


def test_includes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        write(tmp_path, f"gossfile: {{{number + 1}.yaml: {{}}}}", f"{number}.yaml")
    write(tmp_path, "user: {a: {exists: true}}", "30.yaml")
    with pytest.raises(BadProfile, match="which leads back to this file"):
        load_suite(tmp_path / "0.yaml")
    monkeypatch.setattr(loading, "MAX_FILES", 5)
    for number in range(7):
        write(tmp_path, f"user: {{u{number}: {{exists: true}}}}", f"many/{number}.yaml")
    with pytest.raises(BadProfile, match="is included with more than 5 others"):
        suite_of(tmp_path, "gossfile: {'many/*.yaml': {}}")


def test_secrets_of_variables_and_of_the_environment_come_into_no_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLT_TOKEN", "opensesame")
    suite = suite_of(
        tmp_path,
        """\
        command:
          "curl {{ .Vars.db.password }}": {exit-status: 0, stdout: ["{{ .Vars.db.password }}"]}
          named: {exec: "echo hi", exit-status: 0, stdout: ["x{{ .Env.FLT_TOKEN }}"]}
        file:
          /a: {contents: ["{{ .Vars.db.password }}"]}
        http:
          "http://a/": {status: 200, password: "{{ .Env.FLT_TOKEN }}", username: u}
        """,
        db={"password": "hunter2!"},
    )
    text = repr(suite)
    assert "hunter2" not in text
    assert "opensesame" not in text
    assert "the secret variable db.password" in reasons(suite)["file.a.contents"]
    (told,) = [why for name, why in reasons(suite).items() if name == "command.named.stdout"]
    assert "the secret FLT_TOKEN of the environment" in told
    assert items(suite)["http.http-a-282a35.status"][1]["password"] == "env:FLT_TOKEN"


_LINES = (
    "file:", "command:", "user:", "gossfile:", "http:", "dns:", "port:", "matching:", "  a:",
    "  tcp:22:", "  /etc/hosts:", "  'x y':", "    exists: true", "    exit-status: 0",
    "    stdout: [a, '!b', '/c/']", "    contents: {and: [{not: x}]}", "    content: [1, {a: b}]",
    "    matches: {gjson: {a: 1}}", "    meta: {a: [1]}", "    title: t", "    mode: '0644'",
    "    status: {or: [200, 201]}", "    timeout: -1", "    skip: true", "    x: &a [1]", "    y: *a",
    "{{ if .Vars.a }}", "{{ range .Vars.b }}", "    z: {{ . }}", "{{ end }}", "\t", "- a",
)  # fmt: skip
LINES = st.sampled_from(_LINES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(LINES, max_size=14).map("\n".join), st.text(max_size=80)))
def test_any_text_is_a_suite_or_refused_with_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        suite = load_suite(file, (), "{a: true, b: [1, 2]}")
    except BadProfile as problem:
        assert str(problem).startswith(f"{file}:")
    else:
        assert suite.pieces
        assert len({each.id for each in suite.pieces}) == len(suite.pieces)
