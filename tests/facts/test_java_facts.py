"""Java programs: how their command lines are read, and a real one that runs here."""

from __future__ import annotations

import os
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import services
from answering import command, files, read, recorded, said
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.answered import Failed, ProcessTable
from checks.facts.asks import Ask, ListProcesses, ReadFile, StatFilesystem, StatPath
from checks.facts.javaoptions import HeapOptions, heap_options, launch_of, words_of
from checks.facts.jvm import DumpPlace, JavaOptions, JavaPrograms, Jvm
from checks.facts.localhost import LocalHost
from checks.facts.pathinfo import Space, Stat
from checks.facts.processtable import Process

GiB = 2**30
ERP = (
    "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "-Xms2g", "-Xmx4096m", "-Ddb.password=hunter2",
    "-cp", "a:b.jar", "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=/var/dumps/erp.hprof",
    "-jar", "/opt/erp/erp-4.2.1.jar",
    "-Xmx1k", "--token=hunter2",
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (ERP, "erp.jar"),
        (("java", "-jar", "x/erp-4.2.1-SNAPSHOT.war"), "erp.war"),
        (("java", "-classpath", "-jar", "org.apache.catalina.startup.Bootstrap", "start"),
         "org.apache.catalina.startup.Bootstrap"),
        (("java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-m", "erp/com.erp.Main"),
         "erp/com.erp.Main"),
        (("java", "--module=erp"), "erp"),
        (("java", "-version"), "java"),
        (("java", "-jar"), "java"),
        (("java", "a\x1bb"), "java"),
        ((), "java"),
    ],
)  # fmt: skip
def test_a_command_line_tells_its_program_as_the_launcher_reads_it(
    words: tuple[str, ...], program: str
) -> None:
    assert launch_of(words).program == program


def test_only_options_about_memory_are_kept_and_none_of_the_program_itself() -> None:
    launch = launch_of(ERP)
    assert launch.options == (
        "-Xms2g", "-Xmx4096m", "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=/var/dumps/erp.hprof",
    )  # fmt: skip
    assert "hunter2" not in repr(launch)
    assert heap_options(launch.options) == HeapOptions(
        2 * GiB, 4 * GiB, dumps=True, dump_path="/var/dumps/erp.hprof"
    )


def test_the_last_of_several_options_counts() -> None:
    seen = heap_options(
        ["-Xmx1g", "-XX:MaxHeapSize=2147483648", "-XX:MaxRAMPercentage=75.0", "-XX:InitialRAMPercentage=50",
         "-XX:+HeapDumpOnOutOfMemoryError", "-XX:-HeapDumpOnOutOfMemoryError", "-XX:+ExitOnOutOfMemoryError",
         "-Xmsnothing"]
    )  # fmt: skip
    assert seen == HeapOptions(None, 2 * GiB, 50.0, 75.0, False, "", True)


def test_argument_files_are_read_as_the_launcher_does() -> None:
    text = '# comment\n-Xmx1g  "-XX:HeapDumpPath=/a b"\n\'-Dx=\\\'y\' -Xms1g # more\n""\n'
    assert words_of(text) == ["-Xmx1g", "-XX:HeapDumpPath=/a b", "-Dx='y", "-Xms1g", ""]


def machine(*words: str) -> dict[Ask, Any]:
    """A host on which one Java program runs."""
    return {
        ListProcesses(): ProcessTable((Process(7, "java", 1500), Process(8, "bash", 0)), True),
        ReadFile("/proc/7/cmdline"): "\0".join([*words, ""]).encode(),
    }


def test_a_program_is_read_with_its_version_its_limit_and_the_place_of_its_dump() -> None:
    answers = (
        machine(*ERP)
        | files(proc__7__cgroup="0::/erp.slice/erp.service\n")
        | {
            ReadFile("/sys/fs/cgroup/erp.slice/memory.max"): b"max\n",
            ReadFile("/sys/fs/cgroup/erp.slice/erp.service/memory.max"): b"6442450944\n",
            ReadFile("/usr/lib/jvm/java-17-openjdk-amd64/release"): recorded("java/release-17"),
            StatPath("/var/dumps"): Stat(0o040755, 0, 0, 0, 0),
            StatFilesystem("/var/dumps"): Space(100, 50, 40, 1, 1),
        }
    )
    assert read(JavaPrograms(), answers) == ["erp.jar"]
    heap = HeapOptions(2 * GiB, 4 * GiB, dumps=True, dump_path="/var/dumps/erp.hprof")
    place = DumpPlace("/var/dumps/erp.hprof", True, 40)
    assert read(JavaOptions("erp.jar"), answers) == (Jvm(7, "17.0.15", heap, 6 * GiB, (), place),)
    assert read(JavaOptions("other.jar"), answers) == ()


def test_java_8_is_found_behind_links_in_its_folder_jre() -> None:
    answers = machine("/usr/bin/java", "-Xmx1g", "Main") | {
        command("readlink", "-f", "/proc/7/exe", timeout=4.0): said("/opt/jdk8/jre/bin/java\n"),
        ReadFile("/opt/jdk8/release"): recorded("java/release-8"),
    }
    (seen,) = read(JavaOptions("Main"), answers)
    assert (seen.version, seen.memory_limit, seen.dump) == ("1.8.0_392", None, None)


