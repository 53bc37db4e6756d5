"""A check in one YAML file: what it becomes, how it judges, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks import registry
from checks.authoring import plugins
from checks.authoring.foldertest import run_folder
from checks.authoring.yamlcheck import KEYS, TYPES, load_check
from checks.errors import BadProfile
from checks.model import Severity
from checks.profile import load_profile
from checks.testing import load_cases, run_case

SEATS = """\
check: acme.seats
title: The licence has seats enough
doc: |
  Each till takes a seat.
  Without one it stays shut.

  Really.
remedy: order seats for {path}
source: the sizing guide
severity: P1
owner: vendor
parameters:
  path: {type: text, default: /opt/licence.ini}
  seats: {type: whole number, default: 10}
facts:
  licence: {ConfigValue: {path: "{path}", format: ini, key: licence.seats}}
rules:
  - when: not licence.found
    then: skip
    say: no licence here
  - when: licence.value >= seats
    then: pass
    say: "{licence.value} seats"
  - when: licence.value >= seats - 2
    then: warn
    cause: low
    say: "{licence.value} seats of {seats}"
otherwise:
  then: fail
  cause: low
  severity: P0
  say: "{licence.value} seats of {seats}, {seats - licence.value} too few"
evidence:
  seats: licence.value
  many: licence.value * 2
