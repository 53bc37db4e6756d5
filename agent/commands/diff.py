"""firstlight diff: what changed between two runs."""

from __future__ import annotations

import click
import msgspec

from agent.sides import Side, sides
from checks.compare import Change, ResultChange, compare, compare_results, incomparable_secrets, renamed
from checks.model import Status

FORMAT = "firstlight-diff"
VERSION = 1


class SidePage(msgspec.Struct, frozen=True):
    """One of the two runs: what was named on the command line, and what that is."""

    name: str
    what: str
    captured: str
    site: str
    profile: str
    profile_version: str
    targets: tuple[str, ...]


class DiffPage(msgspec.Struct, frozen=True):
    """`firstlight diff --format json`. `notes` say what could not be compared."""

    format: str
    version: int
    changed: bool
    a: SidePage
    b: SidePage
    results: tuple[ResultChange, ...]
    readings: tuple[Change, ...]
    notes: tuple[str, ...]


@click.command(short_help="What changed between two runs.")
@click.argument("a")
@click.argument("b")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--profile", metavar="NAME", help="Whose baseline or last run, where there are several.")
def command(a: str, b: str, form: str, profile: str | None) -> None:
    """Print what changed from A to B, without what changes by itself.

    \b
    A and B each is one of
      FILE             a snapshot that check --save wrote
      RUN              a run in the spool: its id, the beginning of it, or its number (results only)
      baseline         the accepted state (firstlight baseline accept); baseline:SITE that of another site
      last             the last run of this machine

    \b
    Ends with 0 where nothing changed, 1 where something did, 2 where A or B is not there.
    """
    before, after = sides(a, b, profile)
    page = page_of(before, after)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page), indent=2).decode())
    else:
        _print(page, before, after)
    raise SystemExit(1 if page.changed else 0)


def page_of(before: Side, after: Side) -> DiffPage:
    """All that changed; what one side never looked at is left out and named in the notes."""
    results = compare_results(before.results, after.results, renamed(before.targets, after.targets))
    readings: list[Change] = []
    if before.snapshot is not None and after.snapshot is not None:
        readings = compare(before.snapshot, after.snapshot)
    results = [each for each in results if not _lost(each, before, after)]
    if before.incomplete:
        results = [each for each in results if each.kind != "new"]
        readings = [each for each in readings if each.kind != "added"]
    if after.incomplete:
        results = [each for each in results if each.kind != "gone"]
        readings = [each for each in readings if each.kind != "removed"]
    return DiffPage(
        format=FORMAT,
        version=VERSION,
        changed=bool(results or readings),
        a=_side(before),
        b=_side(after),
        results=tuple(results),
        readings=tuple(readings),
        notes=tuple(_notes(before, after)),
    )


def _lost(change: ResultChange, before: Side, after: Side) -> bool:
    """Whether it says no more than that its target was lost, or is well now that it can be had again."""
    if change.before is Status.ERROR and change.target in before.lost:
        return change.after in (Status.ERROR, Status.PASS, Status.SKIP)
    return change.after is Status.ERROR and change.target in after.lost


def _side(side: Side) -> SidePage:
    return SidePage(
        name=side.name,
        what=side.what,
        captured=side.captured.isoformat(),
        site=side.site,
        profile=side.profile,
        profile_version=side.profile_version,
        targets=side.targets,
    )


def _notes(before: Side, after: Side) -> list[str]:
    notes = []
    for new, old in renamed(before.targets, after.targets).items():
        notes.append(f"A is of {old} and B of {new}: these two are compared")
    if before.profile != after.profile:
        notes.append(f"A is a run of profile {before.profile}, B of {after.profile}")
    for label, side in (("A", before), ("B", after)):
        if side.incomplete:
            notes.append(f"{label} {side.incomplete}: what is missing there is not shown")
        for target, reason in side.lost.items():
            notes.append(f"{label} lost {target}: what could not be told of it is not shown ({reason})")
        if side.snapshot is None:
            notes.append(f"{label} is a run in the spool, which holds no readings: only results are compared")
    if before.snapshot and after.snapshot and incomparable_secrets(before.snapshot, after.snapshot):
        notes.append("redacted values were not compared: their tokens are those of different sites")
    return notes


def _print(page: DiffPage, before: Side, after: Side) -> None:
    from reports.run.view import readable, when

    def say(line: str = "", *, fg: str | None = None, bold: bool = False) -> None:
        click.secho(" ".join(readable(line).splitlines()), fg=fg, bold=bold)

    for label, side in (("A", before), ("B", after)):
        profile = f"{side.profile} {side.profile_version}".rstrip()
        say(f"{label}  {side.what}: {profile}, {when(side.captured)}")
    for note in page.notes:
        say(f"   {note}", fg="yellow")
    several = len({*before.targets, *after.targets}) > 1 and not renamed(before.targets, after.targets)
    if page.results:
        say()
        say("Results", bold=True)
    for result in page.results:
        say(f"  {_place(several, result.target, result.item, result.object)}  {result.severity}")
        say(f"      {result.text}", fg=_COLOURS.get(result.after or ""))
    if page.readings:
        say()
        say("Readings", bold=True)
    for change in page.readings:
        say(f"  {_place(several or not change.fact, change.target, change.fact)}")
        say(f"      {change.text}")
    say()
    say(_summary(page, after), bold=True)


_COLOURS = {"fail": "red", "warn": "yellow", "error": "magenta", "pass": "green"}


def _place(several: bool, target: str, *parts: str) -> str:
    return " · ".join(part for part in ((target if several else ""), *parts) if part)


def _summary(page: DiffPage, after: Side) -> str:
    results = f"{len(page.results)} of {len(after.results)} results"
    readings = f"{len(page.readings)} of {after.readings} readings"
    if not page.changed:
        every = f"{len(after.results)} results" + (
            f" and {after.readings} readings" if after.readings else ""
        )
        return f"Nothing changed: {every}."
    return f"Changed: {results}" + (f" and {readings}." if after.readings else ".")
