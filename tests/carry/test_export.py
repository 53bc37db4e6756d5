"""Runs into a file to carry: which, where to, and that nothing is lost by it."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path

import building
import pytest
from carry_world import NOW, World

from agent.carry.chosen import Since, read_since
from agent.carry.export import export
from agent.carry.exports import load, ranges, told
from agent.durable import UNFINISHED
from checks.carried import MOST_RUNS, read_manifest, walk
from checks.errors import BadInput, FirstlightError
from checks.signed import signer_of, verified_head


def numbers(path: Path) -> list[int]:
    """The numbers of the runs in a file that is not sealed."""
    import gzip

    import msgspec

    with path.open("rb") as file:
        verified_head(file, "export")
        manifest = read_manifest(file)
        bodies = [frame.body for frame in walk(file, manifest, 2**20)]
    return [msgspec.json.decode(gzip.decompress(body or b""))["sequence"] for body in bodies]


def test_an_export_is_signed_by_the_agent_and_says_where_it_belongs(world: World) -> None:
    world.runs(3)
    path = world.export()
    with path.open("rb") as file:
        head = verified_head(file, "export")
        assert signer_of(head, [world.made.public]) == world.made.public
        assert head.by == world.identity.agent
        assert head.note == "Bring this file to the Firstlight collector at http://127.0.0.1:9"
        manifest = read_manifest(file)
    assert (manifest.runs, manifest.first, manifest.last) == (3, 1, 3)
    assert (manifest.agent, manifest.site, manifest.target) == (world.identity.agent, "plant", "web-1")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_sealed_export_says_nothing_but_where_it_belongs(world: World) -> None:
    world.runs(2)
    data = world.export(sealed=True).read_bytes()
    first, _, rest = data.partition(b"\n")
    assert b"Bring this file to the Firstlight collector at http://127.0.0.1:9" in first
    for word in (b"plant", b"web-1", world.identity.agent.encode()):
        assert word not in data
    assert b"export" not in rest


def test_exported_runs_stay_pending_with_a_note_and_go_again_with_a_later_export(world: World) -> None:
    entries = world.runs(2)
    path = world.export("one.export")
    assert world.places()["pending"] == [1, 2]
    (past,) = load(world.state).exports
    assert told(world.state)(entries[0]) == f"exported {past.at:%Y-%m-%d %H:%M} UTC into {path}"
    (third,) = world.runs(1)
    assert told(world.state)(third) == ""
    later = world.export("two.export")
    assert numbers(later) == [1, 2, 3]
    assert told(world.state)(entries[0]).endswith(f"into {later}")


def test_held_runs_go_too_because_what_held_them_may_have_been_put_right(world: World) -> None:
    first, _ = world.runs(2)
    world.spool.hold(first, "unknown agent")
    assert numbers(world.export()) == [1, 2]


def test_only_a_part_goes_where_that_is_asked_for(world: World) -> None:
    world.runs(4)
    assert numbers(world.export(since=Since(number=3))) == [3, 4]
    moment = building.START + timedelta(hours=1)
    assert numbers(world.export(since=Since(moment=moment))) == [2, 3, 4]


def test_with_all_what_was_delivered_goes_too(world: World) -> None:
    from checks.envelope import Ack

    first, _ = world.runs(2)
    world.spool.mark_acknowledged(first, Ack(first.run, "new", "epoch", 1))
    assert numbers(world.export()) == [2]
    assert numbers(world.export(everything=True)) == [1, 2]


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("41", Since(number=41)),
        ("2026-01-05", Since(moment=NOW.replace(day=5))),
        ("2026-01-05T06:00:00+06:00", Since(moment=NOW.replace(day=5))),
        ("2d", Since(moment=NOW - timedelta(days=2))),
    ],
)
def test_since_is_a_number_a_day_or_a_span(text: str, since: Since) -> None:
    assert read_since(text, NOW) == since


@pytest.mark.parametrize("text", ["", "never", "-1", "2026-13-01", "9" * 30, "99999999999d"])
def test_a_wrong_since_says_what_is_right(text: str) -> None:
    with pytest.raises(BadInput, match="right are a run's number"):
        read_since(text, NOW)


def test_nothing_waits_means_no_file(world: World) -> None:
    done = export(world.state, world.folder / "stick.export", now=NOW)
    assert done.manifest is None
    assert list(world.folder.iterdir()) == []


def test_a_folder_gets_a_file_under_a_name_that_tells_what_is_in_it(world: World) -> None:
    world.runs(2)
    done = export(world.state, world.folder, now=NOW)
    assert done.path == world.folder / f"firstlight-{world.identity.agent}-1-2.export"
    with pytest.raises(BadInput, match="exists already; name a new file, or --force"):
        export(world.state, world.folder, now=NOW)


def test_places_that_do_not_serve_are_refused(world: World, tmp_path: Path) -> None:
    world.runs(1)
    (tmp_path / "into-state").symlink_to(world.state.root)
    (world.folder / "link").symlink_to("/etc/passwd")
    for place, words in (
        (world.state.root / "x.export", "the agent's own state folder"),
        (world.state.spool / "pending" / "x.export", "the agent's own state folder"),
        (tmp_path / "into-state" / "x.export", "the agent's own state folder"),
        (world.folder / ".." / "state" / "x.export", "the agent's own state folder"),
        (world.folder / "missing" / "x.export", "is the stick mounted"),
        (world.folder / "link", "no plain file"),
        (Path("/dev/null"), "no plain file"),
    ):
        with pytest.raises(BadInput, match=words):
            export(world.state, place, now=NOW, force=True)
    assert Path("/etc/passwd").read_text()


def test_a_damaged_run_is_left_out_and_named(world: World) -> None:
    _, second, _ = world.runs(3)
    second.path.write_bytes(second.path.read_bytes()[:-5])
    done = export(world.state, world.folder / "x.export", now=NOW)
    assert numbers(done.path) == [1, 3]
    assert [str(second.path) in line for line in done.chosen.damaged] == [True]


def test_runs_of_the_agent_that_this_machine_was_before_are_left_out(world: World) -> None:
    world.runs(1)
    world.enrol()
    world.made.sequence, world.made.previous = 1, building.NO_HASH
    world.runs(1)
    done = export(world.state, world.folder / "x.export", now=NOW)
    assert (numbers(done.path), done.chosen.strangers) == ([2], 1)


def test_runs_signed_with_the_key_before_are_signed_again(world: World) -> None:
    world.runs(1)
    old = world.made.key
    world.enrol(again=True)
    assert world.made.key != old
    assert world.take(world.export()).new == 1


def test_more_than_one_file_takes_waits_for_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_RUNS == 100_000
    monkeypatch.setattr("agent.carry.chosen.MOST_RUNS", 2)
    world.runs(5)
    done = export(world.state, world.folder / "x.export", now=NOW)
    assert (numbers(done.path), done.chosen.over) == ([1, 2], 3)


def test_a_full_stick_leaves_nothing_and_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.runs(2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("agent.carry.export.os.fsync", full)
    with pytest.raises(FirstlightError, match="No space left on device; nothing was exported"):
        world.export()
    monkeypatch.undo()
    assert list(world.folder.iterdir()) == []
    assert world.places()["pending"] == [1, 2]
    assert load(world.state).exports == ()


def test_what_a_killed_export_left_on_the_stick_is_swept(world: World) -> None:
    world.runs(1)
    left = world.folder / f".stick.export.4711{UNFINISHED}"
    left.write_bytes(b"half")
    other = world.folder / f".other.export.4711{UNFINISHED}"
    other.write_bytes(b"somebody else's")
    world.export()
    assert not left.exists()
    assert other.exists()


def test_a_run_that_is_dropped_between_the_walks_is_left_out_of_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = world.runs(3)
    from agent.carry import export as module

    frames = module.frame_of
    seen: list[bytes] = []

    def drop_the_second(envelope: object) -> bytes:
        made = frames(envelope)  # type: ignore[arg-type]
        seen.append(made)
        if len(seen) == 4:
            entries[1].path.unlink()
        return made

    monkeypatch.setattr(module, "frame_of", drop_the_second)
    assert numbers(world.export()) == [1, 3]
    assert [path.name for path in world.folder.iterdir()] == ["stick.export"]


def test_memory_holds_one_run_whatever_is_exported(world: World) -> None:
    import tracemalloc

    def peak(sealed: bool) -> int:
        tracemalloc.start()
        world.export(sealed=sealed)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    world.runs(40, operator="x" * 100)
    peak(True)
    few = max(peak(True), peak(False))
    world.runs(160, operator="x" * 100)
    many = max(peak(True), peak(False))
    # A run of the spool's list is 300 bytes; a body of this one 3,000.
    assert many - few < 160 * 1000


def test_ranges_say_numbers_shortly() -> None:
    assert ranges([1, 2, 3, 7, 9, 10, 10]) == ((1, 3), (7, 7), (9, 10))
    assert ranges([]) == ()


def test_a_damaged_memory_of_exports_costs_no_export(world: World) -> None:
    world.runs(1)
    world.state.exports.write_bytes(b"\xff{")
    assert numbers(world.export()) == [1]
    assert len(load(world.state).exports) == 1


def test_without_a_pinned_key_nothing_is_sealed(world: World) -> None:
    import msgspec

    from agent.identity import save_identity

    world.runs(1)
    save_identity(world.state, msgspec.structs.replace(world.identity, seal_key=""))
    with pytest.raises(BadInput, match="enrol it again, or leave --sealed out"):
        world.export(sealed=True)
