"""The shipped profiles say something sensible on this machine, and on one that shows nothing at all."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.evaluate import Evaluation, evaluate, next_facts
from checks.fact import Known, NotReadable, Reading, Unavailable
from checks.facts.localhost import LocalHost
from checks.model import Status, Target
from checks.plan import make_plan
from checks.profile import load_profile
from checks.profile_source import profile_names
from checks.snapshot import Readings, Snapshot


def run(profile: str, host: LocalHost) -> Evaluation:
    """Collect one fact after the other, and evaluate; the target has every role that the profile knows."""
    loaded = load_profile(profile)
    roles = sorted({role for item in loaded.items for role in item.roles})
    plan = make_plan(loaded, [Target("local")], roles={"local": roles})
    values: dict[str, Reading] = {}
    wanted = plan.facts("local")
    while wanted:
        for fact in wanted:
            try:
                values[fact.id()] = Known(fact.read(host))
            except NotReadable as problem:
                values[fact.id()] = Unavailable(problem.reason, problem.cause)
        wanted = next_facts(plan, "local", values)
    now = datetime.now(UTC)
    return evaluate(plan, Snapshot(now, (Readings(Target("local"), values, now),)), salt="site")


def test_what_linux_server_wants_of_the_kernel_is_what_its_sources_say() -> None:
    """dev-sec Linux baseline, sysctl-11, -31a, -32 and -34, and the kernel's own documentation."""
    wanted = {
        item.arguments["name"]: item.parameters["value"]
        for item in load_profile("linux-server").items
        if item.check == "kern.param"
    }
    assert wanted == {
        "kernel.randomize_va_space": {"equals": 2},
        "net.ipv4.tcp_syncookies": {"one_of": [1, 2]},
        "fs.protected_symlinks": {"equals": 1},
        "fs.suid_dumpable": {"one_of": [0, 2]},
    }


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_says_something_about_each_of_its_items(name: str) -> None:
    results = run(name, LocalHost()).results
    assert {result.item for result in results} == {item.id for item in load_profile(name).items}
    assert not [result for result in results if result.cause in ("defect", "unread", "parse")]


def test_any_linux_server_is_told_most_of_it_without_configuration() -> None:
    results = run("linux-server", LocalHost()).results
    told = [result for result in results if result.status not in (Status.ERROR, Status.SKIP)]
    assert len(told) >= 10
    assert {"os.supported", "mem.used", "disk.free", "kern.aslr", "file.passwd"} <= {r.item for r in told}


def test_no_finding_comes_without_a_remedy_and_an_owner() -> None:
    for result in run("linux-server", LocalHost()).results:
        if result.status in (Status.FAIL, Status.WARN):
            assert result.remedy
            assert result.owner


def test_a_machine_that_shows_nothing_gives_errors_and_no_good_news(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
    for name in ("meminfo", "uptime"):  # without them psutil would tell of this machine
        (tmp_path / "proc" / name).mkdir()
    results = run("linux-server", LocalHost(str(tmp_path))).results
    passed = {result.item for result in results if result.status is Status.PASS}
    # Read by calls to the kernel, not from files; and the mount table, which is shown.
    assert passed <= {"disk.free", "disk.inodes", "disk.fill_forecast", "disk.readonly", "time.sync"}


def test_it_works_for_a_user_without_rights() -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests of this module ran without rights already")
    run("linux-server", LocalHost())  # what is imported late may lie where the other user cannot go
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setresuid(65534, 65534, 65534)
            told = [r for r in run("linux-server", LocalHost()).results if r.status is not Status.ERROR]
            code = 0 if len(told) >= 12 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
