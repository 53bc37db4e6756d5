"""firstlight answer: what only a person can tell."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.commands.options import scope_options, site_options
from agent.operator import login
from checks.errors import BadInput, FirstlightError
from checks.facts.memory import Answer
from checks.model import Result, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.answers import Kept
    from agent.paths import State
    from checks.plan import Plan
    from checks.unit import Unit

FILE = click.Path(path_type=Path)


@click.command(short_help="Answer what only a person can tell.")
@click.argument("item", required=False)
@click.option("--profile", metavar="NAME", help="The profile that asks [default: as for check].")
@site_options
@scope_options
@click.option("--yes", "word", flag_value="yes", help="It is so.")
@click.option("--no", "word", flag_value="no", help="It is not so.")
@click.option("--not-applicable", "word", flag_value="n/a", help="It does not apply here.")
@click.option("--by", metavar="NAME", help="Who says so [default: asked, or the login name].")
@click.option("--note", default="", help="What should be known about it.")
@click.option("--evidence", type=FILE, help="A file that shows it; its name and SHA-256 are kept.")
@click.option("--until", metavar="DAY", help="The last day that the answer holds, as 2026-12-31.")
@click.option("--from", "form", type=FILE, metavar="FORM", help="Take the answers from a form.")
@click.option("--write-form", type=FILE, metavar="FORM", help="Write a form to fill in.")
@click.option("--list", "listing", is_flag=True, help="List the items, and how each stands.")
@click.option("--site", help="The site, where the agent has several.")
def command(
    item: str | None,
    profile: str | None,
    site_file: Path | None,
    target: tuple[str, ...],
    ssh_config: Path | None,
    only: tuple[str, ...],
    stage: str,
    sets: tuple[str, ...],
    word: str | None,
    by: str | None,
    note: str,
    evidence: Path | None,
    until: str | None,
    form: Path | None,
    write_form: Path | None,
    listing: bool,
    site: str | None,
) -> None:
    """Answer the manual items of a profile: all that are open, one after the other, or ITEM alone.

    Answers stay on this machine; the next check takes them into its results. On a terminal what is not
    given with options is asked. Nothing is connected to and nothing is read from a target.

    \b
    Ends with:
      2  the input is wrong
      3  the answers could not be stored
      0  fine
    """
    from agent.answers import form_of, question_of, questions, read_form
    from agent.collect import utc_now
    from agent.identity import load_identity
    from agent.paths import state
    from agent.planning import Wanted, plan_for, site_of

    identity = load_identity()
    planned = plan_for(Wanted(profile, site_file, only, stage, target, sets, ssh_config), identity, None)
    at_site = site_of(planned, identity, site, no_send=False)
    plan, now, at = planned.plan, utc_now(), state()
    asked = questions(plan)
    if not asked:
        raise BadInput(f"profile {plan.profile.id} has no manual items to answer")
    if listing:
        _list(plan, at, at_site, asked, now)
        return
    if write_form is not None:
        _write(write_form, form_of(plan))
        return
    if form is not None:
        _keep(at, at_site, read_form(form, plan, now))
        return
    chosen = [question_of(asked, item, target[0] if len(target) == 1 else "")] if item else asked
    if word is None:
        _ask_all(plan, at, at_site, chosen, by, now, again=item is not None)
        return
    if item is None:
        raise BadInput("name the ITEM that is answered; --list shows them")
    _keep(at, at_site, [_kept(chosen[0], word, by or login(), note, evidence, until, now)])


def _kept(
    unit: Unit, word: str, by: str, note: str, evidence: Path | None, until: str | None, now: datetime
) -> Kept:
    from agent.answers import NOTE_LENGTH, WORDS, Kept, evidence_of, read_day, read_name

    said = " ".join(note.split())
    if len(said) > NOTE_LENGTH or not said.isprintable():
        raise BadInput(f"--note: a text of at most {NOTE_LENGTH} characters")
    digest, name = evidence_of(evidence) if evidence is not None else ("", "")
    if word == "yes" and unit.item.arguments["evidence"] == "required" and not digest:
        raise BadInput(f"{unit.item.id} needs a file that shows it: --evidence FILE")
    ends = read_day(until, end=True) if until else None
    if ends is not None and ends <= now:
        raise BadInput(f"--until {until}: that day is over")
    return Kept(unit.target, unit.item.id, Answer(WORDS[word], read_name(by), now, said, digest, name, ends))


def _keep(state: State, site: str, new: list[Kept]) -> None:
    from agent.answers import keep

    if not new:
        click.echo("nothing was answered", err=True)
        return
    try:
        keep(state, site, new)
    except OSError as error:
        raise FirstlightError(
            f"{error.filename or state.answers}: answers NOT kept: {error.strerror}"
        ) from error
    count = len(new)
    click.echo(
        f"{count} {'answer' if count == 1 else 'answers'} kept; firstlight check takes them in", err=True
    )


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; the form goes into a new file") from error
    click.echo(f"form: {path}", err=True)


def _list(plan: Plan, state: State, site: str, asked: Iterable[Unit], now: datetime) -> None:
    from reports.run.view import readable

    stands = _stand(plan, state, site, now)
    for unit in asked:
        result = stands[unit.target, unit.item.id]
        head = f"{result.status:<7}{unit.item.severity}  {unit.item.id}  {unit.target}"
        click.echo(readable(f"{head}  {unit.item.arguments['ask']}"))
        click.echo("       " + readable(" ".join(str(result.message).split())))


def _stand(plan: Plan, state: State, site: str, now: datetime) -> dict[tuple[str, str], Result]:
    """How each manual item stands now, judged as a run judges it, by target and item."""
    import msgspec

    from agent.answers import questions
    from agent.history import Recollection
    from agent.reading import reading_of
    from checks.evaluate import evaluate
    from checks.facts.localhost import LocalHost
    from checks.snapshot import Readings, Snapshot

    asked = questions(plan)
    readings = []
    for target in plan.targets:
        host = LocalHost(memory=Recollection(state, site, target.name))
        facts = [fact for unit in asked if unit.target == target.name for fact in unit.first_facts]
        readings.append(Readings(target, {fact.id(): reading_of(fact, host) for fact in facts}, now))
    narrow = msgspec.structs.replace(plan, units=asked)
    evaluation = evaluate(narrow, Snapshot(now, tuple(readings)), salt=site)
    return {(result.target, result.item): result for result in evaluation.results}


def _ask_all(
    plan: Plan, state: State, site: str, asked: Iterable[Unit], by: str | None, now: datetime, again: bool
) -> None:
    """Ask on the terminal what is open (`again`: also what is not); each answer is kept at once."""
    from reports.run.view import readable

    if not sys.stdin.isatty():
        raise BadInput("there is no terminal to ask on; give ITEM with --yes, --no or --not-applicable")
    stands = _stand(plan, state, site, now)
    left = [unit for unit in asked if again or stands[unit.target, unit.item.id].status is Status.MANUAL]
    if not left:
        click.echo("nothing is open; --list shows what was answered", err=True)
        return
    who = by or click.prompt("Your name", default=login() or None, err=True)
    for at, unit in enumerate(left, 1):
        arguments = unit.item.arguments
        head = f"\n{at}/{len(left)}  {unit.item.severity}  {unit.item.id} at {unit.target}"
        click.echo(readable(head + (f"\n  {arguments['how']}" if arguments["how"] else "")), err=True)
        click.echo(f"  {readable(str(stands[unit.target, unit.item.id].message))}", err=True)
        said = click.prompt(
            f"  {readable(arguments['ask'])}?",
            type=click.Choice(["yes", "no", "n/a", "later"]),
            default="later",
            err=True,
        )
        if said != "later":
            _keep(state, site, [_asked(unit, said, who, now)])


def _asked(unit: Unit, word: str, who: str, now: datetime) -> Kept:
    """One answer, with its note and evidence asked until they are right."""
    note = click.prompt("  Note", default="", show_default=False, err=True)
    wanted = unit.item.arguments["evidence"]
    while True:
        shown = ""
        if wanted != "no" and word == "yes":
            hint = "needed" if wanted == "required" else "Enter for none"
            shown = click.prompt(f"  File that shows it ({hint})", default="", show_default=False, err=True)
        try:
            return _kept(unit, word, who, note, Path(shown) if shown else None, None, now)
        except BadInput as problem:
            click.echo(f"  {problem}", err=True)
            if not shown and wanted != "required":
                raise
