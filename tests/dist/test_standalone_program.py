"""The standalone build on a machine without Python, as a user without rights, with an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import database_servers
import machine
import msgspec
import pytest
from real_collector import RealCollector
from sshd import start_sshd
from standalone_build import Shipped

from agent.build import Build
from agent.commands import COMMANDS, EXTRAS
from agent.present import FORMS
from checks import __version__
from checks.index import BUILT_IN

if TYPE_CHECKING:
    from conftest import BareRoot  # of this folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OWN_CHECK = '''
"""What a check of a customer's own may do: import what it likes of the standard library."""

import os
import sqlite3
import statistics
import xml.etree.ElementTree
from pathlib import Path
from zoneinfo import ZoneInfo
from datetime import datetime

import certifi
import cronsim

from checks.facts.files import FileStat
from checks.model import Severity
from checks.registry import check
from checks.verdicts import passed

assert Path(certifi.where()).read_text().count("BEGIN CERTIFICATE") > 50
ZONE = datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Shanghai")).strftime("%z")
NAMES = ",".join(sorted(name for name in os.environ if "LIBRARY" in name or "PYI" in name or "MEI" in name))


@check("acme.inside", severity=Severity.P2, about="path", owner="vendor", stat=FileStat("{path}"))
def inside(stat: object, path: str = "/") -> object:
    """What this process is.

    Remedy: none.
    Source: our judgement.
    """
    return passed(f"zone {ZONE} libraries {os.environ.get('LD_LIBRARY_PATH')} names {NAMES}")
