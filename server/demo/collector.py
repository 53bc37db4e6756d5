"""The demo's collector as a process of its own, asked over its API like any other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checks.errors import FirstlightError

USUAL_PORT = 8750
COMES_UP_WITHIN_S = 60.0


def free_port(host: str, wanted: int | None) -> int:
    """The wanted port, else the usual one if nobody listens there, else any free one."""
    for port in (wanted,) if wanted is not None else (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                refusal = error
                continue
            return int(probe.getsockname()[1])
    raise FirstlightError(f"{host}:{wanted}: {refusal.strerror}; name another port with --port")


@contextmanager
def running(database: Path, host: str, port: int) -> Iterator[str]:
    """Run the collector until the block ends; its URL once it answers."""
    url = f"http://{host}:{port}"
    log = database.with_name("collector.log")
    command = [sys.executable, "-m", "agent", "server", "run"]
    command += ["--db", str(database), "--host", host, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        _wait(process, url, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + COMES_UP_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise FirstlightError(f"the collector ended at once: {last[0]} (all of it: {log})")
        try:
            with urllib.request.urlopen(f"{url}/login", timeout=5):  # noqa: S310 - our own process
                return
        except OSError:
            time.sleep(0.1)
    raise FirstlightError(
        f"the collector did not answer at {url} within {COMES_UP_WITHIN_S:.0f} s; see {log}"
    )


def ask(url: str, token: str, path: str) -> Any:
    """What the API answers to a GET, decoded."""
    request = urllib.request.Request(f"{url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own process
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise FirstlightError(
            f"GET {path}: {error.code} {error.read(500).decode(errors='replace')}"
        ) from error


def agent(state: Path, *arguments: str, secret: str | None = None) -> int:
    """Run this machine's agent with its own state folder, on this terminal; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", *arguments],
        env=os.environ | {"FIRSTLIGHT_STATE": str(state)},
        stdin=subprocess.PIPE if secret is not None else subprocess.DEVNULL,
    )
    process.communicate(None if secret is None else f"{secret}\n".encode())
    return process.returncode
