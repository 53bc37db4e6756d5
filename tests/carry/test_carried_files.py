"""What an export holds, read back within bounds."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from carry_world import raw_frame
from hypothesis import given
from hypothesis import strategies as st

from checks.carried import (
    LINE_LIMIT,
    MOST_RUNS,
    Manifest,
    frame_of,
    is_whole,
    manifest_line,
    read_manifest,
    walk,
)
from checks.envelope import Envelope, Seal
from checks.errors import BadInput
from checks.ids import new_run_id

AT = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(runs: int, version: int = 1) -> Manifest:
    return Manifest(version, "agent-1", "plant", "web-1", "https://c.example", "epoch", AT, runs, 1, runs)


def body(*frames: bytes, runs: int = 0) -> io.BytesIO:
    return io.BytesIO(manifest_line(manifest(runs or len(frames))) + b"".join(frames))


def read(file: io.BytesIO, largest: int = 1000) -> list[bytes | None]:
    found = read_manifest(file)
    is_whole(file, found)
    return [frame.body for frame in walk(file, found, largest)]


def test_frames_come_back_in_order_and_as_they_were() -> None:
    assert read(body(raw_frame(b"one"), raw_frame(b"two\n{}"))) == [b"one", b"two\n{}"]


def test_a_frame_is_what_http_carries() -> None:
    import gzip

    run = new_run_id()
    envelope = Envelope(Seal("agent-1", run, "ab" * 32, "c2ln"), b'{"a":1}')
    file = body(frame_of(envelope))
    (frame,) = walk(file, read_manifest(file), 1000)
    assert (frame.head.agent, frame.head.run, frame.head.signature) == ("agent-1", run, "c2ln")
    assert frame.body is not None
    assert gzip.decompress(frame.body) == b'{"a":1}'
    assert frame_of(envelope) == frame_of(envelope)


def test_a_run_that_is_too_large_is_passed_over_and_the_next_one_read() -> None:
    assert read(body(raw_frame(b"x" * 2000), raw_frame(b"two"))) == [None, b"two"]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (body(raw_frame(b"one"), runs=2), "it ends before run 2 of 2"),
        (body(raw_frame(b"one", size=4)), "it ends within run 1 of 1"),
        (body(raw_frame(b"one", size=2**40)), "it ends within run 1 of 1"),
        (body(raw_frame(b"one", size=2)), "something follows its 1 runs"),
        (body(raw_frame(b"one"), b"x", runs=1), "something follows its 1 runs"),
        (body(b"{}\n", runs=1), "before run 1 of 1"),
        (body(b"x" * 5_000_000, runs=1), "before run 1 of 1"),
        (body(raw_frame(b"one").replace(b'"size":3', b'"size":-3')), "before run 1 of 1"),
        (body(raw_frame(b"one").replace(b'"size":3', b'"size":9e99')), "before run 1 of 1"),
        (body(raw_frame(b"one", run="../../etc/passwd"), runs=1), "before run 1 of 1"),
        (io.BytesIO(b""), "not an export"),
        (io.BytesIO(b"{" * 100_000), "not an export"),
        (io.BytesIO(manifest_line(manifest(MOST_RUNS + 1))), "the most"),
        (io.BytesIO(manifest_line(manifest(1, version=2))), "upgrade the collector"),
    ],
    ids=range(14),
)
def test_what_is_not_whole_is_refused_before_any_run_is_looked_at(file: io.BytesIO, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(file)


def test_a_line_without_an_end_is_read_up_to_its_limit_only() -> None:
    class Counting(io.BytesIO):
        read_bytes = 0

        def readline(self, size: int | None = -1) -> bytes:
            line = super().readline(size)
            self.read_bytes += len(line)
            return line

    file = Counting(b'{"' + b"x" * 10_000_000)
    with pytest.raises(BadInput):
        read_manifest(file)
    assert file.read_bytes == LINE_LIMIT


@given(st.binary(max_size=300))
def test_any_bytes_are_an_export_or_one_clear_refusal(data: bytes) -> None:
    for prefix in (b"", manifest_line(manifest(2)), manifest_line(manifest(2)) + raw_frame(b"one")):
        with pytest.raises(BadInput, match="export"):
            read(io.BytesIO(prefix + data))


WHOLE = body(raw_frame(b"one"), raw_frame(b"two")).getvalue()


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_spoiled_export_is_read_or_refused_and_nothing_else(place: int, change: int) -> None:
    spoiled = WHOLE[:place] + bytes([WHOLE[place] ^ change]) + WHOLE[place + 1 :]
    try:
        frames = read(io.BytesIO(spoiled))
    except BadInput:
        return
    assert len(frames) == 2
