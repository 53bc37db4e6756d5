"""The collector can never make an agent read what its site has not approved; each way that was thought of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from machine import firstlight
from rules_world import HARMLESS, NOW, Machine, acme, leaves, public

from agent.identity import save_identity
from agent.rules.approvals import approve, every, withdraw
from agent.rules.central import waiting_profiles
from agent.rules.held import in_force
from checks.errors import BadInput
from checks.harmless import shipped_logs
from checks.model import Target
from checks.plan import make_plan
from checks.profile import load_profile


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What the command of an item leaves that was read."""
    return tmp_path / "trace"


def check(machine: Machine, *args: str) -> dict[str, Any]:
    """A real run; its report."""
    done = firstlight("check", *args, "--format", "json", state=machine.state.root)
    assert done.returncode in (0, 1, 3), done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def results(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["item"]: (each["status"], each["cause"]) for each in report["results"]}


def test_until_it_is_approved_the_harmless_runs_and_the_rest_is_never_read(
    machine: Machine, trace: Path
) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    report = check(machine, "acme")
    assert results(report) == {"passwd": ("pass", ""), "own": ("error", "not-approved")}
    told = {each["item"]: each["message"] for each in report["results"]}
    assert told["own"] == "not approved at this site, so not read: firstlight approve acme"
    assert report["notes"] == [
        "the collector's acme 1 waits for an approval (firstlight approve acme); 1 of its 2 items are not "
        "checked meanwhile"
    ]
    assert not trace.exists()


