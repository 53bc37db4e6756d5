"""firstlight diff: what changed between two runs."""

from __future__ import annotations

import click
import msgspec

from agent.difference import DiffPage, page_of
from agent.sides import Side, sides, sides_in
from checks.compare import renamed


@click.command(short_help="What changed between two runs.")
@click.argument("a")
@click.argument("b", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--profile", metavar="NAME", help="Whose baseline or last run, where there are several.")
def command(a: str, b: str | None, form: str, profile: str | None) -> None:
    """Print what changed from A to B, without what changes by itself.

    A bundle alone is compared with the state that was accepted where it was made, or else with the run
    before it.

    \b
    A and B each is one of
      FILE             a snapshot that check --save wrote, or a bundle
      RUN              a run in the spool: its id, the beginning of it, or its number (results only)
      baseline         the accepted state (firstlight baseline accept); baseline:SITE that of another site
      last             the last run of this machine

    \b
    Ends with 0 where nothing changed, 1 where something did, 2 where A or B is not there.
    """
    before, after = sides(a, b, profile) if b is not None else sides_in(a)
    page = page_of(before, after)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page), indent=2).decode())
    else:
        _print(page, before, after)
    raise SystemExit(1 if page.changed else 0)


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
