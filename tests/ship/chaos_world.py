"""Agents and a collector on very bad days, and the account that is drawn up after.

Agents are killed with -9, stopped, and lose their disk; the collector is killed with -9; between them stands
a relay that lies, stays silent and cuts. At the end everything is mended and what waits is delivered.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos_account import Verdict, account
from chaos_disk import Disk
from chaos_relay import Relay
from kill_storm import HERE, ROOT
from real_collector import RealCollector
from ship_sample import spool_one

from agent.delivery import deliver_pending
from agent.enrolment import enrol
from agent.paths import State

LONGEST_LIFE = 20
CHECK_EVERY = 25
"""Of so many lives one is a whole `firstlight check`."""

CONFIG = """
connect_timeout_s = 1.0
read_timeout_s = 0.5
[spool]
keep_free_mb = 0.0
max_mb = {max_mb}
"""


@dataclass(frozen=True)
class Size:
    """How much chaos: until all of it has happened."""

    runs: int
    agent_kills: int
    server_kills: int
    agents: int = 4
    seed: int = 20260302


@dataclass
class Chaos:
    """What happened, counted."""

    runs: int = 0
    agent_kills: int = 0
    server_kills: int = 0
    stops: int = 0
    full_disks: int = 0
    frozen_disks: int = 0
    not_kept: int = 0
    checks: int = 0
    relay: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)


class Machine(threading.Thread):
    """One agent and all that befalls it; `promised` are the runs that its spool said it keeps, by number."""

    def __init__(self, number: int, folder: Path, world: World) -> None:
        super().__init__(name=f"machine-{number}", daemon=True)
        self.world, self.chance = world, random.Random(f"{world.size.seed}/{number}")
        self.disk = Disk(folder)
        self.state = State(folder / "state")
        self.promised: dict[str, int] = {}
        self.leaving: set[str] = set()
        self.lives = 0
        enrol(self.state, world.relay.url, world.collector.token(), target=f"web-{number}")
        # The last of them has room for few runs, so that it has to give some up.
        few = number == world.size.agents - 1
        self.roomy = not few
        self.state.config.write_text(CONFIG.format(max_mb=0.05 if few else 20.0))
        paths = os.pathsep.join([str(ROOT), str(HERE)])
        self.environment = os.environ | {"FIRSTLIGHT_STATE": str(self.state.root), "PYTHONPATH": paths}
        command = [sys.executable, str(HERE / "chaos_driver.py"), str(self.chance.getrandbits(32))]
        self.driver = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment, text=True
        )

    def run(self) -> None:
        try:
            while not self.world.enough():
                while self.world.ahead():
                    time.sleep(0.05)
                self.lives += 1
                if self.lives % CHECK_EVERY == 0 and self.roomy:
                    self._check()
                else:
                    self._life()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and judged
            self.world.note_trouble(f"{self.name}: {error!r}")
        finally:
            self.disk.mend()

    def close(self) -> None:
        self.driver.kill()
        self.driver.wait()
        for pipe in (self.driver.stdin, self.driver.stdout):
            if pipe is not None:
                pipe.close()
        self.disk.close()

    def _life(self) -> None:
        """A life that is cut short after some promises, most of the time."""
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        chaos, chance = self.world.chaos, self.chance
        self.driver.stdin.write(f"life {LONGEST_LIFE}\n")
        self.driver.stdin.flush()
        until = chance.randint(0, LONGEST_LIFE - 2)
        doom = chance.choices(["kill", "stop", "fill", "freeze", "none"], [86, 4, 4, 4, 2])[0]
        pid = heard = 0
        while True:
            line = self.driver.stdout.readline().split(maxsplit=2)
            if not line:
                raise RuntimeError("the driver is gone")
            if line[0] == "born":
                pid = int(line[1])
            elif line[0] == "kept":
                self._promise(line[2].strip(), int(line[1]))
            elif line[0] == "leaving":
                self.leaving.add(line[1].strip())
            elif line[0] == "full":
                chaos.not_kept += 1
            elif line[0] == "trouble":
                self.world.note_trouble(" ".join(line))
            elif line[0] == "died":
                chaos.agent_kills += line[1].strip() == "-9"
                break
            heard += 1
            if heard == until + 1:
                self._strike(doom, pid)
        self.disk.mend()

    def _strike(self, doom: str, pid: int) -> None:
        chaos, chance = self.world.chaos, self.chance
        time.sleep(chance.uniform(0, 0.02))
        if doom == "stop":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(chance.uniform(0.05, 1.0))
                os.kill(pid, signal.SIGCONT)
                chaos.stops += 1
        elif doom == "fill":
            chaos.full_disks += self.disk.fill(chance)
        elif doom == "freeze":
            chaos.frozen_disks += self.disk.freeze()
        elif doom == "kill":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _check(self) -> None:
        """The whole program, killed half of the time."""
        words = ["check", "linux-server", "--only", "mem.used", "--fail-on", "never", "--format", "json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            cwd=ROOT,
        )
        try:
            output, _ = process.communicate(timeout=self.chance.choice([60.0, self.chance.uniform(0.3, 1.5)]))
        except subprocess.TimeoutExpired:
            process.kill()
            self.world.chaos.agent_kills += 1
            output, _ = process.communicate()
        with suppress(ValueError, KeyError, TypeError):
            report = json.loads(output)
            if report["delivery"]["outcome"] in ("sent", "spooled"):
                self._promise(report["run"], 0)
                self.world.chaos.checks += 1

    def _promise(self, run: str, number: int) -> None:
        self.promised[run] = number
        self.world.chaos.runs += 1


class World:
    """Everything together. `close` ends all of it, in any case."""

    def __init__(
        self, folder: Path, store: Path, size: Size, tell: Callable[[Chaos], None] = lambda _: None
    ) -> None:
        self.size, self.chaos, self.folder, self.tell = size, Chaos(), folder, tell
        self.collector = RealCollector(store, folder / "collector.log")
        self.relay = Relay(self.collector.process.port, size.seed)
        self.relay.calm = True
        self.machines: list[Machine] = []
        try:
            for number in range(size.agents):
                self.machines.append(Machine(number, folder / f"machine-{number}", self))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
        self.relay.stop()
        self.collector.stop()

    def ahead(self) -> bool:
        """Whether the runs have come further than the deaths of the collector, which take longer."""
        chaos, size = self.chaos, self.size
        lead = chaos.runs / size.runs - chaos.server_kills / max(1, size.server_kills)
        return chaos.server_kills < size.server_kills and lead > 0.02 and not chaos.trouble

    def enough(self) -> bool:
        chaos, size = self.chaos, self.size
        return bool(chaos.trouble) or (
            chaos.runs >= size.runs
            and chaos.agent_kills >= size.agent_kills
            and chaos.server_kills >= size.server_kills
        )

    def note_trouble(self, text: str) -> None:
        self.chaos.trouble.append(text)

    def rage(self) -> None:
        """Until all has happened; then all is mended and delivered."""
        chance, size, chaos = random.Random(self.size.seed + 1), self.size, self.chaos
        self.relay.calm = False
        for machine in self.machines:
            machine.start()
        while not self.enough():
            time.sleep(chance.uniform(0.05, 0.6))
            # Spread over all of it, so that the collector is there most of the time.
            due = 1 + size.server_kills * chaos.runs // size.runs
            if chaos.server_kills < min(due, size.server_kills):
                self.collector.process.kill()
                chaos.server_kills += 1
                time.sleep(chance.uniform(0, 0.3))
                self.collector.process.start()
                self.tell(chaos)
        for machine in self.machines:
            machine.join()
        self.chaos.relay = self.relay.met
        self.relay.calm = True
        for machine in self.machines:
            self._finish(machine)

    def _finish(self, machine: Machine) -> None:
        """Deliver what waits, and one more run that tells what was given up last."""
        machine.state.config.write_text("[spool]\nkeep_free_mb = 0.0\n")
        deliver_pending(machine.state, lock_wait_s=30)
        last = spool_one(machine.state)
        machine.promised[last.run] = last.sequence
        deliver_pending(machine.state, lock_wait_s=30)

    def account(self) -> Verdict:
        return account(self.collector, self.machines)
