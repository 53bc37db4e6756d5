"""A whole goss file: a profile that gives the same results, with ids that stay, and nothing is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suites import items, suite_of, write

from checks.evaluate import evaluate, next_facts
from checks.fact import Known, NotReadable, Reading, Unavailable
from checks.facts.localhost import LocalHost
from checks.goss.mapping import Piece
from checks.goss.suite import Suite, load_suite, written
from checks.model import Result, Target
from checks.plan import make_plan
from checks.profile import load_profile
from checks.snapshot import Readings, Snapshot
from checks.testing import NOW

SHAPES = """\
{{- $services := mkSlice "cron" "ssh" }}
file:
  /etc/passwd:
    title: the users of this machine
    meta: {owner: platform}
    exists: true
    mode: "0644"
    owner: root
    group: root
    filetype: file
    contents:
      - "/^root:/"
      - "!/^nosuch:/"
  /flt/nowhere:
    exists: false
  /etc/mtab:
    exists: true
    filetype: symlink
    linked-to: {have-suffix: mounts}
command:
  'printf "a\\nb\\n"; echo ${HOME:+set} $$ >/dev/null':
    exit-status: 0
    stdout: [a, "/^b$/", "!c"]
    stderr: []
  "exit 3":
    exit-status: {gt: 2}
user:
  root: {exists: true, uid: 0, gid: 0, groups: [root], home: /root}
  flt-nosuch: {exists: false}
group:
  root: {exists: true, gid: 0}
process:
  flt-nosuch: {running: false}
kernel-param:
  kernel.ostype: {value: Linux}
mount:
  /proc: {exists: true, filesystem: proc, opts: [rw]}
interface:
  lo: {exists: true, addrs: [127.0.0.1/8]}
dns:
  localhost: {resolvable: true, addrs: {contain-element: 127.0.0.1}}
port:
  tcp:1: {listening: false}
addr:
  tcp://127.0.0.1:1: {reachable: false}
matching:
  shape: {content: {a: 1}, matches: {have-key: a}}
service:
  {{- range $services }}
  {{ . }}: {enabled: true, skip: true}
  {{- end }}
"""


def run(profile: Any) -> dict[str, Result]:
    """The results of a profile on this machine, by item."""
    plan = make_plan(profile, [Target("local")])
    host, values = LocalHost(), dict[str, Reading]()
    wanted = plan.facts("local")
    while wanted:
        for fact in wanted:
            try:
                values[fact.id()] = Known(fact.read(host))
            except NotReadable as problem:
                values[fact.id()] = Unavailable(problem.reason, problem.cause)
        wanted = next_facts(plan, "local", values)
    snapshot = Snapshot(NOW, (Readings(Target("local"), values, NOW),))
    return {result.item: result for result in evaluate(plan, snapshot, salt="x").results}


def test_a_suite_of_all_types_passes_where_the_machine_is_so(tmp_path: Path) -> None:
    results = run(load_profile(suite_of(tmp_path, SHAPES).source()))
    assert {
        id: (each.status, str(each.message)) for id, each in results.items() if each.status != "pass"
    } == {
        "goss.service.cron": ("skip", "the goss file skips it"),
        "goss.service.ssh": ("skip", "the goss file skips it"),
    }
    assert len(results) == 35


def test_what_is_written_down_gives_the_same_items_and_results(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, SHAPES + "flub: {a: {b: c}}\n")
    file = tmp_path / "profile.yaml"
    file.write_text(written(suite))
    first, second = load_profile(suite.source()), load_profile(str(file))
    assert [(each.id, each.check, each.parameters, each.severity) for each in first.items] == [
        (each.id, each.check, each.parameters, each.severity) for each in second.items
    ]
    assert [each.rule for each in first.items] == [each.rule for each in second.items]
    one, other = run(first), run(second)
    assert {id: (each.status, each.cause) for id, each in one.items()} == {
        id: (each.status, each.cause) for id, each in other.items()
    }
    assert (one["goss.unknown.flub"].status, one["goss.unknown.flub"].cause) == ("error", "unmapped")


def test_titles_and_places_stand_beside_the_items(tmp_path: Path) -> None:
    text = written(suite_of(tmp_path, SHAPES + "flub: {a: {b: c}}\n"), "mine")
    assert (
        f"""\
  # {tmp_path}/goss.yaml:3: file /etc/passwd
  # the users of this machine
  # meta: {{"owner":"platform"}}
  - id: goss.file.etc.passwd.exists
