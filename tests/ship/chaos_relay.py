"""What stands between an agent and its collector on a bad day: errors, silence, half answers, cut lines.

One thread a connection. Every request has a fate, drawn by chance; `calm` lets all pass.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASS = "passes"
FATES = {
    PASS: 70,
    "500": 3,
    "503": 3,
    "503, Retry-After": 2,
    "429, Retry-After": 2,
    "502 page": 2,
    "silence": 2,
    "cut before": 4,
    "cut after": 5,
    "half answer": 4,
    "wrong Date": 3,
}
"""Parts of a hundred. *Before* and *after* are meant of the collector: after it, the run is stored."""

DATES = ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "no date", "")
SILENCE_S = 0.8


class Relay:
    """Listens on a port of its own and leads to another."""

    def __init__(self, to_port: int, seed: int) -> None:
        self.to_port, self.calm = to_port, False
        self.met: Counter[str] = Counter()
        self._chance, self._lock = random.Random(seed), threading.Lock()
        outer = self

        class Handler(_Handler):
            relay = outer

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fate(self) -> str:
        with self._lock:
            fate = PASS if self.calm else self._chance.choices(list(FATES), list(FATES.values()))[0]
            self.met[fate] += 1
            return fate

    def date(self) -> str:
        with self._lock:
            return self._chance.choice(DATES)

    def part(self, whole: int) -> int:
        with self._lock:
            return self._chance.randrange(whole) if whole else 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that was killed in the middle is no error here."""


class _Handler(BaseHTTPRequestHandler):
    relay: Relay
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._lead(b"")

    def do_POST(self) -> None:
        self._lead(self.rfile.read(int(self.headers["Content-Length"])))

    def _lead(self, body: bytes) -> None:
        fate = self.relay.fate()
        if fate == "silence":
            time.sleep(SILENCE_S)
            self.close_connection = True
        elif fate == "cut before":
            self.close_connection = True
        elif fate[0].isdigit():
            self._refuse(int(fate[:3]), fate)
        else:
            self._pass(fate, body)

    def _refuse(self, status: int, fate: str) -> None:
        page = b'{"title": "a bad day", "status": %d}' % status
        if "page" in fate:
            page = b"<html>bad gateway</html>"
        self.send_response(status)
        if "Retry-After" in fate:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _pass(self, fate: str, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection = http.client.HTTPConnection("127.0.0.1", self.relay.to_port, timeout=20)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.relay.met["collector away"] += 1
            self.close_connection = True
            return
        finally:
            connection.close()
        if fate == "cut after":
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() == "date" and fate == "wrong Date":
                self.send_header(name, self.relay.date())
            elif name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if fate == "half answer":
            self.wfile.write(text[: self.relay.part(len(text))])
            self.close_connection = True
        else:
            self.wfile.write(text)
