"""A mount that does not answer costs one killed child; one that does not die is never joined by another.

No network filesystem takes part: a recorded mount table says that a folder is one, and a tool that sleeps
stands in for one that hangs.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checks.fact import NotReadable
from checks.facts import child, remote, stuck
from checks.facts.localhost import LocalHost

TABLE = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /share rw - nfs4 10.0.0.1:/export rw
3 1 0:51 / /other rw - fuse.sshfs app@host:/ rw
"""
REAL_TOOLS = "/usr/bin:/bin"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree whose mount table calls two of its folders remote."""
    root = tmp_path / "root"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(TABLE)
    for folder in ("share", "other", "local"):
        (root / folder).mkdir()
        (root / folder / "file").write_text(folder)
    return root


@pytest.fixture
def hanging_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH whose stat hangs and writes down that it was started."""
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(child, "GRACE_S", 0.3)
    tools = tmp_path / "tools"
    tools.mkdir()
    tool = tools / "stat"
    tool.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/started\nexec sleep 60\n")
    tool.chmod(0o755)
    return f"{tools}:{REAL_TOOLS}"


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """As if the kernel did not deliver the kill; call it to let the children die."""
    held: list[int] = []
    real = os.killpg
    monkeypatch.setattr(os, "killpg", lambda pid, number: held.append(pid))

    def release() -> None:
        for pid in held:
            real(pid, signal.SIGKILL)
        for process in child._unburied:
            process.wait()
        held.clear()

    yield release
    release()


def started(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "started").read_text().split()]


def test_a_remote_path_that_answers_reads_like_a_local_one(root: Path) -> None:
    host = LocalHost(str(root), tools=REAL_TOOLS)
    plain = LocalHost()
    path = str(root / "share/file")
    assert host.read_bytes("/share/file") == b"share"
    assert host.stat("/share/file").mode == plain.stat(path).mode
    assert host.stat("/share/file").size == 5
    assert host.statvfs("/share").total == plain.statvfs(str(root)).total
    assert host.statvfs("/share").inodes == plain.statvfs(str(root)).inodes


def test_what_is_wrong_with_a_remote_path_has_the_same_cause_as_with_a_local_one(root: Path) -> None:
    host = LocalHost(str(root), tools=REAL_TOOLS)
    os.mkfifo(root / "share/pipe")
    (root / "share/big").write_bytes(b"x" * 200)
    for path, cause in (("nothing", "absent"), ("file/below", "absent"), ("pipe", "unsupported")):
        with pytest.raises(NotReadable) as problem:
            host.read_bytes(f"/share/{path}")
        assert problem.value.cause == cause
    with pytest.raises(NotReadable, match="larger than 100 bytes"):
        host.read_bytes("/share/big", limit=100)


def test_a_hung_child_is_killed_and_the_mount_not_asked_again_in_this_run(
    root: Path, tmp_path: Path, hanging_tools: str
) -> None:
    host = LocalHost(str(root), tmp_path / "stuck", tools=hanging_tools)
    for _ in range(2):
        with pytest.raises(NotReadable, match="did not answer") as problem:
            host.read_bytes("/share/file")
        assert problem.value.cause == "timeout"
    (pid,) = started(tmp_path)
    assert child.start_time(pid) is None
    assert host.read_bytes("/local/file") == b"local"


def test_each_mount_hangs_for_itself(root: Path, tmp_path: Path, hanging_tools: str) -> None:
    host = LocalHost(str(root), tools=hanging_tools)
    for path in ("/share/file", "/other/file"):
        with pytest.raises(NotReadable):
            host.stat(path)
    assert len(started(tmp_path)) == 2


def test_readers_of_one_hung_mount_share_one_child(root: Path, tmp_path: Path, hanging_tools: str) -> None:
    host = LocalHost(str(root), tools=hanging_tools)
    causes: list[str] = []

    def read() -> None:
        try:
            host.stat("/share/file")
        except NotReadable as problem:
            causes.append(problem.cause)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert causes == ["timeout"] * 4
    assert len(started(tmp_path)) == 1


