"""The whole way with the real collector and agent: published, fetched, approved, counted, withdrawn."""

from __future__ import annotations

import http.server
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import building
import msgspec
import pytest
from machine import firstlight
from real_collector import RealCollector
from rules_world import HARMLESS, acme, enrolled_machine, leaves

from agent.cli import main
from agent.identity import save_identity
from agent.rules.fetching import refresh
from agent.rules.held import in_force
from server.clock import utc_now
from server.db import open_database
from server.publishing.audience import Audience
from server.publishing.events import publish_profile, publish_waiver, withdraw
from server.publishing.signing import rotate_signing_key


class Vendor:
    """A collector, and an agent of its site plant-a; both are used as people use them."""

    def __init__(self, collector: RealCollector, store: Path, folder: Path) -> None:
        self.collector, self.store, self.folder = collector, store, folder
        self.state = folder / "state"

    def publish(self, text: str) -> int:
        with self.collector.db.write() as session:
            return publish_profile(session, text, Audience("plant-a"), by="root", now=utc_now()).id

    def agent(self, *args: str, **more: Any) -> Any:
        return firstlight(*args, state=self.state, **more)

    def enrol(self) -> str:
        token = self.collector.token()
        done = self.agent("enrol", self.collector.url, "--token", "-", "--target", "app-01", input=token)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def check(self, *args: str) -> tuple[dict[str, str], str]:
        """Results by item, and what was told beside the report."""
        done = self.agent("check", *args, "--format", "json")
        assert done.returncode in (0, 1, 3), done.stderr
        return {each["item"]: each["status"] for each in json.loads(done.stdout)["results"]}, done.stderr

    def accepted_by(self) -> list[str]:
        with closing(sqlite3.connect(self.store)) as store:
            return [row[0] for row in store.execute("SELECT accepted_by FROM accepted_plan ORDER BY id")]


@pytest.fixture
def vendor(sqlite_path: Path, tmp_path: Path) -> Iterator[Vendor]:
    collector = RealCollector(sqlite_path, tmp_path / "server.log")
    yield Vendor(collector, sqlite_path, tmp_path)
    collector.stop()


