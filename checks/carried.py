"""Runs and answers as files, where a machine cannot reach its collector: what exports and receipts hold.

The body of an export (`checks.signed`, kind ``export``) is one line of JSON that says what follows, and then
one frame a run: a line of JSON and the run's body, compressed exactly as HTTP would carry it. A run inside is
signed by itself and is taken, or refused, by itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta

from checks.envelope import Enrolled, Envelope
from checks.errors import BadInput
from checks.model import Digest, Moment, Name, RunId, TargetId

VERSION: Final = 1
MOST_RUNS: Final = 100_000
"""Runs of one file at most; what is left over goes into another."""
LINE_LIMIT: Final = 4_000
LEVEL: Final = 6
RECEIPTS_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a receipts file at most."""

Short = Annotated[str, Meta(max_length=500)]


class Manifest(msgspec.Struct, frozen=True):
    """What an export says of itself. `made` is by the agent's clock, `first` and `last` are run numbers.

    `collector` and `epoch` are those that the agent was enrolled with. `goes_by` names the key that it
    believes the collector by (`checks.signed.key_name`): the answer is signed with that one.
    """

    version: Annotated[int, Meta(ge=1)]
    agent: Name
    site: Name
    target: Name
    collector: Short
    epoch: Short
    made: Moment
    runs: Annotated[int, Meta(ge=1)]
    first: Annotated[int, Meta(ge=1, le=2**53)]
    last: Annotated[int, Meta(ge=1, le=2**53)]
    goes_by: Annotated[str, Meta(max_length=100)] = ""


class FrameHead(msgspec.Struct, frozen=True):
    """The line before a run: what HTTP has in its headers, and the `size` in bytes of what follows."""

    agent: Name
    run: RunId
    signature: Annotated[str, Meta(max_length=200)]
    size: Annotated[int, Meta(ge=1, le=2**40)]


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the collector says to one run: 201 stored, 200 stored before, else a refusal as over HTTP.

    `held` says why a stored run does not count yet; the other fields are those of a `Problem`.
    """

    run: RunId
    status: Annotated[int, Meta(ge=100, le=599)]
    held: Annotated[str, Meta(max_length=100)] = ""
    title: Short = ""
    detail: Annotated[str, Meta(max_length=4000)] = ""
    path: Short = ""
    hold: bool = False


class Receipts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The collector's answer to an export, for one agent and nobody else.

    `file` is the hash of the export's body, `issued` by the collector's clock. `targets` maps names to the
    ids it registered. `rules` is a signed file of what it publishes for the agent's site, empty where that
    is nothing, and `rules_version` its number.
    """

    agent: Name
    epoch: Name
    file: Digest
    issued: Moment
    highest_sequence: Annotated[int, Meta(ge=0, le=2**53)]
    answers: Annotated[tuple[Answered, ...], Meta(max_length=MOST_RUNS)] = ()
    targets: dict[Name, TargetId] = {}
    rules_version: Annotated[int, Meta(ge=0, le=2**53)] = 0
    rules: bytes = b""


class EnrolledByFile(msgspec.Struct, frozen=True):
    """The answer to an enrolment that was carried: for the machine that asked with this key (raw, base64) and
    install id. `collector` is where the collector can be reached by those who can.
    """

    answer: Enrolled
    public_key: Annotated[str, Meta(max_length=100)]
    install: Name
    collector: Short


@dataclass(frozen=True, slots=True)
class Frame:
    """One run of an export; `body` is compressed, and None where it is larger than the reader takes."""

    head: FrameHead
    body: bytes | None


def manifest_line(manifest: Manifest) -> bytes:
    return msgspec.json.encode(manifest) + b"\n"


def frame_of(envelope: Envelope) -> bytes:
    """A run as its frame. Equal envelopes give equal bytes."""
    packer = zlib.compressobj(LEVEL, wbits=31)
    packed = packer.compress(envelope.body) + packer.flush()
    seal = envelope.seal
    return msgspec.json.encode(FrameHead(seal.agent, seal.run, seal.signature, len(packed))) + b"\n" + packed


def read_manifest(file: BinaryIO) -> Manifest:
    """The first line of an export's body; raises `BadInput`. The file is then at the first frame."""
    line = file.readline(LINE_LIMIT)
    try:
        manifest = msgspec.json.decode(line, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not an export: {error}") from error
    if manifest.version != VERSION:
        raise BadInput(
            f"an export of version {manifest.version}, and {VERSION} is read here; upgrade the collector"
        )
    if manifest.runs > MOST_RUNS:
        raise BadInput(f"not an export: it says it holds {manifest.runs} runs, and {MOST_RUNS} are the most")
    return manifest


def walk(file: BinaryIO, manifest: Manifest, largest: int) -> Iterator[Frame]:
    """The runs of an export, one after the other, from where the file stands; memory holds one.

    A body above `largest` bytes is passed over unread. Raises `BadInput` where the frames are not whole, or
    not as many as the manifest says.
    """
    for number in range(1, manifest.runs + 1):
        head = _frame_head(file, number, manifest.runs)
        if head.size <= largest:
            body = file.read(head.size)
            if len(body) != head.size:
                raise BadInput(f"not a whole export: it ends within run {number} of {manifest.runs}")
            yield Frame(head, body)
        else:
            _pass_over(file, head.size, number, manifest.runs)
            yield Frame(head, None)
    if file.read(1):
        raise BadInput(f"not an export: something follows its {manifest.runs} runs")


def is_whole(file: BinaryIO, manifest: Manifest) -> None:
    """Look at every frame's line and at the end, and read no run; raises `BadInput` as `walk` does.

    The file is put back to where it stood.
    """
    here = file.tell()
    for _ in walk(file, manifest, largest=0):
        pass
    file.seek(here)


def _frame_head(file: BinaryIO, number: int, of: int) -> FrameHead:
    line = file.readline(LINE_LIMIT)
    if not line:
        raise BadInput(f"not a whole export: it ends before run {number} of {of}")
    try:
        return msgspec.json.decode(line, type=FrameHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not an export: before run {number} of {of}: {error}") from error


def _pass_over(file: BinaryIO, size: int, number: int, of: int) -> None:
    here = file.tell()
    end = file.seek(0, 2)
    if end - here < size:
        raise BadInput(f"not a whole export: it ends within run {number} of {of}")
    file.seek(here + size)
