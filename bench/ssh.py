"""How long reading the facts of linux-server over SSH takes, beside a plain script and beside its peers.

For one host and for fifty, next door and 50 ms away. Every run is a process of its own and has to have read
what is so; the first round only fills the caches. It measures and asserts nothing.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from ssh_contenders import Contender, contenders, environment, firstlight_missing, make_peers
from ssh_house import House, Site, adopt_orphans, end_orphans
from ssh_truth import Truth
from tables import RESULTS, show

FLOOR_GOAL = 1.3
PEER_GOALS = {0.0: 8.0, 50.0: 10.0}
"""By round trip in ms: how many times faster than every peer, on one host."""

TIMEOUT_S = 300.0
SLOW_S, TOO_SLOW_S = 10.0, 60.0
"""Past the first a contender gets two rounds, past the second none: its first round is what is shown."""


@dataclass
class Measured:
    """The rounds of one contender in one case, in seconds."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    left: int = 0
    trouble: str = ""

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)


def main() -> None:
    options = _options()
    running = _running(options)
    adopt_orphans()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that sshd ends in any case
    house = House(max(options.hosts))
    rows: list[list[object]] = []
    goals: dict[str, bool] = {}
    try:
        house.open()
        for hosts, rtt in product(sorted(options.hosts), sorted(options.rtt_ms)):
            print(f"{hosts} host{'s' * (hosts > 1)}, RTT {rtt:g} ms …", flush=True)
            rounds = options.rounds or (5 if hosts == 1 and not rtt else 3)
            measured = _case(house, running, house.site(hosts, rtt), rounds)
            rows += _rows(hosts, rtt, measured)
            goals |= _goals(hosts, rtt, measured, running)
    finally:
        house.close()
        end_orphans([])
    columns = ["hosts", "RTT ms", "contender", "wall s", "CPU s", "× floor", "rounds", "note"]
    show("ssh", columns, rows, goals)


def _case(house: House, running: list[Contender], site: Site, rounds: int) -> dict[str, Measured]:
    """All contenders in turn, round after round, so that a busy minute of the machine meets all of them."""
    truth = Truth(house.sshd_pid)
    measured = {contender.name: Measured(left=rounds) for contender in running}
    for turn in range(rounds + 1):
        for contender in running:
            one = measured[contender.name]
            if one.trouble or (turn and not one.left):
                continue
            wall, cpu = _run(house, contender, site, truth, one)
            if one.trouble:
                print(f"{contender.name}, {len(site.hosts)} hosts: {one.trouble}", file=sys.stderr)
                continue
            if turn == 0 and wall > SLOW_S:
                one.left = min(rounds, 2) if wall <= TOO_SLOW_S else 0
            if turn or not one.left:
                one.walls.append(wall)
                one.cpus.append(cpu)
                one.left = max(0, one.left - 1)
    return measured


def _run(house: House, contender: Contender, site: Site, truth: Truth, one: Measured) -> tuple[float, float]:
    """Wall and CPU seconds of one process with all that it started here; what sshd starts is not in them."""
    house.settle()
    logins = house.logins()
    with house.scratch() as folder, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        command = contender.command(site, folder)
        env = environment(command, site)
        began = time.perf_counter()
        process = subprocess.Popen(
            command.argv, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=complaint
        )
        alarm = threading.Timer(TIMEOUT_S, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        alarm.cancel()
        alarm.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime + end_orphans(house.processes)
        output.seek(0)
        complaint.seek(0)
        last = (complaint.read().decode(errors="replace").strip().splitlines() or ["no word about it"])[-1]
        if process.returncode not in contender.good_exits:
            one.trouble = f"ended with {process.returncode}: {last}"
            return wall, cpu
        answer = output.read()
        if untrue := _untrue(contender, answer, site, truth):
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"ssh-{contender.name}.out").write_bytes(answer)
            one.trouble = f"{untrue} ({last}); its answer is kept in {RESULTS}"
            return wall, cpu
    if house.logins() - logins < len(site.hosts):
        one.trouble = "it did not log in to every host in this run"
    return wall, cpu


def _untrue(contender: Contender, output: bytes, site: Site, truth: Truth) -> str:
    """What of the readings is missing or wrong, or nothing."""
    try:
        readings = contender.readings(output)
        for host in site.hosts:
            for difference in truth.differences(readings[host.name]):
                return f"{host.name}: {difference}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its readings lack something: {error!r}"
    return ""


def _rows(hosts: int, rtt: float, measured: dict[str, Measured]) -> list[list[object]]:
    floor = measured.get("floor", Measured())
    rows: list[list[object]] = []
    for name, one in measured.items():
        note = textwrap.shorten(one.trouble, 60, placeholder=" …")
        if one.walls and not note and one.walls[0] > TOO_SLOW_S:
            note = f"first round only: more than {TOO_SLOW_S:g} s"
        if note and not one.walls:
            rows.append([hosts, rtt, name, "–", "–", "–", 0, note])
            continue
        times = one.wall / floor.wall if floor.walls else "–"
        cpu = statistics.median(one.cpus)
        rows.append([hosts, rtt, name, one.wall, cpu, times, len(one.walls), note])
    return rows


def _goals(
    hosts: int, rtt: float, measured: dict[str, Measured], running: list[Contender]
) -> dict[str, bool]:
    """Only what could be told: a contender that had trouble has met nothing and missed nothing."""
    told = {name: one.wall for name, one in measured.items() if one.walls and not one.trouble}
    if "firstlight" not in told:
        return {}
    ours, goals = told["firstlight"], {}
    where = f"{hosts} host{'s' * (hosts > 1)}, RTT {rtt:g} ms"
    if "floor" in told:
        goals[f"{where}: ≤ {FLOOR_GOAL:g} × the floor"] = ours / told["floor"] <= FLOOR_GOAL
    peers = [told[contender.name] for contender in running if contender.peer and contender.name in told]
    if hosts == 1 and rtt in PEER_GOALS and peers:
        times = PEER_GOALS[rtt]
        goals[f"{where}: ≥ {times:g} × faster than every peer"] = min(peers) / ours >= times
    return goals


def _running(options: argparse.Namespace) -> list[Contender]:
    chosen = [
        contender
        for contender in contenders()
        if (not options.only or contender.name in options.only) and not (options.no_peers and contender.peer)
    ]
    missing = firstlight_missing()
    if missing and any(contender.name == "firstlight" for contender in chosen):
        print(f"firstlight is skipped: {missing}")
        chosen = [contender for contender in chosen if contender.name != "firstlight"]
    if any(contender.peer for contender in chosen):
        make_peers()
    return chosen


def _options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    names = [contender.name for contender in contenders()]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="these contenders")
    parser.add_argument("--rounds", type=int, help="kept rounds [5 for one host at RTT 0, else 3]")
    parser.add_argument("--hosts", nargs="+", type=int, default=[1, 50], help="how many [1 50]")
    parser.add_argument("--rtt-ms", nargs="+", type=float, default=[0, 50], help="how far [0 50]")
    parser.add_argument("--no-peers", action="store_true", help="the floor and firstlight only")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
