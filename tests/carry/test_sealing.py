"""Files that only the collector can open."""

from __future__ import annotations

import io

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadInput
from checks.sealing import CHUNK, TAG, Sealer, is_sealed, open_sealed

KEY, OTHER = X25519PrivateKey.generate(), X25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()


def sealed(plain: bytes, note: str = "", step: int = 10_000) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, PUBLIC, note)
    for start in range(0, len(plain), step):
        sealer.write(plain[start : start + step])
    sealer.close()
    return out.getvalue()


def opened(data: bytes, *keys: X25519PrivateKey) -> bytes:
    out = io.BytesIO()
    open_sealed(io.BytesIO(data), keys or (KEY,), out)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
def test_what_was_sealed_comes_back_whatever_its_size(size: int) -> None:
    plain = bytes(range(256)) * (size // 256 + 1)
    assert opened(sealed(plain[:size])) == plain[:size]


def test_nothing_of_the_content_stands_in_a_sealed_file_but_the_note_does() -> None:
    data = sealed(b"the secret of plant-a" * 1000, "Bring this file to https://collector.example")
    assert b"secret" not in data
    assert b"Bring this file to https://collector.example" in data.partition(b"\n")[0]
    assert is_sealed(io.BytesIO(data))
    assert not is_sealed(io.BytesIO(b'{"kind":"export"}\n'))


def test_an_older_key_still_opens_what_was_long_on_its_way() -> None:
    assert opened(sealed(b"runs"), OTHER, KEY) == b"runs"


def test_another_collector_is_told_that_it_is_not_meant() -> None:
    with pytest.raises(BadInput, match="sealed for another collector"):
        opened(sealed(b"runs"), OTHER)


def test_two_files_of_one_content_have_nothing_in_common() -> None:
    first, second = (sealed(b"runs" * 100).partition(b"\n")[2] for _ in range(2))
    assert first != second


def chunks() -> tuple[bytes, list[bytes]]:
    line, _, rest = sealed(b"x" * (3 * CHUNK + 5)).partition(b"\n")
    step = CHUNK + TAG
    return line + b"\n", [rest[start : start + step] for start in range(0, len(rest), step)]


def test_a_chunk_that_is_missing_moved_repeated_or_added_is_found() -> None:
    line, (one, two, three, four) = chunks()
    assert len(opened(line + one + two + three + four)) == 3 * CHUNK + 5
    for wrong in (
        (one, two, three),
        (one, two),
        (),
        (two, one, three, four),
        (one, one, two, three, four),
        (one, two, four, three),
        (one, two, three, four, four),
        (one, two, three, four[:-1]),
        (one, two, three, four + b"x"),
    ):
        with pytest.raises(BadInput, match="not a whole sealed file"):
            opened(line + b"".join(wrong))


def test_the_first_line_cannot_be_changed_either() -> None:
    data = sealed(b"runs", "Bring this file to https://collector.example")
    with pytest.raises(BadInput, match="not a whole sealed file"):
        opened(data.replace(b"collector.example", b"elsewhere.example"))


def test_a_one_time_key_of_small_order_opens_nothing() -> None:
    line, _, rest = sealed(b"runs").partition(b"\n")
    start = line.index(b'"key":"') + 7
    for weak in (b"A" * 43 + b"=", b"AQ" + b"A" * 41 + b"=", b"AAAA"):
        with pytest.raises(BadInput, match="not a sealed file"):
            opened(line[:start] + weak + line[start + 44 :] + b"\n" + rest)


def test_a_key_that_is_none_seals_nothing() -> None:
    for weak in (bytes(32), b"short"):
        with pytest.raises(BadInput, match="none that a file can be sealed for"):
            Sealer(io.BytesIO(), weak)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    for prefix in (b"", b'{"sealed":1,'):
        with pytest.raises(BadInput, match="sealed file"):
            opened(prefix + data)


WHOLE = sealed(b"some runs " * 20, "a note")


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_byte_that_changed_anywhere_is_found(place: int, change: int) -> None:
    spoiled = WHOLE[:place] + bytes([WHOLE[place] ^ change]) + WHOLE[place + 1 :]
    with pytest.raises(BadInput, match="sealed"):
        opened(spoiled)