""".replace("etc.passwd", "etc-passwd")
        in text.replace(":6: file", ":3: file")
    )
    assert "\nprofile: mine\n" in text
    line = SHAPES.count("\n") + 1
    assert (
        f"  # not mapped, {tmp_path}/goss.yaml:{line}: goss has no type of resource 'flub'\n"
        "  - id: goss.unknown.flub\n    check: goss.matching\n"
    ) in text


def test_what_goss_may_ask_of_one_thing_is_no_conflict(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """\
        command:
          "ls /": {exit-status: 0, stdout: [etc], stderr: ["!error"]}
          "ls /tmp": {exit-status: 1, stdout: ["!x"]}
        http: {"http://127.0.0.1:1/": {status: 200, body: [a], headers: ["A: b"]}}
        port: {"tcp:22": {listening: true}, "tcp6:22": {listening: false}}
        file: {/a: {md5: aa, sha512: bb, contents: [x, "!y"]}}
        service: {cron: {enabled: true, running: false}}
        mount: {/: {exists: true, opts: [rw], usage: {lt: 90}}}
        matching: {a: {content: 1, matches: 1}, b: {content: 2, matches: 2}}
        """,
    )
    assert make_plan(load_profile(suite.source()), [Target("local")]).conflicts == ()


def test_text_that_looks_like_a_variable_of_a_profile_stays_text(tmp_path: Path) -> None:
    command = "echo ${HOME} $${PATH} $HOME $$ ${x:-y} ${1}"
    suite = suite_of(tmp_path, f"command: {{n: {{exec: '{command}', exit-status: 0}}}}")
    (item,) = load_profile(suite.source()).items
    assert item.arguments["command"] == (command,)
    file = tmp_path / "profile.yaml"
    file.write_text(written(suite))
    assert load_profile(str(file)).items[0].arguments["command"] == (command,)


def test_ids_say_what_they_are_of_and_do_not_depend_on_what_else_is_there(tmp_path: Path) -> None:
    one = items(suite_of(tmp_path, "file: {/a/b: {exists: true}}\ncommand: {'a b': {exit-status: 0}}"))
    other = items(
        suite_of(
            tmp_path,
            "command: {'a  b': {exit-status: 0}, 'a b': {exit-status: 0}}\n"
            "file: {/x: {exists: true}, /a/b: {exists: true}}",
        )
    )
    assert [*one] == ["file.a-b.exists", "command.a-b-c8687a.exit-status"]
    assert {*one} < {*other}
    assert len(other) == 4


def test_two_names_that_read_alike_have_two_ids(tmp_path: Path) -> None:
    made = items(suite_of(tmp_path, "user: {a/b: {exists: true}, 'a:b': {exists: true}}"))
    assert [*made] == ["user.a-b.exists", "user.a-b.exists.2"]


def test_a_long_suite_of_commands_is_read_and_planned_in_no_time(tmp_path: Path) -> None:
    """Of the shape that large public suites have: most of it commands with patterns, the rest files."""
    blocks = ["command:"]
    for number in range(100):
        blocks += [
            f"  benchmark_{number}:",
            f"    title: 'rule {number}: a value is set'",
            f"    exec: \"sysctl net.test.{number} 2>/dev/null | awk '{{print $3}}'; echo ok\"",
            "    exit-status: {or: [0, 1]}",
            f'    stdout: ["/^ok$/", "!/value_{number}\\\\s*=/"]',
            f"    meta: {{server: 1, id: {number}}}",
        ]
    blocks += ["file:"]
    for number in range(60):
        blocks += [f"  /etc/flt/{number}.conf:", "    exists: false", "    contents: []"]
    text = "\n".join(blocks) + "\n"
    assert text.count("\n") > 500
    begin = time.process_time()
    suite = suite_of(tmp_path, text)
    profile = load_profile(suite.source())
    plan = make_plan(profile, [Target("local")])
    assert len(plan.units) == len(suite.pieces) == 260
    assert suite.unmapped == ()
    # Each command runs once, though two items look at it.
    assert len(plan.asks("local")) == 160
    assert time.process_time() - begin < 20  # a bound for a runaway, not a measurement


_ATTRIBUTES = (
    "exists", "mode", "owner", "group", "filetype", "contents", "size", "sha256", "linked-to", "exec",
    "exit-status", "stdout", "stderr", "timeout", "installed", "versions", "enabled", "running", "uid",
    "gid", "groups", "home", "reachable", "resolvable", "addrs", "listening", "ip", "status", "body",
    "headers", "method", "url", "value", "content", "matches", "opts", "usage", "source", "skip",
    "title", "meta",
)  # fmt: skip
_MATCHERS = (
    "equal", "have-prefix", "match-regexp", "have-len", "contain-element", "contain-elements",
    "consist-of", "not", "and", "or", "gt", "semver-constraint", "gjson", "have-key", "have-patterns",
)  # fmt: skip
_TYPES = (
    "file", "command", "user", "group", "http", "dns", "port", "addr", "package", "service", "process",
    "mount", "interface", "kernel-param", "matching", "flub",
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-5, 500) | st.text(max_size=12)
ATTRIBUTES = st.sampled_from(_ATTRIBUTES)
MATCHERS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_MATCHERS),
            inner,
            max_size=2,
        )
    ),
    max_leaves=6,
)
RESOURCES = st.dictionaries(
    st.sampled_from(_TYPES),
    st.dictionaries(
        st.sampled_from(["/a", "tcp:22", "http://a/", "tcp://a:1", "x y"]) | st.text(min_size=1, max_size=8),
        st.dictionaries(ATTRIBUTES, MATCHERS, max_size=4),
        min_size=1,
        max_size=2,
    ),
    min_size=1,
    max_size=3,
)


@given(RESOURCES)
def test_whatever_a_file_asks_for_is_an_item_and_can_be_written_down(
    tmp_path_factory: Any, resources: Any
) -> None:
    import json

    folder = tmp_path_factory.mktemp("any")
    file = write(folder, json.dumps(resources, ensure_ascii=True))
    suite = load_suite(file)
    asked = sum(len(each) for each in resources.values())
    assert len({(each.type, each.name) for each in suite.pieces}) >= len(
        {(type, id) for type, each in resources.items() for id in each if type != "flub"}
    )
    assert asked
    profile = folder / "profile.yaml"
    profile.write_text(written(suite))
    first, second = load_profile(suite.source()), load_profile(str(profile))
    assert [each.rule for each in first.items] == [each.rule for each in second.items]


def test_every_attribute_has_a_result_of_its_own(tmp_path: Path) -> None:
    suite: Suite = suite_of(tmp_path, SHAPES)
    seen: dict[tuple[str, str], list[Piece]] = {}
    for each in suite.pieces:
        seen.setdefault((each.type, each.name), []).append(each)
    assert [each.attribute for each in seen["file", "/etc/passwd"]] == [
        "exists", "owner", "group", "mode", "filetype", "contents",
    ]  # fmt: skip
    assert {each.title for each in seen["file", "/etc/passwd"]} == {"the users of this machine"}


@pytest.mark.parametrize("name", ["1.yaml", "a b.yaml", "-.yaml", "goss.json"])
def test_a_profile_is_called_as_its_file_where_it_can_be(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, '{"user": {"root": {"exists": true}}}', name)
    wanted = {"1.yaml": "1", "a b.yaml": "a-b", "-.yaml": "goss", "goss.json": "goss"}
    assert load_suite(file).id == wanted[name]
