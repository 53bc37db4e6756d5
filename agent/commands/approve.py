"""firstlight approve: what the collector published, shown to a person of this site, who allows it or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.paths import State
    from checks.plan import Plan


@click.command(short_help="Show what the collector wants checked, and allow it.")
@click.argument("profile", required=False)
@click.option(
    "-s", "--site-file", type=click.Path(path_type=Path), help="For the targets of this site file, over SSH."
)
@click.option(
    "-F", "--ssh-config", type=click.Path(path_type=Path), help="An ssh_config file, as for firstlight check."
)
@click.option("--yes", metavar="DIGEST", help="Allow the plan of this digest without being asked.")
@click.option("--list", "listing", is_flag=True, help="List what waits and what was allowed.")
@click.option("--withdraw", metavar="DIGEST", help="Take back what was allowed.")
def command(
    profile: str | None,
    site_file: Path | None,
    ssh_config: Path | None,
    yes: str | None,
    listing: bool,
    withdraw: str | None,
) -> None:
    """Show what of a published PROFILE needs this site's word, and ask for it.

    What a collector publishes may look at what shipped profiles look at. What runs a command, asks a
    database, writes, sends more than a plain request, uses a secret or reads elsewhere waits until somebody
    at this machine has seen it and said yes. That word is for exactly this plan: whatever changes asks again.

    Without PROFILE it is every one that waits. --yes takes the digest that was shown, all 64
    digits of it, for those who looked elsewhere.
    """
    from agent.paths import state

    at = state()
    if withdraw is not None:
        _withdraw(at, withdraw)
        return
    if listing:
        _list(at)
        return
    plans = _plans(profile, site_file, ssh_config)
    if not plans:
        click.echo("nothing waits for an approval")
        return
    if yes is not None:
        _by_digest(at, plans, yes)
        return
    for plan in plans:
        _ask(at, plan)


def _plans(profile: str | None, site_file: Path | None, ssh_config: Path | None) -> list[Plan]:
    """The plans that wait: of one profile, or of all; raises `BadInput` for one that was not published."""
    from agent.identity import enrolled
    from agent.paths import state
    from agent.planning import Wanted, plan_for
    from agent.rules.central import waiting_profiles
    from checks.profile_source import is_path, is_shipped

    identity = enrolled(state())
    if profile is None:
        if site_file is not None:
            raise BadInput("-s is for one profile; name it: firstlight approve PROFILE -s FILE")
        return [plan for plan, _ in waiting_profiles(state())]
    if is_path(profile) or is_shipped(profile):
        raise BadInput(f"{profile}: only what the collector published needs an approval")
    wanted = Wanted(profile, site_file, ssh_config=ssh_config)
    return [plan_for(wanted, identity, None, newest=True).plan]


def _ask(at: State, plan: Plan) -> None:
    import sys

    from agent.config import load_config
    from agent.rules.consent import not_allowed
    from agent.rules.words import page

    consent = load_config(at).consent
    if not not_allowed(at, plan, consent):
        click.echo(f"{_name(plan)} needs no approval here")
        return
    for line in page(at, plan, consent):
        click.echo(line)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            "nobody is here to be asked: run it at a terminal, or give --yes with the digest above"
        )
    if not click.confirm("Allow this plan on this machine?", default=False):
        click.echo("not allowed; nothing has changed")
        raise SystemExit(1)
    _approve(at, plan)


def _by_digest(at: State, plans: list[Plan], digest: str) -> None:
    import re

    # All of it: who writes two plans, one to be looked at, soon finds a pair that begins alike.
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise BadInput(
            f"--yes {digest[:70]}: not the digest of a plan, which has 64 digits; firstlight approve shows it"
        )
    for plan in plans:
        if plan.digest == digest:
            _approve(at, plan)
            return
    now = ", ".join(f"{_name(plan)} is {plan.digest}" for plan in plans)
    raise BadInput(f"--yes {digest[:12]}: that is not what waits now: {now}; look with firstlight approve")


def _approve(at: State, plan: Plan) -> None:
    from datetime import UTC, datetime

    from agent.operator import login
    from agent.rules.approvals import approve
    from agent.spool import kept_or_loud

    with kept_or_loud("the approval"):
        made = approve(at, plan, login(), datetime.now(UTC))
    click.echo(f"allowed: {_name(plan)}, plan {made.digest[:12]}, by {made.by or 'somebody'}")


def _list(at: State) -> None:
    """What waits, then what was allowed, the newest first."""
    from datetime import UTC

    from agent.rules.approvals import every
    from agent.rules.central import waiting_profiles
    from agent.rules.words import harmless

    for plan, concerns in waiting_profiles(at):
        count = "1 item" if len(concerns) == 1 else f"{len(concerns)} items"
        click.echo(f"waits\t{plan.digest[:12]}\t{_name(plan)}\t{count}")
    for each in every(at):
        when = f"{each.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        words = ("allowed", each.digest[:12], f"{each.profile} {each.version}", ", ".join(each.targets))
        click.echo(harmless(" · ".join((*words, when, each.by))).replace(" · ", "\t").rstrip())


def _withdraw(at: State, digest: str) -> None:
    from agent.rules.approvals import withdraw
    from agent.spool import kept_or_loud

    with kept_or_loud("that it is taken back"):
        gone = withdraw(at, digest)
    click.echo(f"taken back: {gone.profile} {gone.version}, plan {gone.digest[:12]}")


def _name(plan: Plan) -> str:
    from agent.rules.words import harmless

    return harmless(f"{plan.profile.id} {plan.profile.version}")
