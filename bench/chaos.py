"""Ten thousand runs through very bad days: is one lost, doubled or corrupted?

Agents die by `kill -9` and are stopped, their disks fill up and turn read-only; so dies the collector; and
between them a relay answers with errors, silence, halves and lies. It asserts: one run that is neither there
nor accounted for ends it with 1. `tests/ship/test_chaos.py` is its short form.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "ship"))

from chaos_account import Verdict
from chaos_world import Chaos, Size, World
from tables import show

from server.db import open_database
from server.schema import upgrade


def main() -> None:
    options = _options()
    size = Size(options.runs, options.agent_kills, options.server_kills, options.agents, options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="firstlight-chaos-") as folder:
        store = Path(folder) / "store.db"
        db = open_database(str(store))
        upgrade(db)
        db.close()
        world = World(Path(folder), store, size, _tell)
        try:
            world.rage()
            verdict = world.account()
        finally:
            world.close()
        disks = all(machine.disk.real for machine in world.machines)
    took = time.monotonic() - began
    goals = _goals(size, world.chaos, verdict)
    show("chaos", ["what", "how often"], _rows(world.chaos, verdict, disks, took), goals)
    for line in [
        *world.chaos.trouble,
        *verdict.lost,
        *verdict.doubled,
        *verdict.corrupted,
        *verdict.miscounted,
    ]:
        print(line, file=sys.stderr)
    if not all(goals.values()):
        raise SystemExit(1)


def _tell(chaos: Chaos) -> None:
    if chaos.server_kills % 10 == 0:
        kills = f"{chaos.agent_kills:,} × kill -9 of agents, {chaos.server_kills} of the collector"
        print(f"{chaos.runs:,} runs, {kills} …", flush=True)


def _rows(chaos: Chaos, verdict: Verdict, disks: bool, took: float) -> list[list[object]]:
    rows: list[list[object]] = [
        ["runs that a spool promised to keep", verdict.promised],
        ["… by a whole firstlight check", chaos.checks],
        ["runs that a full or frozen disk refused, aloud", chaos.not_kept],
        ["kill -9 of an agent", chaos.agent_kills],
        ["kill -9 of the collector", chaos.server_kills],
        ["agents stopped and let go", chaos.stops],
        [
            "disks filled up" if disks else "disks filled up (mounting is not permitted here)",
            chaos.full_disks,
        ],
        ["disks turned read-only", chaos.frozen_disks],
    ]
    rows += [[f"requests: {fate}", times] for fate, times in sorted(chaos.relay.items())]
    rows += [
        ["arrived", verdict.arrived],
        ["still in a spool or in quarantine", verdict.kept_here],
        ["told as dropped under pressure", verdict.told_as_dropped],
        ["lost", len(verdict.lost)],
        ["doubled", len(verdict.doubled)],
        ["corrupted", len(verdict.corrupted)],
        ["seconds", round(took)],
    ]
    return rows


def _goals(size: Size, chaos: Chaos, verdict: Verdict) -> dict[str, bool]:
    kills = f"{size.agent_kills:,} × kill -9 of agents, {size.server_kills} of the collector"
    return {
        f"{size.runs:,} runs, {kills}": (
            chaos.runs >= size.runs
            and chaos.agent_kills >= size.agent_kills
            and chaos.server_kills >= size.server_kills
        ),
        "nothing happened that must not": not chaos.trouble,
        "0 lost": not verdict.lost,
        "0 doubled": not verdict.doubled,
        "0 corrupted": not verdict.corrupted,
        "every loss under pressure counted once": not verdict.miscounted,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--agent-kills", type=int, default=1_000)
    parser.add_argument("--server-kills", type=int, default=200)
    parser.add_argument("--agents", type=int, default=4, help="machines at once [4]")
    parser.add_argument("--seed", type=int, default=20260302)
    return parser.parse_args()


if __name__ == "__main__":
    main()
