"""What wakes the agent, in the words of systemd, cron and Windows: put in place once, taken away whole."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import services
import xmlschema
from click.testing import CliRunner, Result
from machine import ROOT, environment

from agent.commands.install import command
from agent.config import load_config
from agent.install import block, cron, placing, start
from agent.install.units import EARLIER, SERVICE, timer_of, units
from agent.install.wanted import Wakeup
from agent.install.windows import task_definition
from agent.paths import State
from checks.errors import BadInput, FirstlightError
from checks.rules import ScheduleEntry

NIGHTLY = ScheduleEntry("nightly", cron="30 2 1,15 * MON", timezone="Europe/Berlin", jitter="10 min")
HOURLY = ScheduleEntry("hourly", every="1h")
OWN = '[limits]\nrun_s = 60\n\n[[schedules]]\nname = "nightly"\ncron = "30 2 * * *"\n'


def wakeup(*schedules: ScheduleEntry, system: bool = True, user: str = "", reads: bool = False) -> Wakeup:
    return Wakeup(
        [sys.executable], "/var/lib/firstlight", "web-1", schedules or (NIGHTLY, HOURLY), system, user, reads
    )


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def analysed(*words: str) -> subprocess.CompletedProcess[str]:
    program = services.program("systemd-analyze", "systemd")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


ACCOUNTS = [
    pytest.param({"system": True}, id="root"),
    pytest.param({"system": False}, id="own sessions"),
    pytest.param({"user": "daemon"}, id="account"),
    pytest.param({"user": "daemon", "reads": True}, id="account that reads"),
]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_systemd_accepts_the_units(tmp_path: Path, account: dict[str, bool]):
    words = [sys.executable, "-c", "$HOME 100% 'x'"]
    of = {"system": True} | account
    odd = Wakeup(words, "/var/lib/Halle 7 100%", "web-1", (NIGHTLY, HOURLY), **of)  # type: ignore[arg-type]
    written = placing.write_units(odd, tmp_path)
    assert [path.name for path in written] == [
        SERVICE, "firstlight-check@nightly.timer", "firstlight-check@hourly.timer",
        "firstlight-tick.service", "firstlight-tick.timer",
    ]  # fmt: skip
    instance = tmp_path / "firstlight-check@nightly.service"
    shutil.copy(tmp_path / SERVICE, instance)
    done = analysed("verify", "--man=no", *map(str, [*written[1:], instance]))
    assert (done.returncode, done.stderr) == (0, "")


# Exposure as systemd-analyze(1) counts it, from 0 (none) to 10. Most of what is left would give the service
# a view of its own, and checks would judge that.
@pytest.mark.parametrize(("account", "most"), [({}, 5.0), ({"user": "daemon"}, 4.1)], ids=["root", "account"])
def test_the_service_is_confined(tmp_path: Path, account: dict[str, str], most: float):
    placing.write_units(wakeup(**account), tmp_path)  # type: ignore[arg-type]
    done = analysed(
        "security", "--offline=true", "--threshold=100", str(tmp_path / "firstlight-tick.service")
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    score = float(found[1])
    assert score <= most, f"exposure {score}, was {most}"


def test_no_system_call_of_a_run_is_kept_from_it(tmp_path: Path):
    """A call that is refused makes a reading fail that would have been one: a check would tell a lie."""
    state = tmp_path / "state"
    (state / "schedules").mkdir(mode=0o700, parents=True)
    state.chmod(0o700)
    (state / "config.toml").write_text('[[schedules]]\nname = "s"\nevery = "1h"\nprofile = "linux-server"\n')
    (state / "schedules/s.json").write_text('{"counted": "2026-01-01T00:00:00Z"}')
    trace = tmp_path / "trace"
    words = ["-f", "-o", str(trace), sys.executable, "-m", "agent", "agent", "--once"]
    subprocess.run(
        [services.program("strace", "strace"), *words],
        cwd=ROOT, env=environment(state), capture_output=True, check=False,
    )  # fmt: skip
    text = trace.read_text(errors="replace")
    unit = units(wakeup())[0]["firstlight-tick.service"]
    called = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", text, re.MULTILINE))
    assert {"execve", "flock", "setitimer", "ioprio_set"} <= called, "the run was traced"
    assert called - allowed_calls(unit) == set()
    families = set(re.findall(r"\bsocket\((AF_[A-Z0-9]+)", text))
    assert families <= {*re.findall(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)[0].split()}


def allowed_calls(unit: str) -> set[str]:
    """What the unit's SystemCallFilter= lets through, by systemd's own sets."""
    sets: dict[str, list[str]] = {}
    for line in analysed("syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            members = sets[line.strip()] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())

    def expanded(name: str) -> set[str]:
        return set().union(*map(expanded, sets[name])) if name.startswith("@") else {name}

    words = re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE)[0].split()
    return set().union(*map(expanded, words))


def test_confinement_leaves_the_view_of_the_machine_as_it_is():
    for text in units(wakeup())[0].values():
        for option in (
            "ProtectSystem", "PrivateTmp", "ProtectHome", "PrivateDevices", "ReadOnlyPaths", "PrivateNetwork",
            "ProtectProc", "ProtectKernelLogs", "ProtectKernelModules", "ProtectHostname", "PrivateUsers",
            "DynamicUser", "StateDirectory", "ProtectClock", "DeviceAllow", "RootDirectory",
        ):  # fmt: skip
            assert option not in text, "it would give the service a view of its own"


def test_the_service_does_what_is_due_and_counts_findings_as_an_answer():
    texts, notes = units(wakeup())
    assert f"ExecStart={sys.executable} agent --once --schedule %i\n" in texts[SERVICE]
    assert f"ExecStart={sys.executable} agent --once\n" in texts["firstlight-tick.service"]
    assert notes == []
    for text in (texts[SERVICE], texts["firstlight-tick.service"]):
        for line in (
            "SuccessExitStatus=1", "NoNewPrivileges=yes", "KillMode=mixed", "UMask=0077", "Nice=10",
            "Environment=FIRSTLIGHT_STATE=/var/lib/firstlight",
            "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_KILL",
        ):  # fmt: skip
            assert f"{line}\n" in text


def test_an_account_has_no_rights_but_those_that_were_granted():
    plain = units(wakeup(user="firstlight"))[0][SERVICE]
    assert "User=firstlight\n" in plain
    assert "CapabilityBoundingSet=\n" in plain
    assert "Ambient" not in plain
    reading = units(wakeup(user="firstlight", reads=True))[0][SERVICE]
    assert "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE\n" in reading
    assert "AmbientCapabilities=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE\n" in reading


def test_each_schedule_has_a_timer_that_makes_up_for_what_was_missed():
    texts, _ = units(wakeup())
    nightly = texts[timer_of("nightly")]
    assert nightly.count("OnCalendar=") == 2  # days of the month, or of the week
    assert "Europe/Berlin\n" in nightly
    for text in (nightly, texts[timer_of("hourly")], texts["firstlight-tick.timer"]):
        assert "Persistent=true\n" in text
    assert "RandomizedDelaySec=0\n" in nightly, "the jitter is in the times"


def test_machines_tick_at_different_times_and_each_always_at_the_same():
    def tick(machine: str) -> str:
        return units(Wakeup(["x"], "/s", machine, (), True))[0]["firstlight-tick.timer"]

    assert len({tick(f"machine-{n}") for n in range(50)}) > 45
    assert tick("web-1") == tick("web-1")


def test_times_without_words_in_systemd_are_kept_by_the_tick_which_is_said():
    slow = ScheduleEntry("slow", every="5h")
    late = ScheduleEntry("late", cron="50 23 1 * *", jitter="12h")
    texts, notes = units(wakeup(slow, late))
    assert [name for name in texts if name.endswith(".timer")] == ["firstlight-tick.timer"]
    assert notes == [
        "schedule slow: has no timer of its own, for it does not divide the week into equal parts; the tick "
        "runs it, at most 15 min late",
        "schedule late: has no timer of its own, for its jitter carries it over midnight, and not from every "
        "day; the tick runs it, at most 15 min late",
    ]


@pytest.mark.parametrize(("every", "right"), [("11 min", "10 min or 12 min"), ("50 min", "48 min or 56 min")])
def test_a_fine_span_that_no_timer_keeps_is_refused_with_those_that_are_right(every: str, right: str):
    with pytest.raises(BadInput, match=f"schedule fast: every '{every}' .* every = {right} would be right"):
        units(wakeup(ScheduleEntry("fast", every=every)))


# cron


def test_the_system_gets_one_cron_line_however_often_it_is_installed(tmp_path: Path):
    cron.write_cron_file(wakeup(HOURLY), tmp_path)
    path = cron.write_cron_file(wakeup(user="firstlight"), tmp_path)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    fields = lines[0].split()
    assert [int(minute) % 5 for minute in fields[0].split(",")] == [int(fields[0].split(",")[0])] * 12
    assert fields[1:6] == ["*", "*", "*", "*", "firstlight"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_cron_line_means_to_the_shell_what_was_meant(tmp_path: Path):
    show = tmp_path / "a program"
    show.write_text('#!/bin/sh\nprintf "%s|" "$FIRSTLIGHT_STATE" "$@" >"$0.out"\n')
    show.chmod(0o755)
    odd = Wakeup([str(show), "it's 100%", "$HOME"], "/var/my state", "m", (), system=False)
    said = cron.cron_line(odd).split(" ", 5)[5].replace(r"\%", "%")  # what cron hands to the shell
    subprocess.run(["/bin/sh", "-c", said], check=True)
    assert (tmp_path / "a program.out").read_text() == "/var/my state|it's 100%|$HOME|agent|--once|"


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `crontab` program that keeps its table in a file, for a user on a machine without systemd."""
    table, program = tmp_path / "table", tmp_path / "bin/crontab"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then cat "{table}" 2>/dev/null; else cat >"{table}"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for module in (placing, start):
        monkeypatch.setattr(module, "is_root", lambda: False)
    monkeypatch.setattr(placing, "runs_systemd", lambda: False)
    monkeypatch.setattr(placing, "unit_folder", lambda *, system: tmp_path / "units")
    return table


