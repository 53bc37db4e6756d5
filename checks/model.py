"""The words that travel: verdicts, results and the run report, which is wire version 1.

One set of types serves the agent, the wire, the server and the reports. Everything here is frozen and is
validated while it is decoded; a mistake names its path (``$.results[3].severity``). How a body is hashed
and signed is `checks.envelope`'s business.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta

WIRE_VERSION: Final = 1

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]
Label = Annotated[str, Meta(max_length=500)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
RunId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
Moment = Annotated[datetime, Meta(tz=True)]

TargetId = Annotated[str, Meta(max_length=64)]
"""What a collector registered a target as; empty before it told the agent."""
Scalar = str | int | float | bool | None


class Status(StrEnum):
    """What a check says of one object.

    `error` means it could not tell: it neither opens nor closes a finding. `skip` means it does not apply.
    """

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"
    MANUAL = "manual"


DECISIVE: Final = frozenset({Status.PASS, Status.WARN, Status.FAIL})


class Severity(StrEnum):
    """How bad a failing result is; P0 stops the business and wants a human answer within one hour."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence as template and arguments, so that a report can be read in another language later."""

    template: Text
    args: dict[str, Scalar] = {}

    def __str__(self) -> str:
        """The sentence in the template's own language; an argument that is missing stays as ``{name}``."""
        text = self.template
        for name, value in self.args.items():
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            text = text.replace("{" + name + "}", shown)
        return text


class Verdict(msgspec.Struct, frozen=True):
    """What a check function returns for one object.

    `object` is needed only where one item judges several objects. `cause` is a short code of why
    (``refused``, ``timeout``, ``absent``, …), part of the state that the server compares; measured values
    belong into `evidence`, which is not. `severity` overrides that of the item.
    """

    status: Status
    message: Message
    object: str | None = None
    cause: str = ""
    evidence: dict[str, Scalar] = {}
    severity: Severity | None = None


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One verdict with everything that names it. The server knows a finding by target and `key` alone."""

    key: Short
    target: Name
    item: Name
    check: Name
    check_version: Annotated[int, Meta(ge=1, le=100_000)]
    object: Label
    status: Status
    severity: Severity
    cause: Annotated[str, Meta(max_length=100)]
    rule: Short
    title: Label
    message: Message
    evidence: dict[str, Scalar]
    remedy: Text
    owner: Annotated[str, Meta(max_length=100)]
    duration_ms: Annotated[float, Meta(ge=0)]


OVERRIDDEN: Final = "+set"
"""Ends the version of a profile that ``--set`` changed: no plan is accepted by itself from such a run."""


class ProfileRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Name
    version: Annotated[str, Meta(max_length=100)]


class PlanItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One item of the whole plan at one target, whether this run evaluated it or not.

    `rule` digests item id, check version and effective parameters; `opens_on` is ``fail`` or ``warn``.
    """

    target: Name
    item: Name
    check: Name
    rule: Short
    severity: Severity
    opens_on: Annotated[str, Meta(pattern="^(fail|warn)$")] = "fail"


class ScopeItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item that this run set out to evaluate at a target.

    `complete` says that the reported objects are all there are, so an object that is no longer among them
    is gone; it is false where the enumeration could not be read.
    """

    target: Name
    item: Name
    complete: bool


class Narrowing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options that made the scope smaller than the plan."""

    only: tuple[Name, ...] = ()
    stage: Annotated[str, Meta(max_length=100)] = ""
    target: tuple[Name, ...] = ()


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What facts were read from. `id` is the one the server registered, empty before it told the agent.

    `vantage` names where network checks of this target were made from.
    """

    name: Name
    id: TargetId = ""
    vantage: Annotated[str, Meta(max_length=200)] = "local"


class Dropped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was lost under pressure since the last run that was delivered, in numbers."""

    runs: Annotated[int, Meta(ge=0)] = 0
    results: Annotated[int, Meta(ge=0)] = 0
    oldest: Moment | None = None
    newest: Moment | None = None


class Resources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the run itself used: CPU seconds (children included), peak resident bytes, wall seconds."""

    cpu_s: Annotated[float, Meta(ge=0)] = 0.0
    peak_rss: Annotated[int, Meta(ge=0)] = 0
    wall_s: Annotated[float, Meta(ge=0)] = 0.0


class Trigger(StrEnum):
    """What started a run; `snapshot` is an evaluation of saved readings, which never counts."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    SNAPSHOT = "snapshot"


class RunReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One execution of a profile at a site, as it is signed, sent and stored.

    It names neither project nor engineer: the server links those through the binding. `sequence` counts
    the agent's runs from 1 and `previous` is the hash of the body before (64 zeros for the first).
    `replaces` names the run whose body a tightened redaction replaced, and `replaced` has the numbers of all
    that this one stands for, so that nobody waits for them. Times are the agent's own clock.
    """

    wire: int
    run: RunId
    agent: Name
    agent_version: Annotated[str, Meta(max_length=100)]
    sequence: Annotated[int, Meta(ge=1, le=2**53)]
    previous: Digest
    install: Name
    boot: Annotated[str, Meta(max_length=200)]
    fingerprint: Annotated[str, Meta(max_length=200)]
    site: Name
    profile: ProfileRef
    plan_digest: Digest
    plan: Annotated[tuple[PlanItem, ...], Meta(max_length=50_000)]
    scope: Annotated[tuple[ScopeItem, ...], Meta(max_length=50_000)]
    narrowing: Narrowing
    trigger: Trigger
    stage: Annotated[str, Meta(max_length=100)]
    operator: Annotated[str, Meta(max_length=200)]
    started: Moment
    ended: Moment
    partial: bool
    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=5_000)]
    results: Annotated[tuple[Result, ...], Meta(max_length=100_000)]
    dropped: Dropped
    resources: Resources
    replaces: RunId | None = None
    replaced: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**53)], ...], Meta(max_length=1000)] = ()


@cache
def _decoder() -> msgspec.json.Decoder[RunReport]:
    """Made when it is first needed: an agent never decodes what it sends."""
    return msgspec.json.Decoder(RunReport)


def encode_report(report: RunReport) -> bytes:
    """The body: these exact bytes are hashed, signed, spooled, sent and stored."""
    return msgspec.json.encode(report, order="deterministic")


def decode_report(body: bytes) -> RunReport:
    """The report in a body; raises `msgspec.ValidationError` or `msgspec.DecodeError` naming the path."""
    return _decoder().decode(body)


class WireVersion(msgspec.Struct, frozen=True):
    """The one field that every wire version has, read when the rest does not decode."""

    wire: int
