"""firstlight check: read, evaluate, report, deliver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click
import msgspec

from agent.commands.options import goss_options, scope_options, site_options, suite_of
from agent.outcome import NEVER, PluginCommand, outcome, service_state
from agent.present import FORMS, Form, form_of, present, refuse_unwritable
from checks.errors import BadInput, FirstlightError
from checks.model import Severity, Trigger

if TYPE_CHECKING:
    from agent.identity import Identity
    from agent.planning import Planned, Wanted
    from agent.run import Run
    from agent.ship import Shipment
    from checks.snapshot import Snapshot
    from reports.run.view import RunView

FILE = click.Path(path_type=Path)


@click.command(cls=PluginCommand, short_help="Check this machine, show what to do, deliver the run.")
@click.argument("profile", required=False)
@site_options
@click.option("--limit", type=click.IntRange(1, 200), default=16, show_default=True, help="Hosts at once.")
@click.option(
    "--accept-new", is_flag=True, help="Trust host keys that nobody knows yet; never ones that changed."
)
@click.option("--approved", metavar="DIGEST", help="Refuse to run any other plan than this one.")
@click.option("--only-failed", is_flag=True, help="Only what failed, warned or could not be told last time.")
@click.option("--format", "form", type=click.Choice(FORMS), help="[default: table]")
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="Write the report to this file; .html, .json, .xml, .sarif, .md, .csv and .prom choose the format.",
)
@click.option("--all", "everything", is_flag=True, help="List what passed or does not apply, too.")
@scope_options
@goss_options
@click.option(
    "--fail-on",
    type=click.Choice([*Severity, NEVER]),
    default=Severity.P3.value,
    show_default=True,
    help="End with 1 for a failing check of this severity or worse. Warnings do not count.",
)
@click.option("--save", type=FILE, metavar="SNAPSHOT", help="Keep the readings in this file.")
@click.option(
    "--from",
    "source",
    type=FILE,
    metavar="SNAPSHOT",
    help="Evaluate readings that --save kept, or a bundle's; read nothing now.",
)
@click.option("--site", help="The site to report for, where the agent has several.")
@click.option("--no-send", is_flag=True, help="Keep the run to yourself: neither stored nor sent.")
@click.option("--operator", help="Who runs this [default: the login name].")
@click.option("--trigger", type=click.Choice(["manual", "schedule"]), default="manual", hidden=True)
def command(
    profile: str | None,
    site_file: Path | None,
    target: tuple[str, ...],
    ssh_config: Path | None,
    limit: int,
    accept_new: bool,
    approved: str | None,
    only_failed: bool,
    form: str | None,
    output: Path | None,
    everything: bool,
    only: tuple[str, ...],
    stage: str,
    sets: tuple[str, ...],
    goss: Path | None,
    vars_files: tuple[Path, ...],
    vars_inline: str,
    fail_on: str,
    save: Path | None,
    source: Path | None,
    site: str | None,
    no_send: bool,
    operator: str | None,
    trigger: Literal["manual", "schedule"],
) -> None:
    """Check this machine against PROFILE: a name, or a YAML file (a path with / or .yaml).

    With -s it is the targets of a site file that are checked, each over SSH with a shell and nothing else.

    Without a profile it is that of the site file or the enrolment, else linux-server, which suits any Linux
    host. With --goss it is a goss file that says what is checked, run as it is; what of it nobody here can
    tell is an error with file and line. The report goes to standard output, all else to standard error. The
    run is delivered where this machine is enrolled.

    \b
    Ends with, the first that applies:
      2  the input is wrong
      1  a check fails with a severity of --fail-on or worse
      3  something could not be checked, or the run not stored
      4  the collector refused the run
      0  fine; also where the collector cannot be reached and the run waits in the spool
    With --format nagios it ends as a monitoring plugin does:
      2  (critical) a check fails with a severity of --fail-on or worse
      3  (unknown) something could not be checked
      1  (warning) other fails, and warnings
      0  fine
    """
    from agent.identity import load_identity, looks_cloned
    from agent.operator import login
    from agent.paths import state as state_folder
    from agent.planning import Wanted, plan_for, site_of
    from agent.redaction.at_site import at_home
    from agent.run import check_now, check_saved, view_of

    if trigger == "schedule":
        from agent.limits import give_way

        give_way()
    refuse_unwritable(output, save)
    if source is not None and approved is not None:
        raise BadInput("--approved holds reading to a plan, and --from reads nothing; leave one of them out")
    identity = load_identity()
    if identity is not None:
        identity.site(site)  # a wrong --site is told before minutes go into reading
    elif site is not None and not no_send:
        raise BadInput(f"--site {site}: this machine is not enrolled; firstlight enrol URL --token TOKEN")
    saved = at_home(state_folder(), _saved(source)) if source is not None else None
    suite = suite_of(profile, goss, vars_files, vars_inline)
    wanted = Wanted(profile, site_file, only, stage, target, sets, ssh_config, suite=suite)
    planned = plan_for(wanted, identity, saved)
    at_site = site_of(planned, identity, site, no_send)
    if only_failed:
        planned = _only_failed(wanted, identity, saved, planned, at_site)
    plan = planned.plan
    if approved is not None:
        from agent.approval import refuse_other

        refuse_other(plan, approved)
    if saved is not None:
        run = check_saved(plan, saved, site=at_site or None)
    else:
        run = check_now(
            planned,
            site=at_site,
            trigger=Trigger(trigger),
            limit=limit,
            accept_new=accept_new,
            keep=not no_send,
        )
    if save is not None:
        _save(run.snapshot, save)
    who = operator or login()
    if run.trigger is not Trigger.SNAPSHOT and not no_send:
        from agent.last import remember

        remember(run.snapshot)
    shipment = None if no_send else _ship(run, at_site if identity else None, stage, who)
    if identity is not None and shipment is not None and (doubt := looks_cloned(identity)):
        click.echo(f"firstlight: {doubt}", err=True)
    view = view_of(run, at_site or run.snapshot.site, stage, who, shipment, note=planned.note)
    severities = {root.key: root.severity for root in run.roots if root.key}
    chosen = form_of(cast("Form | None", form), output)
    state = None
    if chosen == "nagios":
        state = service_state(
            view.results,
            run.items,
            fail_on=fail_on,
            partial=run.partial,
            severities=severities,
            waived=view.waivers,
        )
    present(view, chosen, output, everything=everything, state=state)
    _tell(view, output, save, shipment)
    if state is not None:
        raise SystemExit(int(state))
    code = outcome(
        view.results,
        run.items,
        fail_on=fail_on,
        partial=run.partial,
        shipment=shipment,
        severities=severities,
        waived=view.waivers,
    )
    raise SystemExit(code)


def _only_failed(
    wanted: Wanted, identity: Identity | None, saved: Snapshot | None, planned: Planned, site: str
) -> Planned:
    """The same plan narrowed to what was not known to be well last time; ends the program if all was."""
    from agent.last import failed_units, recall
    from agent.paths import state
    from agent.planning import plan_for
    from agent.redaction.at_site import names_here

    profile = planned.plan.profile.id
    last = recall(site, profile)
    if last is None:
        raise BadInput(
            f"--only-failed: no earlier run of profile {profile} is known here; check without it once "
            "(and without --no-send, which keeps nothing)"
        )
    known = names_here(state())
    pairs = frozenset((known.get(target, target), item) for target, item in failed_units(last))
    if not pairs:
        click.echo("nothing failed, warned or was left untold last time", err=True)
        raise SystemExit(0)
    return plan_for(msgspec.structs.replace(wanted, pairs=pairs), identity, saved)


def _ship(run: Run, site: str | None, stage: str, operator: str) -> Shipment:
    from agent.ship import ship

    return ship(
        run.plan,
        run.snapshot,
        run.evaluation,
        site=site,
        trigger=run.trigger,
        stage=stage,
        operator=operator,
        started=run.started,
        partial=run.partial,
        resources=run.resources,
    )


def _saved(file: Path) -> Snapshot:
    """The readings in a snapshot, or in a bundle."""
    from agent.bundle.opening import load_readings

    return load_readings(file)


def _save(snapshot: Snapshot, file: Path) -> None:
    from checks.snapshot import save

    try:
        save(snapshot, file)
    except OSError as error:
        raise FirstlightError(f"{file}: snapshot not kept: {error.strerror}") from error


def _tell(view: RunView, output: Path | None, save: Path | None, shipment: Shipment | None) -> None:
    """What became of everything, on standard error: standard output holds the report and nothing else."""
    lines = []
    if output is not None:
        from reports.run.view import verdict

        lines += [verdict(view), f"report: {output}"]
    if save is not None:
        lines.append(f"snapshot: {save}")
    if shipment is not None:
        lines.append(f"{shipment.line}  {shipment.url}".rstrip())
        lines += [shipment.rules] if shipment.rules else []
    for line in lines:
        click.echo(line, err=True)
