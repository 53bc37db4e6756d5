"""Mounts, arrays, room, rights and write times, read from what real tools and kernels say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from answering import in_rounds
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts import child
from checks.facts.answered import AnsweredHost, Failed
from checks.facts.answering import MountAnswers, RemoteMounts
from checks.facts.asks import ReadFile, StatPath
from checks.facts.child import Output
from checks.facts.host import MOUNT_TABLE
from checks.facts.localhost import LocalHost
from checks.facts.mountstate import MountAt, WritableMounts, parse_fstab
from checks.facts.newest import NewestFile, split
from checks.facts.openpaths import OpenPaths, found_in
from checks.facts.raid import Array, RaidArrays, parse_mdstat
from checks.facts.room import RoomAt, upwards
from checks.facts.writelatency import WriteLatency, times_of

RECORDED = Path(__file__).parent / "recorded"
MOUNTS = (RECORDED / "mountinfo/server.txt").read_text()


def machine(root: Path, **files: str) -> LocalHost:
    """A tree with these files, named with ``__`` for ``/``."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalHost(str(root))


# ---- mounts


def test_filesystems_that_stopped_are_told_from_those_that_are_meant_so(tmp_path: Path) -> None:
    fstab = (
        "# comment\nUUID=1 / ext4 defaults 0 1\n/dev/sdc1\t/archive xfs ro,noatime 0 0\n"
        "/dev/sdd1 /spare ext4 rw\n"
    )
    host = machine(tmp_path, proc__self__mountinfo=MOUNTS, etc__fstab=fstab)
    found, rounds = in_rounds(WritableMounts(), host)
    assert len(rounds) == 1
    assert [(each.point, each.read_only, each.wanted_read_only, each.by_kernel) for each in found] == [
        ("/", False, False, False),
        ("/archive", True, True, False),
        ("/opt/app", True, False, False),
        ("/spare", True, False, True),
        ("/var/lib/data", True, False, True),
    ]


def test_without_an_fstab_nothing_is_meant_and_with_a_closed_one_nothing_is_known(tmp_path: Path) -> None:
    host = machine(tmp_path, proc__self__mountinfo=MOUNTS)
    assert [each.point for each in WritableMounts().read(host) if each.wanted_read_only] == []
    table = ReadFile(MOUNT_TABLE)
    closed = AnsweredHost({table: MOUNTS.encode(), ReadFile("/etc/fstab"): Failed("denied", "denied")})
    with pytest.raises(NotReadable) as problem:
        WritableMounts().read(closed)
    assert problem.value.cause == "denied"


def test_an_fstab_has_octal_blanks_and_lines_that_are_none() -> None:
    text = "/dev/a /my\\040data ext4 ro,noatime\n#/dev/b /b ext4 ro\n/dev/c /c/ ext4\nnonsense\n\n"
    text += "/dev/c /c/ ext4 rw 0 0"
    assert parse_fstab(text) == {"/my data": ("ro", "noatime"), "/c": ("rw",)}


def test_the_mount_of_a_path_has_the_options_of_both_levels(tmp_path: Path) -> None:
    host = machine(tmp_path, proc__self__mountinfo=MOUNTS)
    assert MountAt("/var/lib/data/x").read(host).options == ("data=ordered", "noatime", "ro", "stripe=64")
    assert MountAt("/var/lib").read(host).point == "/"
    assert MountAt("/opt/app/").read(host).point == "/opt/app"


def test_a_password_in_the_options_is_not_kept(tmp_path: Path) -> None:
    found = MountAt("/mnt/win").read(machine(tmp_path, proc__self__mountinfo=MOUNTS))
    assert "password=***" in found.options
    assert "hunter2" not in str(found)


def test_where_there_is_no_mount_table_psutil_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    told = [
        ("D:\\", "NTFS", "ro,fixed"),
        ("C:\\", "NTFS", "rw,fixed"),
        ("E:\\", "CDFS", "ro,cdrom"),
        ("F:\\", "", ""),
    ]
    parts = [SimpleNamespace(device=at, mountpoint=at, fstype=type, opts=opts) for at, type, opts in told]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: parts)
    found = WritableMounts().read(LocalHost(str(tmp_path)))
    assert [(each.point, each.read_only) for each in found] == [("C:\\", False), ("D:\\", True)]
    gone = AnsweredHost({ReadFile(MOUNT_TABLE): Failed("gone", "absent"), ReadFile("/etc/fstab"): b""})
    with pytest.raises(NotReadable) as problem:
        WritableMounts().read(gone)
    assert problem.value.cause == "unsupported"


