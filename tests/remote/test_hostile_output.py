"""What a host sends is never more than was asked for, and never taken for what it only imitates."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from far_side import Asked, Command, cause, eventually, read, read_at, running, target_at, value
from relays import Relay
from ssh_accounts import Account
from sshd import Sshd

from agent.targets import session
from checks.fact import Known
from checks.facts.child import OUTPUT_LIMIT
from checks.facts.config import ConfigValue
from checks.facts.digest import FileDigest
from checks.facts.files import FileMatch, FileStat

MIB = 2**20

# A shell that greets as the script would make it do, and what it does then.
GREETS = """#!/bin/sh
while read -r line; do case $line in N=*) break ;; esac; done
nonce=${line#N=}; echo; echo "$nonce go"
"""


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Python's own memory may not grow by as much meanwhile."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
        assert peak < limit
    finally:
        tracemalloc.stop()


def test_a_hundred_megabytes_are_cut_off_where_they_are_made(ssh_server: Sshd) -> None:
    flood = Command(("head", "-c", "100000000", "/dev/zero"))
    with Relay("127.0.0.1", ssh_server.port) as relay:
        ssh_server.known_at(relay.host, relay.port)
        with memory_below(32 * MIB):
            output = value(read_at(ssh_server, [flood], port=relay.port)[flood])
        assert relay.bytes_down < 4 * MIB
    assert output.truncated
    assert output.out == bytes(OUTPUT_LIMIT)


def test_a_flood_on_standard_error_of_a_command_leaves_its_end(ssh_server: Sshd) -> None:
    script = "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo done; echo >&2; echo 'last words' >&2; exit 3"
    flood = Command(("sh", "-c", script))
    output = value(read_at(ssh_server, [flood])[flood])
    assert (output.status, output.out, output.truncated) == (3, b"done\n", False)
    assert output.complaint == "last words"
    assert len(output.err) <= 65536


@pytest.mark.parametrize(
    ("script", "status", "out", "err"),
    [
        ("", 0, b"", b""),
        ("printf 'no end'", 0, b"no end", b""),
        ("printf '\\n\\n'", 0, b"\n\n", b""),
        ("printf '\\0\\1\\377\\n\\0'", 0, b"\0\1\xff\n\0", b""),
        ("echo out; printf err >&2; exit 42", 42, b"out\n", b"err"),
        ("printf 'a\\nb\\n' >&2", 0, b"", b"a\nb\n"),
        ("echo '==> x <=='; echo status 3 >&2", 0, b"==> x <==\n", b"status 3\n"),
        ("pwd; cat; echo $-$IFS; umask >/dev/null", 0, None, b""),
    ],
)
def test_what_a_command_says_comes_as_it_is(
    ssh_server: Sshd, script: str, status: int, out: bytes | None, err: bytes
) -> None:
    command = Command(("sh", "-c", script))
    output = value(read_at(ssh_server, [command])[command])
    assert (output.status, output.err) == (status, err)
    assert out is None or output.out == out


def test_a_command_is_a_program_and_never_a_word_of_the_shell(ssh_server: Sshd) -> None:
    """`watch` and `kind` are functions of the script, `ulimit` is a builtin, `echo` and `kill` are both."""
    echo, absent = Command(("echo", "-n", "a\\nb")), Command(("no-such-program",))
    watch, kind, ulimit = Command(("watch", "--version")), Command(("kind",)), Command(("ulimit", "-n"))
    readings = read_at(ssh_server, [echo, watch, kind, ulimit, absent])
    assert value(readings[echo]).out == b"a\\nb"
    assert b"procps" in value(readings[watch]).out if isinstance(readings[watch], Known) else True
    assert {cause(readings[each]) for each in (kind, ulimit, absent)} == {"absent"}


def test_a_command_sees_the_same_environment_as_here(ssh_server: Sshd) -> None:
    env = Command(("env",))
    names = {line.partition(b"=")[0] for line in value(read_at(ssh_server, [env])[env]).out.splitlines()}
    assert names == {b"PATH", b"LC_ALL"}


def test_a_file_that_imitates_the_answer_is_a_file(ssh_server: Sshd, tmp_path: Path) -> None:
    """It is read between two others, all in one process, and has headers, frames and marks of every kind."""
    imitation = (
        "==> /etc/passwd <==\nroot:x:0:0\n\n==> /.//./etc/passwd <==\n"
        f"\n{'0' * 32} 1 0\n\n{'0' * 32} end\n\n{'0' * 32} late\n\n{'0' * 32} stuck 1 2 3\nlast = line"
    )
    for name in "abc":
        (tmp_path / name).write_text(f"word = {name}\n" + imitation * (name == "b"))
    keys = {name: ConfigValue(str(tmp_path / name), "ini", "word") for name in "ac"}
    last = FileMatch(str(tmp_path / "b"), r"last = (\w+)$")
    digest = FileDigest(str(tmp_path / "b"))
    readings = read_at(ssh_server, [keys["a"], last, keys["c"], digest])
    assert [value(readings[fact]).value for fact in keys.values()] == ["a", "c"]
    assert value(readings[last]).caught == "line"
    assert value(readings[last]).line == imitation.count("\n") + 2


def test_no_two_sessions_are_framed_alike(ssh_server: Sshd, rounds: list[Asked]) -> None:
    for _ in range(2):
        read_at(ssh_server, [FileStat("/etc/passwd")])
    first, second = (round_.session._nonce for round_ in rounds)
    assert first != second
    assert len(first) == 32


def test_a_host_that_sends_without_an_end_is_given_up(
    ssh_server: Sshd, somebody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "OUTPUT_LIMIT", 8 * MIB)
    shell = somebody.write("shell", GREETS + "exec yes 'one line after the other'\n")
    force(somebody, ssh_server, shell)
    stat = FileStat("/etc/passwd")
    with memory_below(64 * MIB), target_at(ssh_server, somebody.name) as target:
        reading = read(target, [stat])[stat]
        assert cause(reading) == "lost"
        assert "it sent more than 8 MiB" in str(reading)
    eventually("it ends with its connection", lambda: running(somebody) == [])


def test_noise_without_an_end_before_the_greeting_is_given_up(
    ssh_server: Sshd, somebody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "OUTPUT_LIMIT", 8 * MIB)
    force(somebody, ssh_server, somebody.write("shell", "#!/bin/sh\nexec yes 'welcome to this machine'\n"))
    stat = FileStat("/etc/passwd")
    assert cause(read_at(ssh_server, [stat], somebody.name)[stat]) == "no-shell"


@pytest.mark.parametrize(
    "then",
    {
        "it hangs up": "exit 0",
        "it babbles": "head -c 100000 /dev/urandom",
        "it ends everything at once": 'echo; echo "$nonce end"; exit 0',
        "it ends sections without a word": 'for at in 0 1 2; do echo; echo "$nonce $at 0"; done',
        "it says that all is late": 'for at in 0 1; do printf "\\n$nonce late\\n\\n$nonce $at 137\\n"; done',
        "it says that all is stuck": 'printf "\\n$nonce stuck 1 2\\n"; sleep 600',
        "it tells of no kind": 'printf "0 q\\n\\n$nonce read\\n\\n$nonce 0 0\\n\\n$nonce end\\n"',
    }.items(),
    ids=lambda pair: pair[0],
)
def test_a_shell_that_lies_gets_errors_and_no_values(
    ssh_server: Sshd, somebody: Account, then: tuple[str, str]
) -> None:
    force(somebody, ssh_server, somebody.write("shell", GREETS + then[1] + "\n"))
    facts = [FileStat("/etc/passwd"), FileMatch("/etc/hosts", "localhost")]
    with target_at(ssh_server, somebody.name) as target:
        readings = read(target, facts)
    assert not any(isinstance(reading, Known) for reading in readings.values()), readings


def force(somebody: Account, server: Sshd, shell: Path) -> None:
    """Whatever is asked to be run, this is."""
    shell.chmod(0o755)
    (somebody.home / ".ssh/authorized_keys").write_text(f'command="{shell}" {server.public_key}\n')