def test_the_old_control_groups_tell_a_limit_too_and_their_way_of_none() -> None:
    answers = (
        machine("java", "Main")
        | files(proc__7__cgroup="9:cpu,memory:/docker/x\n0::/\n")
        | {
            ReadFile("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes"): b"9223372036854771712\n",
            ReadFile("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes"): b"1073741824\n",
        }
    )
    (seen,) = read(JavaOptions("Main"), answers)
    assert (seen.version, seen.memory_limit) == ("", GiB)


def test_options_in_a_file_count_and_one_that_cannot_be_read_is_named() -> None:
    answers = machine("java", "@jvm.options", "@/etc/erp/more", "Main") | {
        ReadFile("/proc/7/cwd/jvm.options"): b"-Xmx2g\n-Dpassword=hunter2\n",
        ReadFile("/etc/erp/more"): Failed("denied", "denied"),
    }
    (seen,) = read(JavaOptions("Main"), answers)
    assert seen.heap == HeapOptions(None, 2 * GiB)
    assert seen.unread == ("@/etc/erp/more: denied",)
    assert "hunter2" not in repr(seen)


def test_a_dump_whose_folder_is_gone_is_told() -> None:
    answers = machine("java", "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=/gone/x", "Main")
    (seen,) = read(JavaOptions("Main"), answers)
    assert seen.dump == DumpPlace("/gone/x", False)
    denied = answers | {StatPath("/gone/x"): Failed("/gone/x: denied", "denied")}
    assert read(JavaOptions("Main"), denied)[0].dump == DumpPlace("/gone/x", True, 0, "/gone/x: denied")


# class Sleeper { public static void main(String[] a) throws Exception { System.out.println(1);
#   Thread.sleep(60000); } }, compiled for Java 8: so a runtime is enough here.
SLEEPER = (
    "yv66vgAAADQAIwoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWCQAIAAkHAAoMAAsADAEAEGph"
    "dmEvbGFuZy9TeXN0ZW0BAANvdXQBABVMamF2YS9pby9QcmludFN0cmVhbTsKAA4ADwcAEAwAEQASAQATamF2YS9pby9QcmludFN0"
    "cmVhbQEAB3ByaW50bG4BAAQoSSlWBQAAAAAAAOpgCgAWABcHABgMABkAGgEAEGphdmEvbGFuZy9UaHJlYWQBAAVzbGVlcAEABChK"
    "KVYHABwBAAdTbGVlcGVyAQAEQ29kZQEABG1haW4BABYoW0xqYXZhL2xhbmcvU3RyaW5nOylWAQAKRXhjZXB0aW9ucwcAIgEAE2ph"
    "dmEvbGFuZy9FeGNlcHRpb24AIQAbAAIAAAAAAAIAAQAFAAYAAQAdAAAAEQABAAEAAAAFKrcAAbEAAAAAAAkAHgAfAAIAHQAAABoA"
    "AgABAAAADrIABwS2AA0UABO4ABWxAAAAAAAgAAAABAABACEAAA=="
)


@pytest.fixture
def java(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real program of one class."""
    launcher = services.program("java", "default-jre-headless")
    (tmp_path / "Sleeper.class").write_bytes(b64decode(SLEEPER))
    (tmp_path / "options").write_text("-Xms16m\n-Xmx32m\n-XX:+HeapDumpOnOutOfMemoryError\n-Dsecret=hunter2\n")
    argv = [launcher, "@options", "-cp", ".", "Sleeper"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_real_program_is_read(java: subprocess.Popen[bytes]) -> None:
    host = LocalHost()
    assert "Sleeper" in JavaPrograms().read(host)
    seen = next(each for each in JavaOptions("Sleeper").read(host) if each.pid == java.pid)
    told = subprocess.run(["java", "-version"], capture_output=True, check=True).stderr.decode()
    assert f'"{seen.version}"' in told
    assert (seen.heap.least, seen.heap.most, seen.heap.dumps) == (16 * 2**20, 32 * 2**20, True)
    assert seen.dump is not None
    assert seen.dump.exists
    assert seen.dump.available > 0
    assert seen.unread == ()


@given(st.lists(st.text(max_size=40), max_size=20))
def test_whatever_a_command_line_is_it_is_read(words: list[str]) -> None:
    launch = launch_of(words)
    heap_options(launch.options)
    assert 0 < len(launch.program) <= 200


@given(st.text(max_size=500))
def test_whatever_an_argument_file_holds_it_is_read(text: str) -> None:
    assert all(isinstance(word, str) for word in words_of(text))


def test_where_processes_are_hidden_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    hidden = b"2 1 0:21 / /proc rw - proc proc rw,hidepid=2\n"
    answers = {ListProcesses(): ProcessTable((), False), ReadFile("/proc/self/mountinfo"): hidden}
    with pytest.raises(NotReadable, match="hidepid"):
        read(JavaPrograms(), answers)


def test_a_program_that_ended_meanwhile_is_passed_over() -> None:
    answers = {ListProcesses(): ProcessTable((Process(7, "java", 0),), True),
               ReadFile("/proc/self/mountinfo"): b"2 1 0:21 / /proc rw - proc proc rw\n"}  # fmt: skip
    assert read(JavaPrograms(), answers) == []
