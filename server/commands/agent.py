"""firstlight server agent: the machines that report, and an admin's word on their keys and branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from server.commands.options import OPERATOR, db_option, plain, store_of

if TYPE_CHECKING:
    from server.agents import AgentLine


@click.group(short_help="The machines that report: list, show, revoke, accept-branch.")
def command() -> None:
    """The machines that report: see whether they do, revoke their keys, rule on their branches."""


@command.command(name="list", short_help="Show every agent.")
@click.option("--site", default="", metavar="ID", help="Only those of this site.")
@db_option
def list_agents(site: str, db: str | None) -> None:
    """Show every agent, those that need somebody first.

    Prints its id, state, site, target, when it was last seen, how far its clock is off, and what is held.
    """
    from server.agents import agent_lines
    from server.clock import utc_now
    from server.delivery.names import existing
    from server.tables import Site

    with store_of(db) as opened, opened.read() as session:
        if site:
            existing(session, Site, site)
        lines = agent_lines(session, utc_now(), site_id=site)
    for line in lines:
        words = (line.id, line.state, line.site_id, line.target, _seen(line), *_notes(line))
        click.echo(plain("\t".join(words)))
    if not lines:
        click.echo("no machine is enrolled; firstlight server token makes a token for one", err=True)


@command.command(short_help="Show one agent.")
@click.argument("id")
@db_option
def show(id: str, db: str | None) -> None:
    """Show one agent: its machine, its keys, and the branches of its chain that are held."""
    import sqlalchemy as sa

    from checks.signed import key_name
    from server.agents import agent_lines, with_versions
    from server.clock import utc_now
    from server.delivery.names import existing
    from server.gaps import missing_of
    from server.ingest.branches import branches_of
    from server.pages.words import every
    from server.tables import AgentKey, AgentRow

    now = utc_now()
    with store_of(db) as opened, opened.read() as session:
        agent = existing(session, AgentRow, id)
        (line,) = with_versions(session, agent_lines(session, now, agent_id=id))
        keys = session.scalars(sa.select(AgentKey).where(AgentKey.agent_id == id).order_by(AgentKey.id)).all()
        branches = branches_of(session, id)
        facts = {
            "agent": id,
            "state": ", ".join((line.state, *_notes(line))),
            "site": agent.site_id,
            "target": line.target,
            "enrolled": f"{agent.enrolled_at:%Y-%m-%d %H:%M} UTC",
            "last seen": _seen(line),
            "expected": every(line.interval_s),
            "version": line.version or "unknown",
            "run number": str(agent.tip_sequence),
            "install": agent.install,
            "machine": agent.fingerprint,
        }
        for name, value in facts.items():
            click.echo(plain(f"{name:<12}{value}"))
        missing = missing_of(session, id)
        for gap in missing.gaps:
            click.echo(f"{'missing':<12}{gap}")
        if missing.more:
            click.echo(f"{'missing':<12}{missing.runs} runs in all")
        for key in keys:
            since = f"since {key.created_at:%Y-%m-%d}"
            end = f", good up to run {key.last_sequence}" if key.last_sequence is not None else ""
            revoked = f", revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else ""
            click.echo(f"{'key':<12}{key_name(key.public_key)} {since}{end}{revoked}")
        for branch in branches:
            whose = "another machine" if branch.stranger else "the same machine as far as it can tell"
            numbers = f"runs {branch.first} to {branch.last}" if branch.runs > 1 else f"run {branch.first}"
            click.echo(
                f"{'held':<12}{numbers}, made on {whose}; "
                f"firstlight server agent accept-branch {branch.newest}"
            )


@command.command()
@click.argument("id")
@click.option("--reason", required=True, help="Why; it is kept with the deed.")
@db_option
def revoke(id: str, reason: str, db: str | None) -> None:
    """Trust no key of an agent any more.

    What it makes from now on waits on the machine, and is taken once it was enrolled again.
    """
    from server.clock import utc_now
    from server.delivery import revoke_agent

    with store_of(db) as opened, opened.write() as session:
        revoke_agent(session, id, by=OPERATOR, now=utc_now(), reason=reason)
    click.echo(f"no key of {id} is trusted any more; enrolled again, it keeps its name and its history")


@command.command(name="accept-branch", short_help="Let a held branch of runs count.")
@click.argument("run")
@db_option
def accept(run: str, db: str | None) -> None:
    """Let the branch count that a held RUN stands on, and leave the one that counted so far.

    For a machine whose disk was restored from a copy. What counted stays; what goes on from there is held.
    """
    from server.clock import utc_now
    from server.ingest.branches import accept_branch

    with store_of(db) as opened, opened.write() as session:
        runs = accept_branch(session, run, by=OPERATOR, now=utc_now())
    click.echo(f"{runs} run{'s' if runs != 1 else ''} of this branch count, and so does what follows")


def _seen(line: AgentLine) -> str:
    return f"{line.last_seen_at:%Y-%m-%d %H:%M} UTC" if line.last_seen_at else "never"


def _notes(line: AgentLine) -> list[str]:
    """What else there is to say of an agent, in a few words each."""
    notes = []
    if line.clock_off:
        from server.pages.words import span

        way = "slow" if line.clock_offset_ms > 0 else "fast"
        notes.append(f"clock {span(abs(line.clock_offset_ms) / 1000)} {way}")
    if line.held:
        notes.append(f"{line.held} held")
    if line.shared:
        notes.append("shares its target with another agent")
    return notes
