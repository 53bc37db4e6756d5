"""What a scheduled run may use, and who sees to it.

Whoever starts a run watches it as a `Child`: beyond its time or its memory it is asked to end (as with
Ctrl-C, after which a run reports what it has), and is killed where it does not. The run itself gives way to
others, and ends by itself where nobody watches any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent.config import Limits, load_config
from agent.paths import state
from checks.errors import BadInput

GRACE_S: Final = 8.0
"""Seconds between being asked to end and being killed."""

UNWATCHED_S: Final = 60.0
"""Seconds beyond the ceiling of time after which a run ends without a watcher."""

TAIL: Final = 4096
PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
POSIX: Final = os.name == "posix"


class Ending(NamedTuple):
    """How a child ended: its exit code (128 and more: by that signal), why it was made to end (empty: by
    itself), and the last line that it wrote to standard error.
    """

    exit: int
    reason: str
    said: str


class Child:
    """A process under its limits, in a process group of its own. Nobody is blocked: `look` is to be called
    when one of `waits_on` can be read, and about once a second.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        run_s: float,
        memory_mb: float,
        keep: Sequence[int] = (),
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start it; `keep` are descriptors that it holds open (a lock). Raises `OSError`."""
        self._clock = clock
        self._began = clock()
        self._run_s = run_s
        self._memory = memory_mb * 1e6
        self._grace_s = grace_s
        self._reason = ""
        self._killed_at = 0.0
        self._tail = b""
        self._process = subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if POSIX else subprocess.DEVNULL,
            pass_fds=tuple(keep) if POSIX else (),
            start_new_session=POSIX,
        )
        self.pid = self._process.pid
        self._stderr = -1
        if self._process.stderr is not None:
            self._stderr = self._process.stderr.fileno()
            os.set_blocking(self._stderr, False)
        self._handle = _handle(self.pid)

    def waits_on(self) -> list[int]:
        """Descriptors that become readable when there is something to look at."""
        found = [self._stderr] if self._process.stderr is not None else []
        return found + ([self._handle] if self._handle >= 0 else [])

    def look(self) -> Ending | None:
        """How it ended; None while it runs. Sees to the limits."""
        self._listen()
        if _has_ended(self._process):
            return self._end()
        now = self._clock()
        if not self._reason:
            if now - self._began > self._run_s:
                self.stop(f"it took longer than {self._run_s:g} s (limits.run_s)")
            elif (used := memory_of(self.pid)) > self._memory:
                self.stop(
                    f"it used {used / 1e6:.0f} MB of memory (limits.memory_mb = {self._memory / 1e6:g})"
                )
        elif now >= self._killed_at:
            self._kill()
        return None

    def stop(self, reason: str) -> None:
        """Ask it to end, and kill it some seconds later."""
        self._reason = self._reason or reason
        self._killed_at = self._clock() + self._grace_s
        with suppress(OSError):
            if POSIX:
                os.kill(self.pid, signal.SIGINT)
            else:
                self._process.terminate()

    def _kill(self) -> None:
        """Kill it with all that it started, also what has a group of its own by now."""
        self._killed_at = self._clock() + 1.0
        for pid in reversed(family(self.pid)):
            with suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        with suppress(OSError):
            if POSIX:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def _end(self) -> Ending:
        if self._reason and POSIX:
            with suppress(OSError):  # not reaped yet, so the group's number is still its own
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._listen()
        if self._process.stderr is not None:
            self._process.stderr.close()
            self._process.stderr = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        reason = self._reason
        if code < 0 and not reason:
            reason = f"signal {-code} ended it"
        lines = self._tail.decode(errors="replace").splitlines()
        return Ending(128 - code if code < 0 else code, reason, lines[-1] if lines else "")

    def _listen(self) -> None:
        """Take what it wrote, so that it never waits for a reader; only the end is kept."""
        for _ in range(64):
            if self._process.stderr is None:
                return
            try:
                heard = os.read(self._stderr, 65536)
            except BlockingIOError:
                return
            except OSError:
                heard = b""
            if not heard:
                self._process.stderr.close()
                self._process.stderr = None
                return
            self._tail = (self._tail + heard)[-TAIL:]


def watch(child: Child, stopped: Callable[[], bool] = lambda: False) -> Ending:
    """Wait for a child under its limits; when `stopped` says so it is asked to end."""
    asked = False
    while (ending := child.look()) is None:
        if stopped() and not asked:
            asked = True
            child.stop("firstlight was asked to end")
        pause(child.waits_on(), 1.0)
    return ending


def pause(descriptors: Sequence[int], seconds: float) -> None:
    """Sleep, at most until one of the descriptors can be read."""
    if not POSIX or not descriptors:
        time.sleep(min(seconds, 0.25) if not POSIX else seconds)
        return
    import select

    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(max(0, int(seconds * 1000)))


def give_way(limits: Limits | None = None) -> None:
    """Make this process one that others go before, and that ends by itself if nobody watches it.

    Not the idle class of I/O: on a busy disk a run would hold its locks for ever.
    """
    limits = limits or _configured()
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), limits.nice))
    import psutil

    if hasattr(psutil, "IOPRIO_CLASS_BE"):
        with suppress(OSError, psutil.Error):
            psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, value=7)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.run_s + UNWATCHED_S)


def _configured() -> Limits:
    """The limits of config.toml; a configuration that is wrong is told by whoever needs more of it."""
    try:
        return load_config(state()).limits
    except BadInput:
        return Limits()


def memory_of(pid: int) -> int:
    """Bytes in memory of a process, with what its descendants have for themselves; 0 where nobody tells."""
    own, *others = family(pid)
    return _resident(own)[0] + sum(total - shared for total, shared in map(_resident, others))


def family(pid: int) -> list[int]:
    """A process and its descendants, itself first (proc(5), /proc/PID/task/TID/children)."""
    found = [pid]
    for each in found:
        with suppress(OSError, ValueError):
            for task in Path(f"/proc/{each}/task").iterdir():
                with suppress(OSError):
                    found += [int(word) for word in (task / "children").read_bytes().split()]
        if len(found) > 10_000:
            break
    return found


def _resident(pid: int) -> tuple[int, int]:
    """Bytes in memory, and those of them that files and others share."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_bytes().split()
        return int(fields[1]) * PAGE, int(fields[2]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0, 0


def _handle(pid: int) -> int:
    """A descriptor that becomes readable when the process ends (pidfd_open(2)); -1 where there is none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has, without reaping it: until then its number belongs to nobody else."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
