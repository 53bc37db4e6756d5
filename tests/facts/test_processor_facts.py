"""Processors, their use, the load, and swap: recorded trees, this machine, and psutil faked."""

from __future__ import annotations

from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from answering import in_rounds, machine, recorded
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.cputime import CpuTime, CpuUse, parse_stat
from checks.facts.localhost import LocalHost
from checks.facts.memory import Sample
from checks.facts.processor import Cpus, Governors, Load, LoadAverage, Processors, count_in, parse_cpuinfo
from checks.facts.swap import Swap, SwapSpace

X86, ARM, S390 = (recorded(f"proc/cpuinfo-{name}.txt").decode() for name in ("x86", "arm64", "s390x"))
NOW = datetime(2026, 11, 25, tzinfo=UTC)
STAT = "cpu  1000 10 200 7000 90 5 15 20 300 0\ncpu0 1 2\nbtime 1795000000\n"
BUSY, TOTAL = 1250, 8340
AT = {
    "/proc/stat": STAT,
    "/proc/uptime": "50000.25 90000.00\n",
    "/proc/sys/kernel/random/boot_id": "00000000-0007-430b-bf66-ae833b11262e\n",
}


@pytest.mark.parametrize(
    ("text", "counts"),
    [(X86, (4, 2)), (ARM, (2, 0)), (S390, (2, 0)), (X86 + X86.replace("id\t: 0", "id\t: 1"), (8, 4))],
)
def test_processors_and_cores_are_counted(text: str, counts: tuple[int, int]) -> None:
    assert parse_cpuinfo(text) == counts


def test_a_text_without_processors_is_refused() -> None:
    with pytest.raises(NotReadable, match="names no processor"):
        parse_cpuinfo("model name: x\n")


def test_this_machine_has_as_many_as_psutil_says() -> None:
    cpus = Processors().read(LocalHost())
    assert cpus.logical == psutil.cpu_count()
    assert cpus.physical == psutil.cpu_count(logical=False)


def test_without_hyper_threading_each_processor_is_a_core(tmp_path: Path) -> None:
    far = machine(tmp_path, {"/proc/cpuinfo": ARM, "/sys/devices/system/cpu/smt/active": "0\n"})
    cpus, rounds = in_rounds(Processors(), far)
    assert cpus == Cpus(2, 2, 2.0)
    assert len(rounds) == 1


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, 4.0),
        ({"cpu.max": "999999 100000\n"}, 4.0),
        ({"cpu.max": "100000 0\n"}, 4.0),
        ({"cpuset.cpus.effective": "0-1\n"}, 2.0),
        ({"cpuset.cpus.effective": "0,2-3\n", "cpu.max": "250000 100000\n"}, 2.5),
        ({"cpuset/cpuset.effective_cpus": "3\n"}, 1.0),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
    ],
)
def test_a_control_group_leaves_less(tmp_path: Path, files: dict[str, str], usable: float) -> None:
    groups = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    cpus = Processors().read(LocalHost(str(machine(tmp_path, {"/proc/cpuinfo": X86, **groups}))))
    assert cpus == Cpus(4, 2, usable)
    assert cpus.limited is (usable < 4)


def test_without_proc_psutil_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else 8)
    assert Processors().read(LocalHost(str(tmp_path))) == Cpus(16, 8, 16.0)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: None)
    with pytest.raises(NotReadable, match="does not count"):
        Processors().read(LocalHost(str(tmp_path)))


@given(st.text(alphabet="0123456789,- ", max_size=40))
def test_any_list_of_processors_has_a_number(text: str) -> None:
    assert count_in(text) >= 0


def test_busy_is_all_but_idle_and_waiting_and_guests_are_counted_once() -> None:
    assert parse_stat(STAT) == (BUSY, TOTAL, 90, 20)
    assert parse_stat("cpu 1 2 3 4\n") == (6, 10, 0, 0)


@pytest.mark.parametrize(
    "text", ["", "cpu\n", "cpu 1 2 3\n", "cpu0 1 2 3 4\n", "cpu 1 2 3 x\n", "cpu " + "9" * 900]
)
def test_what_is_no_such_line_is_refused(text: str) -> None:
    with pytest.raises(NotReadable) as problem:
        parse_stat(text)
    assert problem.value.cause == "parse"


def sample(busy: float, total: float, up_s: float, boot: float = 7) -> Sample:
    values = {"busy": busy, "total": total, "waiting": 0, "stolen": 0, "up_s": up_s, "boot": boot}
    return Sample(NOW, values)


