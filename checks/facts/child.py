"""Child processes with a deadline: argv only, no shell, bounded output, killed with all they started."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from checks.fact import NotReadable

if TYPE_CHECKING:
    from subprocess import Popen

WINDOWS: Final = os.name == "nt"
OUTPUT_LIMIT: Final = 1024 * 1024
FED_LIMIT: Final = 64 * 1024
GRACE_S: Final = 0.5
"""How long a killed child may take to die before it counts as stuck in the kernel."""

_unburied: list[Popen[bytes]] = []
"""Children that outlived their kill; kept so that they can still be reaped, and are not warned about."""


class Output(msgspec.Struct, frozen=True):
    """What a child left: exit status (negative: the signal), standard output and error, cut at the limit."""

    status: int
    out: bytes
    err: bytes
    truncated: bool = False

    @property
    def complaint(self) -> str:
        """The last line of standard error, for people."""
        lines = self.err.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit status {self.status}"


class Overrun(NotReadable):
    """The child missed its deadline. `alive` says that it did not even die when it was killed."""

    def __init__(self, reason: str, pid: int, *, alive: bool) -> None:
        super().__init__(reason, "stuck" if alive else "timeout")
        self.pid, self.alive = pid, alive


def run(
    argv: Sequence[str],
    timeout: float,
    *,
    search: str,
    limit: int = OUTPUT_LIMIT,
    environment: Mapping[str, str] | None = None,
    fed: bytes = b"",
) -> Output:
    """Run a command to its end, or to `timeout` seconds or `limit` bytes of output, and kill it there.

    `search` is the PATH the command is found on, `environment` what it gets beside that and LC_ALL, `fed` its
    standard input (64 KiB at most, which a pipe takes without a reader). Raises `Overrun`, or `NotReadable`
    where it cannot start.
    """
    import subprocess

    if WINDOWS:
        from checks.facts import windowschild

        return windowschild.run(argv, timeout, limit, environment or {}, fed)
    deadline = time.monotonic() + timeout
    program = _found(argv[0], search)
    if program is None:
        raise NotReadable(f"{argv[0]} is not installed", "absent")
    try:
        process = subprocess.Popen(
            list(argv),
            executable=program,
            cwd="/",
            env={"PATH": search, "LC_ALL": "C"} | dict(environment or {}),
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise NotReadable(f"{argv[0]} cannot be started: {error.strerror}", "failed") from error
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(fed[:FED_LIMIT])
    output, whole = _drain(process, deadline, limit)
    if whole:
        try:
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        else:
            return Output(status, *output)
    died = _kill(process)
    if len(output[0]) >= limit and died:
        return Output(process.returncode, *output, truncated=True)
    raise Overrun(f"{argv[0]} timed out after {timeout:g} s", process.pid, alive=not died)


def _found(name: str, search: str) -> str | None:
    """The file of a program, None where there is none; `shutil.which` would bring three compressors along."""
    places = [name] if "/" in name else [f"{folder}/{name}" for folder in search.split(":") if folder]
    return next((place for place in places if Path(place).is_file() and os.access(place, os.X_OK)), None)


def start_time(pid: int) -> str | None:
    """What tells this process from a later one under the same pid, in clock ticks since boot.

    None where it is gone, or is dead and only waits to be reaped.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if len(fields) < 20 or fields[0] in b"ZX" else fields[19].decode()


def _drain(process: Popen[bytes], deadline: float, limit: int) -> tuple[tuple[bytes, bytes], bool]:
    """What the child writes; the second part says whether it closed both ends by itself, in time."""
    import selectors

    assert process.stdout is not None and process.stderr is not None
    kept: dict[int, bytearray] = {}
    with selectors.DefaultSelector() as selector, process.stdout as out, process.stderr as err:
        for pipe in (out, err):
            selector.register(pipe, selectors.EVENT_READ)
            kept[pipe.fileno()] = bytearray()
        order = (out.fileno(), err.fileno())
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0 or len(kept[order[0]]) >= limit:
                break
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                room = limit - len(kept[key.fd])
                kept[key.fd] += data[:room]
        whole = not selector.get_map()
    return (bytes(kept[order[0]]), bytes(kept[order[1]])), whole


def _kill(process: Popen[bytes]) -> bool:
    """Whether the child, killed with its whole group, is dead."""
    import signal
    import subprocess

    _unburied[:] = [other for other in _unburied if other.poll() is None]
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        _unburied.append(process)
        return False
    return True
