"""The key `logs` of a profile: what may stand there, how profiles add up, and what is read of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.reading import reading_of
from checks.errors import BadProfile
from checks.fact import Known, Reading, Unavailable
from checks.facts.localhost import LocalHost
from checks.facts.logtails import FileTail, JournalTail, KernelTail, Tail
from checks.facts.permitted import Permitted
from checks.logs import LogEntry
from checks.profile import Profile, load_profile
from checks.profile_source import profile_names

ITEM = "items:\n  - check: mem.used\n"


def profile(folder: Path, logs: str, name: str = "p", above: str = "") -> Profile:
    path = folder / f"{name}.yaml"
    path.write_text(f"profile: {name}\n{above}{ITEM}logs:\n{logs}")
    return load_profile(str(path))


def read(fact: FileTail | JournalTail | KernelTail, tools: Path | None = None) -> Reading:
    host = LocalHost(tools=str(tools)) if tools else LocalHost()
    return reading_of(fact, Permitted(host, fact))


def tails(fact: FileTail | JournalTail | KernelTail, tools: Path | None = None) -> tuple[Tail, ...]:
    reading = read(fact, tools)
    assert isinstance(reading, Known), reading
    found: tuple[Tail, ...] = reading.value
    return found


def tool(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return folder


def test_each_kind_with_its_bounds(tmp_path: Path) -> None:
    made = profile(
        tmp_path,
        "  - {file: /var/log/shop/*.log, lines: 100, size: 64 KiB, newest: 2, since: 7 d}\n"
        "  - {journal: shop.service, priority: warning}\n"
        "  - {journal: everything, priority: err, since: 2 h}\n"
        "  - {kernel: err}\n",
    )
    assert made.logs == (
        LogEntry("file", "/var/log/shop/*.log", 100, 65536, 2, 604800.0),
        LogEntry("journal", "shop.service", since_s=86400.0, priority="warning"),
        LogEntry("journal", "everything", since_s=7200.0, priority="err"),
        LogEntry("kernel", "err"),
    )
    assert [each.named for each in made.logs] == [
        "/var/log/shop/*.log",
        "journal of shop.service, warning and worse",
        "whole journal, err and worse",
        "kernel log, err and worse",
    ]


@pytest.mark.parametrize(
    ("entry", "line", "words"),
    [
        ("{path: /x}", 5, "no key 'path'"),
        ("{lines: 5}", 5, "has one of file, journal, kernel"),
        ("{file: /a.log, journal: a.service}", 5, "has one of file, journal, kernel"),
        ("{file: shop.log}", 5, "write its path from the root"),
        ("{file: /var/log/../../etc/shadow}", 5, "write its path from the root"),
        ("{file: /var/log/}", 5, "write its path from the root"),
        ("{file: /var/*/a.log}", 5, "only the last part of the path can have a *"),
        ("{file: /a.log, priority: err}", 5, "priority is not for file"),
        ("{kernel: err, since: 1 d}", 5, "since is not for kernel"),
        ("{kernel: bad}", 5, "'bad' is not right here"),
        ("{journal: '-f'}", 5, "is no unit"),
        ("{journal: a b}", 5, "is no unit"),
        ("{journal: a.service, priority: errr}", 5, "did you mean err"),
        ("{file: /a.log, lines: 30000}", 5, "a whole number from 0 to 20000"),
        ("{file: /a.log, lines: true}", 5, "a whole number from 0 to 20000"),
        ("{file: /a.log, size: 2 MiB}", 5, "a size from 1 KiB to 1 MiB"),
        ("{file: /a.log, size: much}", 5, "a size such as 8 GiB"),
        ("{file: /a.log, since: 1 s}", 5, "a duration from 1 min to 90 d"),
        ("{file: /a.log, newest: 0}", 5, "a whole number from 1 to 20"),
        ('{file: "${where}/a.log"}', 5, "no variable 'where'"),
        ("just words", 5, "is a mapping with the keys"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, entry: str, line: int, words: str) -> None:
    with pytest.raises(BadProfile) as told:
        profile(tmp_path, f"  - {entry}\n")
    assert (told.value.line, told.value.where) == (line, str(tmp_path / "p.yaml"))
    assert words in str(told.value)


def test_one_log_twice_is_a_mistake_and_so_are_too_many(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="is given twice; the first is in line 5"):
        profile(tmp_path, "  - {file: /a.log}\n  - {file: /a.log, lines: 5}\n")
    with pytest.raises(BadProfile, match="101 logs; 100 are the most"):
        profile(tmp_path, "".join(f"  - {{file: /{number}.log}}\n" for number in range(101)))


def test_extending_adds_changes_and_leaves_out(tmp_path: Path) -> None:
    profile(tmp_path, "  - {file: /a.log}\n  - {file: /b.log}\n  - {file: /c.log}\n", "base")
    made = profile(
        tmp_path,
        "  - {file: /b.log, lines: 7}\n  - {file: /c.log, lines: 0}\n  - {file: /d.log}\n",
        "top",
        "extends: [./base.yaml]\n",
    )
    assert [(each.what, each.lines) for each in made.logs] == [
        ("/a.log", 2000),
        ("/b.log", 7),
        ("/d.log", 2000),
    ]


def test_variables_and_roles(tmp_path: Path) -> None:
    variables = "variables: {where: /srv/shop}\n"
    profile(tmp_path, '  - {file: "${where}/a.log"}\n  - {file: /b.log, on: web}\n', "base", variables)
    made = profile(
        tmp_path, "  - {file: /c.log}\n", "top", "extends: [{profile: ./base.yaml, on: [app, db]}]\n"
    )
    assert {each.what: each.roles for each in made.logs} == {
        "/srv/shop/a.log": ("app", "db"),
        "/b.log": ("web",),
        "/c.log": (),
    }


def test_logs_are_no_part_of_what_a_plan_is(tmp_path: Path) -> None:
    from checks.model import Target
    from checks.plan import make_plan

    digests = {
        make_plan(profile(tmp_path, f"  - {{file: /{name}.log}}\n"), [Target("a")]).digest for name in "ab"
    }
    assert len(digests) == 1


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_take_no_log_of_logins_or_of_what_users_do(name: str) -> None:
    logs = load_profile(name).logs
    assert logs
    for entry in logs:
        for word in ("auth", "secure", "access", "wtmp", "lastlog", "audit", "history"):
            assert word not in entry.what


# What is read


def test_the_end_of_a_file_begins_at_a_line(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    (last,) = tails(FileTail(str(log), 3, 1024))
    assert (last.text, last.cut, last.name) == ("line 997\nline 998\nline 999\n", True, str(log))
    (last,) = tails(FileTail(str(log), 10_000, 1024))
    assert last.text.startswith("line ")
    assert last.text.endswith("line 999\n")
    assert 1000 < len(last.text) <= 1024
    log.write_bytes(b"one\x00\xff\nwithout an end")
    (last,) = tails(FileTail(str(log), 10, 1024))
    assert (last.text, last.cut) == ("one\ufffd\nwithout an end\n", False)


def test_of_a_pattern_the_newest_that_are_not_too_old(tmp_path: Path) -> None:
    for age, name in enumerate(("a.log", "b.log", "c.log", "d.log", "e.txt")):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_700_000_000 - age * 3600,) * 2)
    (tmp_path / "folder.log").mkdir()
    (tmp_path / ".hidden.log").write_text("x")
    pattern = str(tmp_path / "*.log")
    assert [tail.text for tail in tails(FileTail(pattern, 9, 99, 2))] == ["a.log\n", "b.log\n"]
    assert [tail.text for tail in tails(FileTail(pattern, 9, 99, 9, 7200.0))] == [
        "a.log\n",
        "b.log\n",
        "c.log\n",
    ]
    assert tails(FileTail(str(tmp_path / "*.none"), 9, 99)) == ()


def test_a_pipe_a_folder_and_nothing_are_no_logs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    for path, cause in (("pipe.log", "unsupported"), ("", "unsupported"), ("none.log", "absent")):
        reading = read(FileTail(str(tmp_path / path), 9, 99))
        assert isinstance(reading, Unavailable)
        assert reading.cause == cause
    assert tails(FileTail(str(tmp_path / "*.log"), 9, 99)) == ()


def test_the_journal_is_asked_for_the_newest_and_shown_oldest_first(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    tool(
        tmp_path,
        "journalctl",
        f"echo \"$@\" > {asked}; printf 'c third\\nb second\\n-- Boot 1 --\\na first\\n'",
    )
    (tail,) = tails(JournalTail("a.service", "err", 3, 1024, 3600.0), tmp_path)
    assert tail.text == "a first\nb second\nc third\n"
    assert tail.cut
    assert asked.read_text() == "--no-pager -r -o short-iso -n 3 --since -3600s -p err -u a.service\n"
    (tail,) = tails(JournalTail("", "", 9, 16, 3600.0), tmp_path)
    assert (tail.text, tail.cut) == ("c third\n", True)


def test_a_journal_that_shows_nothing_because_it_is_closed_is_told(tmp_path: Path) -> None:
    tool(tmp_path, "journalctl", "echo 'Hint: You are currently not seeing messages from other users' >&2")
    reading = read(JournalTail("", "", 9, 1024, 60.0), tmp_path)
    assert isinstance(reading, Unavailable)
    assert (reading.cause, "not seeing messages" in reading.reason) == ("denied", True)
    tool(tmp_path, "journalctl", "echo '-- No entries --'")
    assert tails(JournalTail("", "", 9, 1024, 60.0), tmp_path)[0].text == ""


def test_the_kernels_log_is_taken_from_dmesg_where_there_is_no_journal(tmp_path: Path) -> None:
    tool(
        tmp_path,
        "dmesg",
        "printf ' goes on\\n<6>[1.0] fine\\n and more\\n<3>[2.0] bad\\n worse\\n"
        "<28>[3.0] a daemon warns\\n<12>[4.0] warns\\n'",
    )
    (tail,) = tails(KernelTail("warning", 9, 1024), tmp_path)
    assert tail == Tail("dmesg", "<3>[2.0] bad\n worse\n<28>[3.0] a daemon warns\n<12>[4.0] warns\n")
    tool(tmp_path, "dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1")
    reading = read(KernelTail("warning", 9, 1024), tmp_path)
    assert isinstance(reading, Unavailable)
    assert reading.cause == "denied"
