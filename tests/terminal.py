"""The program as a person meets it: in a terminal of its own, asked and answered."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from machine import environment

if TYPE_CHECKING:
    from ssh_site import SiteFolder

WITHIN_S = 60.0


def at_a_terminal(
    place: SiteFolder, words: Sequence[str], answers: Mapping[str, str], env: Mapping[str, str] | None = None
) -> tuple[str, int]:
    """All that `firstlight WORDS` shows there, and what it ends with.

    Each of `answers` is typed once its question is shown, in their order; a question that does not come
    fails the test. The terminal is the program's controlling one, as for a person who logged in.
    """
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(place.folder)
        mine = environment(place.state) | {"HOME": str(place.home), "TERM": "dumb"} | dict(env or {})
        os.execve(sys.executable, [sys.executable, "-m", "agent", *words], mine)
    said, waiting, from_here = "", list(answers.items()), 0
    deadline = time.monotonic() + WITHIN_S
    try:
        while True:
            assert time.monotonic() < deadline, f"still waiting for {waiting}: {said}"
            if not select.select([screen], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(screen, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            said += data.decode(errors="replace")
            if waiting and waiting[0][0] in said[from_here:]:
                from_here = len(said)
                os.write(screen, waiting.pop(0)[1].encode() + b"\n")
    finally:
        os.close(screen)
        _, status = os.waitpid(pid, 0)
    assert not waiting, f"never asked {waiting}: {said}"
    return said, os.waitstatus_to_exitcode(status)
