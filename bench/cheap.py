"""What cheap checks cost in CPU and memory: ours, testinfra's and serverspec's beside a plain script's.

The same 200 in everybody's spelling (`cheap_world`), one process each, in turns; then ours alone with ten and
a hundred times as many, for what one more check costs. serverspec is a package of Debian (ruby-serverspec);
where it is not installed its row says so.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from cheap_world import World, as_floor, as_profile, as_serverspec, as_testinfra
from local import cost_of
from tables import show

PEERS = Path(__file__).parent / ".peers" / "local"
PINNED = "pytest-testinfra==10.2.*"
ROUNDS = 9
SIZES = (200, 2_000, 20_000)
FLOOR_GOAL, TESTINFRA_GOAL, SERVERSPEC_GOAL, MEMORY_GOAL_MB = 3.0, 12.0, 30.0, 30.0


def main() -> None:
    world = World()
    folder = Path(tempfile.mkdtemp(prefix="fl-cheap-bench-"))
    # A state of its own: what else this machine's agent keeps must neither help nor be thrown out.
    os.environ["FIRSTLIGHT_STATE"] = str(folder / "state")
    (folder / "state").mkdir(mode=0o700)
    try:
        _side_by_side(world, folder, peers="--no-peers" not in sys.argv)
        _growing(world, folder)
    finally:
        world.close()
        shutil.rmtree(folder)


def _side_by_side(world: World, folder: Path, *, peers: bool) -> None:
    wanted = world.wanted(SIZES[0])
    commands = {
        "floor": [
            sys.executable,
            str(Path(__file__).with_name("floor_cheap.py")),
            str(as_floor(wanted, folder)),
        ],
        "firstlight": _firstlight(as_profile(wanted, folder)),
    }
    if peers:
        commands |= _peers(as_testinfra(wanted, folder), as_serverspec(wanted, folder))
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            cpu, peak = cost_of(command, (0,))
            if turn:
                cpus[name].append(cpu)
                peaks[name].append(peak)
    cpu = {name: statistics.median(seen) for name, seen in cpus.items()}
    goals = {
        f"CPU ≤ {FLOOR_GOAL:g} × the floor": cpu["firstlight"] <= FLOOR_GOAL * cpu["floor"],
        f"peak memory ≤ {MEMORY_GOAL_MB:g} MB": statistics.median(peaks["firstlight"]) <= MEMORY_GOAL_MB,
    }
    for name, goal in (("testinfra", TESTINFRA_GOAL), ("serverspec", SERVERSPEC_GOAL)):
        if name in cpu:
            goals[f"CPU ≤ 1/{goal:g} of {name}"] = cpu["firstlight"] * goal <= cpu[name]
    rows = [
        [name, cpu[name] * 1000, cpu[name] / cpu["floor"], cpu[name] / cpu["firstlight"], max(peaks[name])]
        for name in commands
    ]
    show(f"cheap: {len(wanted)} checks", ["command", "CPU ms", "× floor", "× ours", "peak MB"], rows, goals)


def _growing(world: World, folder: Path) -> None:
    """Ours with more and more checks; linear means that one more costs the same everywhere."""
    rows: list[list[object]] = []
    before: tuple[int, float, float] | None = None
    each: list[float] = []
    for size in SIZES:
        wanted = world.wanted(size)
        place = folder / str(size)
        place.mkdir()
        command = _firstlight(as_profile(wanted, place))
        floor = [
            sys.executable,
            str(Path(__file__).with_name("floor_cheap.py")),
            str(as_floor(wanted, place)),
        ]
        runs = [cost_of(command, (0,)) for _ in range(3 if size > 1000 else ROUNDS)]
        cpu, peak = (statistics.median(run[at] for run in runs) for at in (0, 1))
        base = statistics.median(cost_of(floor, (0,))[0] for _ in range(3))
        more: object = "-"
        if before is not None:
            more = (cpu - before[1]) / (size - before[0]) * 1e6
            each.append(float(more))  # type: ignore[arg-type]
        rows.append([size, cpu * 1000, cpu / base, more, peak])
        before = (size, cpu, peak)
    show(
        "cheap: growing",
        ["checks", "CPU ms", "× floor", "µs per added check", "peak MB"],
        rows,
        {"linear: an added check costs at most half as much again": each[1] <= 1.5 * each[0]},
    )


def _firstlight(profile: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("firstlight"))
    return [program, "check", str(profile), "--no-send", "--format", "json"]


def _peers(testinfra: Path, serverspec: Path) -> dict[str, list[str]]:
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PINNED], check=True)
    found = {"testinfra": [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(testinfra)]}
    rspec = shutil.which("rspec")
    if rspec is None or subprocess.run(["ruby", "-e", "require 'serverspec'"], check=False).returncode:
        print("serverspec is not here; apt-get install ruby-serverspec")
        return found
    return found | {"serverspec": [rspec, "--no-color", "-I", os.devnull, str(serverspec)]}


if __name__ == "__main__":
    main()
