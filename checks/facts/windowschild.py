"""Child processes on Windows, where pipes cannot be waited for and there are no groups to kill.

The promises are those of `checks.facts.child`: argv only, a deadline, bounded output, nothing left behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import IO, TYPE_CHECKING, Final

from checks.fact import NotReadable
from checks.facts.child import FED_LIMIT, GRACE_S, Output, Overrun

if TYPE_CHECKING:
    from subprocess import Popen

_KEPT: Final = ("PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "TEMP", "TMP")
"""What programs of Windows do not start or find each other without; nothing else is handed on."""


def run(
    argv: Sequence[str], timeout: float, limit: int, environment: Mapping[str, str], fed: bytes
) -> Output:
    """As `checks.facts.child.run`; the program is found on this process's own PATH, by PATHEXT."""
    import shutil
    import subprocess

    deadline = time.monotonic() + timeout
    program = shutil.which(argv[0])
    if program is None:
        raise NotReadable(f"{argv[0]} is not installed", "absent")
    given = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        process = subprocess.Popen(
            [program, *argv[1:]],
            env=given | {"LC_ALL": "C"} | dict(environment),
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise NotReadable(f"{argv[0]} cannot be started: {error.strerror}", "failed") from error
    assert process.stdout is not None and process.stderr is not None
    kept = (bytearray(), bytearray())
    readers = [
        Thread(target=_read, args=(pipe, into, limit), daemon=True)
        for pipe, into in zip((process.stdout, process.stderr), kept, strict=True)
    ]
    for reader in readers:
        reader.start()
    if process.stdin is not None:
        Thread(target=_feed, args=(process.stdin, fed[:FED_LIMIT]), daemon=True).start()
    while any(reader.is_alive() for reader in readers) or process.poll() is None:
        if time.monotonic() >= deadline or len(kept[0]) >= limit:
            break
        readers[0].join(0.01)
        readers[1].join(0.01)
    else:
        return Output(process.wait(), bytes(kept[0]), bytes(kept[1]), truncated=len(kept[0]) >= limit)
    died = _kill(process)
    if len(kept[0]) >= limit and died:
        return Output(process.wait(), bytes(kept[0]), bytes(kept[1]), truncated=True)
    raise Overrun(f"{argv[0]} timed out after {timeout:g} s", process.pid, alive=not died)


def _read(pipe: IO[bytes], into: bytearray, limit: int) -> None:
    with pipe:
        while data := os.read(pipe.fileno(), 65536):
            into += data[: limit - len(into)]
            if len(into) >= limit:
                return


def _feed(pipe: IO[bytes], data: bytes) -> None:
    try:
        with pipe:
            pipe.write(data)
    except OSError:  # it ended without reading all of it
        return


def _kill(process: Popen[bytes]) -> bool:
    """Whether the child, killed with all it had started, is dead."""
    import psutil

    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.kill()
    for each in family:
        try:
            each.kill()
        except psutil.Error:
            continue
    deadline = time.monotonic() + GRACE_S
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll() is not None
