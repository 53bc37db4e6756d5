"""Profiles: what they may say, what they inherit, and how mistakes in them are told."""

from __future__ import annotations

from pathlib import Path

import engine_samples  # noqa: F401  # declares the checks that the profiles below name
import pytest
from engine_samples import profile_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import registry
from checks.errors import BadInput, BadProfile
from checks.matchers import Matcher
from checks.model import Severity
from checks.profile import load_profile
from checks.profile_source import profile_names


def refused(folder: Path, text: str, **options: object) -> str:
    with pytest.raises(BadInput) as problem:
        profile_of(folder, text, **options)
    said = str(problem.value)
    assert "\n" not in said
    return said.replace(str(folder) + "/", "")


def test_an_item_takes_its_id_severity_and_parameters_from_its_check(tmp_path: Path) -> None:
    (item,) = profile_of(tmp_path, "items: [{check: sample.tank}]").items
    assert (item.id, item.check, item.severity, item.opens_on) == ("sample.tank", "sample.tank", "P1", "fail")
    assert item.parameters == {"tank": "", "warn_below": 15.0, "fail_below": 5.0}
    assert (item.stages, item.roles) == ((), ())


def test_an_item_may_set_all_of_it(tmp_path: Path) -> None:
    (item,) = profile_of(
        tmp_path,
        """
items:
  - id: north
    check: sample.tank
    severity: P0
    stage: [deploy, go-live]
    opens_on: warn
    on: db
    with: {tank: north, warn_below: 20 %}
""",
    ).items
    assert (item.id, item.severity, item.opens_on) == ("north", Severity.P0, "warn")
    assert (item.stages, item.roles) == (("deploy", "go-live"), ("db",))
    assert item.parameters == {"tank": "north", "warn_below": 20.0, "fail_below": 5.0}


def test_equal_meaning_is_one_rule_and_another_meaning_another(tmp_path: Path) -> None:
    def rule(parameters: str, extra: str = "") -> str:
        text = f"items: [{{id: a, check: sample.text, {extra} with: {{name: x, {parameters}}}}}]"
        return profile_of(tmp_path, text).items[0].rule

    assert rule("size: 8 GiB") == rule("size: 8192 MiB") == rule("size: '8589934592'")
    assert rule("expect: {at_least: 8 GiB}") == rule("expect: {at_least: 8192 MiB}")
    assert rule("size: 0") == rule("expect: ~")  # the defaults, said or not
    assert rule("size: 1") != rule("size: 2")
    assert rule("size: 1") != rule("size: 1", "opens_on: warn,")
    assert rule("size: 1") == rule("size: 1", "severity: P0,")


def test_a_text_is_taken_as_it_is_written(tmp_path: Path) -> None:
    (item,) = profile_of(tmp_path, "items: [{id: a, check: sample.text, with: {name: 1.10}}]").items
    assert item.parameters["name"] == "1.10"


def test_a_variable_that_is_a_whole_value_keeps_its_type(tmp_path: Path) -> None:
    text = """
variables: {port: 8080, host: db1, right: {one_of: [a, b]}, size: 8 GiB}
items:
  - {id: a, check: sample.either, with: {port: "${port}", name: "${host}:${port}/$${host}"}}
  - {id: b, check: sample.text, with: {name: x, expect: "${right}", size: "${size}"}}
"""
    one, two = profile_of(tmp_path, text).items
    assert one.parameters["port"] == 8080
    assert one.parameters["name"] == "db1:8080/${host}"
    assert two.arguments["expect"].holds("b")
    assert two.parameters["size"] == 8 * 1024**3


def test_extending_changes_items_key_by_key_and_replaces_variables(tmp_path: Path) -> None:
    profile_of(
        tmp_path,
        """
variables: {tank: north}
items:
  - {id: one, check: sample.tank, severity: P2, with: {tank: "${tank}", warn_below: 30}}
  - {id: two, check: sample.tank}
  - {id: three, check: sample.tank}
""",
        name="base.yaml",
    )
    profile = profile_of(
        tmp_path,
        """
extends: [./base.yaml]
variables: {tank: south}
remove: [two]
items:
  - {id: one, with: {fail_below: 10}}
  - {id: four, check: sample.tank}
""",
    )
    assert [item.id for item in profile.items] == ["one", "three", "four"]
    one = profile.items[0]
    assert one.severity is Severity.P2
    assert one.parameters == {"tank": "south", "warn_below": 30.0, "fail_below": 10.0}


