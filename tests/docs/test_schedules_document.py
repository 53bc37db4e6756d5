"""docs/schedules.md is held to the code: its configuration, its settings, its commands and its numbers."""

from __future__ import annotations

import re
from pathlib import Path

from machine import ROOT

from agent import limits
from agent.config import read_config
from agent.install import cron, placing, units
from agent.install.wanted import Wakeup
from agent.log import LARGEST
from agent.schedules import loop, record
from checks.rules import ScheduleEntry

TEXT = (ROOT / "docs/schedules.md").read_text()


def test_the_configuration_is_one():
    text = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)[0]
    config = read_config(text.encode(), "docs/schedules.md")
    assert [entry.name for entry in config.schedules] == ["nightly", "shop"]
    used = {
        field
        for entry in config.schedules
        for field in ScheduleEntry.__struct_fields__
        if getattr(entry, field)
    }
    assert used == {*ScheduleEntry.__struct_fields__} - {"site"}


def test_every_setting_is_explained():
    table = TEXT.split("| setting |")[1].split("\n\n")[0]
    explained = {word for row in table.splitlines() for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert explained == {*ScheduleEntry.__struct_fields__}


def test_every_option_is_one():
    from click.testing import CliRunner

    from agent.commands.agent import command as agent
    from agent.commands.install import command as install

    known = {"install": CliRunner().invoke(install, ["--help"]).output}
    known["agent"] = CliRunner().invoke(agent, ["--help"]).output
    for line in re.findall(r"^firstlight (install|agent)( .*)?$", TEXT, re.MULTILINE):
        for option in re.findall(r"--[a-z-]+", line[1].split("#")[0]):
            assert option in known[line[0]]


def test_its_numbers_are_those_of_the_code(tmp_path: Path):
    assert units.TICK_S == 15 * 60 and "the tick comes every 15 minutes" in TEXT
    assert cron.STEP == 5 and "`firstlight agent --once` every 5 minutes" in TEXT
    assert record.SET_BACK.total_seconds() == 300 and "by up to five minutes" in TEXT
    assert limits.GRACE_S == 8 and "eight seconds later it is killed" in TEXT
    assert limits.UNWATCHED_S == 60 and "ends a minute after its time" in TEXT
    assert loop.STOPPING_S == 10 and "within ten seconds" in TEXT
    assert loop.AT_ONCE == 2 and "two at a time" in TEXT
    assert loop.LONGEST_SLEEP_S == 60 and "it looks once a minute" in TEXT
    assert LARGEST == 1_000_000 and "two files of 1 MB" in TEXT
    wakeup = Wakeup(["firstlight"], "/s", "m", (ScheduleEntry("NAME".lower(), every="1h"),), system=True)
    for path in placing.write_units(wakeup, tmp_path):
        assert path.name.replace("@name", "@NAME").removesuffix(".service") in TEXT