def test_a_users_crontab_keeps_its_other_lines(crontab: Path, state: State):
    mine = "MAILTO=ada\n0 5 * * * /usr/local/bin/backup"
    crontab.write_text(
        mine + f"\n17 4 * * * firstlight check >/dev/null {cron.MARK}\n"
    )  # an earlier version's
    for every in ("1d", "6h"):
        result = run("--every", every)
        assert result.exit_code == 0, result.output
    lines = crontab.read_text().splitlines()
    assert lines[:2] == mine.splitlines()
    assert len(lines) == 3
    assert lines[2].endswith(f"agent --once >/dev/null {cron.MARK}")
    assert "firstlight install --remove" in result.output
    result = run("--remove")
    assert crontab.read_text().splitlines() == mine.splitlines(), result.output
    assert not state.config.exists()
    assert "nothing was installed" in run("--remove").output


def test_a_span_that_is_finer_than_cron_is_told(crontab: Path, state: State):
    result = run("--every", "2 min")
    assert "schedule default: every 2 min, but cron wakes every 5 minutes only" in result.output


def test_a_machine_without_any_scheduler_is_told_what_to_run_and_left_as_it_was(
    state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(placing, "runs_systemd", lambda: False)
    monkeypatch.setattr(cron, "FOLDER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run()
    assert isinstance(result.exception, FirstlightError)
    assert re.search(r"let your own scheduler run every 5 minutes: .* agent --once", str(result.exception))
    assert not state.root.exists()


# systemd, with a systemctl that writes down what it is asked for


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of units of a machine where systemd runs, as far as install can see; what systemctl was
    asked is in ``asked`` beside it."""
    folder, program = tmp_path / "units", tmp_path / "bin/systemctl"
    folder.mkdir()
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(placing, "runs_systemd", lambda: True)
    monkeypatch.setattr(placing, "unit_folder", lambda *, system: folder)
    monkeypatch.setattr(placing, "stamp_folder", lambda *, system: tmp_path / "stamps")
    monkeypatch.setattr(cron, "FOLDER", tmp_path / "none")
    for module in (placing, start):
        monkeypatch.setattr(module, "is_root", lambda: True)
    return folder


def asked(folder: Path) -> list[str]:
    return folder.with_name("asked").read_text().splitlines()


def test_timers_are_started_and_those_of_schedules_that_are_no_more_go(systemd: Path, state: State):
    assert run("--every", "6h").exit_code == 0
    assert asked(systemd) == [
        "daemon-reload",
        "enable firstlight-check@default.timer firstlight-tick.timer",
        "restart firstlight-check@default.timer firstlight-tick.timer",
    ]
    text = block.without_block(state.config.read_text(), "")
    state.config.write_text(text + OWN)
    result = run()
    assert result.exit_code == 0, result.output
    assert f"removed {systemd}/firstlight-check@default.timer" in result.output
    assert sorted(path.name for path in systemd.iterdir()) == [
        "firstlight-check@.service", "firstlight-check@nightly.timer",
        "firstlight-tick.service", "firstlight-tick.timer",
    ]  # fmt: skip
    assert "disable --now firstlight-check@default.timer" in asked(systemd)
    assert state.config.read_text() == OWN


def test_remove_takes_everything_away_of_earlier_versions_too(systemd: Path, state: State):
    stamps = systemd.with_name("stamps")
    stamps.mkdir()
    run("--every", "6h")
    for name in EARLIER:
        (systemd / name).write_text("[Unit]\n")
    (systemd / "other.timer").write_text("[Unit]\n")
    for name in ("stamp-firstlight-check@default.timer", "stamp-firstlight.timer", "stamp-other.timer"):
        (stamps / name).touch()
    result = run("--remove")
    assert result.exit_code == 0, result.output
    assert [path.name for path in systemd.iterdir()] == ["other.timer"]
    assert [path.name for path in stamps.iterdir()] == ["stamp-other.timer"]
    assert not state.config.exists()
    assert run("--remove").output == "nothing was installed\n"


def test_a_systemctl_that_fails_is_told_in_its_words(systemd: Path, state: State):
    program = systemd.with_name("bin") / "systemctl"
    program.write_text("#!/bin/sh\necho 'Access denied' >&2; exit 1\n")
    result = run("--every", "6h")
    assert str(result.exception) == "systemctl daemon-reload: Access denied"


# Windows


def test_the_windows_task_is_valid_by_its_schema():
    schema = xmlschema.XMLSchema(Path(__file__).with_name("windows_task.xsd"))
    for user in ("", "DOMAIN\\ada & co"):
        odd = Wakeup(["C:\\Program Files\\firstlight\\firstlight.exe"], 'C:\\a "b" & c', "m", (), True, user)
        text = task_definition(odd)
        schema.validate(text)
        root = ElementTree.fromstring(text)
        names = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
        assert root.findtext(".//t:Exec/t:Command", namespaces=names) == odd.program[0]
        assert root.findtext(".//t:Exec/t:Arguments", namespaces=names) == (
            'agent --once --state "C:\\a \\"b\\" & c"'
        )
        assert root.findtext(".//t:Repetition/t:Interval", namespaces=names) == "PT5M"
        assert root.findtext(".//t:StartWhenAvailable", namespaces=names) == "true"
        assert root.findtext(".//t:MultipleInstancesPolicy", namespaces=names) == "IgnoreNew"
        assert root.findtext(".//t:UserId", namespaces=names) == (user or "S-1-5-18")


def test_on_windows_the_task_is_given_to_schtasks(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bin/schtasks"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n'
        f'[ "$1" = /Create ] && cp "$5" "{tmp_path}/task.xml"\nexit 0\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(placing, "WINDOWS", True)
    result = run("--every", "1d")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "asked").read_text().startswith("/Create /TN Firstlight /XML ")
    assert "agent --once" in (tmp_path / "task.xml").read_text(encoding="utf-16")
    assert "removed the task Firstlight" in run("--remove").output


# the schedule "default" in config.toml


def test_the_shortcut_writes_one_schedule_and_replaces_it(crontab: Path, state: State):
    assert run("--every", "6h", "--profile", "db-postgresql").exit_code == 0
    assert run("--every", "30 min").exit_code == 0
    (entry,) = load_config(state).schedules
    assert entry == ScheduleEntry("default", every="30 min", profile="db-postgresql")
    assert state.config.stat().st_mode & 0o777 == 0o600
    assert state.config.read_text().count("[[schedules]]") == 1


def test_settings_of_ones_own_stay_as_they_are(crontab: Path, state: State):
    state.prepare()
    state.config.write_text(OWN)
    assert run("--every", "6h").exit_code == 0
    assert state.config.read_text().startswith(OWN + "\n" + block.BEGIN)
    state.config.write_text(state.config.read_text() + "# a comment of mine\n")
    assert run("--every", "7h").exit_code == 0
    assert [entry.every for entry in load_config(state).schedules] == ["", "7h"]
    assert run("--remove").exit_code == 0
    assert state.config.read_text() == OWN + "# a comment of mine\n"


def test_without_options_what_stands_there_is_what_is_installed(crontab: Path, state: State):
    state.prepare()
    state.config.write_text(OWN)
    assert run().exit_code == 0
    assert state.config.read_text() == OWN
    assert crontab.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('schedules = [{name = "a", every = "1h"}]\n', "nothing was written"),
        ('[[schedules]]\nname = "default"\nevery = "1h"\n', "schedule default is there twice"),
        ("nonsense = 1\n", "unknown field `nonsense`"),
        (f"{block.BEGIN}\n", "the marks of firstlight install do not belong together"),
        (f"{block.END}\n{block.BEGIN}\n", "the marks of firstlight install do not belong together"),
    ],
)
def test_a_configuration_that_cannot_take_it_is_left_alone(
    crontab: Path, state: State, text: str, problem: str
):
    state.prepare()
    state.config.write_text(text)
    result = run("--every", "6h")
    assert isinstance(result.exception, BadInput)
    assert problem in str(result.exception)
    assert str(state.config) in str(result.exception)
    assert state.config.read_text() == text
    assert not crontab.exists()


@pytest.mark.parametrize("every", ["", "0d", "1.5s", "daily", "-1d", "45s", "8 GiB", "1h\n2h"])
def test_an_interval_that_is_none_is_refused(crontab: Path, state: State, every: str):
    result = run("--every", every)
    assert isinstance(result.exception, BadInput), result.output
    assert not state.root.exists()


def test_a_site_and_a_profile_must_exist(machine: State, tmp_path: Path):
    assert "plant-a, plant-b" in str(run("--site", "elsewhere", "--dry-run").exception)
    assert "no such file" in str(run("--profile", str(tmp_path / "no.yaml"), "--dry-run").exception)


def test_an_enrolled_machine_reports_as_often_as_is_expected_of_it(
    machine: State, crontab: Path, tmp_path: Path
):
    from msgspec.structs import replace

    from agent.identity import load_identity, save_identity

    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, replace(identity, interval_s=14_400))
    assert run().exit_code == 0
    assert load_config(machine).schedules == (ScheduleEntry("default", every="4h"),)


# accounts


def test_with_an_account_the_folder_and_what_is_in_it_are_the_accounts(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
):
    if os.geteuid() != 0:
        pytest.skip("only root may act as another account")
    account = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(prefix="firstlight-state-") as folder:  # where others may enter
        Path(folder).chmod(0o755)
        there = State(Path(folder) / "state")
        monkeypatch.setenv("FIRSTLIGHT_STATE", str(there.root))
        result = run("--every", "6h", "--user", "nobody", "--grant", "read")
        assert result.exit_code == 0, f"{result.output}{result.exception}"
        assert (there.root.stat().st_uid, there.config.stat().st_uid) == (account, account)
        assert os.geteuid() == 0
        assert "User=nobody\n" in (systemd / SERVICE).read_text()
        assert run("--remove").exit_code == 0
        assert not there.config.exists()


def test_typed_again_without_them_the_account_and_its_rights_stay(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
):
    if os.geteuid() != 0:
        pytest.skip("only root may act as another account")
    with tempfile.TemporaryDirectory(prefix="firstlight-state-") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("FIRSTLIGHT_STATE", f"{folder}/state")
        assert run("--every", "6h", "--user", "nobody", "--grant", "read").exit_code == 0
        first = (systemd / SERVICE).read_text()
        assert run("--every", "1h").exit_code == 0
        assert (systemd / SERVICE).read_text() == first
        assert run("--grant", "none").exit_code == 0
        assert "User=nobody\n" in (systemd / SERVICE).read_text()
        assert "AmbientCapabilities=" not in (systemd / SERVICE).read_text()


def test_a_standalone_build_is_named_by_the_link_that_an_upgrade_leads_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tmp_path.chmod(0o755)
    built = tmp_path / "firstlight-1" / "firstlight"
    built.parent.mkdir()
    built.touch(mode=0o755)
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "firstlight"
    link.symlink_to(built)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(built))
    monkeypatch.setattr(start, "_kept_by_owner", lambda path: path.parent != tmp_path / "loose")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for typed, named in (
        ("firstlight", link),
        (str(link), link),
        (str(built), built),
        ("no-such", built),
    ):
        monkeypatch.setattr(sys, "argv", [typed, "install"])
        assert start.lasting_program() == [str(named)]
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "firstlight").symlink_to(built)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "loose" / "firstlight"), "install"])
    assert start.lasting_program() == [str(built)]


@pytest.mark.parametrize("kind", ["systemd", "cron"])
def test_what_wakes_another_agent_is_replaced_aloud_and_not_taken_away(
    kind: str, systemd: Path, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = systemd
    if kind == "cron":
        folder = tmp_path / "cron.d"
        folder.mkdir()
        monkeypatch.setattr(placing, "runs_systemd", lambda: False)
        monkeypatch.setattr(cron, "FOLDER", folder)
    assert run("--every", "6h").exit_code == 0
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "100% other"))
    kept = run("--remove")
    assert f"what is installed wakes the agent of {state.root} and stays" in kept.output
    assert list(folder.iterdir()) != []
    replaced = run("--every", "6h")
    assert f"in place of what woke the agent of {state.root}, which nothing wakes any more" in replaced.output
    assert "in place of" not in run("--every", "1h").output
    assert run("--remove").exit_code == 0
    assert list(folder.iterdir()) == []


def test_only_what_is_ones_own_or_roots_and_no_place_for_everybody_is_kept_by_its_owner(tmp_path: Path):
    mine = tmp_path / "bin"
    mine.mkdir(mode=0o755)
    assert start._kept_by_owner(mine)
    assert not start._kept_by_owner(Path("/tmp"))
    if os.geteuid() == 0:
        os.chown(mine, pwd.getpwnam("nobody").pw_uid, -1)
        assert not start._kept_by_owner(mine)


def test_a_folder_of_somebody_else_is_refused(systemd: Path, state: State):
    if os.geteuid() != 0:
        pytest.skip("only root may act as another account")
    state.prepare()
    result = run("--every", "6h", "--user", "nobody")
    assert re.search(
        rf"{state.root} belongs to user id 0, not to nobody \(\d+\); chown", str(result.exception)
    )
    assert list(systemd.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--user", "no-such-account"], "there is no such account; useradd --system"),
        (["--user", "a b"], "not the name of an account"),
        (["--grant", "read"], "is for an account that --user names"),
    ],
)
def test_accounts_that_cannot_be_are_refused(systemd: Path, state: State, words: list[str], problem: str):
    assert problem in str(run(*words).exception)


def test_only_root_chooses_an_account(crontab: Path, state: State):
    assert "only root may choose an account" in str(run("--user", "nobody").exception)


# showing, and writing elsewhere


@pytest.mark.parametrize("form", ["systemd", "cron", "windows"])
def test_printing_writes_nothing(state: State, form: str):
    result = run("--print", form, "--every", "30 min")
    assert result.exit_code == 0
    assert "agent --once" in result.output
    assert "[[schedules]]" not in result.output, "only what the form takes"
    assert not state.root.exists()


def test_a_dry_run_shows_every_file_and_the_configuration(systemd: Path, state: State):
    result = run("--dry-run", "--every", "30 min")
    assert result.output.startswith(f"# {state.config}\n{block.BEGIN}\n[[schedules]]\nname = ")
    for name in (SERVICE, "firstlight-check@default.timer", "firstlight-tick.timer"):
        assert f"# {name}\n[Unit]\n" in result.output
    assert list(systemd.iterdir()) == []


def test_files_can_be_written_for_a_package(systemd: Path, state: State, tmp_path: Path):
    place = tmp_path / "package"
    place.mkdir()
    result = run("--into", str(place))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in place.iterdir()) == [
        "firstlight-check@.service", "firstlight-check@default.timer",
        "firstlight-tick.service", "firstlight-tick.timer",
    ]  # fmt: skip
    assert f"the schedule itself belongs into {state.config} of the machine:\n{block.BEGIN}" in result.output
    assert not state.root.exists()


@pytest.mark.skipif(not placing.runs_systemd(), reason="systemd is not PID 1 here")
def test_the_timers_start_where_systemd_runs(state: State):
    try:
        result = run("--every", "1d")
        assert "started firstlight-check@default.timer, firstlight-tick.timer" in result.output
        scope = [] if start.is_root() else ["--user"]
        for name in ("firstlight-check@default.timer", "firstlight-tick.timer"):
            words = ["systemctl", *scope, "is-active", name]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.stdout.strip() == "active"
        words = ["systemctl", *scope, "start", "firstlight-tick.service"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (state.schedules / "default.json").exists()
    finally:
        run("--remove")
