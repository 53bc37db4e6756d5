"""firstlight plan: everything that a check would touch, printed before anything is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from checks.model import Narrowing, PlanItem, ProfileRef, Target

if TYPE_CHECKING:
    from checks.plan import Line, Plan


class PlanPage(msgspec.Struct, frozen=True):
    """`firstlight plan --format json`: the whole plan as it travels, and what of it is in scope, with reads.

    `reads` are by target, each once, as commands, files, queries and destinations.
    """

    profile: ProfileRef
    title: str
    adhoc: bool
    plan_digest: str
    narrowing: Narrowing
    targets: tuple[Target, ...]
    items: tuple[PlanItem, ...]
    lines: tuple[Line, ...]
    reads: dict[str, tuple[str, ...]]


@click.command(short_help="Print what a check would read, and read nothing.")
@click.argument("profile", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option(
    "--only", multiple=True, metavar="ITEM", help="Only this item, or checks like 'disk.*'. Repeatable."
)
@click.option("--stage", default="", help="Only what the profile has for this stage.")
@click.option("--set", "sets", multiple=True, metavar="ITEM.PARAM=VALUE", help="Change a parameter.")
def command(profile: str | None, form: str, only: tuple[str, ...], stage: str, sets: tuple[str, ...]) -> None:
    """Print every command, file, query and destination that checking PROFILE would touch here.

    What depends on a list that has to be read first stands as a template: statvfs <each mount>. The digest
    names the whole plan; a collector counts the results of a plan that was accepted, and of no other.
    """
    from agent.identity import load_identity
    from agent.run import plan_for

    plan = plan_for(profile, load_identity(), None, only=only, stage=stage, overrides=sets)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page_of(plan)), indent=2).decode())
        return
    for target in dict.fromkeys(line.target for line in plan.lines()):
        click.echo(f"{target}\n")
        for line in plan.lines():
            if line.target == target:
                named = line.item if line.item == line.check else f"{line.item} ({line.check})"
                click.echo(f"  {named}  {line.severity}")
                for read in line.reads or ("nothing",):
                    click.echo(f"      {read}")
        click.echo()
    left_out = len(plan.whole) - len(plan.units)
    scope = f", {left_out} more left out" if left_out else ""
    reads = sum(len(reads) for reads in page_of(plan).reads.values())
    click.echo(f"{len(plan.units)} items{scope}, {reads} different reads")
    if plan.unplaced:
        click.echo(f"not checked, for no target here has the role: {', '.join(plan.unplaced)}")
    adhoc = " (ad hoc)" if plan.profile.adhoc else ""
    click.echo(f"profile {plan.profile.id} {plan.profile.version}{adhoc}, plan {plan.digest}")


def page_of(plan: Plan) -> PlanPage:
    """The plan for other programs."""
    lines = plan.lines()
    reads: dict[str, dict[str, None]] = {}
    for line in lines:
        reads.setdefault(line.target, {}).update(dict.fromkeys(line.reads))
    return PlanPage(
        profile=ProfileRef(plan.profile.id, plan.profile.version),
        title=plan.profile.title,
        adhoc=plan.profile.adhoc,
        plan_digest=plan.digest,
        narrowing=plan.narrowing,
        targets=plan.targets,
        items=plan.items(),
        lines=lines,
        reads={target: tuple(found) for target, found in reads.items()},
    )
