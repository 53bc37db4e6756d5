"""firstlight enrol: make this machine known to a collector."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from checks.errors import BadInput


@click.command(short_help="Make this machine known to a collector.")
@click.argument("url")
@click.option(
    "--token",
    envvar="FIRSTLIGHT_TOKEN",
    metavar="TOKEN",
    help="The one-time token, or - to read it from standard input. Other users can see a command line: on a "
    "shared machine use - or the environment variable FIRSTLIGHT_TOKEN.",
)
@click.option(
    "--target", default="", metavar="NAME", help="This machine's name at its site [default: host name]."
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust the certificates in this PEM file (your own authority). They are copied.",
)
@click.option(
    "--insecure-http", is_flag=True, help="Accept http:// to another machine. Anyone on the way can read."
)
def command(url: str, token: str | None, target: str, ca: Path | None, insecure_http: bool) -> None:
    """Make this machine known to the collector at URL.

    A key pair is made; the private key never leaves this machine. Enrolled again, the machine keeps its ids,
    gets a new key, and runs that wait are signed with it.
    """
    from agent.enrolment import enrol
    from agent.paths import state
    from agent.uplink import checked_url
    from checks.errors import UplinkError

    address = checked_url(url, insecure_http=insecure_http)
    try:
        done = enrol(state(), address, _token(token), target=target, ca=ca)
    except UplinkError as error:
        click.echo(f"firstlight: not enrolled: {error}", err=True)
        raise SystemExit(4 if error.permanent or error.hold else 3) from None
    identity = done.identity
    click.echo(
        f"enrolled as {identity.agent} for {', '.join(identity.sites)}, this machine as {identity.target}"
    )
    if done.signed_again:
        click.echo(f"{done.signed_again} waiting runs signed with the new key; firstlight send delivers them")
    if done.orphaned:
        click.echo(
            f"{done.orphaned} waiting runs belong to an earlier agent and stay in the spool: this collector "
            "does not take them (firstlight spool list)"
        )
    profile = f" {identity.profile}" if identity.profile else ""
    click.echo(f"next: firstlight check{profile}; every day by itself: firstlight install --every 1d")


def _token(given: str | None) -> str:
    if given == "-":
        given = sys.stdin.readline()
    token = (given or "").strip()
    if not token:
        raise BadInput("no token; give --token TOKEN, --token - (standard input) or FIRSTLIGHT_TOKEN")
    if len(token) > 1000 or not token.isprintable():
        raise BadInput("the token is not one: it is one printable line")
    return token