'''


@pytest.fixture
def collector(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    real = RealCollector(sqlite_path, tmp_path / "collector.log")
    yield real
    real.stop()


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode in (0, 1, 3), done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def statuses(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(each["item"], each["object"]): each["status"] for each in report["results"]}


def beside(
    shipped: Shipped, *words: str, state: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The standalone build on this machine, with nothing in its environment but what is given."""
    return subprocess.run(
        [str(shipped.program), *words],
        env={"PATH": "/usr/bin:/bin", "FIRSTLIGHT_STATE": str(state)} | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


# --- on a machine without Python


def test_it_tells_its_version_where_there_is_no_python(bare: BareRoot) -> None:
    assert bare.run("sh", "-c", "command -v python3 python").returncode == 127
    done = bare.firstlight("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"firstlight {__version__}\n", "")


def test_it_tells_what_it_was_made_of(bare: BareRoot, shipped: Shipped) -> None:
    done = bare.firstlight("--version", "-v")
    build = msgspec.json.decode((shipped.folder / "BUILD.json").read_bytes(), type=Build)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, lines[0]) == (0, "", f"firstlight {__version__}")
    assert lines[1].startswith("build      standalone, of commit ") or "of a commit not told" in lines[1]
    assert f"made {build.built[:10]} {build.built[11:16]} UTC" in lines[1]
    assert lines[2] == f"python     {build.python}"
    assert f"runs from glibc {build.glibc} on" in lines[3]
    assert lines[4] == "licences   /opt/firstlight/LICENSES.txt"
    assert [tuple(line.split(maxsplit=1)) for line in lines if line.startswith("  psutil")] == [
        (
            "psutil",
            next(
                f"{c.version:<{_widest(build)}}  {c.licence}" for c in build.components if c.name == "psutil"
            ),
        )
    ]


def _widest(build: Build) -> int:
    return max(len(each.version) for each in build.components)


def test_every_command_of_the_agent_is_inside(bare: BareRoot) -> None:
    script = " && ".join(
        f"/opt/firstlight/firstlight {name} --help >/dev/null" for name in COMMANDS if name not in EXTRAS
    )
    done = bare.run("sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_collector_is_not_inside_and_one_line_says_so(bare: BareRoot) -> None:
    assert "\n  server " not in bare.firstlight("--help").stdout
    done = bare.firstlight("server", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "firstlight: server needs server, which is not installed; the standalone build does not hold it, "
        "an environment with pip install 'firstlight[server]' does\n"
    )


def test_every_check_and_every_shipped_profile_is_inside(bare: BareRoot) -> None:
    listed = bare.firstlight("checks", "list").stdout
    assert [id for id in BUILT_IN if id not in listed] == []
    profiles = sorted(path.stem for path in (machine.ROOT / "checks/profiles").glob("*.yaml"))
    script = "; ".join(
        f"/opt/firstlight/firstlight plan {name} >/dev/null || echo {name}" for name in profiles
    )
    done = bare.run("sh", "-c", script)
    assert (done.stdout, done.stderr) == ("", "")


def test_it_checks_a_bare_machine_and_writes_a_page(bare: BareRoot) -> None:
    done = bare.firstlight(
        "check", "linux-server", "--no-send", "--fail-on", "never", "-o", "/home/nobody/r.html"
    )
    assert done.returncode in (0, 3), done.stderr
    page = (bare.home / "r.html").read_text()
    assert page.startswith("<!doctype html>") and "linux-server" in page


def test_it_reports_in_every_form(bare: BareRoot) -> None:
    script = (
        "cd /home/nobody; /opt/firstlight/firstlight check --no-send --save s.json >/dev/null 2>&1; "
        + "; ".join(
            f"/opt/firstlight/firstlight check --from s.json --no-send --format {form} > {form}.out; echo $?"
            for form in FORMS
        )
    )
    done = bare.run("sh", "-c", script)
    assert done.stderr == ""
    assert set(done.stdout.split()) <= {"0", "1", "2", "3"}  # a monitoring plugin ends with 2
    assert [form for form in FORMS if not (bare.home / f"{form}.out").read_text()] == []


def test_what_was_saved_is_judged_again(bare: BareRoot) -> None:
    first = bare.firstlight("check", "--no-send", "--save", "/home/nobody/s.json", "--format", "json")
    again = bare.firstlight("check", "--from", "/home/nobody/s.json", "--format", "json")
    assert statuses(report_of(again)) == statuses(report_of(first)) != {}


def test_a_run_arrives_at_a_real_collector(bare: BareRoot, collector: RealCollector) -> None:
    enrolled = bare.firstlight("enrol", collector.url, "--token", "-", input=collector.token())
    assert enrolled.returncode == 0, enrolled.stderr
    checked = bare.firstlight("check", "linux-server", "--fail-on", "never")
    assert checked.returncode in (0, 3), checked.stderr
    assert len(collector.arrived()) == 1
    assert bare.firstlight("send").returncode == 0
    assert len(collector.arrived()) == 1
    doctor = bare.firstlight("doctor")
    assert [line[:2] for line in doctor.stdout.splitlines() if "packages" in line or "version" in line] == [
        "ok"
    ] * 2
    assert f"{__version__}, standalone" in doctor.stdout


def test_a_check_of_the_customers_own_runs_with_the_whole_standard_library(bare: BareRoot) -> None:
    """Time zones too, on a machine without zone files; and nothing of the bootloader is around it."""
    _write_own_check(bare.home)
    done = bare.firstlight(
        "check", "/home/nobody/own.yaml", "--checks-dir", "/home/nobody/own", "--no-send", "--format", "json"
    )
    (result,) = report_of(done)["results"]
    assert result["message"] == "zone +0800 libraries None names "


def test_a_check_in_yaml_finds_every_fact_by_its_name(bare: BareRoot) -> None:
    made = bare.firstlight("new-check", "acme.seats", "--yaml", "--dir", "/home/nobody/own")
    assert made.returncode == 0, made.stderr
    tried = bare.firstlight("test-checks", "/home/nobody/own")
    assert (tried.returncode, tried.stdout.splitlines()[-1]) == (0, "5 tests of 1 check, all hold")


def test_started_through_a_link_it_finds_itself(bare: BareRoot) -> None:
    (bare.root / "bin/firstlight").symlink_to("../opt/firstlight/firstlight")
    done = bare.run("firstlight", "--version", "-v")
    assert (done.returncode, done.stderr) == (0, "")


# --- beside the environment that it was built from


def test_it_finds_on_a_machine_what_the_environment_finds(shipped: Shipped, tmp_path: Path) -> None:
    words = ("check", "linux-server", "--no-send", "--format", "json")
    ours = machine.firstlight(*words, state=tmp_path / "a")
    theirs = beside(shipped, *words, state=tmp_path / "b")
    assert statuses(report_of(theirs)) == statuses(report_of(ours)) != {}
    assert theirs.returncode == ours.returncode


def test_a_foreign_python_changes_nothing(shipped: Shipped, tmp_path: Path) -> None:
    """Neither its modules nor its settings are looked at."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent/__init__.py").write_text("raise SystemExit('the wrong agent')")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('the wrong site')")
    foreign = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONINSPECT": "1",
        "PYTHONOPTIMIZE": "2",
        "VIRTUAL_ENV": str(tmp_path),
    }
    done = beside(shipped, "checks", "show", "disk.free", state=tmp_path, **foreign)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A filesystem has room to grow" in done.stdout


def test_what_it_starts_gets_the_environment_it_was_given(shipped: Shipped, tmp_path: Path) -> None:
    """The bootloader puts its own libraries in front; a child would then load those."""
    _write_own_check(tmp_path)
    done = beside(
        shipped,
        *(
            "check",
            str(tmp_path / "own.yaml"),
            "--checks-dir",
            str(tmp_path / "own"),
            "--no-send",
            "--format",
            "json",
        ),
        state=tmp_path / "state",
        LD_LIBRARY_PATH="/opt/acme/lib",
    )
    (result,) = report_of(done)["results"]
    assert result["message"] == "zone +0800 libraries /opt/acme/lib names LD_LIBRARY_PATH"


def test_a_child_of_it_prints_no_library_path(shipped: Shipped, tmp_path: Path) -> None:
    profile = tmp_path / "child.yaml"
    profile.write_text(
        "profile: child\nversion: 1\ntitle: A child\nitems:\n"
        "  - {id: child, check: cmd.output, with: "
        "{command: [sh, -c, 'echo path=$LD_LIBRARY_PATH$LD_LIBRARY_PATH_ORIG$_PYI_ARCHIVE_FILE.'], "
        "stdout: {matches: '^path=[.]$'}}}\n"
    )
    done = beside(shipped, "check", str(profile), "--no-send", "--format", "json", state=tmp_path / "state")
    assert statuses(report_of(done)) == {("child", ""): "pass"}, done.stdout


def test_it_reads_another_machine_over_ssh(shipped: Shipped, tmp_path: Path) -> None:
    """What ssh_config has it run gets its whole environment, as it was given."""
    with start_sshd(tmp_path / "sshd") as server:
        seen = tmp_path / "seen"
        (tmp_path / "config").write_text(
            f'Match exec "env > {seen}"\nHost *\n  Port {server.port}\n  User {server.user}\n'
            f"  IdentityFile {server.identity}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {server.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        )
        (tmp_path / "visit.yaml").write_text(
            "profile: visit\nversion: 1\ntitle: A visit\nitems:\n"
            "  - {id: passwd, check: file.stat, with: {path: /etc/passwd, type: file}}\n"
        )
        (tmp_path / "site.yaml").write_text(
            f"site: plant\nprofile: ./visit.yaml\ntargets:\n  db1: {{address: {server.addresses[0]}}}\n"
        )
        done = beside(
            *(shipped, "check", "-s", str(tmp_path / "site.yaml"), "-F", str(tmp_path / "config")),
            *("--no-send", "--format", "json"),
            state=tmp_path / "state",
            LD_LIBRARY_PATH="/opt/acme/lib",
            HOME=str(tmp_path),
        )
    assert statuses(report_of(done)) == {("passwd", "/etc/passwd"): "pass"}, done.stdout
    names = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    assert names["LD_LIBRARY_PATH"] == "/opt/acme/lib"
    assert [name for name in names if "PYI" in name or name.endswith("_ORIG")] == []


def test_it_asks_a_real_postgresql(shipped: Shipped, tmp_path: Path) -> None:
    profile = tmp_path / "pg.yaml"
    with database_servers.postgresql() as server:
        profile.write_text(
            "profile: pg\nversion: 1\ntitle: PostgreSQL\nitems:\n"
            "  - {id: pg, check: db.connect, with: "
            f"{{url: 'postgresql://monitor@127.0.0.1:{server.port}/erp', password: 'env:FL_DB'}}}}\n"
        )
        done = beside(
            *(shipped, "check", str(profile), "--no-send", "--format", "json"),
            state=tmp_path / "state",
            FL_DB=database_servers.PASSWORD,
        )
    assert [each["status"] for each in report_of(done)["results"]] == ["pass"], done.stdout


def test_a_driver_that_is_not_inside_is_told_by_its_result(shipped: Shipped, tmp_path: Path) -> None:
    profile = tmp_path / "ora.yaml"
    profile.write_text(
        "profile: ora\nversion: 1\ntitle: Oracle\nitems:\n"
        "  - {id: ora, check: db.connect, "
        "with: {url: 'oracle://app@127.0.0.1:1/erp', password: 'env:FL_DB'}}\n"
    )
    done = beside(shipped, "check", str(profile), "--no-send", "--format", "json", state=tmp_path, FL_DB="x")
    (result,) = report_of(done)["results"]
    assert result["status"] == "error"
    assert "the standalone build does not hold it" in result["message"]


def test_half_an_archive_says_what_to_do(shipped: Shipped, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(shipped.folder, half, symlinks=True, copy_function=os.link)
    (half / "BUILD.json").unlink()
    done = subprocess.run(
        [str(half / "firstlight"), "--version", "-v"], capture_output=True, text=True, env={}
    )
    assert done.returncode == 3
    assert done.stderr == (
        f"firstlight: {half}/BUILD.json: No such file or directory; unpack the whole archive again\n"
    )


def _write_own_check(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own/acme_inside.py").write_text(OWN_CHECK)
    (folder / "own.yaml").write_text(
        "profile: own\nversion: 1\ntitle: Our own\nitems:\n"
        "  - {id: inside, check: acme.inside, with: {path: /}}\n"
    )
