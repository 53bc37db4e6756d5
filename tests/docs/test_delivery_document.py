"""docs/delivery.md is held to the code: its settings, its places, its words and its numbers."""

from __future__ import annotations

import re
from pathlib import Path

from machine import ROOT

from agent import pressure, retry
from agent.config import Config, Network, SpoolLimits, read_config
from agent.paths import State
from server.ingest import pace

TEXT = (ROOT / "docs/delivery.md").read_text()
PLAIN = " ".join(TEXT.split())


def test_the_settings_on_the_page_are_all_there_are_and_stand_there_with_their_defaults():
    kept, network = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    shown = read_config(kept.encode(), "docs/delivery.md")
    assert shown == Config()
    assert Config().keep_sent_days == 7
    for field in SpoolLimits.__struct_fields__:
        assert re.search(rf"^{field} = ", kept, re.MULTILINE), field
    used = read_config(network.encode(), "docs/delivery.md").network
    assert all(getattr(used, field) for field in Network.__struct_fields__)


def test_every_place_is_one_of_the_state_folder(tmp_path: Path):
    at = State(tmp_path)
    paths = (at.losses, at.retry, at.delivered, at.clock, at.sequence)
    files = {str(path.relative_to(tmp_path)) for path in paths}
    table = TEXT.split("| place | what |")[1].split("\n\n")[0]
    named = set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))
    assert named == files | {f"spool/{part}/" for part in ("pending", "sent", "quarantine")}


def test_every_cause_that_the_page_explains_is_one_and_no_other():
    code = (ROOT / "agent/unreached.py").read_text()
    table = TEXT.split("| it says | cause |")[1].split("\n\n")[0]
    explained = {row.split("|")[2].strip(" `") for row in table.splitlines()[2:]}
    assert explained == set(re.findall(r'Unreached\(\s*"([a-z-]+)"', code))


def test_its_numbers_are_those_of_the_code():
    assert (retry.SHORTEST_S, retry.LONGEST_S, retry.LONGEST_ASKED_S) == (10, 3600, 86_400)
    assert "10 to 20 seconds after the first failure" in PLAIN
    assert "never more than an hour" in PLAIN
    assert "that time, up to a day" in PLAIN
    assert (pressure.CLOCK_GAP_S, pressure.CLOCK_DOUBT_S) == (31 * 86_400, 7 * 86_400)
    assert "ahead by more than 31 days, nothing is removed for its age for a week" in PLAIN
    assert (pace.MOST_WAITING, pace.MOST_BYTES, pace.LONGEST_S) == (256, 128 * 1024**2, 300)
    assert "at most 256 deliveries that it has not answered, and 128 MiB of their bodies" in PLAIN
    assert "(at most five minutes)" in PLAIN
