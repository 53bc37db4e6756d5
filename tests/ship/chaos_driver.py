"""An agent's lives, one process each: ``chaos_driver.py SEED`` reads ``life COUNT`` from standard input.

Each life is a fork, so that a thousand of them do not import the same modules a thousand times. It keeps
COUNT runs and delivers now and then. It prints ``born PID``, then ``kept NUMBER RUN`` for each run that the
spool has promised to keep, ``full`` for one it could not, ``leaving RUN`` for one that is about to be given
up, ``trouble`` for what must not happen, and at its end ``died STATUS`` (minus the signal that killed it).
"""

from __future__ import annotations

import os
import random
import sys
import traceback

import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - before the forks
import requests  # noqa: F401
from ship_sample import spool_one

from agent import losses as losses_module
from agent import pressure
from agent.delivery import deliver_pending
from agent.lock import Busy
from agent.losses import Losses
from agent.paths import State, state
from checks.errors import FirstlightError


def say(text: str) -> None:
    os.write(1, (text.replace("\n", " | ") + "\n").encode())


def save_losses(at: State, losses: Losses) -> None:
    """Say which runs are about to be given up before that is written down anywhere."""
    for run in losses.leaving:
        say(f"leaving {run}")
    losses_module.save_losses(at, losses)


pressure.save_losses = save_losses


def live(at: State, count: int, chance: random.Random) -> None:
    for _ in range(count):
        try:
            entry = spool_one(at)
            say(f"kept {entry.sequence} {entry.run}")
        except FirstlightError:
            say("full")
        if chance.random() < 0.6:
            try:
                deliver_pending(at, lock_wait_s=chance.choice([0.0, 0.3]), budget_s=1.0)
            except (Busy, OSError):
                pass  # another life delivers; the disk is full or read-only
            except FirstlightError as error:
                say(f"trouble {error}")


def main() -> None:
    at, chance = state(), random.Random(int(sys.argv[1]))
    for line in sys.stdin:
        count, seed = int(line.split()[1]), chance.getrandbits(32)
        child = os.fork()
        if child == 0:
            try:
                live(at, count, random.Random(seed))
            except BaseException:  # noqa: BLE001 - whatever it is, it is told and judged
                say(f"trouble {traceback.format_exc()[-1500:]}")
            os._exit(0)
        say(f"born {child}")
        _, status = os.waitpid(child, 0)
        say(f"died {os.waitstatus_to_exitcode(status)}")


main()