"""
CASES = """\
enough:
  readings: {"ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {found: true, value: "12"}}
  expect: [{object: /opt/licence.ini, status: pass, severity: P1, message: 12 seats, evidence: {seats: "12"}}]
nearly:
  readings: {"ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {found: true, value: 9}}
  expect: [{status: warn, cause: low, message: 9 seats of 10}]
few:
  readings: {"ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {found: true, value: 3}}
  expect: [{status: fail, cause: low, severity: P0, message: "3 seats of 10, 7 too few"}]
none:
  readings: {"ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {found: false}}
  expect: [{status: skip, message: no licence here, evidence: {seats: null}}]
elsewhere:
  with: {path: /srv/l.ini}
  readings: {"ConfigValue(path=/srv/l.ini, format=ini, key=licence.seats)": {found: true, value: 12}}
  expect: [{object: /srv/l.ini, status: pass}]
no number:
  readings: {"ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {found: true, value: many}}
  expect:
    - status: error
      cause: parse
      message: "the text 'many' where a number is needed"
unread:
  readings:
    "ConfigValue(path=/opt/licence.ini, format=ini, key=licence.seats)": {unavailable: no, cause: denied}
  expect: [{status: error, cause: denied}]
"""


def folder_of(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    (folder / "seats.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_check_in_yaml_judges_by_its_rules(tmp_path: Path) -> None:
    (made,) = plugins.use([folder_of(tmp_path, SEATS)])
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES, encoding="utf-8")
    for case in load_cases(cases):
        run_case(made, case)


def test_it_is_a_check_like_any_other(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, SEATS)
    (made,) = plugins.use([folder])
    assert registry.get("acme.seats") is made
    assert registry.origin_of("acme.seats") == str(folder / "seats.yaml")
    assert (made.title, made.severity, made.owner) == ("The licence has seats enough", Severity.P1, "vendor")
    assert made.doc == "Each till takes a seat. Without one it stays shut.\n\nReally."
    assert [(each.name, each.type) for each in made.parameters.values()] == [
        ("path", "text"),
        ("seats", "whole number"),
    ]
    profile = tmp_path / "p.yaml"
    profile.write_text("profile: p\nitems: [{check: acme.seats, with: {seats: 3}}]\n")
    (item,) = load_profile(str(profile)).items
    assert item.parameters == {"path": "/opt/licence.ini", "seats": 3}


def test_every_type_of_parameter_is_read(tmp_path: Path) -> None:
    values = {
        "text": "x",
        "whole number": "3",
        "number": "1.5",
        "true or false": "true",
        "size": "1 GiB",
        "percentage": "5 %",
        "duration": "5 min",
        "regular expression": "'^a'",
        "condition": "{at_least: 3}",
        "list of text": "[a, b]",
        "list of numbers": "[1, 2]",
        "absolute path": "/srv/data",
    }
    assert {*values} == {*TYPES}
    rows = "".join(
        f"  p{at}: {{type: {name}, default: {value}}}\n" for at, (name, value) in enumerate(values.items())
    )
    text = SEATS.replace(
        "  seats: {type", f"{rows}  word: {{choices: [on, off], default: on}}\n  seats: {{type"
    )
    (made,) = plugins.use([folder_of(tmp_path, text)])
    defaults = {each.name: each.default for each in made.parameters.values()}
    assert (defaults["p4"], defaults["p6"], defaults["p9"]) == (2**30, 300.0, ("a", "b"))
    assert (defaults["word"], made.parameters["word"].type) == ("on", "one of on, off")


EACH = """\
check: acme.mounts
title: There is room
doc: It judges every mount.
remedy: make room
source: our judgement
owner: customer-it
parameters: {mount: {type: text}}
each: {mount: {LocalMounts: {}}}
facts: {usage: {DiskUsage: {mount: "{mount}"}}}
rules: [{when: usage.free > 10, then: pass, say: room}]
otherwise: {then: fail, say: full}
"""


def test_it_may_enumerate_its_objects(tmp_path: Path) -> None:
    from checks.library import disk

    enumerator = disk.free_space.each
    assert enumerator is not None
    text = EACH.replace("LocalMounts", type(enumerator[1]).__name__)
    (made,) = plugins.use([folder_of(tmp_path, text)])
    assert made.object == "{mount}"
    assert made.parameters["mount"].required is False
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        "all:\n"
        f'  readings: {{"{enumerator[1].id()}": [/, /data], "DiskUsage(mount=/)": {{total: 100, free: 50}},\n'
        '    "DiskUsage(mount=/data)": {total: 100, free: 1}}\n'
        "  expect: [{object: /, status: pass}, {object: /data, status: fail}]\n"
    )
    for case in load_cases(cases):
        run_case(made, case)


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("check: acme.seats", "check: seats", 1, "is not of the form area.thing"),
        ("check: acme.seats", "check: disk.free", 1, "check disk.free is built in (checks.library.disk)"),
        ("title: The", "titel: The", 2, "a check has no key 'titel'; did you mean title?"),
        ("source: the sizing guide\n", "", 1, "lacks the key source"),
        ("owner: vendor", "owner: vendors", 11, "did you mean vendor?"),
        ("severity: P1", "severity: P7", 10, "'P7' is not right here"),
        ("type: whole number", "type: whole nummer", 14, "did you mean whole number?"),
        ("default: 10", "default: ten", 14, "expected a whole number"),
        ("  seats: {type", "  now: {type", 14, "no name for a parameter"),
        ("ConfigValue", "ConfigValeu", 16, "no fact is named 'ConfigValeu'; did you mean ConfigValue?"),
        ("key: licence.seats", "kye: licence.seats", 16, "ConfigValue has no field 'kye'; did you mean key?"),
        (", key: licence.seats", "", 16, "ConfigValue lacks the field key"),
        ('path: "{path}"', 'path: "{pth}"', 16, "names the parameter 'pth', which there is not"),
        ('path: "{path}"', "path: [1]", 16, "path: Expected `str`"),
        ("licence: {Conf", "path: {Conf", 16, "no name for a fact, or is taken"),
        (
            "licence.value >= seats\n",
            "licence.valeu >= seats\n",
            21,
            "has no field 'valeu'; did you mean value?",
        ),
        ("licence.value >= seats\n", "licence.value >= seast\n", 21, "nothing is named 'seast'"),
        ("not licence.found", "os.system('x')", 18, "no function os.system"),
        ("then: skip", "then: skipped", 19, "did you mean skip?"),
        ("    say: no licence here\n", "", 18, "lacks `say`"),
        ("when: not", "wen: not", 18, "a rule has no key 'wen'; did you mean when?"),
        ('{licence.value} seats"', '{licence.vlaue} seats"', 23, "say: licence has no field 'vlaue'"),
        ("  seats: licence.value", "  seats: licence.", 34, "is no expression"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(
    tmp_path: Path, right: str, wrong: str, line: int, said: str
) -> None:
    assert right in SEATS
    folder = folder_of(tmp_path, SEATS.replace(right, wrong, 1))
    with pytest.raises(BadProfile) as refused:
        plugins.use([folder])
    assert said in str(refused.value)
    assert (refused.value.where, refused.value.line) == (str(folder / "seats.yaml"), line)
    assert "acme.seats" not in registry.known()


def test_the_tests_of_the_file_are_run_with_the_contract(tmp_path: Path) -> None:
    cases = "cases:\n" + "".join(f"  {row}\n" for row in CASES.splitlines())
    told = list(run_folder(folder_of(tmp_path, SEATS + cases)))
    assert [each.name for each in told if not each.problems] == [
        "enough", "nearly", "few", "none", "elsewhere", "no number", "unread", "keeps the contract",
    ]  # fmt: skip


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["{path}", "{x}", "disk.free", "text", "licence.found", "ConfigValue", "pass"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def replaced(value: Any, at: int, odd: Any, seen: list[int]) -> Any:
    """The value with its part of that number replaced."""
    seen[0] += 1
    if seen[0] == at:
        return odd
    if isinstance(value, dict):
        return {key: replaced(part, at, odd, seen) for key, part in value.items()}
    if isinstance(value, list):
        return [replaced(part, at, odd, seen) for part in value]
    return value


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 60), ODD)
def test_a_file_with_anything_anywhere_is_read_or_refused(tmp_path: Path, at: int, odd: Any) -> None:
    file = tmp_path / "seats.yaml"
    text = yaml.safe_dump(replaced(yaml.safe_load(SEATS), at, odd, [0]), allow_unicode=True)
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    try:
        made = load_check(file).check
    except BadProfile as refused:
        assert refused.where == str(file)
        return
    assert made.parameters is not None


def test_every_key_is_read(tmp_path: Path) -> None:
    """A key that may be given and means nothing would be a promise that is not kept."""
    source = (Path(registry.__file__).parent / "authoring/yamlcheck.py").read_text()
    read = {key for key in KEYS if f'"{key}"' in source.split("REQUIRED: Final", 1)[1]}
    assert read == {*KEYS}
