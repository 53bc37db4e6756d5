"""A machine that has nothing but BusyBox, or lacks a tool, is read as well as any other."""

from __future__ import annotations

from pathlib import Path

from far_machines import only_busybox, server_inside
from far_side import read_at
from local_reader import read_as
from parity_samples import make_world, samples, standing
from ssh_accounts import account

OWN = ("CommandText of errors", "NameLookup", "HostName", "WriteLatency", "JournalTail")
"""What the tools themselves say in other words, or what this chroot has not: name services, dd's times, a
journal."""


def test_busybox_reads_the_same(tmp_path: Path) -> None:
    with (
        account() as owner,
        make_world(owner) as world,
        server_inside(tmp_path / "server", only_busybox(tmp_path / "busybox")) as server,
    ):
        facts = samples(world)
        here = read_as("root", list(facts.values()))
        there = read_at(server, facts.values())
    differing = {
        name: (here[fact], there[fact])
        for name, fact in facts.items()
        if standing(here[fact]) != standing(there[fact]) and not name.startswith(OWN)
    }
    assert not differing, [*differing]
