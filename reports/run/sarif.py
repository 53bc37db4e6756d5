"""The findings as SARIF 2.1.0 for code scanning and the viewers of editors.

Only what fails or warns is a result: readers of SARIF open an alert for each. What could not be told, or
wants a person, is a notification of the run instead. docs/report-formats.md has the whole table.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

import msgspec

from checks.model import Result, Severity, Status
from reports.run.plain import one_line, plain
from reports.run.view import RunView, advice, by_urgency, verdict

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"

FINGERPRINT: Final = "firstlightFinding/v1"
GITHUB_FINGERPRINT: Final = "primaryLocationLineHash"
"""The only one by which GitHub's code scanning tells findings apart."""


class Text(msgspec.Struct, frozen=True):
    text: str


class Configuration(msgspec.Struct, frozen=True):
    level: str


class RuleProperties(msgspec.Struct, frozen=True):
    severity: str
    owner: str
    tags: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """A check that was run, with the worst severity that its results have here."""

    id: str
    short_description: Text
    help: Text
    default_configuration: Configuration
    properties: RuleProperties


class Driver(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    version: str
    rules: tuple[Rule, ...]


class Tool(msgspec.Struct, frozen=True):
    driver: Driver


class Artifact(msgspec.Struct, frozen=True):
    uri: str


class Region(msgspec.Struct, frozen=True, rename="camel"):
    start_line: int = 1


class Physical(msgspec.Struct, frozen=True, rename="camel"):
    artifact_location: Artifact
    region: Region


class Logical(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    name: str
    fully_qualified_name: str
    kind: str = ""


class Location(msgspec.Struct, frozen=True, rename="camel"):
    physical_location: Physical
    logical_locations: tuple[Logical, ...]


class ResultProperties(msgspec.Struct, frozen=True, rename="camel"):
    status: str
    severity: str
    item: str
    target: str
    object: str
    owner: str
    cause: str
    remedy: str
    key: str
    changed_since_acceptance: str


class SarifResult(msgspec.Struct, frozen=True, rename="camel"):
    rule_id: str
    rule_index: int
    level: str
    message: Text
    locations: tuple[Location, ...]
    partial_fingerprints: dict[str, str]
    properties: ResultProperties


class RuleReference(msgspec.Struct, frozen=True):
    id: str
    index: int


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    level: str
    message: Text
    associated_rule: RuleReference
    locations: tuple[Location, ...]


class Invocation(msgspec.Struct, frozen=True, rename="camel"):
    execution_successful: bool
    start_time_utc: str
    end_time_utc: str
    tool_execution_notifications: tuple[Notification, ...]


class AutomationDetails(msgspec.Struct, frozen=True):
    id: str


class RunProperties(msgspec.Struct, frozen=True, rename="camel"):
    verdict: str
    site: str
    profile: str
    plan_digest: str
    run: str
    captured: str
    partial: bool


class SarifRun(msgspec.Struct, frozen=True, rename="camel"):
    tool: Tool
    invocations: tuple[Invocation, ...]
    automation_details: AutomationDetails
    column_kind: str
    results: tuple[SarifResult, ...]
    properties: RunProperties


class Log(msgspec.Struct, frozen=True):
    schema: str = msgspec.field(name="$schema")
    version: str
    runs: tuple[SarifRun, ...]


def render(view: RunView) -> bytes:
    """The log as indented UTF-8 JSON that ends with a line end."""
    found = by_urgency(view.results)
    rules = _rules(found)
    index = {rule.id: number for number, rule in enumerate(rules)}
    invocation = Invocation(
        execution_successful=not view.partial,
        start_time_utc=_moment(view.started),
        end_time_utc=_moment(view.ended),
        tool_execution_notifications=tuple(
            _notification(each, index) for each in found if each.status in (Status.ERROR, Status.MANUAL)
        ),
    )
    run = SarifRun(
        tool=Tool(Driver("Firstlight", plain(view.version), rules)),
        invocations=(invocation,),
        # What stands before the last slash is the category by which uploads replace each other.
        automation_details=AutomationDetails(
            "/".join(one_line(part) for part in ("firstlight", view.site, view.profile.id) if part) + "/"
        ),
        column_kind="unicodeCodePoints",
        results=tuple(
            _result(each, view, index) for each in found if each.status in (Status.FAIL, Status.WARN)
        ),
        properties=RunProperties(
            verdict=plain(verdict(view)),
            site=plain(view.site),
            profile=plain(f"{view.profile.id} {view.profile.version}".strip()),
            plan_digest=view.plan_digest,
            run=view.run,
            captured=_moment(view.captured),
            partial=view.partial,
        ),
    )
    log = Log(SCHEMA, "2.1.0", (run,))
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def level(status: Status, severity: Severity) -> str:
    """SARIF's level of a result: fails of P0 and P1 are errors, a warning is one step below its fail."""
    grave = severity in (Severity.P0, Severity.P1)
    if status is Status.FAIL:
        return "error" if grave else "warning"
    return "warning" if grave else "note"


def _rules(found: list[Result]) -> tuple[Rule, ...]:
    by_check: dict[str, list[Result]] = {}
    for result in found:
        by_check.setdefault(plain(result.check), []).append(result)
    return tuple(_rule(id, results) for id, results in sorted(by_check.items()))


def _rule(id: str, results: list[Result]) -> Rule:
    severity = min(result.severity for result in results)
    title = plain(results[0].title) or id
    remedy = next((plain(result.remedy) for result in results if result.remedy), "")
    return Rule(
        id=id,
        short_description=Text(title),
        help=Text(remedy or title),
        default_configuration=Configuration(level(Status.FAIL, severity)),
        properties=RuleProperties(severity.value, plain(results[0].owner), (id.partition(".")[0],)),
    )


def _result(result: Result, view: RunView, index: dict[str, int]) -> SarifResult:
    id = plain(result.check)
    # The key names the object of an item; other targets of a site have the same.
    name = blake2b(f"{plain(result.target)}\n{result.key}".encode(), digest_size=16).hexdigest()
    return SarifResult(
        rule_id=id,
        rule_index=index[id],
        level=level(result.status, result.severity),
        message=Text(_said(result)),
        locations=(_location(result),),
        partial_fingerprints={FINGERPRINT: name, GITHUB_FINGERPRINT: name},
        properties=ResultProperties(
            status=result.status.value,
            severity=result.severity.value,
            item=plain(result.item),
            target=plain(result.target),
            object=plain(result.object),
            owner=plain(result.owner),
            cause=plain(result.cause),
            remedy=plain(advice(result)),
            key=result.key,
            changed_since_acceptance=plain(view.changes.get(result.key, "")),
        ),
    )


def _notification(result: Result, index: dict[str, int]) -> Notification:
    id = plain(result.check)
    return Notification(
        level="warning" if result.status is Status.ERROR else "note",
        message=Text(_said(result)),
        associated_rule=RuleReference(id, index[id]),
        locations=(_location(result),),
    )


def _said(result: Result) -> str:
    place = " ".join(part for part in (result.item, result.object) if part)
    # In a message of SARIF [x](y) is a link and {0} an argument.
    text = re.sub(r"([\\\[\]])", r"\\\1", plain(f"{place} at {result.target}: {result.message}"))
    return text.replace("{", "{{").replace("}", "}}")


def _location(result: Result) -> Location:
    target, object = one_line(result.target), one_line(result.object)
    # Code scanning refuses a result without an artifact: where no file is meant, it is the target.
    file = re.match(r"/[^:]+", object)
    path = f"{target}{file[0]}" if file else target
    logical = [Logical(target, target, "resource")]
    if object:
        logical.append(Logical(object, f"{target}/{object}"))
    return Location(Physical(Artifact(quote(path)), Region()), tuple(logical))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
