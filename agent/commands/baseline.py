"""firstlight baseline: freeze a run as the state that named people accepted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput, FirstlightError
from checks.model import OVERRIDDEN, Result, Severity, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.baselines import Baseline
    from agent.identity import Identity
    from checks.snapshot import Snapshot

NAME_LENGTH = 100
SERIOUS = (Severity.P0, Severity.P1)

_site = click.option("--site", help="The site, where the agent has several.")
_profile = click.option("--profile", metavar="NAME", help="The profile, where several were run.")


@click.group(short_help="Accept a run as the agreed state: accept, show, clear.")
def command() -> None:
    """Freeze a run as the state that vendor and customer accepted; later runs say what changed since."""


@command.command(short_help="Accept a run, under the names of those who do.")
@click.argument("snapshot", required=False, type=click.Path(path_type=Path))
@click.option("--by", multiple=True, required=True, metavar="NAME", help="Who accepts. Repeatable.")
@click.option("--with-findings", is_flag=True, help="Accept also what fails with P0 or P1.")
@_site
@_profile
def accept(
    snapshot: Path | None, by: tuple[str, ...], with_findings: bool, site: str | None, profile: str | None
) -> None:
    """Accept the last run of this machine, or SNAPSHOT, a file that check --save wrote.

    Two names are advised: one of the vendor, one of the customer. A run that was interrupted or that looked
    at some items only is refused; so is one with P0 or P1 failing, unless --with-findings says that those
    are known. An earlier baseline of the profile is replaced; who accepted it, and when, stays on record.

    \b
    Ends with:
      2  the input is wrong, or the run cannot be accepted
      1  it has P0 or P1 findings, which are listed
      3  the baseline could not be stored
      0  accepted
    """
    from agent import baselines
    from agent.collect import utc_now
    from agent.identity import load_identity
    from agent.paths import state

    names = _names(by)
    identity = load_identity()
    found = _from_file(snapshot, profile) if snapshot is not None else _last(identity, site, profile)
    _refuse_incomplete(found, str(snapshot or "the last run"))
    failing = _failing(found.recorded)
    serious = [each for each in failing if each.status is Status.FAIL and each.severity in SERIOUS]
    if serious and not with_findings:
        for line in _lines(serious):
            click.echo(line, err=True)
        ending = "finding is" if len(serious) == 1 else "findings are"
        click.echo(
            f"firstlight: not accepted: {len(serious)} serious {ending} open; "
            "fix them, or accept them as known with --with-findings",
            err=True,
        )
        raise SystemExit(1)
    where = identity.site(site) if identity and site else site or found.site or _own(identity)
    try:
        made = baselines.accept(state(), found, where, names, utc_now())
    except OSError as error:
        raise FirstlightError(
            f"{error.filename or state().baselines}: baseline NOT kept: {error.strerror}"
        ) from error
    click.echo(f"{made.head}: {_what(made)}")
    for line in _lines(failing):
        click.echo(line)
    for note in _notes(made):
        click.echo(f"firstlight: {note}", err=True)


@command.command(short_help="Who accepted what, and when.")
@_site
@_profile
def show(site: str | None, profile: str | None) -> None:
    """Who accepted which state when, what failed or warned then, and what was accepted before."""
    from agent.baselines import find, stored
    from agent.paths import state

    at = state()
    several = [] if site or profile else stored(at)
    for index, baseline in enumerate(several or [find(at, site, profile)]):
        if index:
            click.echo()
        _show(baseline)


@command.command(short_help="Forget the accepted state.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_site
@_profile
def clear(yes: bool, site: str | None, profile: str | None) -> None:
    """Remove a baseline with all that it holds, its history too."""
    from agent import baselines
    from agent.paths import state

    at = state()
    found = baselines.find(at, site, profile)
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("this removes what was accepted for good; --yes says that you mean it")
        click.confirm(f"Remove the baseline {found.head} ({_what(found)})?", abort=True, err=True)
    try:
        baselines.clear(at, found.site, found.snapshot.profile)
    except OSError as error:
        raise FirstlightError(
            f"{error.filename or state().baselines}: baseline not removed: {error.strerror}"
        ) from error
    click.echo(f"removed: {_what(found)}, {found.head}")


def _names(by: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(" ".join(name.split()) for name in by))
    for name in names:
        if not name or len(name) > NAME_LENGTH or not name.isprintable():
            raise BadInput(
                f"--by {name[:NAME_LENGTH]!r}: give a person's name, at most {NAME_LENGTH} characters"
            )
    return names


def _from_file(path: Path, profile: str | None) -> Snapshot:
    from checks.snapshot import load

    found = load(path)
    if profile is not None and found.profile != profile:
        raise BadInput(f"{path}: a run of profile {found.profile or 'unknown'}, not of {profile}")
    return found


def _last(identity: Identity | None, site: str | None, profile: str | None) -> Snapshot:
    from agent.last import newest

    found = newest(identity.site(site) if identity and site else site, profile)
    if found is None:
        wanted = f" of {profile}" if profile else ""
        raise BadInput(f"no run{wanted} is remembered here; run firstlight check first, or name a snapshot")
    return found.snapshot


def _refuse_incomplete(snapshot: Snapshot, name: str) -> None:
    from agent.last import of_a_part
    from checks.compare import UNTOLD

    again = "run firstlight check again, and accept that"
    if not snapshot.profile or not snapshot.recorded:
        raise BadInput(f"{name}: holds no results to accept; {again}")
    if snapshot.partial or any(each.cause in UNTOLD for each in snapshot.recorded):
        raise BadInput(f"{name}: was interrupted and does not know everything; {again}")
    if of_a_part(snapshot):
        raise BadInput(
            f"{name}: looked at a part of the profile only; run firstlight check without --only, "
            "and accept that"
        )


def _own(identity: Identity | None) -> str:
    return identity.sites[0] if identity else ""


def _failing(results: Iterable[Result]) -> list[Result]:
    from reports.run.view import by_urgency

    return by_urgency(each for each in results if each.status in (Status.FAIL, Status.WARN))


def _lines(results: Iterable[Result]) -> list[str]:
    from reports.run.view import readable

    return [
        "  "
        + readable(f"{each.status.upper()} {each.severity}  {each.item} {each.object}".rstrip())
        + "  "
        + " ".join(readable(str(each.message)).split())
        for each in results
    ]


def _what(baseline: Baseline) -> str:
    """``linux-server 1 at plant-a, 17 results (15 pass, 2 warn)``."""
    snapshot = baseline.snapshot
    named = f"{snapshot.profile} {snapshot.profile_version}".rstrip()
    where = f" at {baseline.site}" if baseline.site else ""
    count = len(snapshot.recorded)
    return f"{named}{where}, {count} {'result' if count == 1 else 'results'} ({_tally(snapshot.recorded)})"


def _tally(results: Iterable[Result]) -> str:
    from reports.run.view import counts

    return ", ".join(f"{count} {status}" for status, count in counts(results).items() if count)


def _notes(baseline: Baseline) -> list[str]:
    """What those who accept should know."""
    snapshot, notes = baseline.snapshot, []
    if baseline.history:
        notes.append(f"it replaces the one {baseline.history[-1]}")
    if len(baseline.head.by) == 1:
        notes.append(
            f"accepted by {baseline.head.by[0]} alone; advised are two, of the vendor and of the customer"
        )
    untold = sum(each.status is Status.ERROR for each in snapshot.recorded)
    if untold:
        notes.append(
            f"{untold} {'result' if untold == 1 else 'results'} could not be told, and so not accepted"
        )
    if snapshot.profile_version.endswith(OVERRIDDEN):
        notes.append("the run was ad hoc: its profile was changed with --set")
    if snapshot.narrowing.stage:
        notes.append(f"the run was of stage {snapshot.narrowing.stage}: of other stages nothing is accepted")
    return notes


def _show(baseline: Baseline) -> None:
    from reports.run.view import readable, when

    head, snapshot = baseline.head, baseline.snapshot
    lines = {
        "accepted": f"{when(head.accepted)} by {', '.join(head.by)}",
        "site": baseline.site or "none (not enrolled)",
        "profile": f"{snapshot.profile} {head.profile_version}".rstrip(),
        "plan": head.plan_digest or "unknown",
        "run of": when(snapshot.captured_at),
        "targets": ", ".join(each.target.name for each in snapshot.targets[:20]),
        "readings": str(sum(len(each.values) for each in snapshot.targets)),
        "results": _tally(snapshot.recorded),
    }
    for name, value in lines.items():
        click.echo(f"{name:<12}{readable(value)}")
    failing = _failing(snapshot.recorded)
    click.echo(f"{'findings':<12}{len(failing) or 'none'}")
    for line in _lines(failing):
        click.echo(line)
    for earlier in reversed(baseline.history):
        click.echo(f"{'earlier':<12}{readable(str(earlier))}")
