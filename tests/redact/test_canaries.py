"""Planted secrets during real runs: in no argument, environment, log, file, report, traceback or upload."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import services
from canaries import Canaries
from database_servers import redis
from machine import ROOT, environment
from relays import closing_server
from ship_collector import TinyCollector
from ssh_accounts import account
from sshd import start_sshd

from agent.identity import load_identity
from agent.paths import State

PLANTED = {
    "enrolment token": 'tok-"e1+/ä-Q7xk2vb9',
    "API header": "k3y-a1/b+c=d%Zz91xQ4",
    "database password": "Db'9;p&w-7xQ2mK5t",
    "password in a configuration": "Cf9-s3cr3t-xW4vN8q",
    "value of an odd key": "0dd.k3y+V4lue/9zT2",
    "line of a log": "l0g-p4ss-wd9Xq3rT7",
    "argument of a process": "4rg-v8.s3cr3t-Hk2",
    "environment of a process": "3nv-s3cr3t.Mp6yB1",
    "given to a program": 'pr0gr4m "in" <p&t> 5x',
    "SSH password": "s5h-p4ß+w0rd/Nn3e",
    "far configuration": "f4r-s3cr3t-Jd8wL2",
}
CANARIES = Canaries(PLANTED)

FORMS = ("html", "json", "xml", "sarif", "md", "csv", "prom", "txt")

PROFILE = """
profile: canaries
version: "1"
title: Everything here meets a secret
items:
  - id: web
    check: http.ok
    with: {url: "@URL@/login", headers: ["X-Api-Key: env:FL_API"], matches: "accepted", header: X-Echo}
  - {id: bearer, check: http.ok, with: {url: "@URL@/deny", bearer: "env:FL_API"}}
  - {id: redis, check: redis.health, with: {host: 127.0.0.1, port: @REDIS@, password: "file:@DB@"}}
  - {id: wrong, check: redis.health, with: {host: 127.0.0.1, port: @REDIS@, password: "env:FL_API"}}
  - id: right
    check: cfg.value
    with: {path: "@CONF@", format: ini, key: db.password, secret: "env:FL_CONF"}
  - {id: other, check: cfg.value, with: {path: "@CONF@", format: ini, key: db.password, secret: "env:FL_API"}}
  - {id: unnamed, check: cfg.value, with: {path: "@CONF@", format: ini, key: db.password, value: x}}
  - {id: url, check: cfg.value, with: {path: "@CONF@", format: ini, key: db.url, value: x}}
  - {id: odd, check: cfg.value, with: {path: "@CONF@", format: ini, key: app.greeting, value: x}}
  - {id: content, check: file.content, with: {path: "@CONF@", pattern: "^url", value: x}}
  - {id: log, check: log.errors, with: {path: "@LOG@", max_per_hour: 0}}
  - {id: process, check: proc.running, with: {name: sleep}}
  - {id: limits, check: lim.nofile, with: {process: sleep}}
  - id: program
    check: cmd.output
    with:
      command: [sh, -c, 'cat; echo "$GIVEN"; echo "$GIVEN" >&2; exit 3']
      secret_environment: {GIVEN: "env:FL_PROGRAM"}
      secret_stdin: "file:@PROGRAM@"
