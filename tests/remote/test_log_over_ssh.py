"""A log far away is counted from where the last run stopped, through a rotation and beyond 4 MiB."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from far_side import prepared, read, route_to, value
from sshd import Sshd

from agent.targets.connection import Dialer
from agent.targets.remote import RemoteTarget
from checks.facts.host import FILE_LIMIT
from checks.facts.loglines import LogGrowth, NewLogLines
from checks.facts.memory import Sample


class Remembered:
    """What the looks so far have recorded."""

    def __init__(self) -> None:
        self.samples: tuple[Sample, ...] = ()

    def series(self, fact: str) -> tuple[Sample, ...]:
        del fact
        return self.samples

    def answer(self, item: str) -> None:
        del item


def look(server: Sshd, fact: NewLogLines, memory: Remembered) -> LogGrowth:
    way = route_to(server, user=server.user)
    dialer = Dialer(prepared(way))
    with contextlib.closing(dialer), contextlib.closing(RemoteTarget(way, dialer, memory)) as target:
        found: LogGrowth = value(read(target, [fact])[fact])
    at = datetime(2026, 1, 1, len(memory.samples), tzinfo=UTC)
    memory.samples += (Sample(at, dict(NewLogLines.series(found))),)
    return found


def test_each_line_is_counted_once(ssh_server: Sshd, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    fact, memory = NewLogLines(str(log), "ERROR"), Remembered()
    log.write_text("ERROR long ago\n" * 100)
    assert look(ssh_server, fact, memory).matches == 0
    with log.open("a") as file:
        file.write("INFO a\nERROR b\n")
    found = look(ssh_server, fact, memory)
    assert (found.lines, found.matches, found.sample, found.rotated) == (2, 1, "ERROR b", False)
    with log.open("a") as file:
        file.write("ERROR c\n")
    log.rename(f"{log}.1")
    log.write_text("ERROR d\nERROR e is being wri")
    found = look(ssh_server, fact, memory)
    assert (found.matches, found.sample, found.rotated, found.lost) == (2, "ERROR d", True, False)
    with log.open("a") as file:
        file.write("tten\n" + "ERROR x\n" * (FILE_LIMIT // 8))
    found = look(ssh_server, fact, memory)
    assert found.skipped > 0
    assert (found.offset, found.rotated) == (log.stat().st_size, False)
    assert look(ssh_server, fact, memory).lines == 0
