"""docs/wire.md names every field, answer and limit of wire version 1, and nothing else."""

from __future__ import annotations

import base64
import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from document_reader import ROOT, read, section, table

from agent.uplink import Answer, Uplink
from checks.envelope import Ack, Enrolled, Enrolment, KeyChange, KeyChanged, Problem, Seal, seal, verify
from checks.model import OVERRIDDEN, RunReport
from server.ingest.endpoint import SLOWEST_BODY_S
from server.settings import MIB, Settings

WIRE = read("wire.md")
ENVELOPE = (Seal, Ack, Enrolment, Enrolled, KeyChange, KeyChanged, Problem)


def nested(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """A struct and all that its fields are made of."""
    yield struct
    for field in msgspec.structs.fields(struct):
        yield from structs_in(field.type)


def structs_in(hint: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from nested(hint)
    for part in typing.get_args(hint):
        yield from structs_in(part)


EVERY = list(dict.fromkeys([*nested(RunReport), *ENVELOPE]))


@pytest.mark.parametrize("struct", EVERY, ids=lambda struct: struct.__name__)
def test_every_field_of_the_wire_is_explained_and_no_other(struct: type[msgspec.Struct]) -> None:
    rows = table(section(WIRE, struct.__name__), "field", "type", "meaning")
    assert [row["field"] for row in rows] == [field.name for field in msgspec.structs.fields(struct)]
    assert all(row["meaning"] for row in rows)


def test_the_mark_of_a_changed_profile_is_named() -> None:
    assert f"`{OVERRIDDEN}`" in section(WIRE, "ProfileRef")


def refusals() -> dict[tuple[int, str], bool]:
    """Every refusal that stands in the ingest's source, and whether it asks the agent to hold the run."""
    source = "".join(path.read_text() for path in sorted((ROOT / "server" / "ingest").glob("*.py")))
    calls = re.finditer(r'refuse\(\s*(\d{3}),\s*"([^"]+)"(.*?)\n', source, re.DOTALL)
    found: dict[tuple[int, str], bool] = {}
    for call in calls:
        whole = source[call.start() :]
        whole = whole[: whole.index(")\n")]
        found[int(call[1]), call[2]] = "hold=True" in whole
    return found


def test_every_refusal_of_the_ingest_is_listed_and_no_other() -> None:
    rows = table(section(WIRE, "The answers"), "status", "title")
    listed = [(int(row["status"]), row["title"]) for row in rows if row["title"]]
    assert sorted(listed) == sorted(refusals())
    assert {row["status"] for row in rows if not row["title"]} == {"200", "201"}


ROWS = [row for row in table(section(WIRE, "The answers"), "status", "title") if row["title"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['status']} {row['title']}")
def test_the_agent_does_with_each_answer_what_the_page_says(row: dict[str, str]) -> None:
    status, title = int(row["status"]), row["title"]
    problem = Problem(title, status, hold=refusals()[status, title])
    with Uplink("http://127.0.0.1:1") as uplink:
        error = uplink._refusal(Answer(status, None, msgspec.json.encode(problem), ""))
    does = row["what the agent does"]
    if title == "torn request":
        return  # whoever would read this answer has gone
    if error.permanent:
        assert does == "quarantine"
    elif error.hold:
        assert does == ("holds the run, and all others" if status == 401 else "holds the run")
    else:
        assert does == "waits"


def test_an_answer_that_is_not_the_collectors_never_costs_a_run() -> None:
    with Uplink("http://127.0.0.1:1") as uplink:
        for status in (302, 400, 404, 409, 413, 502):
            assert not uplink._refusal(Answer(status, None, b"<html>no</html>", "")).permanent


def test_the_signature_of_the_example_is_right() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    parts = {row["part"]: row["value"] for row in table(section(WIRE, "The envelope"), "part", "value")}
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    made = seal(parts["agent"], parts["run"], parts["body"].encode(), key)
    assert made.seal.hash == parts["SHA-256 of the body"]
    assert made.seal.signature == parts["signature, base64"]
    public = base64.b64decode(parts["public key, base64"])
    digest = bytes.fromhex(made.seal.hash)
    assert verify(public, parts["agent"], parts["run"], digest, made.seal.signature)


def test_the_limits_are_those_of_the_code() -> None:
    rows = table(section(WIRE, "Limits"), "what", "limit", "set with")
    said = {row["what"]: row["limit"] for row in rows}
    settings = Settings(db="")
    assert said["request body, as sent"] == f"{settings.max_body // MIB} MiB"
    assert said["body once decompressed"] == f"{settings.max_decompressed // MIB} MiB"
    assert said["time for the body to arrive"] == f"{SLOWEST_BODY_S:.0f} s"
    longest = {name: bounds(name) for name in ("results", "plan", "scope", "targets")}
    assert said["results of a run"] == f"{longest['results']:,}"
    assert said["items in plan, items in scope"] == f"{longest['plan']:,} each"
    assert longest["plan"] == longest["scope"]
    assert said["targets of a run"] == f"{longest['targets']:,}"


def bounds(name: str) -> int:
    """The most entries that a list of the report may have."""
    hint = next(f.type for f in msgspec.structs.fields(RunReport) if f.name == name)
    length = next(meta.max_length for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta))
    assert length is not None
    return length
