"""The results as JUnit XML for build servers: one suite a target, one case a result.

JUnit knows no warning: a warning passes, and the case's output says so. What a person has to look at is
skipped with the question. docs/report-formats.md has the whole table.
"""

from __future__ import annotations

from datetime import UTC
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from checks.model import Result, Status
from reports.run.plain import one_line, plain
from reports.run.view import RunView, advice, by_urgency, verdict

ELEMENTS: Final = {
    Status.FAIL: "failure",
    Status.ERROR: "error",
    Status.SKIP: "skipped",
    Status.MANUAL: "skipped",
}


def render(view: RunView) -> bytes:
    """The document in UTF-8; times are in seconds."""
    root = Element("testsuites", {"name": _name(view), **_counts(view.results)})
    by_target = sorted(by_urgency(view.results), key=lambda result: result.target)
    several = len({result.target for result in view.results}) > 1
    for number, (target, found) in enumerate(groupby(by_target, key=lambda result: result.target)):
        _suite(root, view, number, target, tuple(found), several)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(
    root: Element, view: RunView, number: int, target: str, found: tuple[Result, ...], several: bool
) -> None:
    # JUnit's times have no zone; Jenkins and Surefire take them as they are, so they are in UTC.
    moment = view.captured.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    name = one_line(target)
    said = {"name": name, "hostname": name, "id": str(number), "timestamp": moment, **_counts(found)}
    suite = SubElement(root, "testsuite", {**said, "skipped": str(_skipped(found))})
    properties = SubElement(suite, "properties")
    for key, value in _properties(view).items():
        SubElement(properties, "property", {"name": key, "value": one_line(value)})
    for result in found:
        _case(suite, result, view, several)


def _case(suite: Element, result: Result, view: RunView, several: bool) -> None:
    # Build servers tell cases apart by class and name alone, whatever the suite.
    parts = (result.item, result.object, f"({result.target})" if several else "")
    case = SubElement(
        suite,
        "testcase",
        {
            "name": one_line(" ".join(part for part in parts if part)),
            "classname": one_line(result.check),
            "time": _seconds(result.duration_ms),
        },
    )
    message = str(result.message)
    if element := ELEMENTS.get(result.status):
        asked = "to check by hand: " if result.status is Status.MANUAL else ""
        kind = result.cause or f"{result.severity} {result.status}"
        inner = SubElement(case, element, {"message": one_line(asked + message), "type": one_line(kind)})
        inner.text = plain(_told(result, view))
    elif result.status is Status.WARN:
        SubElement(case, "system-out").text = plain(f"WARNING {_told(result, view)}")


def _told(result: Result, view: RunView) -> str:
    """Everything a reader needs, line by line."""
    lines = [
        f"{result.severity} {result.item} {result.object}".rstrip() + f" at {result.target}",
        str(result.message),
        f"changed: {changed}" if (changed := view.changes.get(result.key)) else "",
        f"remedy: {remedy}" if (remedy := advice(result)) else "",
        f"owner: {result.owner}" if result.owner else "",
    ]
    return "\n".join(line for line in lines if line)


def _properties(view: RunView) -> dict[str, str]:
    named = {
        "site": view.site,
        "profile": f"{view.profile.id} {view.profile.version}".strip(),
        "plan_digest": view.plan_digest,
        "stage": view.stage,
        "run": view.run,
        "verdict": verdict(view),
        "partial": "true" if view.partial else "false",
        "firstlight": view.version,
    }
    return {name: value for name, value in named.items() if value}


def _name(view: RunView) -> str:
    return one_line(" · ".join(part for part in (f"firstlight {view.profile.id}", view.site) if part))


def _counts(found: tuple[Result, ...]) -> dict[str, str]:
    return {
        "tests": str(len(found)),
        "failures": str(sum(result.status is Status.FAIL for result in found)),
        "errors": str(sum(result.status is Status.ERROR for result in found)),
        "time": _seconds(sum(result.duration_ms for result in found)),
    }


def _skipped(found: tuple[Result, ...]) -> int:
    return sum(result.status in (Status.SKIP, Status.MANUAL) for result in found)


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"  # the schema of Surefire has no more digits
