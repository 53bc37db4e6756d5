"""firstlight server publish: profiles, schedules and waivers for one site, a customer or everybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.commands.options import OPERATOR, db_option, plain, store_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from server.tables import Publication

C = TypeVar("C", bound=Callable[..., Any])


def audience_options(command: C) -> C:
    """--site, --customer and --everyone, of which one is given."""
    for option in (
        click.option("--everyone", is_flag=True, help="For every site."),
        click.option("--customer", metavar="ID", help="For all sites of this customer."),
        click.option("--site", metavar="ID", help="For this site."),
    ):
        command = option(command)
    return command


@click.group(short_help="Publish profiles, schedules and waivers to agents.")
def command() -> None:
    """Publish profiles, schedules and waivers to agents.

    Agents fetch what is published for their site with their next run. What executes, queries or reads beyond
    what shipped profiles read waits there for `firstlight approve`; nothing here can change that.
    """


@command.command(short_help="Publish the profile in a file.")
@click.argument("file", type=click.Path(path_type=Path))
@audience_options
@db_option
def profile(file: Path, site: str | None, customer: str | None, everyone: bool, db: str | None) -> None:
    """Publish the profile in FILE, under the id and version that it gives itself.

    It extends shipped and published profiles by name, and no files. A version is one text for good: a changed
    text needs a new version.
    """
    from checks.harmless import concerns, plan_anywhere
    from checks.published import read_published, texts_of
    from checks.yamlfile import read_data
    from server.clock import utc_now
    from server.publishing.audience import audience_of, sites_of
    from server.publishing.events import publish_profile
    from server.publishing.standing import standing

    text = read_data(file).decode("utf-8-sig", errors="replace")
    with store_of(db) as opened, opened.write() as session:
        audience = audience_of(session, site=site, customer=customer, everyone=everyone)
        row = publish_profile(session, text, audience, by=OPERATOR, now=utc_now(), source=str(file))
        sites = sites_of(session, audience)
        texts = texts_of(standing(session, sites[0][0]).rules()) if sites else {}
        _done(session, row)
    if row.name in texts:
        waiting = concerns(plan_anywhere(read_published(row.name, texts)))
        for concern in waiting[:20]:
            click.echo(f"  {concern.item} {', '.join(concern.reasons)}", err=True)
        if len(waiting) > 20:
            click.echo(f"  and {len(waiting) - 20} more", err=True)
        if waiting:
            click.echo(f"{len(waiting)} items wait at each site for: firstlight approve {row.name}", err=True)


@command.command(short_help="Publish when agents check.")
@click.argument("name")
@click.option("--every", default="", metavar="SPAN", help="How often, such as 6h.")
@click.option("--cron", default="", metavar="FIELDS", help="When, as five fields of cron.")
@click.option("--timezone", default="", metavar="ZONE", help="Whose hours [default: the machine's own].")
@click.option("--jitter", default="", metavar="SPAN", help="By how much machines come later than that.")
@click.option("--quiet", multiple=True, metavar="HH:MM-HH:MM", help="Hours without a run. Repeatable.")
@click.option("--profile", "checked", default="", metavar="ID", help="[default: that of the enrolment]")
@click.option("--stage", default="", help="Only what the profile has for this stage.")
@audience_options
@db_option
def schedule(
    name: str,
    every: str,
    cron: str,
    timezone: str,
    jitter: str,
    quiet: tuple[str, ...],
    checked: str,
    stage: str,
    site: str | None,
    customer: str | None,
    everyone: bool,
    db: str | None,
) -> None:
    """Publish the schedule NAME: either --every or --cron says when."""
    import msgspec

    from checks.errors import BadInput
    from checks.rules import ScheduleEntry
    from server.clock import utc_now
    from server.publishing.audience import audience_of
    from server.publishing.events import publish_schedule

    entry = ScheduleEntry(name, every, cron, timezone, jitter, quiet, checked, stage)
    try:
        entry = msgspec.convert(msgspec.to_builtins(entry), ScheduleEntry)
    except msgspec.ValidationError as error:
        raise BadInput(f"schedule {name[:60]!r}: {error}") from error
    with store_of(db) as opened, opened.write() as session:
        audience = audience_of(session, site=site, customer=customer, everyone=everyone)
        row = publish_schedule(session, entry, audience, by=OPERATOR, now=utc_now())
        _done(session, row)


@command.command(short_help="Bear a failing item until a day.")
@click.option("--item", required=True, metavar="ID", help="The item whose failing is borne.")
@click.option("--target", default="", metavar="NAME", help="Only at this target.")
@click.option("--object", "thing", default="", metavar="LABEL", help="Only for this object, such as /data.")
@click.option("--reason", required=True, help="Why.")
@click.option("--approved-by", required=True, metavar="NAME", help="Who allowed it.")
@click.option(
    "--until", required=True, metavar="DAY", help="2027-03-31, or a span such as 30d; a year at most."
)
@audience_options
@db_option
def waiver(
    item: str,
    target: str,
    thing: str,
    reason: str,
    approved_by: str,
    until: str,
    site: str | None,
    customer: str | None,
    everyone: bool,
    db: str | None,
) -> None:
    """Let a failing item be borne until a day: it is reported as before, but sets no exit code."""
    from server.clock import utc_now
    from server.publishing.audience import audience_of
    from server.publishing.events import publish_waiver

    now = utc_now()
    with store_of(db) as opened, opened.write() as session:
        audience = audience_of(session, site=site, customer=customer, everyone=everyone)
        row = publish_waiver(
            session,
            audience,
            item=item,
            target=target,
            object=thing,
            reason=reason,
            approved_by=approved_by,
            expires=end_of(until, now),
            by=OPERATOR,
            now=now,
        )
        _done(session, row)


@command.command(name="list", short_help="List what is published.")
@click.option(
    "--all", "everything", is_flag=True, help="Also what was withdrawn or replaced, or has expired."
)
@db_option
def list_published(everything: bool, db: str | None) -> None:
    """List what is published: number, what, for whom, by whom and since when."""
    from server.clock import utc_now
    from server.publishing.lines import published_lines

    with store_of(db) as opened, opened.read() as session:
        lines, _ = published_lines(session, utc_now(), most=None)
    for line in reversed(lines):
        if everything or not line.left:
            words = (line.named, line.audience, line.by, f"{line.at:%Y-%m-%d}", line.left)
            click.echo(plain("\t".join((str(line.id), line.kind, *words)).rstrip()))


@command.command(short_help="Take a publication back.")
@click.argument("id", type=click.IntRange(min=1))
@db_option
def withdraw(id: int, db: str | None) -> None:
    """Take publication ID back, for whom it was published.

    Where it had taken the place of an earlier one of its name, that one is in force again.
    """
    from server.clock import utc_now
    from server.publishing.events import withdraw as take_back
    from server.publishing.lines import published_lines

    now = utc_now()
    with store_of(db) as opened, opened.write() as session:
        before, _ = published_lines(session, now, most=None)
        take_back(session, id, by=OPERATOR, now=now)
        after, _ = published_lines(session, now, most=None)
    left = {line.id for line in before if line.left}
    for line in after:
        if line.id == id:
            click.echo(plain(f"withdrawn: {line.kind} {line.named} (publication {id})"))
    for line in after:
        if line.id in left and not line.left:
            click.echo(plain(f"in force again: {line.kind} {line.named} (publication {line.id})"))


@command.command(name="rotate-key")
@db_option
def rotate_key(db: str | None) -> None:
    """Sign with a new key from now on.

    Agents learn of it by what the key before it signs for them, with their next run or import. Where the old
    key may be in wrong hands that is not enough: enrol the machines again.
    """
    from checks.signed import key_name
    from server.clock import utc_now
    from server.publishing.signing import rotate_signing_key

    with store_of(db) as opened, opened.write() as session:
        key = rotate_signing_key(session, by=OPERATOR, now=utc_now())
    click.echo(f"signing with key {key_name(key.public)} from now on; agents learn of it with their next run")


def end_of(text: str, now: datetime) -> datetime:
    """The end of a day (UTC), or of a span from now; raises `BadInput`."""
    from datetime import UTC, date, datetime, time, timedelta

    from checks.errors import BadInput
    from checks.units import read_span

    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            return now + timedelta(seconds=min(read_span(text), 1e9))
        except ValueError:
            raise BadInput(f"--until {text[:60]}: write a day, 2027-03-31, or a span such as 30d") from None
    return datetime.combine(day, time(23, 59, 59), UTC)


def _done(session: Session, row: Publication) -> None:
    """Say it before the transaction ends: what cannot be said was not done."""
    from server.publishing.lines import lines_of

    (line,) = lines_of(session, [row], row.at)
    click.echo(plain(f"published for {line.audience}: {line.kind} {line.named} (publication {line.id})"))