def test_what_is_published_is_fetched_held_approved_and_run(vendor: Vendor, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    vendor.publish(acme(HARMLESS + leaves(trace)))
    assert "taken: acme 1" in vendor.enrol()
    assert vendor.check("acme")[0] == {"passwd": "pass", "own": "error"}
    assert not trace.exists()
    digest = vendor.agent("approve", "acme").stdout.rstrip().rsplit(" ", 1)[1]
    assert vendor.agent("approve", "--yes", digest).returncode == 0
    assert vendor.check("acme")[0] == {"passwd": "pass", "own": "pass"}
    assert trace.exists()


def test_over_a_new_key_to_a_new_version_that_counts_and_back(vendor: Vendor) -> None:
    vendor.publish(acme(HARMLESS))
    vendor.enrol()
    vendor.check("acme")
    with vendor.collector.db.write() as session:
        rotate_signing_key(session, by="root", now=utc_now())
    second = vendor.publish(acme(HARMLESS + "- {check: disk.free}\n", "2"))
    assert "taken: acme 2; signed with key" in vendor.check("acme")[1]
    assert set(vendor.check("acme")[0]) == {"passwd", "disk.free"}
    assert vendor.accepted_by() == ["enrolment token", "published by root"]
    with vendor.collector.db.write() as session:
        withdraw(session, second, by="root", now=utc_now())
    assert "taken: acme 1" in vendor.check("acme")[1]


def console(*args: str) -> int:
    """A command of the collector, in this process; what it ends with."""
    with pytest.raises(SystemExit) as end:
        main(["server", "publish", *args])
    return int(end.value.code or 0)


@pytest.fixture
def store(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with the site plant, for the command line."""
    db = open_database(str(sqlite_path))
    with db.write() as session:
        building.found_vendor(session)
    db.close()
    monkeypatch.setenv("FIRSTLIGHT_DB", str(sqlite_path))
    return sqlite_path


def test_at_the_collectors_console(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del store
    file = tmp_path / "acme.yaml"
    file.write_text(acme(HARMLESS + leaves(tmp_path / "trace")))
    assert console("profile", str(file), "--site", "plant") == 0
    said = capsys.readouterr()
    assert said.out == "published for site plant: profile acme 1 (publication 1)\n"
    assert said.err.splitlines() == [
        "  own runs a command",
        "1 items wait at each site for: firstlight approve acme",
    ]
    file.write_text(acme(HARMLESS, "2"))
    assert console("profile", str(file), "--site", "plant") == 0
    assert console("schedule", "nightly", "--every", "1d", "--customer", "acme") == 0
    waiver = ("--item", "passwd", "--reason", "ticket 17", "--approved-by", "Ann", "--until", "2d")
    assert console("waiver", *waiver, "--everyone") == 0
    capsys.readouterr()
    assert console("list") == 0
    listed = [line.split("\t")[:4] for line in capsys.readouterr().out.splitlines()]
    assert [(line[0], line[1], line[3]) for line in listed] == [
        ("2", "profile", "site plant"),
        ("3", "schedule", "customer acme"),
        ("4", "waiver", "everyone"),
    ]
    assert console("withdraw", "2") == 0
    assert capsys.readouterr().out.splitlines() == [
        "withdrawn: profile acme 2 (publication 2)",
        "in force again: profile acme 1 (publication 1)",
    ]
    assert console("rotate-key") == 0
    assert "agents learn of it with their next run" in capsys.readouterr().out


def test_a_waiver_that_has_run_out_is_listed_as_expired_and_in_no_words_a_terminal_obeys(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = open_database(str(store))
    with db.write() as session:
        publish_waiver(
            session,
            Audience(),
            item="disk.free",
            reason="\x1b[31mred",
            approved_by="Ann",
            expires=building.START + timedelta(days=1),
            by="root",
            now=building.START,
        )
    db.close()
    assert console("list") == 0
    assert capsys.readouterr().out == ""
    assert console("list", "--all") == 0
    listed = capsys.readouterr().out
    assert listed.endswith("\texpired\n")
    assert "until 2026-01-02, approved by Ann: \ufffd[31mred" in listed


def test_a_mistake_in_a_file_names_the_file_and_the_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del store
    file = tmp_path / "acme.yaml"
    file.write_text("profile: acme\nversion: 1\nitems: [\n")
    assert console("profile", str(file), "--everyone") == 2
    assert capsys.readouterr().err.startswith(f"firstlight: {file}:3: is not YAML")


def test_the_console_says_what_is_wrong(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del store
    waiver = ("waiver", "--item", "a", "--reason", "b", "--approved-by", "c", "--everyone", "--until")
    for args, said in (
        (("profile", "/no/such.yaml", "--everyone"), "/no/such.yaml: cannot be read"),
        (("schedule", "Nightly", "--every", "1d", "--everyone"), "schedule 'Nightly'"),
        (("schedule", "nightly", "--everyone"), "neither every nor cron"),
        (("schedule", "nightly", "--every", "1d"), "say for whom"),
        ((*waiver, "later"), "--until later: write a day"),
        ((*waiver, "2001-01-01"), "within a year"),
        (("withdraw", "7"), "there is no publication 7"),
    ):
        assert console(*args) == 2
        told = capsys.readouterr().err
        assert (told.count("\n"), said in told) == (1, True), told


class Pretender(http.server.BaseHTTPRequestHandler):
    """A collector that answers for rules with whatever it is told to."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_no_answer_of_a_collector_does_more_than_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = enrolled_machine(tmp_path, monkeypatch)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pretender)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    save_identity(machine.state, msgspec.structs.replace(machine.identity, url=url))
    good = machine.file(machine.rules(acme(HARMLESS)))
    signed_nonsense = machine.file(b'{"\x1b[2J\\n": "\xff"}')
    try:
        for status, body in (
            (200, b"<html>hello</html>"),
            (200, b"\x00" * 5_000_000),
            (200, good[:-1]),
            (200, signed_nonsense),
            (302, good),
            (404, b""),
            (500, b"\x1b[2J"),
            (403, b'{"title":"\x1b]0;x","status":403}'),
        ):
            monkeypatch.setattr(Pretender, "status", status)
            monkeypatch.setattr(Pretender, "body", body)
            line = refresh(machine.state, ask=True)
            assert line.startswith("rules of the collector not taken: "), (status, line)
            assert line.isprintable()
            assert in_force(machine.state) is None
        monkeypatch.setattr(Pretender, "status", 200)
        monkeypatch.setattr(Pretender, "body", good)
        assert refresh(machine.state, ask=True) == "rules 1 taken: acme 1"
    finally:
        server.shutdown()
        server.server_close()
