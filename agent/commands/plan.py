"""firstlight plan: everything that a check would touch, printed before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from agent.commands.options import goss_options, scope_options, site_options, suite_of
from checks.model import Narrowing, PlanItem, ProfileRef, Target

if TYPE_CHECKING:
    from checks.conflicts import Conflict
    from checks.plan import Line, Plan


class PlanPage(msgspec.Struct, frozen=True):
    """`firstlight plan --format json`: the whole plan as it travels, and what of it is in scope, with reads.

    `reads` are by target, each once, as commands, files, queries and destinations; what is known only once
    something else was read stands as a template. `routes` says how each target is reached,
    `conflicts` which demands of one thing differ, and by which rule that is settled, if it is.
    """

    profile: ProfileRef
    title: str
    adhoc: bool
    plan_digest: str
    narrowing: Narrowing
    targets: tuple[Target, ...]
    routes: dict[str, str]
    items: tuple[PlanItem, ...]
    lines: tuple[Line, ...]
    reads: dict[str, tuple[str, ...]]
    conflicts: tuple[Conflict, ...]


@click.command(short_help="Print what a check would read, and read nothing.")
@click.argument("profile", required=False)
@site_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option(
    "--privileges", is_flag=True, help="Print what has to be allowed: sudoers, grants, firewall rows."
)
@scope_options
@goss_options
def command(
    profile: str | None,
    site_file: Path | None,
    target: tuple[str, ...],
    ssh_config: Path | None,
    form: str,
    privileges: bool,
    only: tuple[str, ...],
    stage: str,
    sets: tuple[str, ...],
    goss: Path | None,
    vars_files: tuple[Path, ...],
    vars_inline: str,
) -> None:
    """Print every command, file, query and destination that checking PROFILE would touch.

    What depends on something that has to be read first stands as a template, such as statvfs <each mount>;
    whatever fits no template is not read. The digest names the whole plan: firstlight check --approved DIGEST
    runs that plan and no other, and a collector counts the results of a plan that was accepted.
    """
    from agent.approval import keep
    from agent.identity import load_identity
    from agent.planning import Wanted, plan_for

    suite = suite_of(profile, goss, vars_files, vars_inline)
    wanted = Wanted(profile, site_file, only, stage, target, sets, ssh_config, suite=suite)
    planned = plan_for(wanted, load_identity(), None)
    plan = planned.plan
    if privileges:
        from agent.privileges import privileges_of

        click.echo(privileges_of(planned))
        return
    keep(plan)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page_of(plan)), indent=2).decode())
        return
    _print(plan)
    if planned.note:
        click.echo(planned.note)


def _print(plan: Plan) -> None:
    from reports.run.view import by_role

    lines = plan.lines()
    for name in dict.fromkeys(line.target for line in lines):
        route = plan.routes.get(name)
        click.echo(f"{name}{f'  ({route})' if route else ''}\n")
        for line in lines:
            if line.target == name:
                named = line.item if line.item == line.check else f"{line.item} ({line.check})"
                click.echo(f"  {named}  {line.severity}")
                for read in line.reads or ("nothing",):
                    click.echo(f"      {read}")
        click.echo()
    page = page_of(plan)
    for name, reads in page.reads.items():
        click.echo(f"all that is touched at {name}\n")
        for read in reads:
            click.echo(f"  {read}")
        click.echo()
    left_out = len(plan.whole) - len(plan.units)
    scope = f", {left_out} more left out" if left_out else ""
    reads_in_all = sum(len(reads) for reads in page.reads.values())
    click.echo(f"{len(plan.units)} items{scope}, {reads_in_all} different reads")
    if plan.unplaced:
        click.echo(f"not checked, for no target here has the role: {', '.join(by_role(plan.unplaced))}")
    for conflict in plan.conflicts:
        word = {"": "CONFLICT", "accept": "known"}.get(conflict.rule, "settled")
        click.echo(f"{word}: {conflict}")
    adhoc = " (ad hoc)" if plan.profile.adhoc else ""
    click.echo(f"profile {plan.profile.id} {plan.profile.version}{adhoc}, plan {plan.digest}")


def page_of(plan: Plan) -> PlanPage:
    """The plan for other programs."""
    return PlanPage(
        profile=ProfileRef(plan.profile.id, plan.profile.version),
        title=plan.profile.title,
        adhoc=plan.profile.adhoc,
        plan_digest=plan.digest,
        narrowing=plan.narrowing,
        targets=plan.targets,
        routes=plan.routes,
        items=plan.items(),
        lines=plan.lines(),
        reads={
            target.name: tuple(ask.describe() for ask in asks)
            for target in plan.targets
            if (asks := plan.asks(target.name))
        },
        conflicts=plan.conflicts,
    )