@pytest.mark.parametrize(
    ("samples", "used", "over_s", "since"),
    [
        ((), 100 * BUSY / TOTAL, 50000.2, "start"),
        ((sample(1150, 8140, 49100.25),), 50.0, 900.0, "an earlier run"),
        # The newest that is long enough ago.
        (
            (sample(0, 0, 1), sample(1150, 8140, 49100.25), sample(1249, 8339, 49999)),
            50.0,
            900.0,
            "an earlier run",
        ),
        # Of an earlier start, although it had counted less; longer ago than a day; and one that knows less.
        ((sample(1150, 8140, 49100.25, boot=9e9),), 100 * BUSY / TOTAL, 50000.2, "start"),
        ((Sample(NOW, {"busy": 1}),), 100 * BUSY / TOTAL, 50000.2, "start"),
        # A counter that went back is no time.
        ((sample(1250, 9000, 49100.25),), 100 * BUSY / TOTAL, 50000.2, "start"),
    ],
)
def test_use_is_told_over_the_time_since_an_earlier_run(
    tmp_path: Path, samples: tuple[Sample, ...], used: float, over_s: float, since: str
) -> None:
    seen, rounds = in_rounds(CpuUse(), machine(tmp_path, AT), remembered=samples)
    assert (seen.used_percent, seen.over_s, seen.since) == (round(used, 2), over_s, since)
    assert len(rounds) == 1


def test_a_run_of_more_than_a_day_ago_is_too_long_ago(tmp_path: Path) -> None:
    far = machine(tmp_path, {**AT, "/proc/uptime": "100000.00 1.00\n"})
    assert in_rounds(CpuUse(), far, remembered=(sample(1, 10, 5000),))[0].since == "start"
    assert in_rounds(CpuUse(), far, remembered=(sample(1, 10, 7000),))[0].since == "an earlier run"


def test_what_is_recorded_is_what_the_next_run_needs(tmp_path: Path) -> None:
    seen, _ = in_rounds(CpuUse(), machine(tmp_path, AT))
    assert CpuUse.series(seen) == {
        "busy": BUSY, "total": TOTAL, "waiting": 90, "stolen": 20, "up_s": 50000.25, "boot": 7,
    }  # fmt: skip
    assert CpuUse.settled(seen) == {}


def test_without_proc_psutil_tells_the_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = namedtuple("scputimes", "user system idle interrupt dpc")
    monkeypatch.setattr(psutil, "cpu_times", lambda: times(100.0, 50.0, 850.0, 5.0, 5.0))
    monkeypatch.setattr(psutil, "boot_time", lambda: 1795000000.0)
    seen = CpuUse().read(LocalHost(str(tmp_path)))
    assert isinstance(seen, CpuTime)
    assert (seen.busy, seen.total, seen.used_percent, seen.boot) == (150_000, 1_000_000, 15.0, 1795000000)


def test_the_load_is_three_averages(tmp_path: Path) -> None:
    far = machine(tmp_path, {"/proc/loadavg": "0.17 1.26 12.30 2/95 30311\n"})
    assert in_rounds(LoadAverage(), far)[0] == Load(0.17, 1.26, 12.3)
    with pytest.raises(NotReadable, match="three averages"):
        in_rounds(LoadAverage(), machine(tmp_path, {"/proc/loadavg": "1 2 3\n"}))


def test_governors_are_counted_by_policy(tmp_path: Path) -> None:
    folder = "/sys/devices/system/cpu/cpufreq"
    chosen = {"policy0": "performance", "policy1": "performance", "policy10": "powersave"}
    files = {f"{folder}/{name}/scaling_governor": f"{text}\n" for name, text in chosen.items()}
    far = machine(tmp_path, {"/proc/cpuinfo": X86, f"{folder}/boost": "1\n", **files})
    found, rounds = in_rounds(Governors(), far)
    assert found == {"performance": 2, "powersave": 1}
    assert len(rounds) == 2


def test_a_virtual_machine_has_no_governor(tmp_path: Path) -> None:
    assert in_rounds(Governors(), machine(tmp_path / "far", {"/proc/cpuinfo": X86}))[0] == {}
    with pytest.raises(NotReadable):
        in_rounds(Governors(), tmp_path)


def test_swap_is_what_free_shows(tmp_path: Path) -> None:
    far = machine(
        tmp_path, {"/proc/meminfo": "MemTotal: 1 kB\nSwapTotal:  2097148 kB\nSwapFree:  2097000 kB\n"}
    )
    assert in_rounds(SwapSpace(), far)[0] == Swap(2097148 * 1024, 2097000 * 1024)
    with pytest.raises(NotReadable, match="does not tell of swap"):
        in_rounds(SwapSpace(), machine(tmp_path, {"/proc/meminfo": "MemTotal: 1 kB\n"}))


def test_without_proc_psutil_tells_of_swap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = namedtuple("sswap", "total free")(8 * 2**30, 2**30)
    monkeypatch.setattr(psutil, "swap_memory", lambda: seen)
    assert SwapSpace().read(LocalHost(str(tmp_path))) == Swap(8 * 2**30, 2**30)
    with pytest.raises(NotReadable) as problem:
        in_rounds(SwapSpace(), tmp_path)
    assert problem.value.cause == "unsupported"


@given(st.text(max_size=400))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_stat, parse_cpuinfo):
        try:
            parse(text)
        except NotReadable:
            continue
