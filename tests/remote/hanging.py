"""Files that nobody can open, for as long as a test wants."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

_LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
for path in sys.argv[1:]:
    fcntl.fcntl(os.open(path, os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def nobody_can_open(*paths: Path) -> Iterator[None]:
    """Whoever opens one of these files waits (fcntl(2), F_SETLEASE), while its name can be looked up as ever.

    The kernel ends that after 45 s (/proc/sys/fs/lease-break-time).
    """
    command = [sys.executable, "-c", _LEASE, *map(str, paths)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        try:
            assert holder.stdout.readline() == "ready\n"
            yield
        finally:
            holder.stdin.close()
            holder.kill()
