"""firstlight server token: a one-time token and the command that uses it."""

from __future__ import annotations

import click

from server.commands.options import OPERATOR, db_option


@click.command(short_help="Make a one-time token that enrols a machine.")
@click.option("--site", required=True, metavar="ID", help="The site the machine will report for.")
@click.option("--project", metavar="ID", help="The project its runs count for [default: the site alone].")
@click.option("--profile", default="", metavar="ID", help="Bind only this profile [default: any].")
@click.option("--every", default="1d", metavar="SPAN", help="How often runs are expected [default: 1d].")
@click.option("--hours", type=float, default=24.0, help="How long the token is valid [default: 24].")
@click.option("--url", metavar="URL", help="The collector's address as the machine sees it.")
@db_option
def command(
    site: str, project: str | None, profile: str, every: str, hours: float, url: str | None, db: str | None
) -> None:
    """Make a one-time token, and print the command that enrols a machine with it.

    The first plan the machine reports is accepted together with the binding; later changes of it wait for
    a person.
    """
    from datetime import timedelta

    from checks.errors import BadInput
    from checks.units import read_span
    from server.clock import utc_now
    from server.commands.options import store_of
    from server.delivery import issue_enrolment_token
    from server.delivery.enrolment import enrol_command
    from server.settings import load_settings

    try:
        interval = read_span(every)
    except ValueError as error:
        raise BadInput(f"--every {every}: {error}") from error
    settings = load_settings(db=db, public_url=url)
    with store_of(db) as opened, opened.write() as session:
        token = issue_enrolment_token(
            session,
            site,
            project_id=project,
            profile_id=profile,
            interval_s=round(interval),
            valid_for=timedelta(hours=min(max(hours, 0.0), 1e6)),
            by=OPERATOR,
            now=utc_now(),
        )
    click.echo(token)
    click.echo(f"valid {hours:g} h, for one machine; type there:", err=True)
    click.echo(f"  {enrol_command(settings.url, token)}", err=True)
