"""Arguments of processes, open ports, what sshd lets in, and software that interferes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest
from answering import files, read
from hypothesis import given
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.answered import Failed, ProcessTable
from checks.facts.asks import Ask, ListFolder, ListProcesses, ReadFile
from checks.facts.cmdline import ProcessesWith
from checks.facts.interference import PROGRAMS, Found, Interfering
from checks.facts.listening import OpenPort, OpenPorts, PortTable
from checks.facts.localhost import LocalHost
from checks.facts.pathinfo import Entry
from checks.facts.process import ProcessGroup
from checks.facts.processtable import Process
from checks.facts.sshdsettings import DEFAULTS, SshdSettings, conditional

PROC = {ReadFile("/proc/self/mountinfo"): b"2 1 0:21 / /proc rw - proc proc rw\n"}


def running(*processes: Process, root: bool = True) -> dict[Ask, Any]:
    return PROC | {ListProcesses(): ProcessTable(processes, root)}


def test_processes_are_told_by_their_arguments_which_are_not_kept() -> None:
    answers = running(*(Process(pid, "java", 0, "erp") for pid in (7, 8, 9))) | {
        ReadFile("/proc/7/cmdline"): b"java\0-Dpassword=hunter2\0-jar\0/opt/erp.jar\0",
        ReadFile("/proc/8/cmdline"): b"java\0-jar\0/opt/other.jar\0",
    }
    seen = read(ProcessesWith("java", r"-jar /opt/erp[.]jar$"), answers)
    assert seen == ProcessGroup(1, ("erp",), (7,))
    assert read(ProcessesWith("java", "nosuch"), answers) == ProcessGroup(0)
    with pytest.raises(NotReadable, match="regular expression"):
        read(ProcessesWith("java", "("), answers)


def test_arguments_that_may_not_be_read_are_no_absence() -> None:
    answers = running(Process(7, "java", 0)) | {ReadFile("/proc/7/cmdline"): Failed("denied", "denied")}
    with pytest.raises(NotReadable) as problem:
        read(ProcessesWith("java", "x"), answers)
    assert problem.value.cause == "denied"


def test_a_real_process_is_told_by_its_arguments(tmp_path: Path) -> None:
    program = tmp_path / "fl-args"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "61"]) as process:
        try:
            while Path(f"/proc/{process.pid}/comm").read_text().strip() != "fl-args":
                pass
            assert ProcessesWith("fl-args", r" 61$").read(LocalHost()).pids == (process.pid,)
            assert ProcessesWith("fl-args", r" 62$").read(LocalHost()).count == 0
        finally:
            process.kill()


def test_without_proc_arguments_come_from_psutil(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = psutil.Process()
    monkeypatch.setattr(LocalHost, "processes", lambda self: (Process(me.pid, "x.exe", -1, "me"),))
    assert ProcessesWith("x.exe", "pytest|xdist|-c").read(LocalHost(str(tmp_path))).pids == (me.pid,)


def test_programs_that_interfere_are_told_by_their_names_as_windows_writes_them_too() -> None:
    answers = running(Process(1, "systemd", 0), Process(5, "clamd", 104), Process(9, "msmpeng.exe", -1))
    assert read(Interfering(), answers) == (
        Found("ClamAV", "antivirus", ("clamd",)),
        Found("Microsoft Defender", "antivirus", ("MsMpEng.exe",)),
    )
    assert read(Interfering(), running(Process(1, "systemd", 0))) == ()
    hidden = {ReadFile("/proc/self/mountinfo"): b"2 1 0:21 / /proc rw - proc proc rw,hidepid=2\n"}
    with pytest.raises(NotReadable, match="hidepid"):
        read(Interfering(), running(root=False) | hidden)


def test_no_program_stands_in_the_list_twice() -> None:
    names = [name.casefold() for known in PROGRAMS.values() for name in known]
    assert len(names) == len(set(names))


def test_ports_that_are_open_here_are_told_with_who_holds_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = {each.port: each for each in OpenPorts().read(LocalHost()).ports}
    own = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    assert seen[port] == OpenPort(port, ("127.0.0.1",), (own,))


def test_on_windows_ports_come_from_psutil(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = namedtuple("address", "ip port")
    link = namedtuple("link", "laddr status pid")
    links = [
        link(address("0.0.0.0", 445), psutil.CONN_LISTEN, os.getpid()),
        link(address("::", 445), psutil.CONN_LISTEN, None),
        link(address("10.0.0.1", 5000), psutil.CONN_ESTABLISHED, os.getpid()),
        link((), psutil.CONN_LISTEN, None),
    ]
    monkeypatch.setattr(psutil, "net_connections", lambda kind: links)
    own = psutil.Process().name()
    assert OpenPorts().read(LocalHost(str(tmp_path))) == PortTable(
        (OpenPort(445, ("0.0.0.0", "::"), (own,)),)
    )


MAIN = """
# PermitRootLogin yes
Include /etc/ssh/sshd_config.d/*.conf
PermitRootLogin prohibit-password
ChallengeResponseAuthentication no
UsePAM yes
Match Address 10.0.0.0/8
    PermitRootLogin = yes
    X11Forwarding no
"""


def ssh(**texts: str) -> dict[Ask, Any]:
    folder = "/etc/ssh/sshd_config.d"
    found: dict[Ask, Any] = {ReadFile(f"{folder}/{name}.conf"): text.encode() for name, text in texts.items()}
    found[ListFolder(folder)] = tuple(Entry(f"{name}.conf", "file") for name in sorted(texts))
    return found | files(etc__ssh__sshd_config=MAIN)


def test_the_first_value_counts_also_where_an_included_file_has_it() -> None:
    seen = read(
        SshdSettings(), ssh(a="PermitRootLogin no\n", b="permitrootlogin yes\nPasswordAuthentication no\n")
    )
    assert seen.values == {
        "PermitRootLogin": "no",
        "PasswordAuthentication": "no",
        "PermitEmptyPasswords": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "yes",
    }
    assert seen.set == ("PermitRootLogin", "PasswordAuthentication", "KbdInteractiveAuthentication", "UsePAM")
    assert seen.conditional == ("PermitRootLogin yes",)


def test_what_nobody_set_is_the_default_of_openssh() -> None:
    seen = read(SshdSettings(), files(usr__etc__ssh__sshd_config="Port 22\n"))
    assert (seen.path, seen.values, seen.set) == ("/usr/etc/ssh/sshd_config", DEFAULTS, ())


def test_a_file_that_may_not_be_read_is_no_default() -> None:
    with pytest.raises(NotReadable) as main:
        read(SshdSettings(), {ReadFile("/etc/ssh/sshd_config"): Failed("denied", "denied")})
    assert main.value.cause == "denied"
    hidden = ssh(a="") | {ReadFile("/etc/ssh/sshd_config.d/a.conf"): Failed("denied", "denied")}
    with pytest.raises(NotReadable):
        read(SshdSettings(), hidden)
    with pytest.raises(NotReadable) as absent:
        read(SshdSettings(), {})
    assert absent.value.cause == "absent"


def test_what_sshd_says_itself_is_what_is_read(tmp_path: Path) -> None:
    """Debian's own file, by sshd -T where that is here."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if sshd is None or os.geteuid() != 0 or not Path("/etc/ssh/sshd_config").exists():
        pytest.skip("no sshd to ask")
    Path("/run/sshd").mkdir(exist_ok=True)
    told = subprocess.run([sshd, "-T"], capture_output=True, text=True)
    if told.returncode:
        pytest.skip(f"sshd -T: {told.stderr.strip()[-100:]}")
    lines = dict(line.partition(" ")[::2] for line in told.stdout.splitlines())
    values = SshdSettings().read(LocalHost()).values
    assert values["PasswordAuthentication"] == lines["passwordauthentication"]
    assert values["PermitRootLogin"].replace("prohibit", "without") == lines["permitrootlogin"].replace(
        "prohibit", "without"
    )
    assert values["KbdInteractiveAuthentication"] == lines["kbdinteractiveauthentication"]


@given(st.text(max_size=500))
def test_whatever_sshd_config_holds_is_read_or_refused(text: str) -> None:
    conditional(text)
    try:
        seen = read(SshdSettings(), {ReadFile("/etc/ssh/sshd_config"): text.encode(errors="replace")})
    except NotReadable:
        return
    assert set(seen.values) == set(DEFAULTS)
