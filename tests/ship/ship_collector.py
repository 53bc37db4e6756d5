"""A collector as small as one can be: real HTTP, real signatures, runs kept in a dictionary.

It holds to the rules of the wire (same run 200, another body under its id 409, unknown agent 401) and can be
told to misbehave. Tests of the agent that want another collector give another object of the same shape.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import ssl
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import msgspec

from checks.envelope import Ack, Enrolled, Enrolment, Problem, verify
from checks.model import RunReport, decode_report


class CollectorUnderTest(Protocol):
    """What the tests of delivery need of a collector."""

    url: str

    def token(self) -> str:
        """A fresh enrolment token for the site `plant-a`."""

    def arrived(self) -> dict[str, str]:
        """The hash of every run that was stored, by id."""

    def conflicts(self) -> list[str]:
        """The ids under which a second, different body came."""


@dataclass
class Scripted:
    """One answer given instead of the right one. `status` 0 cuts the connection.

    `stores` says that the run is stored before; `body` None is a problem document.
    """

    status: int
    stores: bool = False
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False


class TinyCollector:
    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.epoch, self.sites = "epoch-1", ("plant-a", "plant-b")
        self.tokens: set[str] = set()
        self.agents: dict[str, bytes] = {}
        self.enrolments: list[Enrolment] = []
        self.runs: dict[str, str] = {}
        self.reports: dict[str, RunReport] = {}
        self.order: list[int] = []
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []  # of the same requests, as they came
        self.clashes: list[str] = []
        self.script: deque[Scripted] = deque()
        self.misbehave: Callable[[], Scripted | None] = lambda: None
        self.held = ""
        self.lock = threading.Lock()
        outer = self

        class Handler(_Handler):
            collector = outer

        self.server = _Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def token(self) -> str:
        made = f"token-{uuid.uuid4().hex}"
        self.tokens.add(made)
        return made

    def arrived(self) -> dict[str, str]:
        with self.lock:
            return dict(self.runs)

    def conflicts(self) -> list[str]:
        return list(self.clashes)

    def highest(self) -> int:
        return max((report.sequence for report in self.reports.values()), default=0)

    def enrol(self, body: bytes) -> tuple[int, bytes]:
        request = msgspec.json.decode(body, type=Enrolment)
        with self.lock:
            if request.token not in self.tokens:
                return 401, _problem(401, "The token is not valid", "it was used or has expired")
            self.tokens.remove(request.token)
            self.enrolments.append(request)
            agent = request.agent if request.agent in self.agents else f"agent-{len(self.agents) + 1}"
            self.agents[agent] = base64.b64decode(request.public_key)
        answer = Enrolled(
            agent, self.sites, request.target, f"t-{request.target}"[:64], self.epoch, "linux-server"
        )
        return 201, msgspec.json.encode(answer)

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        agent, run = headers["firstlight-agent"], headers["firstlight-run"]
        digest = hashlib.sha256(body)
        with self.lock:
            if agent not in self.agents:
                return 401, _problem(401, "This agent is not known", hold=True)
            if not verify(self.agents[agent], agent, run, digest.digest(), headers["firstlight-signature"]):
                return 401, _problem(401, "The signature does not fit", hold=True)
            report = decode_report(body)
            known = self.runs.get(run)
            numbers = (one.sequence for one in self.reports.values())
            before = max((n for n in numbers if n < report.sequence), default=0)
            if known is not None and known != digest.hexdigest():
                self.clashes.append(run)
                return 409, _problem(409, "Another body is stored under this run's id")
            if known is None:
                self.runs[run] = digest.hexdigest()
                self.reports[run] = report
                self.order.append(report.sequence)
            targets = {target.name: f"t-{target.name}"[:64] for target in report.targets}
            ack = Ack(
                run,
                "new" if known is None else "same",
                self.epoch,
                self.highest(),
                self.held,
                f"/runs/{run}",
                targets,
                held_before=before,
            )
            return (201 if known is None else 200), msgspec.json.encode(ack)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error here."""


class _Handler(BaseHTTPRequestHandler):
    collector: TinyCollector
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second would wait 40 ms

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, b"{}", {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.collector.requests.append({"path": self.path, "headers": headers})
        self.collector.bodies.append(raw)
        body = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
        act = self.collector.script.popleft() if self.collector.script else self.collector.misbehave()
        if act is None or act.stores:
            handler = self.collector.enrol if self.path == "/api/v1/enrol" else None
            status, answer = handler(body) if handler else self.collector.take(headers, body)
        if act is None:
            self._answer(status, answer, {})
        elif act.status == 0:
            self.close_connection = True
        else:
            text = act.body if act.body is not None else _problem(act.status, "Scripted", hold=act.hold)
            self._answer(act.status, text, act.headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        usual = {"Date": self.date_time_string(), "Content-Length": str(len(body))}
        for name, value in {**usual, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _problem(status: int, title: str, detail: str = "", *, hold: bool = False) -> bytes:
    return json.dumps(msgspec.to_builtins(Problem(title, status, detail, hold=hold))).encode()
