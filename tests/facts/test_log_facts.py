"""What was added to a log is counted once, however it is rotated; jobs and licences tell their dates."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from answering import Remembering, in_rounds
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.answered import AnsweredHost, Failed
from checks.facts.asks import ReadFile
from checks.facts.child import Output
from checks.facts.host import FILE_LIMIT
from checks.facts.jobs import LastStamp, TimerState, parse_show
from checks.facts.licence import Licence, LicenceDate
from checks.facts.localhost import LocalHost
from checks.facts.loglines import WITHHELD, LogGrowth, NewLogLines
from checks.facts.memory import Sample
from checks.facts.moments import by_format, moments_in

RECORDED = Path(__file__).parent / "recorded"


class Watch:
    """Looks at a log, each remembering the ones before."""

    def __init__(self, path: Path, pattern: str = "ERROR", ignore: tuple[str, ...] = ()) -> None:
        self.fact = NewLogLines(str(path), pattern, ignore)
        self.samples: list[Sample] = []

    def look(self) -> LogGrowth:
        found: LogGrowth
        found, _ = in_rounds(self.fact, LocalHost(memory=Remembering(self.samples)))
        at = datetime(2026, 1, 1, len(self.samples), tzinfo=UTC)
        self.samples.append(Sample(at, dict(NewLogLines.series(found))))
        return found


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("ERROR long ago\n" * 10)
    return path


def test_the_first_look_counts_nothing_and_the_next_what_came_since(log: Path) -> None:
    watch = Watch(log)
    first = watch.look()
    assert (first.matches, first.looks, first.offset) == (0, (), 150)
    add(log, "INFO a\nERROR b\nERROR c\n")
    second = watch.look()
    assert (second.lines, second.matches, second.sample, second.rotated) == (3, 2, "ERROR c", False)
    assert [look.matches for look in second.looks] == [0]
    third = watch.look()
    assert (third.lines, third.matches, third.sample) == (0, 0, "")
    assert [look.matches for look in third.looks] == [0, 2]


def test_a_line_that_is_still_being_written_is_counted_once_it_is_whole(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    add(log, "ERROR b\nERR")
    assert watch.look().matches == 1
    add(log, "OR c\n")
    found = watch.look()
    assert (found.matches, found.sample) == (1, "ERROR c")


def renamed(log: Path) -> None:
    log.rename(f"{log}.1")
    log.touch()


def dated(log: Path) -> None:
    log.rename(f"{log}-20260101")
    log.touch()


def copied(log: Path) -> None:
    Path(f"{log}.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)


def test_of_many_older_files_the_newest_are_looked_into(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    for number in range(2, 12):
        older = Path(f"{log}.{number}")
        older.write_text(f"ERROR of {number}\n" * 20)
        os.utime(older, (1_700_000_000 - number, 1_700_000_000 - number))
    add(log, "ERROR before\n")
    renamed(log)
    found = watch.look()
    assert (found.matches, found.sample, found.lost) == (1, "ERROR before", False)


@pytest.mark.parametrize("rotate", [renamed, dated, copied])
def test_what_was_written_before_a_rotation_is_counted_too(log: Path, rotate: Callable[[Path], None]) -> None:
    watch = Watch(log)
    watch.look()
    add(log, "ERROR before\n")
    rotate(log)
    add(log, "ERROR after\n" * 30)
    found = watch.look()
    assert (found.matches, found.rotated, found.lost, found.skipped) == (31, True, False, 0)
    add(log, "ERROR later\n")
    found = watch.look()
    assert (found.matches, found.rotated) == (1, False)


def test_an_older_file_that_is_not_the_one_before_is_not_taken_for_it(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    Path(f"{log}.1").write_text("ERROR another\n" * 100)
    log.write_text("ERROR new\n")
    found = watch.look()
    assert (found.matches, found.rotated, found.lost) == (1, True, True)


def test_a_new_file_that_is_longer_already_is_known_as_another(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    log.write_text("ERROR new\n" * 100)
    found = watch.look()
    assert (found.matches, found.rotated) == (100, True)


def test_of_too_much_the_newest_is_counted_and_the_rest_told(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    add(log, "ERROR x\n" * (FILE_LIMIT // 4))
    found = watch.look()
    assert found.skipped == 2 * FILE_LIMIT - FILE_LIMIT + 64
    assert 0 < found.lines <= FILE_LIMIT // 8 + 1
    assert found.offset == log.stat().st_size
    add(log, "ERROR y\n")
    assert (found := watch.look()).matches == 1
    assert not found.rotated


def test_a_line_without_an_end_does_not_stop_it_for_ever(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    add(log, "ERROR " + "x" * FILE_LIMIT)
    assert watch.look().offset == log.stat().st_size


def test_known_harmless_lines_do_not_count_and_secrets_are_not_shown(log: Path) -> None:
    watch = Watch(log, "ERROR", ("harmless",))
    watch.look()
    add(log, "ERROR harmless\nERROR password=hunter2 refused\n")
    found = watch.look()
    assert (found.lines, found.matches, found.sample) == (2, 1, WITHHELD)
    add(log, "10:00:01 ERROR: login with token: abc123\n")
    assert watch.look().sample == WITHHELD
    add(log, "ERROR cannot reach https://app:hunter2@host/ now\n")
    assert watch.look().sample == "ERROR cannot reach https://app:***@host/ now"


def test_a_log_in_utf16_and_one_of_any_bytes_are_looked_at(log: Path) -> None:
    watch = Watch(log)
    watch.look()
    with log.open("ab") as file:
        file.write("ERROR one\n".encode("utf-16-le") + b"\xff\xfeERROR\n")
    assert watch.look().matches == 2


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.binary(max_size=200), st.sampled_from(["add", "new", "look", "copy"])), max_size=8)
)
def test_any_log_is_looked_at_and_a_look_ends_within_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, str]]
) -> None:
    log = tmp_path_factory.mktemp("log") / "app.log"
    log.touch()
    watch = Watch(log)
    for data, step in steps:
        if step == "copy":
            copied(log)
        with log.open("wb" if step == "new" else "ab") as file:
            file.write(data)
        if step == "look":
            found = watch.look()
            assert 0 <= found.offset <= log.stat().st_size
            assert found.matches <= found.lines


# ---- dates

AT_NOON = datetime(2026, 12, 31, 12, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31",
        "2026/12/31",
        "2026.12.31",
        "31.12.2026",
        "31/12/2026",
        "12/31/2026",
        "31-Dec-2026",
        "Dec 31, 2026",
        "20261231",
        "December 31st, 2026",
        "31 December 2026",
        "2026年12月31日",
        "2026年 12月 31日",
        "valid until 2026-12-31.",
        "'2026-12-31'",
        "<expires>2026-12-31</expires>",
    ],
)
def test_a_day_is_found_however_it_is_written(text: str) -> None:
    (found,) = moments_in(text)
    assert found.hour is None
    assert found.moment() == datetime(2026, 12, 31, tzinfo=UTC)
    assert found.end() == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31T12:30:05Z",
        "2026-12-31 12:30:05 UTC",
        "2026-12-31T20:30:05.123+08:00",
        "20261231T123005Z",
        "1798720205",
        "Dec 31 12:30:05 2026 GMT",
        "Thu Dec 31 12:30:05 UTC 2026",
        "31/Dec/2026:13:30:05 +0100",
        "1798720205123",
        "Thu, 31 Dec 2026 12:30:05 GMT",
        "Thu 2026-12-31 12:30:05 UTC",
    ],
)
def test_a_moment_is_found_however_it_is_written(text: str) -> None:
    (found,) = moments_in(text)
    assert found.moment() == found.end() == AT_NOON


def test_what_has_no_zone_is_in_that_of_the_machine_and_without_a_year_the_last_of_its_kind() -> None:
    zone = timezone(timedelta(hours=8))
    (found,) = moments_in("Dec 31 20:30:05 host CRON[1]: backup")
    assert found.moment(zone, datetime(2027, 1, 1, tzinfo=UTC)) == AT_NOON
    assert found.moment(zone, datetime(2026, 12, 30, 12, tzinfo=UTC)) == AT_NOON.replace(year=2025)
    (leap,) = moments_in("Feb 29 00:00:00 x")
    assert leap.moment(UTC, datetime(2027, 1, 1, tzinfo=UTC)) == datetime(2024, 2, 29, tzinfo=UTC)


def test_what_can_be_read_in_two_ways_is_refused_until_its_form_is_told() -> None:
    with pytest.raises(NotReadable, match="two ways") as problem:
        moments_in("valid until 03/04/2026")
    assert problem.value.cause == "unsupported"
    assert by_format(" 03/04/2026 ", "%d/%m/%Y").moment() == datetime(2026, 4, 3, tzinfo=UTC)
    assert moments_in("04/04/2026")[0].moment() == datetime(2026, 4, 4, tzinfo=UTC)
    for text, form in (("2026", "%d/%m/%Y"), ("x", "%"), ("x", "%q"), ("31.02.2026", "%d.%m.%Y")):
        with pytest.raises(NotReadable) as problem:
            by_format(text, form)
        assert problem.value.cause == "parse"


@pytest.mark.parametrize(
    "text", ["", "2026-13-01", "2026-02-30", "1.2.3", "version 10.2.20261", "12:30:05", "a-b-c"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert moments_in(text) == []


@given(st.text(alphabet="0123456789-/.:年月日TZ +JanDecUTC\n", max_size=400) | st.text(max_size=400))
def test_any_text_has_dates_or_none(text: str) -> None:
    try:
        found = moments_in(text)
    except NotReadable:
        return
    for each in found:
        try:
            assert each.moment().tzinfo is UTC
            each.end()
        except NotReadable as problem:
            assert problem.cause == "parse"


def test_a_text_full_of_dates_costs_little() -> None:
    began = time.process_time()
    for text in ("5/5/5555 " * 1000, "1-" * 5000, "Dec 1 " * 2000, "2026-1-1 " * 1000):
        moments_in(text)
    assert time.process_time() - began < 20  # seconds, where a pattern that runs away takes hours


# ---- licences


def licence(tmp_path: Path, text: str, name: str = "licence", **fields: str) -> Licence:
    path = tmp_path / name
    path.write_text(text)
    found, rounds = in_rounds(LicenceDate(str(path), **fields), LocalHost())
    assert len(rounds) == 1
    made: Licence = found
    return made


def test_the_earliest_of_the_lines_that_tell_an_end_counts(tmp_path: Path) -> None:
    text = "Issued: 2020-01-01\nBase: valid from 2026-01-01 until 2027-06-30\nSupport expires 31.12.2026\n"
    found = licence(tmp_path, text)
    assert (found.until, found.text, found.line) == (datetime(2027, 1, 1, tzinfo=UTC), "31.12.2026", 3)


def test_a_chinese_licence_and_one_for_ever_are_understood(tmp_path: Path) -> None:
    assert licence(tmp_path, "授权有效期: 2026年1月1日 至 2026年12月31日").text == "2026年12月31日"
    for_ever = licence(tmp_path, "Expires: never\n")
    assert (for_ever.found, for_ever.until) == (True, None)
    assert licence(tmp_path, "有效期: 永久").until is None
    assert not licence(tmp_path, "Customer: Acme\n2026-12-31\n").found


def test_a_key_and_a_pattern_and_a_form_of_ones_own_are_used(tmp_path: Path) -> None:
    text = '{"licence": {"to": 1798720205, "serial": "1234567890"}}'
    assert licence(tmp_path, text, "l.json", key="licence.to").until == AT_NOON
    assert not licence(tmp_path, text, "l.json", key="licence.from").found
    own = licence(tmp_path, "Ablauf = 03/04/2026\n", pattern=r"Ablauf\s*=\s*(\S+)", date_format="%d/%m/%Y")
    assert own.until == datetime(2026, 4, 4, tzinfo=UTC)
    behind = licence(tmp_path, "Ablauf = 03/04/2026\n", pattern="Ablauf", date_format="%d/%m/%Y")
    assert behind.until == datetime(2026, 4, 4, tzinfo=UTC)


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_licence_or_none(data: bytes) -> None:
    host = AnsweredHost({ReadFile("/l"): b"valid until " + data})
    with suppress(NotReadable):
        assert isinstance(LicenceDate("/l").read(host), Licence)


# ---- jobs


def test_the_last_line_with_the_pattern_tells_when_a_job_ended_well(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("2026-11-24 03:00:00 ok\n2026-11-25 03:00:00 ok\n2026-11-26 03:00:00 failed\n")
    found, rounds = in_rounds(LastStamp(str(path), " ok$"), LocalHost("/"))
    assert found.text == "2026-11-25 03:00:00"
    assert len(rounds) == 2
    path.write_text("1798720205\n\n")
    assert LastStamp(str(path)).read(LocalHost()).at == AT_NOON
    path.write_text("end of run 7: 31.12.2026 12:30:05 took 3 s\n")
    assert LastStamp(str(path), "end of run .*: (.*) took", "%d.%m.%Y %H:%M:%S").read(LocalHost()).text


def test_local_times_are_those_of_the_machine_that_wrote_them(tmp_path: Path) -> None:
    zone = Path("/usr/share/zoneinfo/Asia/Shanghai")
    if not zone.exists():
        pytest.skip("no tzdata")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").write_bytes(zone.read_bytes())
    (tmp_path / "job.log").write_text("2026-12-31 20:30:05 ok\n")
    assert LastStamp("/job.log").read(LocalHost(str(tmp_path))).at == AT_NOON


def test_a_file_that_was_just_rotated_is_looked_for_in_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "syslog"
    path.write_text("Nov 25 06:25:01 host rsyslogd: rotated\n")
    assert not LastStamp(str(path), "CRON.*backup").read(LocalHost()).found
    Path(f"{path}.1").write_text("Nov 25 03:00:01 host CRON[77]: (root) CMD (/opt/backup.sh)\n")
    os.utime(f"{path}.1", (1795588000, 1795588000))  # 2026-11-25
    at = LastStamp(str(path), "CRON.*backup").read(LocalHost()).at
    assert at is not None
    assert (at.year, at.month, at.day) == (2026, 11, 25)


@given(st.binary(max_size=500))
def test_any_bytes_tell_of_a_job_or_not(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("job") / "log"
    path.write_bytes(data)
    try:
        LastStamp(str(path)).read(LocalHost())
    except NotReadable as problem:
        assert problem.cause in ("parse", "unsupported")


def timer_host(**said: str) -> AnsweredHost:
    """A machine whose systemctl says this of each unit, by the names of the recorded outputs."""
    fact = TimerState("erp-backup")
    answers: dict[object, object] = {ReadFile("/proc/uptime"): b"86400.25 170000.00\n"}
    for unit, name in said.items():
        out = (RECORDED / f"systemctl/{name}.txt").read_bytes()
        answers[fact._show(f"erp-backup.{unit}")] = Output(0, out, b"")
    return AnsweredHost(answers)  # type: ignore[arg-type]


def test_a_timer_tells_the_last_run_of_what_it_starts() -> None:
    found = TimerState("erp-backup").read(timer_host(timer="timer", service="service"))
    assert (found.active, found.unit, found.result, found.status) == (
        True,
        "erp-backup.service",
        "success",
        "0",
    )
    assert found.triggered == datetime(2026, 11, 25, 3, 0, 1, tzinfo=UTC)
    assert found.finished == datetime(2026, 11, 25, 3, 4, 33, tzinfo=UTC)
    assert found.uptime_s == 86400.25
    failed = TimerState("erp-backup").read(timer_host(timer="timer", service="failed"))
    assert (failed.result, failed.status) == ("exit-code", "2")
    assert not TimerState("erp-backup").read(timer_host(timer="unknown")).loaded


def test_a_timer_that_is_off_or_starts_what_is_no_unit_is_told() -> None:
    fact = TimerState("erp-backup")
    recorded = (RECORDED / "systemctl/timer.txt").read_bytes()
    for right, wrong, cause in (
        (b"ActiveState=active", b"ActiveState=inactive", ""),
        (b"Unit=erp-backup.service", b"Unit=--version", "parse"),
        (b"Unit=erp-backup.service", b"Unit=a b", "parse"),
    ):
        assert right in recorded
        answers = {
            ReadFile("/proc/uptime"): b"86400.25 170000.00\n",
            fact._show("erp-backup.timer"): Output(0, recorded.replace(right, wrong), b""),
            fact._show("erp-backup.service"): Output(0, b"Result=success\n", b""),
            fact._show("--version"): Output(0, b"Result=success\n", b""),
        }
        host = AnsweredHost(answers)  # type: ignore[arg-type]
        if cause:
            with pytest.raises(NotReadable) as problem:
                fact.read(host)
            assert problem.value.cause == cause
        else:
            assert not fact.read(host).active


def test_without_systemd_nothing_is_known_of_timers() -> None:
    fact = TimerState("erp-backup.timer")
    ask = fact._show("erp-backup.timer")
    said = (RECORDED / "systemctl/not-booted.err").read_bytes()
    uptime = {ReadFile("/proc/uptime"): b"1.0 1.0"}
    for answer, cause in (
        (Output(1, b"", said), "unsupported"),
        (Failed("systemctl is not installed", "absent"), "unsupported"),
        (Output(1, b"", b"Failed to get properties: Access denied"), "failed"),
    ):
        with pytest.raises(NotReadable) as problem:
            fact.read(AnsweredHost({ask: answer, **uptime}))
        assert problem.value.cause == cause


def test_what_is_no_name_of_a_timer_is_refused_before_it_is_asked() -> None:
    for name in ("", "a b.timer", "../x", "a;b"):
        with pytest.raises(BadInput):
            TimerState(name)


@given(st.text())
def test_any_properties_are_pairs(text: str) -> None:
    assert all("=" not in name for name in parse_show(text))
