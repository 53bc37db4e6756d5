"""Programs killed for want of memory: logs as they are printed, counters, and what is known together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from answering import in_rounds, machine, recorded
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.asks import RunCommand
from checks.facts.child import Output
from checks.facts.memory import Sample
from checks.facts.oom import Kill, Kills, OomKills, parse_dmesg, parse_journal, recent_kills

DAY = 86400.0
BOOT = 0x703257AE4E2C
JOURNAL = recorded("journalctl/short-iso-newest-first.txt")
DMESG = recorded("dmesg/util-linux-killed.txt")
NOTHING = Output(0, b"-- No entries --\n", b"")
CLOSED = Output(0, b"", b"Hint: You are currently not seeing messages from other users and the system.\n")
NO_JOURNAL = Output(0, b"", b"No journal files were found.\n")
REFUSED = Output(1, b"", b"dmesg: read kernel buffer failed: Operation not permitted\n")
KILLED = Kill("java", 4711, "2026-11-25T09:46:40+0000")


def lines(text: bytes) -> Any:
    return iter(text.decode().split("\n"))


def far(root: Path, counted: int | None, up_s: float, **files: str) -> Path:
    counter = f"oom_kill {counted}\n" if counted is not None else ""
    return machine(
        root,
        {
            "/proc/vmstat": f"nr_free_pages 5\n{counter}pgfault 9\n",
            "/proc/uptime": f"{up_s:.2f} 1.00\n",
            "/proc/sys/kernel/random/boot_id": "703257ae-4e2c-430b-bf66-ae833b11262e\n",
            **{"/" + name.replace("__", "/"): text for name, text in files.items()},
        },
    )


def counted_at(kills: int, up_s: float, boot: int = BOOT) -> Sample:
    return Sample(datetime(2026, 11, 1, tzinfo=UTC), {"kills": kills, "up_s": up_s, "boot": boot})


def programs(asks: tuple[Any, ...]) -> list[str]:
    return [ask.argv[0] for ask in asks if isinstance(ask, RunCommand)]


def test_the_journal_names_who_was_killed_and_when() -> None:
    assert parse_journal(lines(JOURNAL)) == (KILLED,)


def test_dmesg_tells_how_long_ago() -> None:
    assert parse_dmesg(lines(DMESG), 100_000.0) == (
        Kill("node", 815, "", 5000.0),
        Kill("java", 4711, "", 9938.9),
    )
    assert parse_dmesg(lines(recorded("dmesg/busybox.txt")), 100_000.0) == ()


def test_old_kernels_say_it_in_two_lines() -> None:
    text = recorded("dmesg/util-linux-killed-in-two-lines.txt")
    assert parse_dmesg(lines(text), 1000.0) == (Kill("java", 4711, "", 487.9),)
    stamped = (
        f"2026-11-25T09:46:4{at}+00:00 host kernel: {line}"
        for at, line in enumerate(reversed(text.decode().splitlines()))
    )
    (kill,) = parse_journal(stamped)
    assert (kill.program, kill.pid) == ("java", 4711)


def test_what_was_killed_longer_ago_is_left_out() -> None:
    assert parse_dmesg(lines(DMESG), 8.05 * DAY) == (Kill("node", 815, "", 600520.0),)
    assert parse_dmesg(lines(DMESG), 9 * DAY) == ()


def test_lines_without_a_time_are_of_this_start_at_least() -> None:
    line = "Out of memory: Killed process 12 (a b) total-vm:1kB"
    assert parse_dmesg(iter([line]), 9 * DAY) == (Kill("a b", 12),)
    assert parse_journal(iter([line])) == ()


def test_a_counter_at_nought_for_a_week_settles_it_without_a_command(tmp_path: Path) -> None:
    kills, rounds = in_rounds(OomKills(), far(tmp_path, 0, 8 * DAY))
    assert kills == Kills((), "", 0, 0, True, 8 * DAY, BOOT)
    assert [programs(asks) for asks in rounds] == [[]]


def test_after_a_start_the_journal_tells_of_the_days_before(tmp_path: Path) -> None:
    kills, rounds = in_rounds(OomKills(), far(tmp_path, 0, 3600.0), runs={"journalctl": JOURNAL})
    assert (kills.logged, kills.log, kills.recent, kills.certain) == ((KILLED,), "journal", 0, True)
    assert [programs(asks) for asks in rounds] == [[], ["journalctl"]]


def test_after_a_start_a_system_without_a_journal_is_told_by_its_counter(tmp_path: Path) -> None:
    for said in (CLOSED, NO_JOURNAL):
        kills, _ = in_rounds(OomKills(), far(tmp_path, 0, 3600.0), runs={"journalctl": said})
        assert (kills.log, kills.counted, kills.certain) == ("", 0, True)


def test_what_was_counted_is_looked_up_in_the_first_log_that_is_open(tmp_path: Path) -> None:
    here = far(tmp_path, 2, 100_000.0)
    kills, rounds = in_rounds(OomKills(), here, runs={"journalctl": CLOSED, "dmesg": DMESG})
    assert (kills.log, [kill.program for kill in kills.logged]) == ("dmesg", ["node", "java"])
    assert [programs(asks) for asks in rounds] == [[], ["journalctl", "dmesg"]]
    kills, _ = in_rounds(OomKills(), here, runs={"journalctl": NOTHING, "dmesg": DMESG})
    assert (kills.log, kills.logged) == ("journal", ())
    kills, _ = in_rounds(OomKills(), here, runs={"journalctl": CLOSED, "dmesg": REFUSED})
    assert (kills.log, kills.recent, kills.certain) == ("", 2, True)


def test_a_kernel_that_counts_none_is_known_by_its_log_or_not_at_all(tmp_path: Path) -> None:
    here = far(tmp_path, None, 8.05 * DAY)
    kills, _ = in_rounds(OomKills(), here, runs={"dmesg": DMESG})
    assert (kills.counted, kills.log, len(kills.logged)) == (None, "dmesg", 1)
    assert OomKills.series(kills) == {}
    with pytest.raises(NotReadable) as problem:
        in_rounds(OomKills(), here, runs={"journalctl": CLOSED, "dmesg": REFUSED})
    assert problem.value.cause == "denied"


def test_a_container_is_told_by_its_own_counter(tmp_path: Path) -> None:
    events = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\n"
    here = far(tmp_path, 40, 3600.0, **{".dockerenv": "", "sys__fs__cgroup__memory.events": events})
    kills, rounds = in_rounds(OomKills(), here)
    assert (kills.counted, kills.recent, kills.container, len(rounds)) == (2, 2, "docker", 1)


def test_a_container_without_one_does_not_take_its_machines(tmp_path: Path) -> None:
    with pytest.raises(NotReadable) as problem:
        in_rounds(OomKills(), far(tmp_path, 40, 3600.0, **{".dockerenv": ""}))
    assert problem.value.cause == "unsupported"


def test_a_container_on_the_older_control_groups_too(tmp_path: Path) -> None:
    control = {"sys__fs__cgroup__memory__memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"}
    assert in_rounds(OomKills(), far(tmp_path, 40, 3600.0, **{".dockerenv": ""}, **control))[0].counted == 1


@pytest.mark.parametrize(
    ("counted", "up_s", "samples", "recent"),
    [
        (None, 9 * DAY, (), (0, False)),
        (0, 9 * DAY, (), (0, True)),
        (3, 2 * DAY, (), (3, True)),
        (3, 9 * DAY, (), (0, False)),
        (3, 9 * DAY, (counted_at(3, 1 * DAY),), (0, True)),
        (3, 9 * DAY, (counted_at(1, 1 * DAY), counted_at(2, 1.5 * DAY), counted_at(3, 8 * DAY)), (1, True)),
        (3, 9 * DAY, (counted_at(1, 8 * DAY),), (2, False)),
        (3, 9 * DAY, (counted_at(0, 1 * DAY, boot=1),), (0, False)),
        (3, 9 * DAY, (Sample(datetime(2026, 1, 1, tzinfo=UTC), {}),), (0, False)),
    ],
)
def test_the_counter_tells_of_a_week_with_the_help_of_earlier_runs(
    counted: int | None, up_s: float, samples: tuple[Sample, ...], recent: tuple[int, bool]
) -> None:
    assert recent_kills(counted, up_s, BOOT, samples) == recent


def test_output_that_was_cut_off_loses_its_last_line_only(tmp_path: Path) -> None:
    cut = Output(-9, JOURNAL + b"2026-11-25T09:46:30+0000 host kernel: Killed proc", b"", truncated=True)
    assert in_rounds(OomKills(), far(tmp_path, 1, 3600.0), runs={"journalctl": cut})[0].logged == (KILLED,)


@given(st.binary(max_size=400) | st.sampled_from([JOURNAL, DMESG]), st.floats(0, 1e9))
def test_no_log_breaks_the_parsers(text: bytes, up_s: float) -> None:
    for parsed in (
        parse_journal(iter(text.decode(errors="replace").split("\n"))),
        parse_dmesg(iter(text.decode(errors="replace").split("\n")), up_s),
    ):
        assert all(isinstance(kill, Kill) for kill in parsed)
