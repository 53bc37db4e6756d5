"""Two hundred targets: threads and descriptors stay within bounds, and nothing is left when they are done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import ROOT, environment
from ssh_site import SiteFolder
from sshd import start_sshd

TARGETS = 200
LIMIT = 16
MOST_FILES = 128

# The program as it is, in a process where descriptors are dear and somebody counts. Its deadlines are those
# of a quiet machine; here a crowd may have to wait for its turn.
COUNTED = """
import json, os, resource, sys, threading, time
import agent.targets.connection, agent.targets.session
from agent.cli import main

resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
for module in (agent.targets.connection, agent.targets.session):
    module.CONNECT_S = 60.0
agent.targets.session.GRACE_S = 60.0

def now():
    return threading.active_count(), len(os.listdir("/proc/self/fd"))

def count():
    while not over.wait(0.02):
        threads, files = now()
        most[:] = max(most[0], threads), max(most[1], files)

before, most, over = now(), [0, 0], threading.Event()
counter = threading.Thread(target=count)
counter.start()
try:
    main(sys.argv[2:])
except SystemExit as stop:
    code = stop.code
over.set()
counter.join()
until = time.monotonic() + 30
while now() > before and time.monotonic() < until:
    time.sleep(0.02)
counts = {"before": before, "most": most, "after": now()}
with open(sys.argv[1], "w") as file:
    json.dump(counts, file)
sys.exit(code)
"""


@pytest.fixture
def crowd(visit: SiteFolder, tmp_path: Path) -> Iterator[SiteFolder]:
    """A site of two hundred targets on one server with four addresses."""
    addresses = [f"127.0.0.{at}" for at in range(1, 5)]
    with start_sshd(tmp_path / "server", listen=addresses) as server:
        visit.write_config(server)
        visit.write_site("\n".join(f"t{at:03}: {{address: {addresses[at % 4]}}}" for at in range(TARGETS)))
        yield visit


def test_two_hundred_are_read_with_few_threads_and_descriptors(crowd: SiteFolder) -> None:
    words = ["check", *crowd.usual(), "--no-send", "--format", "json", "--limit", str(LIMIT)]
    counts = crowd.folder / "counts.json"
    done = subprocess.run(
        [sys.executable, "-c", COUNTED.replace("MOST_FILES", str(MOST_FILES)), str(counts), *words],
        cwd=crowd.folder,
        env=environment(crowd.state) | {"HOME": str(crowd.home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]
    results = json.loads(done.stdout)["results"]
    assert {each["status"] for each in results} == {"pass"}
    assert len({each["target"] for each in results}) == TARGETS
    counted = json.loads(counts.read_text())
    (threads, files), (most_threads, most_files) = counted["before"], counted["most"]
    # Each target has a thread of its own and one of paramiko's; what has ended is not gone at once.
    assert LIMIT < most_threads <= threads + 1 + 4 * LIMIT
    assert most_files <= files + 1 + 3 * LIMIT
    assert counted["after"] == counted["before"]


def test_a_plan_of_many_targets_connects_to_none(crowd: SiteFolder) -> None:
    crowd.write("config", "Port 1\n")
    answer = crowd.run("plan", *crowd.usual())
    assert answer.code == 0
    assert answer.out.count("all that is touched at t") == TARGETS
