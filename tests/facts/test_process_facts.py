"""Processes, their limits and who listens, on this machine's own processes."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from checks.fact import NotReadable
from checks.facts.localhost import LocalHost
from checks.facts.process import Limit, Processes, ProcessLimits, parse_limits
from checks.facts.processtable import processes_by_psutil, read_listeners, read_processes


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running program with a name that the kernel cuts off."""
    program = tmp_path / "a-very-long-program-name"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    try:
        # The kernel lets the parent go on a moment before it renames the child.
        while not Path(f"/proc/{process.pid}/comm").read_text().startswith("a-very"):
            time.sleep(0.001)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_is_found_by_its_name_with_its_user(sleeper: subprocess.Popen[bytes]) -> None:
    group = Processes("a-very-long-program-name").read(LocalHost())
    assert (group.count, group.pids) == (1, (sleeper.pid,))
    assert group.users == (psutil.Process(sleeper.pid).username(),)


def test_a_name_nobody_has_is_none() -> None:
    assert Processes("no-such-program").read(LocalHost()).count == 0


def test_a_dead_process_that_waits_to_be_reaped_does_not_count(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert Processes("a-very-long-program-name").read(LocalHost()).count == 0


def test_the_table_read_from_proc_agrees_with_psutil(sleeper: subprocess.Popen[bytes]) -> None:
    ours = {process.pid: process.name for process in read_processes("/proc")}
    theirs = {process.pid: process.name for process in processes_by_psutil()}
    for pid in (1, os.getpid(), sleeper.pid):
        assert ours[pid] == theirs[pid]


def test_the_tables_are_read_once_in_a_run(sleeper: subprocess.Popen[bytes]) -> None:
    host = LocalHost()
    assert host.processes() is host.processes()
    assert host.listeners() is host.listeners()
    assert host.mounts() is host.mounts()


def test_the_limits_are_those_of_the_running_process(sleeper: subprocess.Popen[bytes]) -> None:
    _, hard = resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE, (123, hard))
    (limit,) = ProcessLimits("a-very-long-program-name").read(LocalHost()).processes
    assert (limit.name, limit.soft, limit.hard, limit.count) == ("a-very-long-program-name", 123, hard, 1)


def test_without_a_name_those_who_listen_are_meant() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        host = LocalHost()
        assert os.getpid() in host.listeners().pids
        names = {limit.name for limit in ProcessLimits().read(host).processes}
    (own,) = [process.name for process in host.processes() if process.pid == os.getpid()]
    assert own in names


def test_sockets_of_processes_that_cannot_be_looked_into_are_counted_as_hidden(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    script = (
        "import os, sys\n"
        "from checks.facts.processtable import read_listeners, read_processes\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "found = read_listeners('/proc', read_processes('/proc'))\n"
        "sys.exit(0 if found.hidden >= 1 and int(sys.argv[1]) in found.suspects else 1)\n"
    )
    with socket.create_server(("127.0.0.1", 0)):
        argv = [sys.executable, "-c", script, str(os.getpid())]
        assert subprocess.run(argv, cwd=Path(__file__).parents[2]).returncode == 0


def test_a_system_without_sockets_has_no_listeners(tmp_path: Path) -> None:
    assert read_listeners(str(tmp_path), read_processes("/proc")).pids == frozenset()


def test_none_found_means_nothing_where_the_system_hides_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").touch()
    (tmp_path / "proc/self/mountinfo").write_text("2 1 0:21 / /proc rw - proc proc rw,hidepid=invisible\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for fact in (Processes("java"), ProcessLimits("java")):
        with pytest.raises(NotReadable, match="hidepid") as problem:
            fact.read(LocalHost(str(tmp_path)))
        assert problem.value.cause == "denied"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Processes("java").read(LocalHost(str(tmp_path))).count == 0


def test_no_limit_at_all_is_a_number_too() -> None:
    line = "Max open files            unlimited            unlimited            files\n"
    assert parse_limits(line) == {"nofile": Limit(2**63 - 1, 2**63 - 1)}
    assert parse_limits("Max cpu time  unlimited  unlimited  seconds\n") == {}


def test_all_limits_come_with_one_reading() -> None:
    found = parse_limits(Path("/proc/self/limits").read_text())
    assert {*found} == {"nofile", "nproc", "stack", "memlock"}
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    assert found["stack"] == Limit(*(2**63 - 1 if each < 0 else each for each in (soft, hard)))


def test_of_several_processes_the_lowest_of_each_limit_counts(tmp_path: Path) -> None:
    status = "Name:\tjava\nState:\tS (sleeping)\nUid:\t1\t1\t1\t1\nVmSize:\t1 kB\n"
    for pid, (stack, locked) in {"7": (100, 900), "8": (200, 800)}.items():
        folder = tmp_path / "proc" / pid
        folder.mkdir(parents=True)
        (folder / "status").write_text(status)
        limits = f"Max open files  5  6  files\nMax stack size  {stack}  {stack}  bytes\n"
        (folder / "limits").write_text(f"{limits}Max locked memory  {locked}  unlimited  bytes\n")
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/status").write_text(status)
    (limit,) = ProcessLimits("java").read(LocalHost(str(tmp_path))).processes
    assert (limit.soft, limit.hard, limit.count) == (5, 6, 2)
    assert limit.others == {"stack": Limit(100, 100), "memlock": Limit(800, 2**63 - 1)}