def test_network_and_fuse_mounts_are_found_but_for_what_only_a_desktop_has(tmp_path: Path) -> None:
    host = machine(tmp_path, proc__self__mountinfo=MOUNTS)
    assert RemoteMounts().read(host) == ["/home/ann/remote", "/mnt/win", "/share"]


@pytest.mark.parametrize(
    ("failed", "outcome"),
    [
        (Failed("/share did not answer within 5 s", "timeout"), "timeout"),
        (Failed("/share: pid 7 is stuck with it", "stuck"), "stuck"),
        (Failed("/share: Permission denied", "denied"), "answered"),
        (Failed("/share: Stale file handle", "failed"), "dead"),
        (Failed("/share: No such file or directory", "absent"), "dead"),
    ],
)
def test_a_mount_answers_or_hangs_or_is_dead(failed: Failed, outcome: str) -> None:
    host = AnsweredHost({ReadFile(MOUNT_TABLE): MOUNTS.encode(), StatPath("/share"): failed})
    found = MountAnswers("/share").read(host)
    assert (found.outcome, found.type, found.source) == (outcome, "nfs4", "10.0.0.1:/export")
    assert found.detail == failed.reason


def test_what_is_not_mounted_any_more_is_no_dead_mount() -> None:
    asks = {ReadFile(MOUNT_TABLE): MOUNTS.encode(), StatPath("/gone"): Failed("gone", "absent")}
    with pytest.raises(NotReadable):
        MountAnswers("/gone").read(AnsweredHost(asks))


def test_a_share_that_hangs_is_told_within_the_time_of_its_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checks.facts import remote

    monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "stat").write_text("#!/bin/sh\nexec sleep 60\n")
    (tools / "stat").chmod(0o755)
    root = tmp_path / "root"
    machine(root, proc__self__mountinfo=MOUNTS)
    host = LocalHost(str(root), tools=f"{tools}:/usr/bin:/bin")
    found = MountAnswers("/share").read(host)
    assert (found.outcome, found.detail) == ("timeout", "/share (nfs4) did not answer within 0.3 s")
    assert MountAnswers.deadline_s > 4.0 + child.GRACE_S


# ---- arrays


def arrays(name: str) -> dict[str, Array]:
    return {each.name: each for each in parse_mdstat((RECORDED / f"mdstat/{name}.txt").read_text())}


def test_whole_arrays_have_their_members_and_levels() -> None:
    found = arrays("healthy")
    assert list(found) == ["md0", "md1", "md2", "md127"]
    assert found["md0"] == Array("md0", "active", "raid1", "", 2, 2, ("sda1", "sdb1"))
    assert (found["md1"].level, found["md1"].wanted, found["md1"].working) == ("raid6", 6, 6)
    assert (found["md2"].level, found["md2"].wanted, found["md2"].members) == ("raid0", 0, ("sdg1", "sdh1"))
    assert (found["md127"].mode, found["md127"].level, found["md127"].working) == (
        "auto-read-only",
        "raid1",
        2,
    )


def test_lacking_and_failed_members_are_told() -> None:
    found = arrays("degraded")
    assert (found["md0"].wanted, found["md0"].working, found["md0"].failed) == (2, 1, ())
    assert (found["md1"].wanted, found["md1"].working, found["md1"].failed) == (4, 3, ("sdc1",))


def test_what_an_array_is_busy_with_is_told() -> None:
    found = arrays("rebuilding")
    assert (found["md1"].doing, found["md1"].percent, found["md1"].minutes) == ("recovery", 12.6, 87.4)
    assert (found["md2"].doing, found["md2"].percent, found["md2"].minutes) == ("resync", None, None)
    assert (found["md3"].doing, found["md3"].percent) == ("check", 48.1)


def test_spares_and_arrays_that_are_not_put_together_are_told() -> None:
    taken_over = arrays("spare-took-over")["md0"]
    assert (taken_over.failed, taken_over.spares, taken_over.working) == (("sda1",), ("sdd1",), 2)
    inactive = arrays("inactive")["md127"]
    assert (inactive.state, inactive.level, inactive.spares) == ("inactive", "", ("sda1", "sdb1"))
    assert arrays("none") == {}


def test_a_kernel_without_md_has_no_arrays_and_a_closed_file_is_no_answer(tmp_path: Path) -> None:
    assert RaidArrays().read(LocalHost(str(tmp_path))) == ()
    with pytest.raises(NotReadable):
        RaidArrays().read(AnsweredHost({ReadFile("/proc/mdstat"): Failed("no", "denied")}))


