"""What `show-upload` prints is what leaves, byte for byte: held against what a collector received."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from pathlib import Path

import pytest
from machine import firstlight
from ship_collector import TinyCollector
from ship_sample import spool_one

from agent.paths import State
from agent.spool import Spool

CHECK = ("linux-server", "--only", "mem.used")


class Recorder:
    """Takes one HTTP request and keeps every byte of it; then hangs up without an answer."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.head, self.body = b"", b""
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self) -> None:
        link, _ = self.listening.accept()
        with link:
            said = b""
            while b"\r\n\r\n" not in said:
                said += link.recv(65536)
            self.head, _, self.body = said.partition(b"\r\n\r\n")
            length = int(self.headers()["content-length"])
            while len(self.body) < length:
                self.body += link.recv(65536)

    def headers(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def close(self) -> None:
        self.thread.join(20)
        self.listening.close()


def headers_in(text: str) -> dict[str, str]:
    lines = (line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith("("))
    return {name.lower(): value for name, value in lines}


def moved_to(state: State, url: str) -> None:
    identity = json.loads(state.identity.read_bytes())
    state.identity.write_text(json.dumps(identity | {"url": url}))


def test_every_byte_and_every_header_that_is_sent_is_shown(machine: State) -> None:
    spool_one(machine)
    recorder = Recorder()
    moved_to(machine, recorder.url)
    shown = firstlight("show-upload", "--raw", state=machine.root)
    sent = firstlight("send", state=machine.root)
    recorder.close()
    assert sent.returncode == 0, sent.stderr
    assert gzip.decompress(recorder.body) == shown.stdout.encode()
    told, came = headers_in(shown.stderr), recorder.headers()
    assert told.keys() == came.keys()
    assert told.pop("firstlight-sent-at") <= came.pop("firstlight-sent-at")
    assert told == came
    assert recorder.head.startswith(b"POST /api/v1/runs HTTP/1.1\r\n")


def test_no_header_tells_of_the_machine(machine: State) -> None:
    spool_one(machine)
    told = headers_in(firstlight("show-upload", state=machine.root).stderr)
    assert told["user-agent"] == "firstlight"
    assert sorted(told) == [
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "firstlight-agent", "firstlight-run", "firstlight-sent-at", "firstlight-signature", "host",
        "user-agent",
    ]  # fmt: skip


def test_now_shows_what_would_be_sent_and_keeps_and_sends_nothing(
    machine: State, collector: TinyCollector
) -> None:
    spool_one(machine)
    before = {path: path.read_bytes() for path in machine.root.rglob("*") if path.is_file()}
    requests = len(collector.requests)
    shown = firstlight("show-upload", "--now", "linux-server", "--raw", state=machine.root)
    assert shown.returncode == 0, shown.stderr
    assert "neither kept nor sent" in shown.stderr
    report = json.loads(shown.stdout)
    assert (report["sequence"], report["profile"]["id"], report["site"]) == (2, "linux-server", "plant-a")
    assert len(report["results"]) > 10
    assert len(collector.requests) == requests
    after = {path: path.read_bytes() for path in machine.root.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} <= {
        "sequence.lock",
        "masks.lock",
        "redaction-key",
    }
    assert {path: after[path] for path in before} == before
    spool_one(machine)
    assert [entry.sequence for entry in Spool(machine.spool).pending()] == [1, 2]


def test_now_can_be_looked_at_before_a_machine_is_enrolled(state: State) -> None:
    shown = firstlight("show-upload", "--now", state=state.root)
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert (report["agent"], report["site"]) == ("not-enrolled", "not-enrolled")
    assert "Host: (the collector's)" in shown.stderr


def test_now_differs_from_what_is_sent_only_in_what_is_new_each_time(
    machine: State, collector: TinyCollector
) -> None:
    shown = json.loads(firstlight("show-upload", "--now", "linux-server", "--raw", state=machine.root).stdout)
    firstlight("check", "linux-server", "--fail-on", "never", state=machine.root)
    (report,) = collector.reports.values()
    sent = json.loads(Spool(machine.spool).read(Spool(machine.spool).kept()[0]).body)
    assert report.sequence == shown["sequence"]
    assert {name for name in sent if sent[name] != shown[name]} <= {
        "run",
        "started",
        "ended",
        "resources",
        "results",
    }
    assert [each["key"] for each in sent["results"]] == [each["key"] for each in shown["results"]]


@pytest.mark.parametrize("words", [("-s", "site.yaml"), ("nothing-like-it",)])
def test_what_is_asked_wrongly_is_told(machine: State, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "site.yaml").write_text("site: plant-a\ntargets: {}\n")
    told = firstlight("show-upload", *words, state=machine.root, cwd=tmp_path)
    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)
