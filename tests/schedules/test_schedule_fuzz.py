"""Whatever stands in configurations, published schedules and records: a line or a moment, and no crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import Config, read_config
from agent.install.calendar import Unsayable, on_calendar
from agent.paths import State
from agent.schedules.known import Known, check_words
from agent.schedules.record import Record, recalled
from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.timing import next_after, read_timing

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

FIELDS = st.sampled_from(
    [
        "*",
        "*/2",
        "1",
        "5,7",
        "1-3",
        "L",
        "LW",
        "MON#2",
        "5L",
        "23",
        "*/61",
        "SUN-SAT",
        "*/0",
        "0#1",
        "7#5",
        "-",
    ]
) | st.text("0123456789*/-,#LWMONFRI?", max_size=6)
CRONS = st.lists(FIELDS, min_size=4, max_size=6).map(" ".join) | st.text(max_size=20)
SPANS = st.sampled_from(
    ["1h", "90s", "1w", "1e9d", "inf", "nan d", "9" * 30 + "h", "-0s", "0.5 h"]
) | st.text(max_size=10)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "..", "/etc/passwd", "posixrules", "Europe", "a\0b"]
) | st.text(max_size=10)
QUIET = st.lists(
    st.sampled_from(["22:00-06:00", "0:0-24:00", "23:59-00:00", "99:99-99:99"]) | st.text(max_size=12),
    max_size=3,
)


@given(CRONS, SPANS, ZONES, SPANS, QUIET, st.booleans(), st.booleans())
@settings(max_examples=300)
def test_any_texts_of_a_schedule(
    cron: str, every: str, zone: str, jitter: str, quiet: list[str], spanned: bool, plain: bool
):
    timing = {"every": every} if spanned else {"cron": cron}
    more = {} if plain else {"timezone": zone, "jitter": jitter, "quiet": tuple(quiet)}
    entry = ScheduleEntry("s", **timing, **more)  # type: ignore[arg-type]
    try:
        read_timing(entry)
    except BadInput as error:
        assert str(error).startswith("schedule s: ")
        return
    assert next_after(entry, NOW, "m") > NOW
    try:
        assert on_calendar(entry, "m")
    except Unsayable as reason:
        assert str(reason)


LINES = st.sampled_from(
    [
        "[[schedules]]", 'name = "a"', 'every = "1h"', "cron = 5", "[limits]", "nice = 99", "[network]",
        'quiet = ["22:00-06:00"]', "quiet = 3", "schedules = []", "consent = 'all'", "[[schedules.x]]", "= =",
        '"a".b.c = 1', "x = 1e999", "d = 1979-05-27", "run_s = nan", "run_s = inf", 'name = """',
    ]
)  # fmt: skip


@given(
    st.lists(LINES | st.text(max_size=8), max_size=12).map("\n".join).map(str.encode) | st.binary(max_size=80)
)
@settings(max_examples=300)
def test_any_configuration(text: bytes):
    try:
        assert isinstance(read_config(text, "config.toml"), Config)
    except BadInput as error:
        assert str(error).startswith("config.toml: ")


@given(
    st.binary(max_size=60)
    | st.sampled_from([b'{"counted":"2026-03-02T11:00:00Z","due":1}', b'{"counted":{}}'])
)
def test_any_record(tmp_path_factory: object, text: bytes):
    state = State(Path(tmp_path_factory.mktemp("state")))  # type: ignore[attr-defined]
    state.schedules.mkdir()
    (state.schedules / "s.json").write_bytes(text)
    assert isinstance(recalled(state, "s", NOW), Record)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_any_profile_stage_and_site_are_words_of_their_own(profile: str, stage: str, site: str):
    entry = ScheduleEntry("s", every="1h", profile=profile, stage=stage, site=site)
    words = check_words(State(Path("/state")), Known(entry, "collector").entry)
    assert words[:3] == ["check", "--trigger", "schedule"]
    for word in words[3:]:
        if word == "--":
            break
        assert word.startswith(("--stage=", "--site=", "--site-file="))
    assert not profile or words[-2] == "--"