@given(st.text() | st.binary().map(lambda data: data.decode(errors="replace")))
def test_any_text_is_a_list_of_arrays(text: str) -> None:
    for array in parse_mdstat(f"md0 : active raid1 {text}\n{text}\n {text}"):
        assert array.name.startswith("md")
        assert {*array.failed, *array.spares} <= {*array.members}
    assert all(options for options in parse_fstab(text).values())


def test_a_huge_line_costs_little() -> None:
    began = time.process_time()
    parse_mdstat("md0 : active raid1 " + "x" * 1_000_000 + "\n" + " [" * 500_000)
    assert time.process_time() - began < 20  # seconds, where a pattern that runs away takes hours


# ---- room


def test_the_room_of_a_path_is_that_of_the_nearest_folder_above_it(tmp_path: Path) -> None:
    host = LocalHost()
    found, rounds = in_rounds(RoomAt(f"{tmp_path}/opt/erp/data"), host)
    assert (found.at, found.total) == (str(tmp_path), host.statvfs(str(tmp_path)).total)
    assert len(rounds) == 2
    assert RoomAt(str(tmp_path)).read(host).at == str(tmp_path)


def test_nothing_can_be_put_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotReadable, match="file is a file"):
        RoomAt(f"{tmp_path}/file/below").read(LocalHost())


def test_paths_upwards() -> None:
    assert upwards("/a/b/") == ("/a/b/", "/a", "/")
    assert upwards("/") == ("/",)
    assert upwards("a/b") == ("a/b",)
    assert upwards("C:\\Apps\\erp") == ("C:\\Apps\\erp", "C:\\Apps", "C:\\")


# ---- rights


@pytest.mark.parametrize("tool", ["gnu", "busybox"])
def test_what_find_prints_is_understood_with_its_complaints(tool: str) -> None:
    out, err = (RECORDED / f"find/{tool}.{end}" for end in ("out", "err"))
    found = found_in(Output(1, out.read_bytes(), err.read_bytes()), "/opt/app/.")
    assert found == (["deep/er/also", "open", "run/app.sock", "sub", "two\nlines"], 1)


def test_a_find_that_did_not_work_says_nothing() -> None:
    for output in (
        Output(1, b"", b"find: unrecognized: -perm\n"),
        Output(1, b"", b""),
        Output(0, b"x" * 2_000_000, b"", truncated=True),
    ):
        with pytest.raises(NotReadable):
            found_in(output, "/.")
    assert found_in(Output(1, b"/./a\0", b"find: '/./b': No such file or directory\n"), "/.") == (["a"], 0)


@given(st.binary(), st.binary(), st.integers(-20, 130))
def test_any_output_of_find_ends_as_paths_or_not_readable(out: bytes, err: bytes, status: int) -> None:
    try:
        paths, unread = found_in(Output(status, out, err), "/opt/app/.")
    except NotReadable:
        return
    assert unread <= err.count(b"\n") + err.count(b"denied")
    assert len(paths) <= out.count(b"\0") + 1


@pytest.mark.parametrize("tools", ["", "busybox"])
def test_open_files_and_folders_are_found_and_sticky_ones_and_links_are_not(
    tmp_path: Path, tools: str
) -> None:
    host = LocalHost()
    if tools:
        if shutil.which(tools) is None:
            pytest.skip("no busybox")
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools/find").symlink_to(shutil.which(tools) or "")
        host = LocalHost(tools=f"{tmp_path}/tools")
    app = tmp_path / "app"
    (app / "deep/er").mkdir(parents=True)
    (app / "shared").mkdir()
    (app / "shared").chmod(0o777)
    (app / "tmp").mkdir()
    (app / "tmp").chmod(0o1777)
    (app / "open").symlink_to("tmp")
    (app / "deep/er/file").touch()
    (app / "deep/er/file").chmod(0o602)
    os.mkfifo(app / "pipe")
    (app / "pipe").chmod(0o666)
    found, rounds = in_rounds(OpenPaths(str(app)), host)
    assert (found.open, found.open_count, found.unread) == (("deep/er/file", "shared"), 2, 0)
    assert len(rounds) == 2
    assert OpenPaths(str(app), 2).read(host).open == ("shared",)
    some = OpenPaths(str(app), 12, ("deep/*",)).read(host)
    assert (some.open, some.ignored) == (("shared",), 1)