"""


class Echo(BaseHTTPRequestHandler):
    """Says back what it was told, as careless servers do."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        told = [self.headers.get(name, "") for name in ("X-Api-Key", "Authorization")]
        body = f"not accepted: {told}; key={told[0]} {told[1]}\n".encode("latin-1", "replace")
        self.send_response(403 if self.path == "/deny" else 200)
        self.send_header("X-Echo", " ".join(told))
        self.send_header("Set-Cookie", f"session={told[0]}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def cache() -> Iterator[int]:
    with redis("--requirepass", PLANTED["database password"]) as server:
        yield server.port


@pytest.fixture
def planted(tmp_path: Path, echo: str, cache: int) -> Iterator[Path]:
    """A folder with a machine's secrets in files, a process with one, and a profile that meets them all."""
    folder = tmp_path / "machine"
    folder.mkdir()
    (folder / "db").write_text(PLANTED["database password"])
    (folder / "program").write_text(PLANTED["given to a program"])
    (folder / "app.ini").write_text(
        f"[db]\npassword = {PLANTED['password in a configuration']}\n"
        f"url = postgres://app:{PLANTED['password in a configuration']}@db/erp\n"
        f"[app]\ngreeting = token={PLANTED['value of an odd key']}\n"
    )
    (folder / "app.log").write_text("started\n")
    filled = {
        "URL": echo,
        "REDIS": str(cache),
        "CONF": str(folder / "app.ini"),
        "LOG": str(folder / "app.log"),
        "DB": str(folder / "db"),
        "PROGRAM": str(folder / "program"),
    }
    text = PROFILE
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    (folder / "canaries.yaml").write_text(text)
    victim = subprocess.Popen(
        ["sleep", "600"],
        env={"PATH": os.environ["PATH"], "DB_PASSWORD": PLANTED["environment of a process"]},
    )
    shown = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; time.sleep(600)",
            f"--password={PLANTED['argument of a process']}",
        ]
    )
    yield folder
    for process in (victim, shown):
        process.kill()
        process.wait()


