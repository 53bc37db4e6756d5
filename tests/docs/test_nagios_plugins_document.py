"""docs/nagios-plugins.md: its profile loads, its tables are what the check does, its refusal is said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from document_reader import blocks, read, table

from checks import registry
from checks.errors import BadProfile
from checks.facts.plugin import PluginSaid
from checks.model import Verdict
from checks.perfdata import parse_range
from checks.profile import load_profile

PAGE = read("nagios-plugins.md")
BETWEEN = {"10": (5, 11), "10:": (10, 9), "~:10": (-99, 11), "10:20": (15, 21), "@10:20": (21, 10)}


def test_the_profile_of_the_page_loads(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    (tmp_path / block.file).write_text(block.text)
    assert [item.check for item in load_profile(str(tmp_path / block.file)).items] == ["nagios.plugin"] * 3


def test_each_exit_code_is_the_result_that_the_table_names() -> None:
    check = registry.get("nagios.plugin")
    for row in table(PAGE, "exit code", "result"):
        code = int(row["exit code"]) if row["exit code"].isdigit() else 77
        verdict = check(said=PluginSaid(code, "so"), command=("x",))
        assert isinstance(verdict, Verdict)
        assert (str(verdict.status), verdict.cause) == (row["result"].strip("`"), row["cause"])


def test_each_range_alerts_where_the_table_says() -> None:
    rows = [row["range"].strip("`") for row in table(PAGE, "range", "alerts where the value is")]
    assert rows == list(BETWEEN)
    for text, (good, bad) in BETWEEN.items():
        assert not parse_range(text).alerts(good)
        assert parse_range(text).alerts(bad)


def test_the_refusal_of_the_page_is_what_is_said(tmp_path: Path) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith("firstlight: mysql.yaml:9: ")]
    (tmp_path / "mysql.yaml").write_text(
        'profile: p\nversion: "1"\ntitle: p\nvariables: {db_password: hunter2}\nitems:\n  - id: x\n'
        '    check: nagios.plugin\n    with:\n      command: [check_mysql, --pass, "${db_password}"]\n'
    )
    with pytest.raises(BadProfile) as problem:
        load_profile(str(tmp_path / "mysql.yaml"))
    assert line.endswith(str(problem.value).rpartition("/")[2])
