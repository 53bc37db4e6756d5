"""docs/wire.md names every field of the files that are carried, and docs/sneakernet.md their limits."""

from __future__ import annotations

import msgspec
import pytest
from document_reader import read, section, table

from checks.carried import MOST_RUNS, Answered, EnrolledByFile, FrameHead, Manifest, Receipts
from checks.sealing import CHUNK, DOMAIN, SealedHead
from checks.signed import DOMAIN as SIGNED
from checks.signed import Head
from server.settings import Settings

WIRE, PAGE = read("wire.md"), read("sneakernet.md")


@pytest.mark.parametrize(
    "struct",
    [Head, Manifest, FrameHead, Receipts, Answered, SealedHead, EnrolledByFile],
    ids=lambda struct: struct.__name__,
)
def test_every_field_of_a_carried_file_is_explained_and_no_other(struct: type[msgspec.Struct]) -> None:
    rows = table(section(WIRE, struct.__name__), "field", "type", "meaning")
    assert [row["field"] for row in rows] == [field.name for field in msgspec.structs.fields(struct)]


def test_the_kinds_of_files_are_those_of_the_code() -> None:
    import typing

    from checks.signed import Kind

    rows = {row["field"]: row for row in table(section(WIRE, "Head"), "field", "type", "meaning")}
    assert rows["kind"]["type"] == ", ".join(f"`{kind}`" for kind in typing.get_args(Kind))


def test_numbers_and_domains_are_those_of_the_code() -> None:
    assert f"at most {MOST_RUNS:,}" in section(WIRE, "Manifest")
    assert f"{MOST_RUNS:,} runs" in PAGE
    assert f"chunks of {CHUNK:,} bytes" in section(WIRE, "SealedHead")
    assert f"`{DOMAIN.decode()}`" in section(WIRE, "SealedHead")
    assert SIGNED.decode() in section(WIRE, "Head")
    assert Settings(db="").max_import == 2**30
    assert "1 GiB unless set" in PAGE
