"""The commands around shipping, typed as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from kill_storm import ROOT
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one

from agent.commands import doctor, enrol, identity, send, show_upload, spool
from agent.examine import packages
from agent.identity import load_identity
from agent.lock import exclusive
from agent.paths import State
from agent.spool import Spool
from checks.errors import BadInput


def run(command: click.Command, *words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(command, list(words), input=input)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, BadInput), result.output
    return str(result.exception)


@pytest.mark.parametrize("way", ["option", "environment", "standard input"])
def test_a_token_comes_by_option_environment_or_standard_input(
    state: State, collector: TinyCollector, monkeypatch: pytest.MonkeyPatch, way: str
):
    token, words, text = collector.token(), [collector.url], None
    if way == "option":
        words += ["--token", token]
    elif way == "environment":
        monkeypatch.setenv("FIRSTLIGHT_TOKEN", token)
    else:
        words += ["--token", "-"]
        text = token + "\n"
    result = run(enrol.command, *words, input=text)
    assert result.exit_code == 0, result.output
    assert "enrolled as agent-1 for plant-a, plant-b" in result.output
    assert token not in result.output


def test_enrolment_says_how_a_command_line_leaks():
    assert "Other users can see a command line" in " ".join(run(enrol.command, "--help").output.split())


def test_a_refused_token_ends_with_4_and_an_absent_collector_with_3(state: State, collector: TinyCollector):
    result = run(enrol.command, collector.url, "--token", "wrong")
    assert (result.exit_code, "not enrolled: The token is not valid" in result.output) == (4, True)
    collector.stop()
    assert run(enrol.command, collector.url, "--token", "any").exit_code == 3


def test_enrolment_without_a_token_or_address_is_the_users_mistake(state: State):
    assert "FIRSTLIGHT_TOKEN" in refusal(run(enrol.command, "http://127.0.0.1:1"))
    assert "https://" in refusal(run(enrol.command, "example.com", "--token", "t"))


def test_send_prints_one_line_a_run_that_a_pipe_can_read(machine: State, collector: TinyCollector):
    runs = [spool_one(machine).run for _ in range(2)]
    result = run(send.command)
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[:3] for line in lines] == [["sent", "1", runs[0]], ["sent", "2", runs[1]]]
    assert run(send.command).stdout == ""


def test_send_ends_with_0_when_unreachable_4_when_refused_3_when_damaged(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    collector.script.append(Scripted(0))
    away = run(send.command)
    assert (away.exit_code, "1 run stays spooled" in away.stderr) == (0, True)
    collector.script.append(Scripted(400))
    assert run(send.command).exit_code == 4
    spool_one(machine).path.write_bytes(b"torn")
    assert run(send.command).exit_code == 3


def test_show_upload_prints_exactly_the_body_that_is_sent(machine: State):
    spool_one(machine)
    newest = spool_one(machine)
    body = Spool(machine.spool).read(newest).body
    raw = run(show_upload.command, "--raw")
    assert raw.stdout_bytes == body
    assert json.loads(run(show_upload.command).stdout) == json.loads(body)
    assert json.loads(run(show_upload.command, "1").stdout)["sequence"] == 1
    assert "Firstlight-Signature" in raw.stderr


def test_show_upload_of_an_empty_spool_says_how_to_fill_it(machine: State):
    assert "firstlight check" in refusal(run(show_upload.command))


def test_spool_list_and_show_tell_where_a_run_stands(machine: State, collector: TinyCollector):
    for _ in range(3):
        spool_one(machine)
    collector.script.extend([Scripted(409), Scripted(403)])
    assert run(send.command).exit_code == 4
    listed = [line.split("\t") for line in run(spool.command, "list", "--all").stdout.splitlines()]
    assert [(line[0], line[1]) for line in listed] == [("quarantine", "1"), ("sent", "3"), ("held", "2")]
    shown = run(spool.command, "show", "3").stdout
    assert "1 fail" in shown
    assert "acknowledged new" in " ".join(shown.split())
    assert "no such run" in refusal(run(spool.command, "show", "nothing"))


def test_a_salt_travels_from_one_agent_of_a_site_to_another(
    machine: State, collector: TinyCollector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "plant-b.salt"
    assert "--new" in refusal(run(identity.command, "export", str(file), "--site", "plant-b"))
    made = run(identity.command, "export", str(file), "--site", "plant-b", "--new")
    assert made.exit_code == 0, made.output
    assert file.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "other"))
    assert run(enrol.command, collector.url, "--token", collector.token()).exit_code == 0
    assert run(identity.command, "import", str(file)).exit_code == 0
    assert (tmp_path / "other/salts.json").read_bytes() == machine.salts.read_bytes()
    salt = json.loads(file.read_text())["salt"]
    assert salt not in run(identity.command).output + made.output
    assert "plant-b (own salt)" in run(identity.command).output


def test_another_salt_is_not_taken_over_unasked(machine: State, tmp_path: Path):
    for name, salt in [("one", "a" * 64), ("two", "b" * 64)]:
        (tmp_path / name).write_text(json.dumps({"site": "plant-a", "salt": salt}))
    assert run(identity.command, "import", str(tmp_path / "one")).exit_code == 0
    assert "--replace" in refusal(run(identity.command, "import", str(tmp_path / "two")))
    assert run(identity.command, "import", str(tmp_path / "two"), "--replace").exit_code == 0
    (tmp_path / "bad").write_text('{"site": "plant-a", "sald": ""}')
    assert "not a salt file" in refusal(run(identity.command, "import", str(tmp_path / "bad")))


def test_doctor_finds_a_sound_agent_sound(machine: State):
    with exclusive(machine.loop_lock):  # as `firstlight agent` does for as long as it stays
        result = run(doctor.command)
    assert result.exit_code == 0, result.output
    assert "!!" not in result.output


def test_doctor_says_what_is_wrong_and_what_to_type(machine: State, collector: TinyCollector):
    found = load_identity(machine)
    assert found is not None
    collector.stop()
    spool_one(machine)
    machine.root.chmod(0o755)
    (machine.root / found.key_file).chmod(0o644)
    result = run(doctor.command)
    assert result.exit_code == 3
    assert f"chmod 700 {machine.root}" in result.output
    assert f"chmod 600 {machine.root / found.key_file}" in result.output
    assert "cannot be reached" in result.output
    assert "firstlight send" in result.output


def test_doctor_notices_a_package_of_the_same_name_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert packages(ROOT).remedy == ""
    (tmp_path / "server").mkdir()
    (tmp_path / "server/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    symptom = packages(ROOT)
    assert f"server comes from {tmp_path / 'server'}" in symptom.found
    assert "pipx install firstlight" in symptom.remedy


def test_doctor_without_enrolment_says_so(state: State):
    result = run(doctor.command)
    assert (result.exit_code, "not enrolled" in result.output) == (3, True)


def test_nothing_heavy_is_imported_before_it_is_used():
    program = (
        "import sys, agent.ship, agent.commands.send, agent.commands.enrol, agent.commands.install, "
        "agent.commands.identity, agent.commands.doctor, agent.commands.spool, agent.commands.show_upload\n"
        "heavy = {'requests', 'cryptography', 'psutil', 'yaml', 'rich', 'jinja2', 'sqlalchemy', 'email'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"