def test_of_several_bases_the_later_wins(tmp_path: Path) -> None:
    for name, limit in (("a", 20), ("b", 30)):
        profile_of(
            tmp_path, f"items: [{{id: x, check: sample.tank, with: {{warn_below: {limit}}}}}]", f"{name}.yaml"
        )
    profile = profile_of(tmp_path, "extends: [./a.yaml, ./b.yaml]")
    assert profile.items[0].parameters["warn_below"] == 30


def test_a_mistake_in_an_inherited_item_is_told_with_the_file_it_stands_in(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("profile: base\nitems:\n  - {id: x, check: sample.tank, with: {warn_below: '${low}'}}\n")
    assert (
        refused(tmp_path, "extends: ./base.yaml") == "base.yaml:3: warn_below: no variable 'low' is defined"
    )


def test_a_built_in_profile_may_be_extended_by_name(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, "extends: linux-server\nitems: [{check: disk.free, severity: P0}]")
    assert {item.id: item.severity for item in profile.items}["disk.free"] is Severity.P0


def test_set_changes_one_parameter_and_makes_the_profile_ad_hoc() -> None:
    plain = load_profile("linux-server")
    assert not plain.adhoc
    changed = load_profile("linux-server", overrides=["disk.free.warn_below=25 %"])
    assert changed.adhoc
    assert {item.id: item.parameters for item in changed.items}["disk.free"]["warn_below"] == 25.0


def test_set_takes_conditions_and_lists(tmp_path: Path) -> None:
    text = "items: [{id: a.b, check: sample.text, with: {name: x}}]"
    (item,) = profile_of(
        tmp_path, text, overrides=["a.b.expect={at_least: 5, at_most: 9}", "a.b.name=y=z"]
    ).items
    assert isinstance(item.arguments["expect"], Matcher)
    assert item.parameters["name"] == "y=z"


def test_a_file_is_always_ad_hoc(tmp_path: Path) -> None:
    assert profile_of(tmp_path, "items: [{check: sample.tank}]").adhoc


@pytest.mark.parametrize("name", profile_names())
def test_every_built_in_profile_loads(name: str) -> None:
    assert load_profile(name).id == name


ITEM = "items:\n  - "
TANK = ITEM + "check: sample.tank\n    "
TEXT = ITEM + "id: x\n    check: sample.text\n    "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("items: [{check: sample.tnak}]", "3: unknown check 'sample.tnak'; did you mean sample.tank?"),
        (
            "items: [{check: sample.tank, with: {warn_blow: 3}}]",
            "mine.yaml:3: sample.tank has no parameter 'warn_blow'; did you mean warn_below?",
        ),
        (
            TANK + "with:\n      tank: x\n      warn_below: much",
            "mine.yaml:7: warn_below: 'much' is not a percentage such as 15 %",
        ),
        (TANK + "sverity: P1", "5: an item has no key 'sverity'; did you mean severity?"),
        (TANK + "severity: P7", "5: 'P7' is not right here; it is one of P0, P1, P2, P3"),
        (TANK + "opens_on: skip", "mine.yaml:5: 'skip' is not right here"),
        (ITEM + "check: sample.text\n    with: {name: x}", "sample.text can be about many things"),
        (ITEM + "id: x\n    check: sample.text", "mine.yaml:4: item x lacks the parameter name (text)"),
        (ITEM + "id: x", "mine.yaml:4: item x names no check"),
        (ITEM + "with: {}", "mine.yaml:4: an item names its check"),
        (ITEM + "5", "mine.yaml:4: an item is a mapping"),
        (ITEM + "check: 5", "unknown check '5'"),
        (TANK + "stage: 5", "mine.yaml:5: expected a word"),
        (TANK + "with: [1]", "mine.yaml:5: `with` holds parameters"),
        (ITEM + "check: [a]", "mine.yaml:4: a list is no name"),
        (
            "items:\n  - check: sample.tank\n  - check: sample.tank",
            "mine.yaml:5: item sample.tank is given twice; the first is in line 4",
        ),
        ("items: []", "mine.yaml: has no items"),
        ("items: {a: 1}", "mine.yaml:3: items is a list"),
        ("itmes: []", "mine.yaml:3: a profile has no key 'itmes'; did you mean items?"),
        ("title: x", "mine.yaml:1: lacks the key items"),
        ("extends: linux-sever", "mine.yaml:3: extends 'linux-sever', unknown; did you mean linux-server?"),
        ("extends: ./none.yaml", "mine.yaml:3: extends './none.yaml', but there is no file"),
        ("extends: ./mine.yaml", "mine.yaml:3: extends './mine.yaml', which leads back to this file"),
        ('extends: "./a\\0b.yaml"', "unknown"),
        ("extends: ./" + "n" * 300 + ".yaml", "mine.yaml:3: extends"),
        ("extends: linux-server\nremove: [disk.fee]", "mine.yaml:4: removes the item 'disk.fee'"),
        (
            "extends: linux-server\nitems: [{id: disk.free, check: mem.used}]",
            "mine.yaml:4: item disk.free is a disk.free in",
        ),
        ("variables: {a b: 1}\nitems: []", "mine.yaml:3: 'a b' is no name for a variable"),
        ('variables: {a: "${b}"}\nitems: []', "mine.yaml:3: a variable cannot be made of other variables"),
        (
            'variables: {a: [1]}\nitems: [{check: sample.tank, with: {tank: "x${a}"}}]',
            "mine.yaml:4: tank: variable 'a' is no single value",
        ),
        (
            'variables: {tank: 1}\nitems: [{check: sample.tank, with: {tank: "${tnak}"}}]',
            "mine.yaml:4: tank: no variable 'tnak' is defined; did you mean tank?",
        ),
        (
            TEXT + "with:\n      name: x\n      expect:\n        at_least: much",
            "mine.yaml:9: expect: expected a number, with a unit",
        ),
        (
            TEXT + "with: {name: [1]}",
            "mine.yaml:6: name: expected text, not a list",
        ),
        (
            "items:\n  - check: os.eol\n    with:\n      warn_before: 10 d\n      ends: soon\n",
            "mine.yaml:7: ends: 'soon' is no date such as 2030-06-30",
        ),
        (
            "items:\n  - check: job.fresh\n    id: a\n    with: {job: backup, period: 1 d}\n",
            "set one of file, log and timer, not none",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_the_nearest_right_name(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("a.warn_blow=3", "sample.tank has no parameter 'warn_blow'; did you mean warn_below?"),
        ("b.warn_below=3", "no item 'b'; it is one of a"),
        ("warn_below=3", "write it as item.parameter=value"),
        ("a.warn_below", "write it as item.parameter=value"),
        ("a.warn_below=much", "--set a.warn_below: warn_below: 'much' is not a percentage"),
        ("a.warn_below={", "--set a.warn_below"),
    ],
)
def test_a_wrong_override_is_told(tmp_path: Path, override: str, said: str) -> None:
    assert said in refused(tmp_path, "items: [{id: a, check: sample.tank}]", overrides=[override])


def test_profiles_extend_each_other_only_so_far(tmp_path: Path) -> None:
    for number in range(40):
        below = f"extends: ./p{number + 1}.yaml\n" if number < 39 else ""
        items = "items: [{id: a, check: sample.tank}]\n"
        (tmp_path / f"p{number}.yaml").write_text(f"profile: p{number}\n{below}{items}")
    assert [item.id for item in load_profile(str(tmp_path / "p20.yaml")).items] == ["a"]
    with pytest.raises(BadProfile, match=r"p20\.yaml:2: .*more than 20 profiles extend each other"):
        load_profile(str(tmp_path / "p0.yaml"))


def test_an_unknown_profile_is_told_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="no profile 'linux-sever'; did you mean linux-server"):
        load_profile("linux-sever")


words = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 10**20),
    st.sampled_from(
        ["sample.tank", "sample.text", "disk.free", "P0", "warn", "${a}", "8 GiB", "x", "linux-server", ""]
    ),
    st.text(max_size=6),
)
values = st.recursive(
    words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["id", "check", "with", "severity", "tank", "name", "expect", "at_least", "a", "on"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
keys = st.sampled_from(["profile", "version", "title", "extends", "variables", "items", "remove", "other"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.dictionaries(keys, values, max_size=6))
def test_any_document_is_a_profile_or_a_bad_profile(tmp_path: Path, document: dict[str, object]) -> None:
    import yaml

    file = tmp_path / "any.yaml"
    file.write_text(yaml.safe_dump({"profile": "any", **document}, allow_unicode=True), encoding="utf-8")
    try:
        assert load_profile(str(file)).items
    except BadProfile as problem:
        assert "\n" not in str(problem)


def test_every_parameter_of_every_check_says_its_type() -> None:
    for id in registry.ids():
        for parameter in registry.get(id).parameters.values():
            assert parameter.type
