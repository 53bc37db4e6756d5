"""firstlight doctor: is this agent itself in order?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.examine import Symptom

MARKS = {"ok": "ok", "note": "··", "warn": "! ", "fail": "!!"}


@click.command(short_help="See whether this agent itself is in order.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--offline", is_flag=True, help="Do not ask the collector.")
def command(form: str, offline: bool) -> None:
    """See whether this agent itself is in order, and what to type where it is not.

    Looked at are the program, its state folder and the disk, its identity and key, the clock, the way to the
    collector, the last upload, the spool, what the collector published, the schedules and what wakes for
    them, and who holds the agent's locks. Nothing is changed.

    \b
    Each line begins with
      ok  it is well                !   it will become a trouble
      ··  worth knowing             !!  it is one
    and has below it, after an arrow, what to type. Ends with 3 where something is wrong, else with 0.
    """
    from agent.examine import examine
    from agent.paths import state

    symptoms = []
    for symptom in examine(state(), network=not offline):
        symptoms.append(symptom)
        if form == "table":
            for line in lines_of(symptom):
                click.echo(line)
    if form == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(symptoms), indent=2).decode())
    if not all(symptom.well for symptom in symptoms):
        raise SystemExit(3)


def lines_of(symptom: Symptom) -> list[str]:
    """A symptom as a person reads it; what it quotes cannot drive the terminal."""
    from reports.run.view import readable

    about = f"{symptom.about:<11} " if len(symptom.about) > 10 else f"{symptom.about:<11}"
    lines = [f"{MARKS[symptom.level]}  {about}{symptom.found}"]
    if symptom.remedy:
        lines.append(f"    {'':<11}→ {symptom.remedy}")
    return [readable(" ".join(line.splitlines())) for line in lines]
