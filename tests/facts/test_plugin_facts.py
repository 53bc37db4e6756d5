"""Monitoring plugins: what real ones print, what the guidelines allow, and whatever else may come."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import services
from answering import read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.plugin import PluginOutput, PluginSaid, parse_output
from checks.perfdata import Bounds, Measure, parse_performance, parse_range, read_range

PLUGINS = "/usr/lib/nagios/plugins"


@pytest.mark.parametrize(
    ("text", "bounds", "good", "bad"),
    [
        ("10", Bounds(0, 10), (0, 10, 5.5), (-0.1, 10.1)),
        ("10:", Bounds(10, None), (10, 1e9), (9.9, -1)),
        ("~:10", Bounds(None, 10), (-1e9, 10), (10.1,)),
        ("10:20", Bounds(10, 20), (10, 20), (9.9, 20.1)),
        ("@10:20", Bounds(10, 20, True), (9.9, 20.1), (10, 15, 20)),
        ("@10", Bounds(0, 10, True), (-1, 11), (0, 10)),
        (":5", Bounds(0, 5), (0, 5), (-1, 6)),
        ("-5:-1", Bounds(-5, -1), (-5, -1), (0, -6)),
        ("1.5e3", Bounds(0, 1500), (1500,), (1501,)),
        ("0", Bounds(0, 0), (0,), (1, -1)),
    ],
)
def test_a_range_alerts_outside_of_itself_and_inside_where_it_says_so(
    text: str, bounds: Bounds, good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    assert parse_range(text) == bounds
    assert [bounds.alerts(value) for value in good] == [False] * len(good)
    assert [bounds.alerts(value) for value in bad] == [True] * len(bad)


@pytest.mark.parametrize("text", ["", "@", "~", "a", "20:10", "10:20:30", "10;20", "1 0", "@~", "nan"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|behind"):
        read_range(text)
    with pytest.raises(ValueError, match="range"):
        read_range(True)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        (
            "check_load",
            "LOAD OK - total load average: 1.43, 0.80, 0.51",
            (
                Measure("load1", 1.43, "", "50.000", "90.000", "0"),
                Measure("load5", 0.8, "", "50.000", "90.000", "0"),
                Measure("load15", 0.51, "", "50.000", "90.000", "0"),
            ),
        ),
        (
            "check_disk",
            "DISK OK - free space: / 79118MiB (76% inode=97%);",
            (Measure("/", 25982664704, "B", "243497277849", "257024904396", "0", "270552530944"),),
        ),
        ("check_procs", "PROCS OK: 94 processes", (Measure("procs", 94, "", "1:1000", "", "0"),)),
        ("check_users", "USERS OK - 0 users currently logged in", (Measure("users", 0, "", "5", "10", "0"),)),
        (
            "check_file_age",
            "FILE_AGE OK: /etc/passwd is 11 seconds old and 1628 bytes",
            (Measure("age", 11, "s", "240", "600"), Measure("size", 1628, "B", "0", "0", "0")),
        ),
        ("check_dummy", "CRITICAL: broken", ()),
        ("check_tcp", "connect to address 127.0.0.1 and port 1: Connection refused", ()),
    ],
)
def test_what_real_plugins_print_is_read(name: str, text: str, values: tuple[Measure, ...]) -> None:
    seen = parse_output(recorded(f"plugins/{name}").decode())
    assert (seen.text, seen.values) == (text, values)


def test_several_lines_have_performance_data_after_each_of_the_two_signs() -> None:
    # The form of the Nagios Core plugin API.
    text = (
        "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n"
        "/ 15272 MB (77%);\n/boot 68 MB (69%); | /boot=68MB;88;93;0;98\n"
        "/home=69357MB;253404;253409;0;253414\n"
    )
    seen = parse_output(text)
    assert seen.text == "DISK OK - free space: / 3326 MB (56%);"
    assert seen.long_text == "/ 15272 MB (77%);\n/boot 68 MB (69%);"
    assert [(each.label, each.value, each.unit) for each in seen.values] == [
        ("/", 2643, "MB"),
        ("/boot", 68, "MB"),
        ("/home", 69357, "MB"),
    ]
    assert seen.values[0].base == 2643 * 1024**2


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'it''s a label'=5%;80;90", (Measure("it's a label", 5, "%", "80", "90"),)),
        ("a=U b=1", (Measure("a", None), Measure("b", 1))),
        ("time=0,25s", (Measure("time", 0.25, "s"),)),
        ("a=1 a=2", (Measure("a", 1),)),
        ("a=-1.5e-3ms;;;", (Measure("a", -0.0015, "ms"),)),
        ("broken a= b=x =5 'c=1 d=7c", (Measure("d", 7, "c"),)),
        ("a=1e999", (Measure("a", None),)),
        ("a=1;@10:20;~:5;0;9;extra", (Measure("a", 1, "", "@10:20", "~:5", "0", "9"),)),
        ("", ()),
    ],
)
def test_performance_data_is_read_as_the_guidelines_have_it(text: str, values: tuple[Measure, ...]) -> None:
    assert parse_performance(text) == values


def test_numbers_are_recalled_in_the_base_of_their_unit() -> None:
    said_ = PluginSaid(0, "", "", parse_performance("t=5ms a=U s=2KB c=7c"))
    assert PluginOutput.series(said_) == {"t": 0.005, "s": 2048, "c": 7}
    assert PluginOutput.settled(said_) == {"status": 0}


@given(st.text(alphabet="'=;:|@~U 10.,e-+%\nabB", max_size=400))
def test_whatever_a_plugin_prints_is_read(text: str) -> None:
    seen = parse_output(text)
    assert all(each.label for each in seen.values)
    assert len({each.label for each in seen.values}) == len(seen.values)
    assert "\n" not in seen.text


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40),
        st.tuples(st.floats(-1e9, 1e9), st.sampled_from(["", "s", "%", "B", "c"])),
        max_size=10,
    )
)
def test_what_is_written_by_the_guidelines_comes_back(values: dict[str, tuple[float, str]]) -> None:
    text = " ".join(
        "'{}'={!r}{};1;2".format(label.replace("'", "''"), number, unit)
        for label, (number, unit) in values.items()
    )
    seen = {each.label: (each.value, each.unit) for each in parse_performance(text)}
    assert seen == values


@pytest.mark.parametrize("text", ["'" * 20_000, "'a" * 20_000, "a=" * 20_000, "=" * 20_000, "1" * 20_000])
def test_hostile_data_costs_no_more_than_its_length(text: str) -> None:
    assert len(parse_performance(text)) <= 1


def test_a_plugin_that_only_complains_is_told_by_its_complaint() -> None:
    fact = PluginOutput(("check_x",), 30.0)
    seen = read(fact, {fact.ask(): said(b"", 3, b"check_x: no such option -- z\nusage\n")})
    assert seen == PluginSaid(3, "check_x: no such option -- z")


def test_a_password_in_the_text_is_not_kept() -> None:
    fact = PluginOutput(("check_x",), 30.0)
    seen = read(fact, {fact.ask(): said(b"cannot open postgresql://erp:hunter2@db/erp | a=1\n", 2)})
    assert "hunter2" not in repr(seen)
    assert seen.values == (Measure("a", 1),)


def plugin(name: str) -> str:
    path = f"{PLUGINS}/{name}"
    if not Path(path).exists():
        services.missing(name, "apt-get install monitoring-plugins-basic")
    return path


def test_real_plugins_run_here() -> None:
    host = LocalHost()
    load = PluginOutput((plugin("check_load"), "-w", "999,999,999", "-c", "999,999,999"), 30.0).read(host)
    assert load.status == 0
    assert load.values[0].label == "load1"
    assert load.values[0].value == pytest.approx(os.getloadavg()[0], abs=5)
    for code, word in ((0, "OK"), (1, "WARNING"), (2, "CRITICAL"), (3, "UNKNOWN")):
        dummy = PluginOutput((plugin("check_dummy"), str(code), "so it is"), 30.0).read(host)
        assert (dummy.status, dummy.text) == (code, f"{word}: so it is")
    refused = PluginOutput((plugin("check_tcp"), "-H", "127.0.0.1", "-p", "1"), 30.0).read(host)
    assert refused.status == 2
    assert "refused" in refused.text
    disk = PluginOutput((plugin("check_disk"), "-w", "1%", "-c", "1%", "-p", "/"), 30.0).read(host)
    assert [each.label for each in disk.values] == ["/"]
    with pytest.raises(NotReadable, match="is not installed"):
        PluginOutput((f"{PLUGINS}/check_nosuch",), 30.0).read(host)