def given() -> dict[str, str]:
    return {
        "FL_API": PLANTED["API header"],
        "FL_CONF": PLANTED["password in a configuration"],
        "FL_PROGRAM": PLANTED["given to a program"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Ran:
    """Runs the program, and keeps what it said and how it and its children were started."""

    def __init__(self, state: State, traces: Path) -> None:
        self.state, self.traces = state, traces
        self.said = b""
        traces.mkdir()

    def __call__(
        self, *words: str, input: str = "", env: dict[str, str] | None = None, ends: tuple[int, ...] = ()
    ) -> str:
        trace = self.traces / f"{len(list(self.traces.iterdir()))}.trace"
        strace = [
            services.program("strace", "strace"),
            "-f",
            "--seccomp-bpf",
            "-v",
            "-s",
            "100000",
            "-e",
            "trace=execve",
        ]
        done = subprocess.run(
            [*strace, "-e", "signal=none", "-o", str(trace), sys.executable, "-m", "agent", *words],
            input=input.encode(),
            cwd=ROOT,
            env=environment(self.state.root) | (env or given()),
            capture_output=True,
            check=False,
            timeout=100,
        )
        self.said += done.stdout + done.stderr
        assert not ends or done.returncode in ends, done.stderr.decode()
        return (done.stdout + done.stderr).decode()

    def started(self) -> list[bytes]:
        """What was executed, arguments and environment; not the program itself, which we give its secrets."""
        lines = []
        for trace in sorted(self.traces.iterdir()):
            lines += [line for line in trace.read_bytes().splitlines() if b"execve(" in line][1:]
        return [
            line.encode().decode("unicode_escape", "replace").encode("latin-1", "replace")
            for line in map(bytes.decode, lines)
        ]


@pytest.fixture
def ran(state: State, tmp_path: Path) -> Ran:
    return Ran(state, tmp_path / "traces")


def test_the_search_finds_what_it_should(tmp_path: Path) -> None:
    """A test that cannot fail is a defect: every form, in every packing, is found."""
    secret = PLANTED["SSH password"]
    for data in (
        secret.encode(),
        json.dumps({"x": f"a {secret} b"}).encode(),
        gzip.compress(b"x" + secret.encode()),
        base64.b64encode(f"ab{secret}cd".encode()),
        secret.encode().hex().upper().encode(),
        f"https://x/?p={quote(secret)}".encode(),
        f"<b>{escape(secret)}</b>".encode(),
    ):
        (tmp_path / "file").write_bytes(data)
        assert CANARIES.below(tmp_path) == {"file": {"SSH password"}}, data


@pytest.mark.timeout(400)
def test_no_planted_secret_leaves_a_run_of_this_machine(
    state: State, collector: TinyCollector, planted: Path, ran: Ran, tmp_path: Path
) -> None:
    collector.tokens.add(PLANTED["enrolment token"])
    ran(
        "enrol",
        collector.url,
        "--token",
        "-",
        "--target",
        "web-1",
        input=PLANTED["enrolment token"],
        ends=(0,),
    )
    profile = str(planted / "canaries.yaml")
    ran("check", profile, ends=(1, 3))  # the first look at a log only notes where it ends
    with (planted / "app.log").open("a") as log:
        log.write(f"ERROR login failed, password={PLANTED['line of a log']}\n")
        log.write(f"ERROR cannot reach redis://:{PLANTED['line of a log']}@cache\n")
    out = tmp_path / "out"
    out.mkdir()
    for form in FORMS:
        ran(
            "check",
            profile,
            "-o",
            str(out / f"report.{form}"),
            "--all",
            "--save",
            str(out / "s.json"),
            ends=(1, 3),
        )
    report = json.loads((out / "report.json").read_text())
    statuses = {each["item"]: each["status"] for each in report["results"]}
    assert statuses["right"] == "pass"  # it was compared,
    assert statuses["redis"] == "pass"  # used,
    assert statuses["log"] == "fail"  # and met
    ran("check", profile, "--format", "nagios")
    ran("plan", profile, ends=(0,))
    ran("show-upload", ends=(0,))
    ran("baseline", "accept", "--by", "a", "--by", "b", "--yes")
    ran("diff", "baseline", "last")
    ran("check", "--from", str(out / "s.json"), profile, "--all", ends=(1, 3))
    ran("spool", "show", "1")
    ran("doctor")
    ran("bundle", profile, "-o", str(out / "bundle.zip"), "--yes")
    with closing_server() as nobody:
        ran("enrol", f"http://127.0.0.1:{nobody.port}", "--token", "-", input=PLANTED["enrolment token"])
    assert CANARIES.among(ran.said) == set()
    assert CANARIES.below(state.root) == {}
    assert CANARIES.below(out) == {}
    sent = [gzip.decompress(b) if b[:2] == b"\x1f\x8b" else b for b in collector.bodies[1:]]
    assert len(sent) >= len(FORMS)
    assert [CANARIES.among(body) for body in sent if CANARIES.among(body)] == []
    assert CANARIES.among(str(collector.requests).encode()) == set()
    told = [line for line in ran.started() if CANARIES.among(line)]
    # The one program that a profile names a secret for gets it: by its environment, and no other way.
    for line in told:
        arguments, _, environ = line.partition(b'"], [')
        assert CANARIES.among(arguments) == set()
        assert CANARIES.among(environ) == {"given to a program"}
        assert b'"GIVEN=' in environ


PLANTED_DEFECT = """
import sys
from agent import collect
from agent.cli import main
from checks.facts import redis

def broken(self, dialer):
    secret = redis.secret_if_named(self.password)
    raise RuntimeError(f"it is {secret} {secret!r} in {[secret]}")

redis.AskRedis.talk = broken
if sys.argv[1] == "all":
    def collecting(*args, **more):
        secret = redis.secret_if_named("env:FL_API")
        raise RuntimeError(f"the run broke with {secret} {vars()}")
    import agent.run
    agent.run.collect = collecting
main(sys.argv[2:])
"""


@pytest.mark.parametrize("where", ["one check", "all"])
@pytest.mark.parametrize("debug", ["", "1"])
def test_no_secret_is_in_a_traceback(state: State, planted: Path, where: str, debug: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PLANTED_DEFECT,
            where,
            "check",
            str(planted / "canaries.yaml"),
            "--no-send",
            "--all",
        ],
        env=environment(state.root) | given() | {"FIRSTLIGHT_DEBUG": debug},
        capture_output=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert b"***" in said
    assert (b"Traceback" in said) is (where == "all" and bool(debug))
    assert CANARIES.among(said) == set()


@pytest.mark.timeout(400)
def test_no_planted_secret_leaves_a_run_over_ssh(
    state: State, collector: TinyCollector, ran: Ran, tmp_path: Path
) -> None:
    secret, far = PLANTED["SSH password"], PLANTED["far configuration"]
    collector.tokens.add(PLANTED["enrolment token"])
    ran("enrol", collector.url, "--token", "-", input=PLANTED["enrolment token"], ends=(0,))
    site, out = tmp_path / "site", tmp_path / "out"
    for folder in (site, out):
        folder.mkdir()
    (site / "far.yaml").write_text(
        "profile: far\nversion: '1'\ntitle: Over there\nitems:\n"
        "  - {id: right, check: cfg.value, with: {path: /tmp/NAME.ini, format: ini, key: db.password,"
        " secret: 'env:FL_FAR'}}\n"
        "  - {id: url, check: cfg.value, with: {path: /tmp/NAME.ini, format: ini, key: db.url, value: x}}\n"
        "  - {id: line, check: file.content, with: {path: /tmp/NAME.ini, pattern: '^url', value: x}}\n"
        "  - {id: run, check: cmd.output, with: {command: [sh, -c, 'cat; echo $GIVEN; exit 3'],"
        " secret_environment: {GIVEN: 'env:FL_FAR'}, secret_stdin: 'env:FL_FAR'}}\n"
        "  - {id: api, check: http.ok, with: {url: 'http://127.0.0.1:9/',"
        " headers: ['X-Api-Key: env:FL_API']}}\n"
    )
    options: dict[str, str | int | list[str]] = {"PasswordAuthentication": "yes"}
    with (
        account(password=secret, sudo="{name} ALL=(root) NOPASSWD: /bin/sh -s") as person,
        start_sshd(tmp_path / "sshd", options=options) as server,
    ):
        conf = Path(f"/tmp/{person.name}.ini")
        conf.touch(mode=0o600)
        try:
            conf.write_text(f"[db]\npassword = {far}\nurl = postgres://app:{far}@db/erp\n")
            profile = site / "far.yaml"
            profile.write_text(profile.read_text().replace("NAME", person.name))
            (site / "site.yaml").write_text(
                "site: plant-a\nprofile: ./far.yaml\ntargets:\n"
                f"  far: {{address: 127.0.0.1, port: {server.port},"
                f" user: {person.name}, password: 'env:FL_SSH', sudo: true}}\n"
            )
            (site / "config").write_text(f"Host *\n  UserKnownHostsFile {server.known_hosts}\n")
            env = given() | {"FL_SSH": secret, "FL_FAR": far}
            words = ("-s", str(site / "site.yaml"), "-F", str(site / "config"))
            for form in ("json", "html", "txt"):
                files = ("-o", str(out / f"report.{form}"), "--save", str(out / "s.json"))
                ran("check", *words, *files, "--all", env=env, ends=(1, 3))
            ran("plan", *words, "--privileges", env=env)
            ran("check", *words, env=env | {"FL_SSH": "wr0ng-" + secret}, ends=(3,))
            said = server.log()
        finally:
            conf.unlink()
    results = {
        each["item"]: each["status"] for each in json.loads((out / "report.json").read_text())["results"]
    }
    assert (results["right"], results["run"]) == ("pass", "fail")
    assert CANARIES.among(ran.said + said.encode()) == set()
    assert CANARIES.below(state.root) == {}
    assert CANARIES.below(out) == {}
    for body in collector.bodies[1:]:
        assert CANARIES.among(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body) == set()
    assert [line for line in ran.started() if CANARIES.among(line)] == []
    assert load_identity(state) is not None
