"""firstlight server publish: profiles, schedules and waivers for one site, a customer or everybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.commands.options import OPERATOR, db_option, store_of

if TYPE_CHECKING:
    from datetime import datetime

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


@command.command()
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
        row = publish_profile(session, text, audience, by=OPERATOR, now=utc_now())
        sites = sites_of(session, audience)
        texts = texts_of(standing(session, sites[0][0]).rules()) if sites else {}
    _done(row, str(audience))
    if row.name in texts:
        waiting = concerns(plan_anywhere(read_published(row.name, texts)))
        for concern in waiting[:20]:
            click.echo(f"  {concern.item} {', '.join(concern.reasons)}", err=True)
        if len(waiting) > 20:
            click.echo(f"  and {len(waiting) - 20} more", err=True)
        if waiting:
            click.echo(f"{len(waiting)} items wait at each site for: firstlight approve {row.name}", err=True)


@command.command()
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
    _done(row, str(audience))


@command.command()
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
    _done(row, str(audience))


@command.command(name="list")
@click.option(
    "--all", "everything", is_flag=True, help="Also what was withdrawn or replaced since, or has expired."
)
@db_option
def list_published(everything: bool, db: str | None) -> None:
    """List what is published: number, what, for whom, by whom and since when."""
    import sqlalchemy as sa

    from server.clock import utc_now
    from server.publishing.audience import audience_in
    from server.publishing.standing import newest_of_each, withdrawn_ids
    from server.tables import Publication

    now = utc_now()
    query = sa.select(Publication).where(Publication.kind.in_(("profile", "schedule", "waiver")))
    with store_of(db) as opened, opened.read() as session:
        gone = withdrawn_ids(session)
        rows = session.scalars(query.order_by(Publication.id)).all()
        standing = newest_of_each(rows, gone)
        for row in rows:
            left = "withdrawn" if row.id in gone else "" if row.id in standing else "replaced"
            left = left or ("expired" if _expired(row, now) else "")
            if left and not everything:
                continue
            words = (str(row.id), *_named(row), str(audience_in(row)), row.by, f"{row.at:%Y-%m-%d}", left)
            click.echo("\t".join(words).rstrip())


@command.command()
@click.argument("id", type=click.IntRange(min=1))
@db_option
def withdraw(id: int, db: str | None) -> None:
    """Take publication ID back, for whom it was published.

    Where it had taken the place of an earlier one of its name, that one is in force again.
    """
    import sqlalchemy as sa

    from server.clock import utc_now
    from server.publishing.audience import audience_in
    from server.publishing.events import withdraw as take_back
    from server.publishing.standing import newest_of_each, withdrawn_ids
    from server.tables import Publication

    with store_of(db) as opened, opened.write() as session:
        row = take_back(session, id, by=OPERATOR, now=utc_now())
        gone = session.get(Publication, id)
        same = sa.select(Publication).where(
            Publication.name == row.name, Publication.kind.in_(("profile", "schedule", "waiver"))
        )
        every = session.scalars(same.order_by(Publication.id)).all()
        standing = newest_of_each(every, withdrawn_ids(session))
    click.echo(f"withdrawn: publication {id}, {f'{row.name} {row.label}'.rstrip()}")
    for each in every:
        back = each.id in standing and audience_in(each) == audience_in(row)
        if back and gone is not None and each.kind == gone.kind:
            click.echo(f"in force again: {' '.join(_named(each))} (publication {each.id})")


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


def _named(row: Publication) -> tuple[str, str]:
    import msgspec

    from checks.rules import ScheduleEntry, Waiver

    if row.kind == "waiver":
        found = msgspec.json.decode(row.document, type=Waiver)
        about = " ".join(filter(None, (found.item, found.object, found.target and f"at {found.target}")))
        return "waiver", f"{about} until {found.expires:%Y-%m-%d}: {' '.join(found.reason.split())}"
    if row.kind == "schedule":
        entry = msgspec.json.decode(row.document, type=ScheduleEntry)
        when = f"every {entry.every}" if entry.every else f"at {entry.cron}"
        return "schedule", f"{entry.name} {when} {entry.profile}".rstrip()
    return row.kind, f"{row.name} {row.label}".rstrip()


def _expired(row: Publication, now: datetime) -> bool:
    import msgspec

    from checks.rules import Waiver

    return row.kind == "waiver" and msgspec.json.decode(row.document, type=Waiver).expires <= now


def _done(row: Publication, audience: str) -> None:
    kind, named = _named(row)
    click.echo(f"published for {audience}: {kind} {named} (publication {row.id})")