def test_once_it_is_approved_it_runs(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    report = check(machine, "acme")
    assert results(report) == {"passwd": ("pass", ""), "own": ("pass", "")}
    assert (report["notes"], report["adhoc"]) == ([], False)
    assert trace.exists()


def test_any_change_asks_again_and_the_approved_version_goes_on(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    machine.published(acme(HARMLESS + leaves(trace.with_name("other")), "2"))
    report = check(machine, "acme")
    assert report["profile"] == {"id": "acme", "version": "1"}
    assert report["notes"] == [
        "the collector's acme 2 waits for an approval (firstlight approve acme); acme 1 goes on meanwhile"
    ]
    assert results(report) == {"passwd": ("pass", ""), "own": ("pass", "")}
    assert trace.exists()
    assert not trace.with_name("other").exists()
    machine.approve()
    assert check(machine, "acme")["profile"] == {"id": "acme", "version": "2"}


def test_a_version_that_needed_no_approval_goes_on_where_the_next_one_does(
    machine: Machine, trace: Path
) -> None:
    machine.published(acme(HARMLESS))
    machine.published(acme(HARMLESS + leaves(trace), "2"))
    planned = machine.plan()
    assert (planned.plan.profile.version, planned.plan.held) == ("1", frozenset())
    machine.published(acme(HARMLESS + leaves(trace, more="-a, "), "3"))
    assert machine.plan().plan.profile.version == "1"


def test_the_version_before_is_itself_not_trusted_further_than_it_was_approved(
    machine: Machine, trace: Path
) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    approved = machine.approve()
    assert machine.held() == set()
    machine.published(acme(HARMLESS + leaves(trace, more="-a, "), "2"))
    withdraw(machine.state, approved.digest)
    planned = machine.plan()
    assert (planned.plan.profile.version, machine.held()) == ("2", {"own"})


def test_an_approval_under_the_name_of_another_plan_approves_nothing(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    approved = machine.approve()
    machine.published(acme(HARMLESS + leaves(trace, more="-a, "), "2"))
    folder = machine.state.rules / "approved"
    kept = (folder / f"{approved.digest}.json").read_bytes()
    (folder / f"{machine.newest().digest}.json").write_bytes(kept)
    withdraw(machine.state, approved.digest)
    assert machine.held() == {"own"}


def test_a_change_in_a_published_base_is_a_change(machine: Machine, trace: Path) -> None:
    base = acme(leaves(trace), id="base")
    machine.published(acme(HARMLESS, extends="base"), base)
    machine.approve()
    assert machine.held() == set()
    machine.published(acme(HARMLESS, extends="base"), acme(leaves(trace, more="-a, "), "2", id="base"))
    planned = machine.plan()
    assert "goes on meanwhile" in planned.note
    assert "-a" not in planned.plan.asks("app-01")[0].describe()


def test_withdrawn_by_the_collector_it_is_not_checked_any_more(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    machine.published()
    with pytest.raises(BadInput, match="no profile 'acme', neither shipped nor published for this site"):
        machine.plan()


def test_consent_all_extends_that_to_every_item(machine: Machine) -> None:
    machine.configure('consent = "all"\n')
    machine.published(acme(HARMLESS + "- {check: disk.free}\n"))
    assert machine.held() == {"passwd", "disk.free"}
    assert results(check(machine, "acme"))["passwd"] == ("error", "not-approved")
    machine.approve()
    assert machine.held() == set()


def test_an_approval_is_of_one_plan_and_nothing_else(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    other = make_plan(load_profile("linux-server"), [Target("app-01")])
    approve(machine.state, other, "li", NOW)
    assert machine.held() == {"own"}
    plan = machine.newest()
    folder = machine.state.rules / "approved"
    for forged in (
        (folder / f"{other.digest}.json").read_bytes(),
        b"{}",
        b"",
        msgspec.json.encode(msgspec.to_builtins(every(machine.state)[0]) | {"digest": plan.digest}),
    ):
        (folder / f"{plan.digest}.json").write_bytes(forged)
        assert machine.held() == {"own"}


def test_an_approval_at_another_target_is_none_here(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    save_identity(machine.state, msgspec.structs.replace(machine.identity, target="app-02"))
    assert machine.held() == {"own"}


def test_neither_stage_nor_selection_nor_trigger_lets_anything_through(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS + leaves(trace).replace("check:", "stage: go-live, check:")))
    for stage in ("", "go-live"):
        for only in ((), ("own",), ("cmd.*",), ("*",)):
            plan = machine.plan(stage=stage, only=only).plan
            assert {type(fact).__name__ for fact in plan.facts("app-01")} <= {"PathStat", "FileStat"}
    report = check(machine, "acme", "--stage", "go-live", "--only", "own", "--trigger", "schedule")
    assert results(report) == {"own": ("error", "not-approved")}
    assert not trace.exists()


def test_what_a_shipped_profile_reads_is_no_way_around(machine: Machine, trace: Path) -> None:
    """The item takes an id that a shipped base has, and turns its harmless check into another one."""
    machine.published(
        acme(
            "- {id: file.passwd, with: {path: /srv/secret}}\n" + leaves(trace, "disk-free"),
            extends="linux-server",
        )
    )
    held = machine.held()
    assert {"file.passwd", "disk-free"} <= held
    assert "file.shadow" not in held


def test_a_profile_named_like_a_shipped_one_is_never_the_one_that_runs(machine: Machine, trace: Path) -> None:
    """Even where the file were held, as after an upgrade that ships the name."""
    text = acme(leaves(trace), id="linux-server")
    rules = machine.rules()
    from agent.rules.held import keep
    from checks.rules import PublishedProfile

    forced = msgspec.structs.replace(rules, profiles=(PublishedProfile("linux-server", "1", text),))
    keep(machine.state, machine.file(forced), (machine.identity.sign_key,))
    assert in_force(machine.state) is not None
    assert "own" not in {item.id for item in machine.plan("linux-server").plan.profile.items}


def test_a_variable_carries_no_command_past_the_approval(machine: Machine, trace: Path) -> None:
    items = "- {id: own, check: cmd.output, with: {command: '${c}'}}\n"
    machine.published(f"variables: {{c: [id]}}\n{acme(items)}")
    machine.approve()
    machine.published(f"variables: {{c: [touch, {trace}]}}\n{acme(items)}")
    planned = machine.plan()
    assert planned.plan.asks("app-01")[0].describe() == "run id"
    check(machine, "acme")
    assert not trace.exists()


def test_what_is_typed_with_set_is_the_word_of_who_types_it_and_frees_nothing_else(
    machine: Machine, trace: Path
) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    assert results(check(machine, "acme", "--set", "passwd.type=directory"))["own"] == (
        "error",
        "not-approved",
    )
    assert results(check(machine, "acme", "--set", "own.timeout=5"))["own"] == ("error", "not-approved")
    machine.approve()
    assert results(check(machine, "acme", "--set", "own.timeout=5"))["own"] == ("pass", "")


def test_the_enrolment_cannot_name_a_file(machine: Machine, tmp_path: Path, trace: Path) -> None:
    (tmp_path / "x.yaml").write_text(acme(leaves(trace)))
    save_identity(machine.state, msgspec.structs.replace(machine.identity, profile=str(tmp_path / "x.yaml")))
    done = firstlight("check", state=machine.state.root)
    assert done.returncode == 2
    assert "a file; name the profile yourself" in done.stderr
    assert not trace.exists()


def test_the_enrolment_may_name_a_published_profile(machine: Machine) -> None:
    machine.published(acme(HARMLESS))
    save_identity(machine.state, msgspec.structs.replace(machine.identity, profile="acme"))
    assert check(machine)["profile"]["id"] == "acme"


def test_a_site_file_has_approvals_of_its_own(machine: Machine, tmp_path: Path, trace: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("site: plant-a\nprofile: acme\ntargets:\n  here: {local: true}\n")
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    report = check(machine, "-s", str(site), "--no-send")
    assert results(report)["own"] == ("error", "not-approved")
    told = next(each["message"] for each in report["results"] if each["item"] == "own")
    assert told.endswith(f"firstlight approve acme -s {site}")
    assert not trace.exists()
    done = firstlight("approve", "acme", "-s", str(site), state=machine.state.root)
    digest = done.stdout.rstrip().rsplit(" ", 1)[1]
    done = firstlight("approve", "acme", "-s", str(site), "--yes", digest, state=machine.state.root)
    assert done.returncode == 0, done.stderr
    assert results(check(machine, "-s", str(site), "--no-send"))["own"] == ("pass", "")


def test_saved_readings_are_evaluated_without_an_approval(
    machine: Machine, tmp_path: Path, trace: Path
) -> None:
    machine.published(acme(HARMLESS + leaves(trace)))
    machine.approve()
    saved = str(tmp_path / "s.json")
    check(machine, "acme", "--no-send", "--save", saved)
    trace.unlink()
    withdraw(machine.state, machine.newest().digest)
    assert results(check(machine, "acme", "--from", saved, "--no-send"))["own"] == ("pass", "")
    assert not trace.exists()


def test_a_secret_of_the_machine_is_never_sent_to_a_foreign_host(machine: Machine, tmp_path: Path) -> None:
    import http.server
    import threading

    heard: list[str] = []

    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-the-house")
    server = http.server.HTTPServer(("127.0.0.1", 0), Foreign)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        machine.published(
            acme(
                f"- {{id: a, check: http.ok, with: {{url: '{url}', headers: ['X-A: file:{secret}']}}}}\n"
                f"- {{id: b, check: http.ok, with: {{url: '{url}', bearer: 'file:{secret}'}}}}\n"
                f"- {{id: c, check: http.ok, with: {{url: '{url}', body: 'file:{secret}', method: POST}}}}\n"
                f"- {{id: d, check: http.ok, with: {{url: '{url}'}}}}\n"
            )
        )
        found = results(check(machine, "acme"))
    finally:
        server.shutdown()
        server.server_close()
    assert {item: cause for item, (_, cause) in found.items()} == dict.fromkeys("abc", "not-approved") | {
        "d": ""
    }
    assert len(heard) == 1
    assert "s3cret" not in heard[0]


def test_logs_for_the_bundle_are_those_that_shipped_profiles_name(machine: Machine) -> None:
    logs = "logs: [{file: /etc/shadow}, {file: /root/.ssh/id_rsa}]\n"
    machine.published(logs + acme(HARMLESS))
    assert machine.plan().plan.profile.logs == ()
    machine.published(logs + acme(HARMLESS, "2", extends="linux-server"))
    machine.approve()
    kept = machine.plan().plan.profile.logs
    assert kept == load_profile("linux-server").logs
    assert set(kept) <= shipped_logs()


def test_what_waits_is_told_apart_from_what_does_not(machine: Machine, trace: Path) -> None:
    machine.published(acme(HARMLESS), acme(leaves(trace), id="other"))
    ((plan, concerns),) = waiting_profiles(machine.state)
    assert (plan.profile.id, [each.reasons for each in concerns]) == ("other", [("runs a command",)])


def test_a_new_key_of_the_collector_changes_nothing_about_approvals(machine: Machine, trace: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    machine.published(acme(leaves(trace)))
    machine.approve()
    new = Ed25519PrivateKey.generate()
    machine.published(acme(leaves(trace)), next_sign_key=public(new))
    machine.key = new
    machine.published(acme(leaves(trace, more="-a, "), "2"))
    assert machine.plan().plan.profile.version == "1"