def test_a_child_that_does_not_die_is_named_by_the_next_run_which_starts_no_other(
    root: Path, tmp_path: Path, hanging_tools: str, unkillable: Callable[[], None]
) -> None:
    folder = tmp_path / "stuck"
    with pytest.raises(NotReadable, match="is stuck reading it") as problem:
        LocalHost(str(root), folder, tools=hanging_tools).stat("/share/file")
    assert problem.value.cause == "stuck"
    (pid,) = started(tmp_path)
    with pytest.raises(NotReadable, match=rf"still stuck since .* UTC: pid {pid}") as problem:
        LocalHost(str(root), folder, tools=hanging_tools).stat("/share/file")
    assert problem.value.cause == "stuck"
    assert started(tmp_path) == [pid]
    unkillable()
    assert LocalHost(str(root), folder, tools=REAL_TOOLS).stat("/share/file").size == 5
    assert not list(folder.iterdir())


def test_another_process_under_the_same_pid_is_not_mistaken_for_the_stuck_one(tmp_path: Path) -> None:
    folder = tmp_path / "stuck"
    stuck.remember(folder, "/share", os.getpid(), time.time())
    with pytest.raises(NotReadable):
        stuck.raise_if_stuck(folder, "/share")
    (record,) = folder.iterdir()
    record.write_bytes(record.read_bytes().replace(b'"started":"', b'"started":"9'))
    stuck.raise_if_stuck(folder, "/share")
    assert not list(folder.iterdir())


def test_a_torn_record_of_a_stuck_child_is_dropped(tmp_path: Path) -> None:
    stuck.remember(tmp_path, "/share", os.getpid(), time.time())
    (record,) = tmp_path.iterdir()
    record.write_bytes(b'{"mount":')
    stuck.raise_if_stuck(tmp_path, "/share")
    assert not list(tmp_path.iterdir())


def test_a_local_link_that_leads_to_a_remote_mount_is_read_in_a_child_too(
    root: Path, tmp_path: Path, hanging_tools: str
) -> None:
    (root / "local/link").symlink_to("/share/file")
    (root / "local/up").symlink_to("../share")
    host = LocalHost(str(root), tools=hanging_tools)
    for path in ("/local/link", "/local/up/file"):
        with pytest.raises(NotReadable, match=r"/share .* did not answer"):
            host.stat(path)
    assert len(started(tmp_path)) == 1


def test_links_that_lead_in_a_circle_end(root: Path) -> None:
    (root / "local/a").symlink_to("b")
    (root / "local/b").symlink_to("a")
    with pytest.raises(NotReadable, match="levels of"):
        LocalHost(str(root)).stat("/local/a")


def test_a_tool_that_is_not_there_is_said_so(root: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReadable, match="stat is not installed"):
        LocalHost(str(root), tools=str(tmp_path)).stat("/share/file")


def test_a_command_runs_without_a_shell_in_the_c_locale_and_with_its_output_cut() -> None:
    output = child.run(["printf", "%s", "$HOME"], 5, search=REAL_TOOLS)
    assert (output.status, output.out) == (0, b"$HOME")
    assert b"LC_ALL=C\n" in child.run(["env"], 5, search=REAL_TOOLS).out
    endless = child.run(["yes"], 5, search=REAL_TOOLS, limit=1000)
    assert (len(endless.out), endless.truncated) == (1000, True)


def test_all_that_a_command_started_is_killed_with_it(tmp_path: Path) -> None:
    if shutil.which("sh") is None:
        pytest.skip("no sh")
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(child.Overrun):
        child.run(["sh", "-c", script], 0.3, search=REAL_TOOLS)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if child.start_time(pid) is None:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} outlived the command that started it")
