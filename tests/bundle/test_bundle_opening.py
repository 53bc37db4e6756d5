"""A bundle read again, offline and by somebody who does not trust it."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from machine import firstlight

from agent.bundle.archive import packed
from agent.bundle.opening import load_readings
from agent.bundle.parts import ACCEPTED, FORMAT, MANIFEST, PREVIOUS, SNAPSHOT, VERSION, Manifest, Part
from agent.commands import diff
from agent.paths import State
from checks.errors import BadInput
from checks.fact import Known
from checks.facts.swap import Swap
from checks.model import Target
from checks.snapshot import Readings, Snapshot

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MANIFESTO = Manifest(FORMAT, VERSION, "2026-03-02", "firstlight 0.1.0", "plant-a", "linux-server", ())
MIB = 1024 * 1024
Change = Callable[[zipfile.ZipFile], None]


def snapshot(free: int = 100, total: int = 100) -> Snapshot:
    values = {"SwapSpace()": Known(msgspec.to_builtins(Swap(total, free)))}
    return Snapshot(NOON, (Readings(Target("web-1"), values, NOON),), profile="linux-server", site="plant-a")


def json(value: object) -> bytes:
    return msgspec.json.encode(value)


def good(**parts: bytes) -> bytes:
    names = {"snapshot": SNAPSHOT, "accepted": ACCEPTED, "previous": PREVIOUS, "manifest": MANIFEST}
    given = {"snapshot": json(snapshot()), "manifest": json(MANIFESTO)} | parts
    return packed(Part(names[name], name, data) for name, data in given.items())


def zipped(change: Change) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json(MANIFESTO))
        change(archive)
    return buffer.getvalue()


def refusal(path: Path, data: bytes) -> str:
    """What is said of such a file: one line that begins with its name."""
    path.write_bytes(data)
    with pytest.raises(BadInput) as told:
        load_readings(path)
    said = str(told.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said) < 500 + len(str(path))
    return said.removeprefix(f"{path}: ")


# Opened offline


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return firstlight(*words, state=folder / "state", cwd=folder)


def test_the_readings_are_judged_elsewhere_and_by_any_profile(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(good())
    (tmp_path / "swap.yaml").write_text(
        "profile: swap\nitems:\n  - {id: swap, check: mem.swap_size, with: {size: {at_least: 1 GiB}}}\n"
    )
    done = run("check", "./swap.yaml", "--from", "b.zip", "--no-send", "--format", "json", folder=tmp_path)
    report = msgspec.json.decode(done.stdout)
    assert [(each["item"], each["status"]) for each in report["results"]] == [("swap", "fail")]
    assert done.returncode == 1
    done = run("check", "--from", "b.zip", "--no-send", "--format", "json", folder=tmp_path)
    assert msgspec.json.decode(done.stdout)["profile"]["id"] == "linux-server"


def difference(state: State, *words: str) -> Result:
    assert not state.root.exists()
    return CliRunner().invoke(diff.command, list(words))


def test_a_bundle_is_compared_with_another_and_with_what_was_accepted(state: State, tmp_path: Path) -> None:
    before, after = json(snapshot()), json(snapshot(total=4000))
    a, b, c = (str(tmp_path / f"{name}.zip") for name in "abc")
    Path(a).write_bytes(good(snapshot=before))
    Path(b).write_bytes(good(snapshot=after, accepted=before))
    Path(c).write_bytes(good(snapshot=after, previous=before))
    two = difference(state, a, b)
    assert (two.exit_code, "SwapSpace()" in two.stdout) == (1, True)
    alone = difference(state, b)
    assert (alone.exit_code, f"the state that was accepted, in {b}" in alone.stdout) == (1, True)
    before_it = difference(state, c)
    assert (before_it.exit_code, f"the run before, in {c}" in before_it.stdout) == (1, True)
    assert difference(state, a, a).exit_code == 0
    assert "name a second run" in str(difference(state, a).exception)
    assert "only a bundle can stand alone" in str(difference(state, "last").exception)


# Hostile ones


HOSTILE: dict[str, tuple[Change, str]] = {
    "climbs": (lambda z: z.writestr("../evil.txt", "x"), "holds '../evil.txt', which no bundle does"),
    "begins at the root": (lambda z: z.writestr("/etc/cron.d/evil", "x"), "do not unpack this file"),
    "is of Windows": (lambda z: z.writestr("C:\\evil.txt", "x"), "do not unpack this file"),
    "nests": (lambda z: z.writestr("logs/inner.zip", good()), "holds 'logs/inner.zip'"),
    "is a program": (lambda z: z.writestr("run.exe", "x"), "holds 'run.exe'"),
    "drives a terminal": (lambda z: z.writestr("\x1b[2Jx.txt", "x"), "holds '\\x1b[2Jx.txt'"),
    "has no readings": (lambda z: z.writestr("a.txt", "x"), "a bundle without snapshot.json"),
    "has torn readings": (lambda z: z.writestr(SNAPSHOT, b"{"), "snapshot.json: not a snapshot"),
    "is deep": (
        lambda z: z.writestr(SNAPSHOT, b'{"captured_at":' + b"[" * 200_000),
        "snapshot.json: not a snapshot",
    ),
    "is a bomb": (lambda z: z.writestr(SNAPSHOT, b" " * (40 * MIB)), "packed 200 times smaller than it is"),
    "is newer": (
        lambda z: z.writestr(SNAPSHOT, json(msgspec.structs.replace(snapshot(), version=99))),
        "snapshot version 99 is newer than this program knows",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_bundle_is_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    change, words = HOSTILE[name]
    assert words in refusal(tmp_path / "b.zip", zipped(change))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    def twice(archive: zipfile.ZipFile) -> None:
        archive.writestr(SNAPSHOT, json(snapshot()))
        archive.writestr(SNAPSHOT, json(snapshot(1)))

    assert refusal(tmp_path / "b.zip", zipped(twice)) == "holds snapshot.json twice, which no bundle does"


def test_a_link_is_refused(tmp_path: Path) -> None:
    def link(archive: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo(SNAPSHOT)
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/shadow")

    assert "snapshot.json is no regular file" in refusal(tmp_path / "b.zip", zipped(link))


def test_other_ways_to_pack_are_refused(tmp_path: Path) -> None:
    def other(archive: zipfile.ZipFile) -> None:
        archive.writestr(SNAPSHOT, json(snapshot()), zipfile.ZIP_LZMA)

    assert "compressed in a way that no bundle's parts are" in refusal(tmp_path / "b.zip", zipped(other))


def test_an_encrypted_part_is_refused(tmp_path: Path) -> None:
    data = bytearray(good())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    assert "snapshot.json is encrypted" in refusal(tmp_path / "b.zip", bytes(data))


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    assert refusal(tmp_path / "b.zip", buffer.getvalue()) == (
        "a zip, but not a bundle that firstlight bundle wrote"
    )
    assert "its format is 'other'" in refusal(
        tmp_path / "c.zip", good(manifest=json(msgspec.structs.replace(MANIFESTO, format="other")))
    )
    assert "bundle version 9 is newer" in refusal(
        tmp_path / "d.zip", good(manifest=json(msgspec.structs.replace(MANIFESTO, version=9)))
    )


def test_a_directory_of_a_million_parts_is_not_read(tmp_path: Path) -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, 50 * MIB, 0, 0)
    assert refusal(tmp_path / "b.zip", b"PK\x03\x04" + end) == "65535 parts; a bundle has 5000 at most"


def test_a_part_that_is_longer_than_it_says_costs_no_memory(tmp_path: Path) -> None:
    """The header tells of 100 bytes where 32 MiB come out."""
    squeezed = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = squeezed.compress(b" " * (32 * MIB)) + squeezed.flush()
    name = SNAPSHOT.encode()
    fields = (20, 0, 8, 0, 33, 0, len(body), 100, len(name), 0)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fields) + name + body
    manifest = json(MANIFESTO)
    second = struct.pack(
        "<4sHHHHHIIIHH",
        b"PK\x03\x04", 20, 0, 0, 0, 33, zlib.crc32(manifest), len(manifest), len(manifest), 11, 0,
    ) + MANIFEST.encode() + manifest  # fmt: skip
    head = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, 0) + name
    other = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\x01\x02", 20, 20, 0, 0, 0, 33, zlib.crc32(manifest), len(manifest), len(manifest), 11,
        0, 0, 0, 0, 0, len(local),
    ) + MANIFEST.encode()  # fmt: skip
    at = len(local) + len(second)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, len(head + other), at, 0)
    path = tmp_path / "b.zip"
    tracemalloc.start()
    try:
        said = refusal(path, local + second + head + other + end)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert "damaged" in said or "not as long as it says" in said


def test_a_bundle_that_was_spoilt_anywhere_is_refused_in_one_line_or_read_whole(tmp_path: Path) -> None:
    """Bytes flipped, cut, doubled and mixed: never another exception, and never other readings."""
    whole = good(accepted=json(snapshot(7)))
    path = tmp_path / "b.zip"
    path.write_bytes(whole)
    right = load_readings(path)
    chance = random.Random(20260302)
    refused = 0
    for _ in range(800):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            kind = chance.randrange(4)
            at = chance.randrange(len(data))
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randint(1, 40)]
            elif kind == 2:
                data[at:at] = data[at : at + chance.randint(1, 40)]
            else:
                data[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 2**31 - 1, 2**32 - 1)))
            if not data:
                data = bytearray(b"PK\x03\x04")
        path.write_bytes(data)
        try:
            assert load_readings(path) == right
        except BadInput as told:
            assert "\n" not in str(told)
            refused += 1
    assert refused > 500
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.zip"]


def test_no_zip_and_no_file(tmp_path: Path) -> None:
    assert "not a snapshot" in refusal(tmp_path / "b.zip", b"no zip")
    with pytest.raises(BadInput, match="No such file"):
        load_readings(tmp_path / "nowhere.zip")
    with pytest.raises(BadInput, match="Is a directory"):
        load_readings(tmp_path)
