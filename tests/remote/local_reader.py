"""Reads facts on this machine as one of its users; run by tests as a program, and by root.

Facts come pickled on standard input, readings go the same way out. Everything is read once as root before,
which imports what reading needs: the user may not be allowed to look into the interpreter's folders.
"""

from __future__ import annotations

import os
import pickle
import pwd
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.reading import reading_of
from checks.fact import Fact, Reading
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted


def read_as(user: str, facts: Sequence[Fact]) -> dict[Fact, Reading]:
    """What this machine gives of these facts to a user of it, read without any shell or network."""
    done = subprocess.run(
        [sys.executable, __file__, user],
        input=pickle.dumps(list(facts)),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    readings: dict[Fact, Reading] = pickle.loads(done.stdout)
    return readings


def _read(facts: Sequence[Fact]) -> dict[Fact, Reading]:
    host = LocalHost()
    return {fact: reading_of(fact, Permitted(host, fact)) for fact in facts}


def _main() -> None:
    facts = pickle.load(sys.stdin.buffer)
    user = pwd.getpwnam(sys.argv[1])
    readings = _read(facts)
    if user.pw_uid != os.geteuid():
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        readings = _read(facts)
    pickle.dump(readings, sys.stdout.buffer)


if __name__ == "__main__":
    _main()
