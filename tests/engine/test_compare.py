"""Comparing two runs: what counts as a change, what is noise, and in which words it is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engine_samples import NOW, judge, plan_of, snapshot_of
from hypothesis import given
from hypothesis import strategies as st

from checks.compare import Change, class_of, compare, compare_results, incomparable_secrets, settled
from checks.differences import VALUE_SHOWN, brief, differences
from checks.evaluate import evaluate
from checks.fact import FACTS, Fact, Known, Redacted, Unavailable
from checks.facts.asks import Ask
from checks.index import BUILT_IN
from checks.model import Message, Result, Severity, Status, Target
from checks.registry import get
from checks.snapshot import Readings, Snapshot

FILE = "FileStat(path=/etc/erp/app.ini)"
DB = "url=postgresql://app@db/erp, password=, tls=auto, ca=, timeout=5.0"
INI = {
    "exists": True, "type": "file", "owner": "erp", "group": "erp", "mode": "0640",
    "size": 120, "mtime": 1790000000,
}  # fmt: skip

for id in BUILT_IN:
    get(id)  # so that every built-in fact is known


def changed(fact: str, before: Any, after: Any) -> str:
    """What is said of one fact at one target; empty where nothing changed."""
    changes = compare(snapshot_of(local={fact: before}), snapshot_of(local={fact: after}))
    assert len(changes) <= 1
    return changes[0].text if changes else ""


def one(before: Snapshot, after: Snapshot) -> Change:
    (change,) = compare(before, after)
    return change


def result(item: str = "a", status: Status = Status.PASS, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "key": f"{abs(hash((item, changes.get('object', '')))) % 16**32:032x}",
        "target": "local", "item": item, "check": item, "check_version": 1, "object": "", "status": status,
        "severity": Severity.P2, "cause": "", "rule": "0" * 32, "title": "It holds", "message": Message("so"),
        "evidence": {}, "remedy": "", "owner": "vendor", "duration_ms": 1.0,
    }  # fmt: skip
    return Result(**values | changes)


# ---- what is noise

NOISE: list[tuple[str, Any, Any]] = [
    ("DiskUsage(mount=/data)", {"total": 100, "free": 90}, {"total": 100, "free": 3, "inodes_free": 7}),
    ("DiskUsage(mount=/)", {"total": 100, "free": 9, "inodes": 5}, {"total": 100, "free": 9, "inodes": 6}),
    ("Memory()", {"total": 16 * 2**30, "available": 1}, {"total": 16 * 2**30 - 9000, "available": 2}),
    ("Processes(name=nginx)", {"count": 3, "users": ["www"], "pids": [1]}, {"count": 2, "users": ["www"]}),
    (
        "ProcessLimits(name=)",
        {"processes": [{"name": "nginx", "soft": 1, "hard": 2, "count": 3}], "hidden": 0},
        {"processes": [{"name": "nginx", "soft": 1, "hard": 2, "count": 9}], "hidden": 2},
    ),
    (
        "ProcessLimits(name=a)",
        {"processes": [{"name": "a", "soft": 1, "hard": 2, "others": {"nproc": {"soft": 7, "hard": 7}}}]},
        {"processes": [{"name": "a", "soft": 1, "hard": 2, "others": {"nproc": {"soft": 8, "hard": 8}}}]},
    ),
    ("FileHandles()", {"used": 5, "limit": 9}, {"used": 6, "limit": 9}),
    ("ConnectionTracking()", {"used": 5, "limit": 9}, {"used": 6, "limit": 9}),
    ("BootTime()", {"at": NOW, "up_s": 5, "number": 1}, {"at": NOW + timedelta(1), "up_s": 9, "number": 2}),
    (
        "AgentDeliveries()",
        {"enrolled": True, "newest": "2026-03-01T00:00:00Z", "waiting": 0},
        {"enrolled": True, "newest": "2026-03-02T00:00:00Z", "waiting": 3, "reason": "it did not answer"},
    ),
    (
        "CpuUse()",
        {"busy": 1, "total": 2, "waiting": 0, "stolen": 0, "up_s": 5, "boot": 1},
        {"busy": 7, "total": 9, "waiting": 1, "stolen": 0, "up_s": 9, "boot": 2, "used_percent": 50},
    ),
    ("LoadAverage()", {"one": 1, "five": 2, "fifteen": 3}, {"one": 3, "five": 2, "fifteen": 1}),
    ("OomKills()", {"counted": 0, "up_s": 5}, {"counted": 2, "up_s": 9, "log": "journal"}),
    ("SwapSpace()", {"total": 5, "free": 5}, {"total": 5, "free": 1}),
    (
        "PersistedParameters(names=())",
        {"parameters": [{"key": "a.b", "value": "1", "file": "/f", "running": "1"}]},
        {"parameters": [{"key": "a.b", "value": "1", "file": "/g", "running": "2"}]},
    ),
    (
        "TimeOffset()",
        {"service": "chronyd", "offset_s": 0.1, "synchronised": True, "stratum": 2},
        {"service": "chronyd", "offset_s": 0.2, "synchronised": True, "stratum": 3},
    ),
    ("TimeSync()", {"synchronised": True, "max_error_s": 0.1}, {"synchronised": True, "max_error_s": 0.7}),
    (
        "TcpConnect(host=db, port=5432, timeout=5.0)",
        {"outcome": "connected", "latency_ms": 1.5, "address": "10.0.0.1"},
        {"outcome": "connected", "latency_ms": 80, "address": "10.0.0.2"},
    ),
    (
        "Reachability(destinations=('db:1',), timeout=5.0)",
        {"links": {"db:1": {"outcome": "connected", "latency_ms": 2}}},
        {"links": {"db:1": {"outcome": "connected", "latency_ms": 9, "address": "10.0.0.9"}}},
    ),
    ("ClockOffset()", {"offset_s": 0.1, "doubt_s": 0.01}, {"offset_s": -0.2, "doubt_s": 0.02}),
    (
        "FileStat(path=/var/log)",
        {"exists": True, "type": "directory", "mode": "0755", "size": 4096, "mtime": 1},
        {"exists": True, "type": "directory", "mode": "0755", "size": 8192, "mtime": 2},
    ),
    ("FillHistory(mount=/)", {"points": []}, {"points": [[1.0, 2.0]]}),
    ("WriteLatency(folder=/d)", {"writes": 100, "p50_ms": 1, "p99_ms": 2, "max_ms": 3},
     {"writes": 100, "p50_ms": 2, "p99_ms": 9, "max_ms": 30}),
    (
        "NewLogLines(path=/a, pattern=x, ignore=())",
        {"size": 1, "offset": 1},
        {"size": 9, "matches": 4, "mark": 2},
    ),
    ("RoomAt(path=/opt/a)", {"at": "/opt", "total": 100, "free": 9}, {"at": "/opt", "total": 100, "free": 1}),
    (
        "WritableMounts()",
        [{"point": "/", "type": "ext4", "source": "/dev/sda1", "read_only": False}],
        [{"point": "/", "type": "ext4", "source": "/dev/sdb1", "read_only": False}],
    ),
    (
        "RaidArrays()",
        [{"name": "md0", "state": "active", "doing": "check", "percent": 3.0}],
        [{"name": "md0", "state": "active"}],
    ),
    (
        "MountAnswers(point=/s)",
        {"outcome": "timeout", "detail": "not within 4 s"},
        {"outcome": "timeout", "detail": "not within 5 s"},
    ),
    (
        "NewestFile(path=/b/*)",
        {"found": True, "path": "/b/1", "mtime": 1, "size": 9, "count": 1},
        {"found": True, "path": "/b/2", "mtime": 2, "size": 8, "count": 2},
    ),
    (
        "TimerState(timer=a.timer)",
        {"loaded": True, "active": True, "unit": "a.service", "result": "success", "uptime_s": 1.0},
        {"loaded": True, "active": True, "unit": "a.service", "result": "success", "uptime_s": 9.0},
    ),
    (
        "FileMatch(path=/a, pattern=x)",
        {"found": True, "line": 3, "text": "x"},
        {"found": True, "line": 9, "text": "x"},
    ),
    (
        "ProcessesWith(name=java, args=erp)",
        {"count": 3, "users": ["erp"], "pids": [1]},
        {"count": 2, "users": ["erp"]},
    ),
    (
        "Units(names=('erp',))",
        {"manager": "systemd", "units": [{"name": "erp", "known": True, "active": "running", "restarts": 1}]},
        {"manager": "systemd", "units": [{"name": "erp", "known": True, "active": "running", "active_s": 5}]},
    ),
    (
        "JavaOptions(program=erp.jar)",
        [{"pid": 1, "version": "17", "heap": {"most": 1}, "dump": {"folder": "/", "exists": True}}],
        [{"pid": 2, "version": "17", "heap": {"most": 1}}, {"pid": 3, "version": "17", "heap": {"most": 1}}],
    ),
    ("PluginOutput(command=('a',))", {"status": 0, "text": "5 users"}, {"status": 0, "text": "6 users"}),
    (
        "WebPage(url=http://x/)",
        {"outcome": "answered", "status": 200, "latency_ms": 12.5, "size": 100},
        {"outcome": "answered", "status": 200, "latency_ms": 80.0, "size": 101},
    ),
    (
        "FileText(path=/a, condition=x)",
        {"found": True, "holds": False, "failing": ["x"], "lines": 9},
        {"found": True, "holds": False, "failing": ["x"], "lines": 10},
    ),
    (
        "CommandText(command=('a',), condition=x)",
        {"found": True, "holds": True, "lines": 9, "start": "at 10:00"},
        {"found": True, "holds": True, "lines": 7, "start": "at 10:01"},
    ),
    (
        "WebText(url=http://x/, condition=x)",
        {"found": True, "holds": True, "lines": 9, "status": 200},
        {"found": True, "holds": True, "lines": 7, "status": 200},
    ),
    (
        "NameLookup(name=db)",
        {"outcome": "found", "addresses": ["10.0.0.1", "10.0.0.2"], "latency_ms": 10},
        {"outcome": "found", "addresses": ["10.0.0.2", "10.0.0.1"], "latency_ms": 90},
    ),
    (
        "HostName()",
        {"name": "app1", "addresses": ["10.0.0.1", "::2"]},
        {"name": "app1", "addresses": ["::2", "10.0.0.1"]},
    ),
    (
        "Sockets(of=443)",
        {"sockets": [{"address": "::", "port": 443, "processes": ["nginx"], "pids": [1]}]},
        {"sockets": [{"address": "::", "port": 443, "processes": ["nginx"], "pids": [9]}]},
    ),
    (
        "Listening(of=nginx:443)",
        {"sockets": [{"address": "::", "port": 443, "processes": ["nginx"], "pids": [1]}]},
        {"sockets": [{"address": "::", "port": 443, "processes": ["nginx"], "pids": [9]}]},
    ),
    ("InterfaceCounts(interface=eth0)", {"now": {"received": 1}}, {"now": {"received": 9, "sent": 7}}),
    (
        "ProxyTunnel(to=x:1)",
        {"outcome": "denied", "proxy": "http://p:1", "detail": "Forbidden"},
        {"outcome": "denied", "proxy": "http://p:1", "detail": "No"},
    ),
    (
        f"DatabaseLogin({DB})",
        {"outcome": "in", "version": "15.4", "latency_ms": 3, "encrypted": True},
        {"outcome": "in", "version": "15.4", "latency_ms": 90, "encrypted": True, "detail": "slow"},
    ),
    (f"DatabaseConnections({DB})", {"used": 3, "limit": 97}, {"used": 9, "limit": 97}),
    (f"DatabaseBackup({DB}, query=)", {"at": 1.0}, {"at": 2.0}),
    (f"DatabaseClock({DB})", {"offset_s": 0.1}, {"offset_s": -0.2, "doubt_s": 0.02}),
    (
        f"PostgresHealth({DB})",
        {
            "xids": [{"database": "erp", "age": 1}],
            "sequences": [{"name": "a", "used": 1, "possible": 9}],
            "waits": {"type": "waiting", "count": 0},
            "prepared": {"type": "waiting", "count": 0},
            "settings": {"type": "settings", "values": {"work_mem": 4096}},
        },
        {
            "xids": [{"database": "erp", "age": 7}],
            "sequences": [{"name": "a", "used": 2, "possible": 9}],
            "waits": {"type": "waiting", "count": 1, "oldest_s": 3.0},
            "prepared": {"type": "waiting", "count": 1},
            "settings": {"type": "settings", "values": {"work_mem": 4096}},
        },
    ),
    (f"PostgresHistory({DB})", {}, {"xid erp": [[1.0, 2.0]]}),
    (
        f"PostgresEffective({DB})",
        {"restart": ["work_mem"], "files_unread": "denied"},
        {"restart": ["work_mem"]},
    ),
    (
        "MysqlHealth(url=mysql://app@db/erp, password=, tls=auto, ca=, timeout=5.0)",
        {"version": "10", "pool": {"size": 1}, "logs": {"on": True}, "sql_mode": ["A", "B"]},
        {
            "version": "10",
            "pool": {"size": 1, "requests": 5},
            "logs": {"on": True, "size": 7},
            "sql_mode": ["B", "A"],
        },
    ),
    (
        "RedisHealth(host=h, port=1, user=, password=, tls=off, ca=, timeout=5.0)",
        {"unknown": "open", "used": 5, "last_save": 1},
        {"unknown": "open", "used": 6, "last_save": 2, "changes": 9},
    ),
    (
        "RabbitHealth(url=http://mq, user=m, password=env:X, verify=True, ca=, timeout=5.0)",
        {"version": "3", "nodes": [{"name": "a", "running": True}], "queues": [], "queue_count": 0},
        {
            "version": "3",
            "nodes": [{"name": "a", "running": True, "memory_used": 9}],
            "queues": [{"name": "/q", "messages": 1}],
            "queue_count": 1,
        },
    ),
    ("LogKeys(path=/a, pattern=x)", {"keys": ["1"]}, {"keys": ["1", "2"], "cut": True}),
]  # fmt: skip

MEANT: list[tuple[str, Any, Any, str]] = [
    (FILE, INI, INI | {"mode": "0644"}, "mode: 0640 → 0644"),
    (FILE, INI, INI | {"size": 121, "mtime": 1790000061},
     "size: 120 → 121, mtime: 2026-09-21 14:13:20 UTC → 2026-09-21 14:14:21 UTC"),
    (FILE, INI, {"exists": False},
     "exists: yes → no, type: file → –, owner: erp → –, group: erp → –, mode: 0640 → –, and 2 more"),
    ("DiskUsage(mount=/)", {"total": 2**40, "free": 1}, {"total": 2**41, "free": 1}, "total: 1 TiB → 2 TiB"),
    ("Memory()", {"total": 2**34, "available": 1}, {"total": 2**33, "available": 1}, "total: 16 GiB → 8 GiB"),
    ("Processes(name=a)", {"count": 2, "users": ["a"]}, {"count": 2, "users": ["root"]}, "users: +root −a"),
    ("Processes(name=erp)", {"count": 2, "users": ["erp"]}, {"count": 0}, "running: yes → no, users: −erp"),
    (
        "ProcessLimits(name=)",
        {"processes": [{"name": "nginx", "soft": 1024, "hard": 2**63 - 1}]},
        {"processes": [{"name": "nginx", "soft": 65536, "hard": 2**63 - 1}]},
        "nginx.soft: 1024 → 65536",
    ),
    (
        "ProcessLimits(name=)",
        {"processes": [{"name": "a", "soft": 1, "hard": 2, "others": {"stack": {"soft": 7, "hard": 7}}}]},
        {"processes": [{"name": "a", "soft": 1, "hard": 2, "others": {"stack": {"soft": 8, "hard": 7}}}]},
        "a.stack soft: 7 → 8",
    ),
    (
        "PersistedParameters(names=())",
        {"parameters": [{"key": "vm.swappiness", "value": "60", "file": "/f", "running": "60"}]},
        {"parameters": [{"key": "vm.swappiness", "value": "10", "file": "/f", "running": "60"}]},
        "vm.swappiness: 60 → 10",
    ),
    ("KernelRelease()", "6.1.0-18-amd64", "6.1.0-21-amd64", "6.1.0-18-amd64 → 6.1.0-21-amd64"),
    ("TimeSync()", {"synchronised": True, "services": ["chronyd"]}, {"synchronised": False},
     "synchronised: yes → no, services: −chronyd"),
    ("TcpConnect(host=db, port=1, timeout=5.0)", {"outcome": "connected"}, {"outcome": "refused"},
     "outcome: connected → refused"),
    ("Mounts()", ["/", "/old"], ["/", "/data"], "+/data −/old"),
    (
        "WritableMounts()",
        [{"point": "/data", "type": "xfs", "source": "/dev/sdb", "read_only": False}],
        [{"point": "/data", "type": "xfs", "source": "/dev/sdb", "read_only": True}],
        "/data: writable → read-only",
    ),
    (
        "RaidArrays()",
        [{"name": "md0", "state": "active", "wanted": 2, "working": 2}],
        [{"name": "md0", "state": "active", "wanted": 2, "working": 1}],
        "md0.working: 2 → 1",
    ),
    ("NewestFile(path=/b/*)", {"found": True, "path": "/b/1"}, {"found": False}, "found: yes → no"),
    ("Sysctl(name=vm.swappiness)", "60", "10", "60 → 10"),
    ("OsRelease()", {"id": "debian", "version": "12", "name": "Debian 12"},
     {"id": "debian", "version": "13", "name": "Debian 13"}, "version: 12 → 13, name: Debian 12 → Debian 13"),
    ("ConfigValue(path=/a, format=ini, key=b)", {"found": True, "value": "1"}, {"found": True, "value": 1},
     "value: '1' → 1"),
    ("ConfigValue(path=/a, format=ini, key=b)",
     {"found": True, "value": [1, 2]}, {"found": True, "value": [2, 1]}, "value: 1, 2 → 2, 1"),
    ("SecretMatches(path=/a, format=ini, key=b, secret=env:X)", True, False, "yes → no"),
    ("ProcessesWith(name=java, args=erp)", {"count": 1, "users": ["a"]}, {"count": 0},
     "running: yes → no, users: −a"),
    ("Units(names=('erp',))",
     {"manager": "systemd", "units": [{"name": "erp", "known": True, "active": "running", "enabled": "yes"}]},
     {"manager": "systemd", "units": [{"name": "erp", "known": True, "active": "failed", "enabled": "no"}]},
     "erp.active: running → failed, erp.enabled: yes → no"),
    ("PluginOutput(command=('a',))",
     {"status": 0, "text": "OK"}, {"status": 2, "text": "OK"}, "status: 0 → 2"),
    ("WebPage(url=http://x/)", {"outcome": "answered", "status": 200}, {"outcome": "answered", "status": 503},
     "status: 200 → 503"),
    ("FileText(path=/a, condition=x)", {"found": True, "holds": True, "lines": 9},
     {"found": True, "holds": False, "failing": ["containing a"], "lines": 9},
     "holds: yes → no, failing: +containing a"),
    ("CommandText(command=('a',), condition=x)", {"found": True, "holds": True},
     {"found": True, "holds": True, "status": 2}, "status: 0 → 2"),
    ("WebText(url=http://x/, condition=x)", {"found": True, "holds": True, "status": 200},
     {"found": True, "holds": True, "status": 503}, "status: 200 → 503"),
    ("NameLookup(name=db)", {"outcome": "found", "addresses": ["10.0.0.1"]},
     {"outcome": "found", "addresses": ["10.0.0.2"]}, "addresses: +10.0.0.2 −10.0.0.1"),
    ("AgentDeliveries()", {"enrolled": True}, {"enrolled": False}, "enrolled: yes → no"),
    ("InterfaceCounts(interface=bond0)", {"now": {}, "members": {"a": True}},
     {"now": {}, "members": {"a": False}}, "members.a: yes → no"),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "before", "after"), NOISE)
def test_what_changes_by_itself_is_no_change(fact: str, before: Any, after: Any) -> None:
    assert changed(fact, before, after) == ""


@pytest.mark.parametrize(("fact", "before", "after", "text"), MEANT)
def test_what_somebody_changed_is_named_with_its_inner_field(
    fact: str, before: Any, after: Any, text: str
) -> None:
    assert changed(fact, before, after) == text


def test_every_builtin_fact_settles_its_value_to_a_plain_shape_and_none_is_untested() -> None:
    tried = {fact.partition("(")[0] for fact, *_ in (*NOISE, *MEANT)}
    library = {name for name, cls in FACTS.items() if cls.__module__.startswith("checks.facts.")}
    own_words = {name for name in library if "settled" in vars(FACTS[name])}
    assert own_words <= tried
    for fact, before, *_ in (*NOISE, *MEANT):
        value = settled(fact, Known(before))
        assert msgspec.json.encode(value)


def test_a_value_in_memory_and_the_same_loaded_from_a_file_are_equal() -> None:
    from checks.facts.files import FileInfo

    assert changed(FILE, msgspec.convert(INI, FileInfo), INI) == ""
    assert changed(FILE, INI, msgspec.convert(INI | {"mode": "0600"}, FileInfo)) == "mode: 0640 → 0600"


def test_a_value_of_a_form_that_this_version_does_not_know_is_compared_as_it_is() -> None:
    assert changed("DiskUsage(mount=/)", {"size": 1}, {"size": 1}) == ""
    assert changed("DiskUsage(mount=/)", {"size": 1}, {"size": 2}) == "size: 1 → 2"
    assert changed(
        "FromTheFuture(x=1)", {"deep": [{"name": "a", "v": 1}]}, {"deep": [{"name": "a", "v": 2}]}
    ) == ("deep.a.v: 1 → 2")


def test_the_class_of_a_fact_is_found_although_nothing_has_needed_it_yet() -> None:
    program = (
        "from checks.fact import FACTS; from checks.compare import class_of; assert not FACTS;"
        "assert class_of('DiskUsage(mount=/)').__name__ == 'DiskUsage'; assert class_of('Nothing()') is None"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert class_of("SampleText(name=a)") is FACTS["SampleText"]


def test_a_fact_without_words_of_its_own_is_compared_whole() -> None:
    class Plain(Fact, frozen=True):
        def asks(self) -> tuple[Ask, ...]:
            return ()

    assert Plain.settled({"a": 1}) == {"a": 1}


# ---- readings that came, went, or cannot be read


def test_facts_that_came_and_went_are_named_with_what_they_hold() -> None:
    before, after = snapshot_of(local={FILE: INI}), snapshot_of(local={"Mounts()": ["/"]})
    added, removed = compare(before, after)
    assert (added.kind, added.fact, added.text) == ("added", "Mounts()", "new: /")
    assert (removed.kind, removed.fact) == ("removed", FILE)
    assert removed.text.startswith("not read now; it was: exists: yes, type: file, owner: erp")


def test_a_reading_that_fails_now_says_why_and_one_that_works_again_what_it_is() -> None:
    denied = Unavailable("/etc/erp/app.ini: permission denied", "denied")
    worked, failed = snapshot_of(local={"Mounts()": ["/"]}), snapshot_of(local={"Mounts()": denied})
    lost, found = one(worked, failed), one(failed, worked)
    assert (lost.kind, lost.before, lost.after) == ("unreadable", "/", denied.reason)
    assert lost.text == "could not be read now: /etc/erp/app.ini: permission denied"
    assert (found.kind, found.text) == ("readable", "can be read now: /")


def test_a_reading_that_fails_as_before_is_no_change_unless_it_fails_for_another_cause() -> None:
    slow = [Unavailable(f"timed out after {seconds} s", "timeout") for seconds in (5, 6)]
    assert changed("Mounts()", *slow) == ""
    denied = Unavailable("permission denied", "denied")
    assert (
        changed("Mounts()", slow[0], denied)
        == "could not be read before (timeout), nor now: permission denied"
    )


@pytest.mark.parametrize("cause", ["interrupted", "unread"])
def test_what_a_run_never_came_to_says_nothing(cause: str) -> None:
    never = Unavailable("not read", cause)
    assert changed("Mounts()", ["/"], never) == changed("Mounts()", never, ["/data"]) == ""


def test_redacted_values_compare_by_their_token() -> None:
    first, other = Redacted("[redacted:00000001]"), Redacted("[redacted:00000002]")
    fact = "ConfigValue(path=/a, format=ini, key=url)"
    assert changed(fact, first, first) == ""
    assert changed(fact, first, other) == "[redacted:00000001] → [redacted:00000002]"
    assert "[redacted:00000001] → " in changed(fact, first, {"found": True, "value": "open"})


def test_tokens_of_different_sites_are_not_compared_and_that_can_be_told() -> None:
    fact = "ConfigValue(path=/a, format=ini, key=url)"
    before = snapshot_of(local={fact: Redacted("[redacted:00000001]")})
    after = msgspec.structs.replace(
        snapshot_of(local={fact: Redacted("[redacted:00000002]")}), site="plant-a"
    )
    assert compare(before, after) == []
    assert incomparable_secrets(before, after)
    assert not incomparable_secrets(before, before)


# ---- targets


def test_a_target_that_came_or_went_is_one_change() -> None:
    before = snapshot_of(web={"Mounts()": ["/"]}, db={"Mounts()": ["/"], FILE: INI})
    after = snapshot_of(web={"Mounts()": ["/"]}, cache={"Mounts()": ["/"]})
    assert [(each.target, each.fact, each.kind, each.text) for each in compare(before, after)] == [
        ("cache", "", "added", "a new target: 1 reading"),
        ("db", "", "removed", "no such target now; it had 2 readings"),
    ]


def test_the_only_target_of_each_side_is_compared_whatever_it_is_called() -> None:
    change = one(snapshot_of(test={FILE: INI}), snapshot_of(live={FILE: INI | {"mode": "0600"}}))
    assert (change.target, change.text) == ("live", "mode: 0640 → 0600")


def lost(snapshot: Snapshot, reason: str) -> Snapshot:
    targets = [
        msgspec.structs.replace(each, lost=Unavailable(reason, "refused")) for each in snapshot.targets
    ]
    return msgspec.structs.replace(snapshot, targets=tuple(targets))


def test_a_target_that_is_lost_is_one_change_and_hides_none_that_was_seen_before_it_was() -> None:
    whole = snapshot_of(local={FILE: INI, "Mounts()": ["/"], "Sysctl(name=a)": "1"})
    broken = lost(
        snapshot_of(local={FILE: INI | {"mode": "0600"}, "Mounts()": Unavailable("gone", "refused")}), "gone"
    )
    assert [(each.fact, each.kind, each.text) for each in compare(whole, broken)] == [
        ("", "unreadable", "the target was lost: gone"),
        (FILE, "changed", "mode: 0640 → 0600"),
    ]
    assert [(each.fact, each.kind) for each in compare(broken, whole)] == [
        ("", "readable"),
        (FILE, "changed"),
    ]
    assert compare(broken, broken) == []


# ---- words


def test_long_texts_are_shown_around_what_differs() -> None:
    (found,) = differences("x" * 500 + "old" + "y" * 500, "x" * 500 + "new" + "y" * 500)
    assert "old" in found.before
    assert "new" in found.after
    assert max(len(found.before), len(found.after)) <= VALUE_SHOWN + 2


def test_what_cannot_be_seen_is_written_out() -> None:
    assert [each.text for each in differences("a", "a ")] == ["a → 'a '"]
    assert [each.text for each in differences("", "\x1b[2J")] == ["'' → '\\x1b[2J'"]
    assert [each.text for each in differences(None, False)] == ["– → no"]


def test_many_fields_are_cut_with_their_number() -> None:
    (found,) = differences(list(range(20)), list(range(10, 40)))
    assert found.text == "+20 +21 +22 +23 +24 and 25 more"


def test_equal_numbers_of_another_kind_are_equal_but_truth_is_no_number() -> None:
    assert list(differences({"a": 5}, {"a": 5.0})) == []
    assert [each.text for each in differences({"a": 1}, {"a": True})] == ["1 → yes"]


shapes = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(shapes, shapes)
def test_a_difference_is_found_exactly_where_two_shapes_differ(before: Any, after: Any) -> None:
    same = msgspec.json.encode(before, order="sorted") == msgspec.json.encode(after, order="sorted")
    found = list(differences(before, after))
    assert bool(found) is not same
    assert all(each.text and each.before != each.after for each in found)
    assert list(differences(before, before)) == []
    assert isinstance(brief(before), str)


def test_nothing_and_a_missing_field_are_the_same() -> None:
    assert list(differences({"a": None}, {})) == []
    assert [each.text for each in differences({"a": []}, {})] == ["[] → –"]


# ---- results


def test_a_status_that_changed_says_from_what_to_what() -> None:
    (change,) = compare_results([result()], [result(status=Status.FAIL, cause="low")])
    assert (change.kind, change.before, change.after) == ("changed", "pass", "fail")
    assert change.text == "pass → fail (low)"


def test_results_that_are_new_or_gone_are_named() -> None:
    new, gone = compare_results([result("a")], [result("b", Status.WARN, cause="low")])
    assert (new.kind, new.item, new.before, new.text) == ("new", "b", None, "new: warn (low)")
    assert (gone.kind, gone.item, gone.after, gone.text) == ("gone", "a", None, "no result now; it was: pass")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cause": "timeout"}, "fail, cause: refused → timeout"),
        ({"severity": Severity.P0}, "severity: P2 → P0"),
        ({"rule": "1" * 32}, "held to another rule"),
        ({"message": Message("in other words"), "evidence": {"free": 3}, "duration_ms": 9.0}, ""),
    ],
)
def test_cause_severity_and_rule_count_and_measured_values_do_not(
    changes: Mapping[str, Any], text: str
) -> None:
    before = result(status=Status.FAIL, cause="refused")
    found = compare_results([before], [msgspec.structs.replace(before, **changes)])
    assert [each.text for each in found] == ([text] if text else [])


def test_a_result_is_found_by_its_names_where_another_salt_made_its_key() -> None:
    before, after = result(key="a" * 32, object="/data"), result(key="b" * 32, object="/data")
    assert compare_results([before], [after]) == []
    elsewhere = msgspec.structs.replace(after, target="live")
    assert compare_results([before], [elsewhere], {"live": "local"}) == []
    assert [each.kind for each in compare_results([before], [elsewhere])] == ["new", "gone"]


def test_a_result_that_a_run_was_interrupted_before_says_nothing() -> None:
    cut = result(status=Status.ERROR, cause="interrupted")
    assert compare_results([result()], [cut]) == compare_results([cut], [result()]) == []


# ---- what a result rests on


def test_each_result_knows_the_readings_it_was_judged_on(tmp_path: Path) -> None:
    items = (
        "  - {id: a, check: sample.tank, with: {tank: north}}\n"
        "  - {id: b, check: sample.tank}\n"
        "  - {check: sample.many}\n"
        "  - {id: c, check: sample.either, with: {port: 80}}\n"
    )
    values: dict[str, Any] = {
        "SampleTanks()": ["east", "west"],
        "SampleText(name=many)": "one two",
        "SamplePort(port=80)": True,
    } | {f"SampleLevel(tank={tank})": {"total": 2, "free": 1} for tank in ("north", "east", "west")}
    plan = plan_of(tmp_path, items)
    found = evaluate(plan, snapshot_of(local=values), salt="site")
    basis = {(each.item, each.object): found.basis[each.key] for each in found.results}
    assert basis == {
        ("a", "north"): (("local", "SampleLevel(tank=north)"),),
        ("b", "east"): (("local", "SampleLevel(tank=east)"),),
        ("b", "west"): (("local", "SampleLevel(tank=west)"),),
        ("sample.many", "one"): (("local", "SampleText(name=many)"),),
        ("sample.many", "two"): (("local", "SampleText(name=many)"),),
        ("c", "t"): (("local", "SamplePort(port=80)"),),
    }


def test_a_result_about_an_enumeration_rests_on_the_enumeration(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: b, check: sample.tank}\n")
    for value in (Unavailable("no list", "denied"), [], Redacted("[redacted:00000001]")):
        found = evaluate(plan, snapshot_of(local={"SampleTanks()": value}), salt="site")
        assert [found.basis[each.key] for each in found.results] == [(("local", "SampleTanks()"),)]


def test_a_check_across_targets_rests_on_the_readings_of_them_all(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: v, check: sample.site_agrees}\n", targets=("a", "b"))
    fact = "SampleText(name=version)"
    found = evaluate(plan, snapshot_of(a={fact: "1"}, b={fact: "2"}), salt="site")
    assert [found.basis[each.key] for each in found.results] == [(("a", fact), ("b", fact))]


def test_an_object_that_is_named_twice_rests_on_its_reading_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {check: sample.doubled}\n")
    found = judge(plan, local={"SampleText(name=doubled)": "pass fail"})
    assert list(found.basis.values()) == [(("local", "SampleText(name=doubled)"),)]


def test_a_snapshot_is_what_it_is_after_a_round_trip() -> None:
    snapshot = Snapshot(NOW, (Readings(Target("local"), {FILE: Known(INI)}, NOW),))
    again = msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot)
    assert compare(snapshot, again) == []
