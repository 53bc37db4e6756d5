"""What the tools of other systems say, read as what it means: listeners, clocks, names."""

from __future__ import annotations

import pytest

from checks.facts.answered import Failed, ProcessTable, Sockets
from checks.facts.asks import Ask, AskClock, CompareClocks, ListListeners, ListProcesses
from checks.facts.shell import compose, new_nonce
from checks.facts.shell_answers import read_answers
from checks.facts.shell_tables import Timing


def answer_of(ask: Ask, said: str, status: int = 0, timing: Timing | None = None) -> object:
    nonce = new_nonce()
    output = f"{said}\n{nonce} 0 {status}\n\n{nonce} end\n".encode()
    return read_answers(compose([ask], nonce), output, b"", timing or Timing(0, 0)).answers[ask]


@pytest.mark.parametrize(
    ("said", "means"),
    {
        "BusyBox": ("    mode:         0\n-o  offset:       0 us\n    maxerror:     16000000\n", 16_000_000),
        "adjtimex(8)": (
            "         mode: 0\n       offset: -1234\n     maxerror: 123456\n    status: 64\n",
            123_456,
        ),
        "timedatectl show, kept": ("NTPSynchronized=yes\n", None),
        "timedatectl show, not kept": ("NTPSynchronized=no\n", 16_000_000),
        "timedatectl of systemd 239": ("System clock synchronized: yes\n NTP service: active\n", None),
        "timedatectl of systemd 219": ("     NTP enabled: yes\nNTP synchronized: no\n", 16_000_000),
    }.values(),
)
def test_every_tool_tells_whether_the_clock_is_kept(said: str, means: int | None) -> None:
    assert answer_of(AskClock(), said) == means


@pytest.mark.parametrize("said", ["none\n", "", "sh: timedatectl: Failed to create bus connection\n"])
def test_a_clock_that_nobody_tells_of(said: str) -> None:
    answer = answer_of(AskClock(), said)
    assert isinstance(answer, Failed)
    assert answer.cause == "unsupported"


@pytest.mark.parametrize(
    ("line", "holders"),
    {
        "one": ('LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3)) ino:55 sk:1 <->', {7}),
        "several": (
            'LISTEN 0 511 *:80 *:* users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6)) uid:33 ino:55 sk:2',
            {8, 9},
        ),
        "nobody known": ("LISTEN 0 128 127.0.0.1:25 0.0.0.0:*  uid:100 ino:55 sk:3 cgroup:/ <->", set()),
        "a name that says ino": ('LISTEN 0 1 *:1 *:* users:(("x ino:66",pid=7,fd=3)) ino:55 sk:1', {7}),
        "a name that says pid": ('LISTEN 0 1 *:1 *:* users:(("x",pid=1,fd=3",pid=7,fd=3)) ino:55', {7}),
        "brackets in a name": ('LISTEN 0 1 *:1 *:* users:(("a))",pid=7,fd=3)) ino:55 sk:1', {7}),
    }.values(),
)
def test_ss_names_the_holders_of_a_socket(line: str, holders: set[int]) -> None:
    seen = answer_of(ListListeners(), f"listeners\n{line}\ndenied 1\n")
    assert isinstance(seen, Sockets)
    assert seen.listening == {"55"}
    assert {pid for pid, inodes in seen.held.items() if "55" in inodes} == holders
    assert seen.denied == (frozenset() if holders else frozenset({1}))


def test_listeners_are_told_without_ss_as_well() -> None:
    said = "listeners\nlistens 55\nlistens 66\nholds 7 55\ndenied 8\n"
    assert answer_of(ListListeners(), said) == Sockets(
        frozenset({"55", "66"}), {7: frozenset({"55"})}, frozenset({8})
    )


PROCESSES = """\
self 90
1 0 0 1 systemd
2 0 0 0 kthreadd
7 1 33 1 a-name-that-goe
8 1 33 1 another-name-th
9 1 4000 1 two words
90 7 33 1 sh
91 90 33 1 sh
92 91 33 1 awk
first
7 a-name-that-goes-on
8 /not/its/name
users
root::0
others 33 4000
DOM\\name:x:33:33::/:/bin/sh
"""


def test_a_process_table_has_all_but_the_script_itself() -> None:
    table = answer_of(ListProcesses(), PROCESSES)
    assert isinstance(table, ProcessTable)
    assert {process.pid: (process.name, process.user) for process in table.processes} == {
        1: ("systemd", "root"),
        2: ("kthreadd", "root"),
        7: ("a-name-that-goes-on", "DOM\\name"),
        8: ("another-name-th", "DOM\\name"),
        9: ("two words", "4000"),
    }
    assert [process.pid for process in table.processes if process.kernel] == [2]
    assert not table.root


@pytest.mark.parametrize("torn", ["", "self 90\n", PROCESSES[:60], PROCESSES.replace("users", "user")])
def test_half_a_process_table_is_none(torn: str) -> None:
    assert isinstance(answer_of(ListProcesses(), torn), Failed)


@pytest.mark.parametrize(
    ("said", "offset", "doubt"),
    [
        ("1010.250000000\n", 0.25, 10.0),
        ("1009.%N\n", -0.5, 10.5),  # BusyBox without nanoseconds: some time in that second
        ("4600.000000000\n", 3590.0, 10.0),
    ],
)
def test_clocks_are_compared_at_the_middle_of_the_way(said: str, offset: float, doubt: float) -> None:
    assert answer_of(CompareClocks(), said, timing=Timing(1000, 1020)) == (offset, doubt)
