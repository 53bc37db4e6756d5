"""firstlight enrol: make this machine known to a collector."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from checks.errors import BadInput
from checks.secret import Secret


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
@click.option(
    "--fresh", is_flag=True, help="This machine is a copy: give up the identity that was copied, get another."
)
@click.option("--moved", is_flag=True, help="The enrolled machine has new hardware; it keeps its identity.")
def command(
    url: str,
    token: str | None,
    target: str,
    ca: Path | None,
    insecure_http: bool,
    fresh: bool,
    moved: bool,
) -> None:
    """Make this machine known to the collector at URL.

    A key pair is made; the private key never leaves this machine. Enrolled again, the machine keeps its ids,
    gets a new key, and runs that wait are signed with it. Where no network leads to the collector, firstlight
    export --enrolment FILE asks it by file.
    """
    if fresh and moved:
        raise BadInput("--fresh is for a copy and --moved for the machine itself; leave one of them out")
    from agent.address import checked_url
    from agent.enrolment import enrol
    from agent.paths import state
    from agent.rules.fetching import refresh
    from checks.errors import UplinkError

    address = checked_url(url, insecure_http=insecure_http)
    secret = _token(token)
    try:
        done = enrol(state(), address, secret.reveal(), target=target, ca=ca, fresh=fresh, moved=moved)
    except UplinkError as error:
        click.echo(f"firstlight: not enrolled: {secret.scrubbed(str(error))}", err=True)
        raise SystemExit(4 if error.permanent or error.hold else 3) from None
    identity = done.identity
    click.echo(
        f"enrolled as {identity.agent} for {', '.join(identity.sites)}, this machine as {identity.target}"
    )
    if done.signed_again:
        click.echo(f"{_waiting(done.signed_again)} signed with the new key; firstlight send delivers")
    if done.orphaned:
        click.echo(
            f"{_waiting(done.orphaned)} of an earlier agent stay in the spool: this collector does not take "
            "what that made (firstlight spool list)"
        )
    if done.set_aside:
        click.echo(f"{_waiting(done.set_aside)} of the copied identity set aside (firstlight spool list)")
    if done.other_keys:
        click.echo(f"firstlight: {done.other_keys}", err=True)
    if rules := refresh(state(), ask=True):
        click.echo(rules)
    profile = f" {identity.profile}" if identity.profile else ""
    click.echo(f"next: firstlight check{profile}; every day by itself: firstlight install --every 1d")


def _waiting(runs: int) -> str:
    return f"{runs} waiting run{'s' if runs != 1 else ''}"


def _token(given: str | None) -> Secret:
    if given == "-":
        given = sys.stdin.readline()
    token = (given or "").strip()
    if not token:
        raise BadInput("no token; give --token TOKEN, --token - (standard input) or FIRSTLIGHT_TOKEN")
    if len(token) > 1000 or not token.isprintable():
        raise BadInput("the token is not one: it is one printable line")
    return Secret(token)