def test_a_share_is_not_walked_through(tmp_path: Path) -> None:
    host = machine(tmp_path, proc__self__mountinfo=MOUNTS)
    (tmp_path / "share").mkdir()
    with pytest.raises(NotReadable, match="look at it on its server"):
        OpenPaths("/share").read(host)


# ---- the newest file


def test_the_newest_of_a_pattern_is_found_in_two_rounds(tmp_path: Path) -> None:
    for number, name in enumerate(("db-1.dump", "db-2.dump", "db-3.dump.part", ".db-4.dump")):
        (tmp_path / name).write_text("x" * number)
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    found, rounds = in_rounds(NewestFile(f"{tmp_path}/db-*.dump"), LocalHost())
    assert (found.path, found.mtime, found.size, found.count) == (f"{tmp_path}/db-2.dump", 1001, 1, 2)
    assert len(rounds) == 2
    assert not NewestFile(f"{tmp_path}/*.gz").read(LocalHost()).found
    assert NewestFile(f"{tmp_path}/.*").read(LocalHost()).path == f"{tmp_path}/.db-4.dump"


def test_folders_and_names_of_paths() -> None:
    assert split("/a/b/c") == ("/a/b", "c")
    assert split("/c\\d") == ("/", "c\\d")
    assert split("c") == ("/", "c")
    assert split("C:\\Backup\\db-*.bak") == ("C:\\Backup", "db-*.bak")
    assert split("C:\\db.bak") == ("C:\\", "db.bak")


def test_too_many_files_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from checks.facts import newest

    monkeypatch.setattr(newest, "MOST_FILES", 2)
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(NotReadable) as problem:
        NewestFile(f"{tmp_path}/*").read(LocalHost())
    assert problem.value.cause == "too-large"


# ---- write times


def test_dd_tells_how_long_each_write_took() -> None:
    text = (RECORDED / "dd/coreutils.err").read_text()
    found = times_of(text * 10)
    assert found.writes == 30
    assert (found.p50_ms, found.p99_ms, found.max_ms) == (0.197, 0.267, 0.267)
    assert times_of((RECORDED / "dd/busybox-alpine.err").read_text() * 20).p99_ms == 1.234
    assert times_of("2300 bytes (2.3 kB) copied, 9.5e-05 s, 24 MB/s\n" * 20).p50_ms == 0.095


def test_the_99th_percentile_is_that_of_the_nearest_rank() -> None:
    text = "".join(f"2300 bytes copied, {n / 1000:.3f} s, 1 MB/s\n" for n in range(1, 101))
    found = times_of(text)
    assert (found.p50_ms, found.p99_ms, found.max_ms) == (50.0, 99.0, 100.0)


def test_a_dd_that_tells_no_times_is_unsupported() -> None:
    with pytest.raises(NotReadable) as problem:
        times_of((RECORDED / "dd/busybox-debian.err").read_text())
    assert problem.value.cause == "unsupported"


def test_a_measurement_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ".firstlight-write.000000").touch()
    (tmp_path / ".firstlight-write.111111").write_text("somebody's")
    found, rounds = in_rounds(WriteLatency(str(tmp_path)), LocalHost())
    assert (found.writes, len(rounds)) == (100, 1)
    assert 0 < found.p50_ms <= found.p99_ms <= found.max_ms
    assert [path.name for path in tmp_path.iterdir()] == [".firstlight-write.111111"]


def test_one_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    """Killed in the middle of its writes, as at a deadline: with its whole group, and at once."""
    tools, folder = tmp_path / "tools", tmp_path / "data"
    tools.mkdir()
    folder.mkdir()
    # The third write hangs, so that the kill comes when it should.
    (tools / "dd").write_text(
        f'#!/bin/sh\necho >> {tmp_path}/writes\n[ "$(wc -l < {tmp_path}/writes)" -lt 3 ] || sleep 60\n'
        'exec /bin/dd "$@"\n'
    )
    (tools / "dd").chmod(0o755)
    command = WriteLatency(str(folder))._command()
    process = subprocess.Popen(
        command.argv,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    writes = tmp_path / "writes"
    while not writes.exists() or len(writes.read_text()) < 3:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(folder.iterdir()) == []


def test_where_it_may_not_write_it_says_so(tmp_path: Path) -> None:
    for path, cause in (("/nowhere", "absent"), (sys.executable, "unsupported"), ("data", "unsupported")):
        with pytest.raises(NotReadable) as problem:
            WriteLatency(path).read(LocalHost())
        assert problem.value.cause == cause
