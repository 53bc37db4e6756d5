"""Options that several commands share, worded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from checks.goss.suite import Suite

C = TypeVar("C", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def checks_dir_option(command: C) -> C:
    """--checks-dir: folders of checks beside the built-in ones. Their checks are known before it runs."""
    return click.option(
        "--checks-dir",
        multiple=True,
        type=FILE,
        metavar="DIR",
        expose_value=False,
        callback=_use_folders,
        help="Checks of this folder, too. Repeatable. [env: FIRSTLIGHT_CHECKS_DIR]",
    )(command)


def _use_folders(context: click.Context, parameter: click.Parameter, given: tuple[Path, ...]) -> None:
    del parameter
    if not context.resilient_parsing:
        from agent.folders import use_folders

        use_folders(given)


def site_options(command: C) -> C:
    """-s, --target and -F: which targets, and how they are reached."""
    for option in (
        click.option(
            "-F",
            "--ssh-config",
            type=FILE,
            help="An ssh_config file, in place of ~/.ssh/config and /etc/ssh.",
        ),
        click.option(
            "--target",
            multiple=True,
            metavar="NAME",
            help="Only this target, or those with a tag (@TAG). Repeatable.",
        ),
        click.option("-s", "--site-file", type=FILE, help="The targets of this site file, over SSH."),
    ):
        command = option(command)
    return command


def goss_options(command: C) -> C:
    """--goss, --vars and --vars-inline: a goss file in the place of a profile."""
    for option in (
        click.option(
            "--vars-inline",
            default="",
            metavar="YAML",
            help="Variables for its templates, after those of files.",
        ),
        click.option(
            "--vars",
            "vars_files",
            multiple=True,
            type=FILE,
            help="Variables for its templates, YAML or JSON. Repeatable; a later file wins.",
        ),
        click.option("--goss", type=FILE, metavar="FILE", help="Check what this goss file says, as it is."),
    ):
        command = option(command)
    return command


def suite_of(
    profile: str | None, goss: Path | None, vars_files: tuple[Path, ...], inline: str
) -> Suite | None:
    """The goss file that was asked for; what of it cannot be checked here is told on standard error.

    Raises `BadInput` where options do not fit together, or the file cannot be read.
    """
    from checks.errors import BadInput

    if goss is None:
        if vars_files or inline:
            raise BadInput("--vars gives variables to a goss file (--goss), and there is none here")
        return None
    if profile is not None:
        raise BadInput(f"--goss {goss} stands in the place of a profile; leave {profile} out")
    from checks.goss.suite import load_suite

    suite = load_suite(goss, vars_files, inline)
    for line in (*suite.notes, *suite.unmapped):
        click.echo(line, err=True)
    if suite.unmapped:
        click.echo(f"{len(suite.unmapped)} of {len(suite.pieces)} cannot be checked here: error", err=True)
    return suite


def scope_options(command: C) -> C:
    """--only, --stage and --set: what of the profile, and with which parameters; and --checks-dir."""
    for option in (
        checks_dir_option,
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="ITEM.PARAM=VALUE",
            help="Change a parameter; the run is then ad hoc.",
        ),
        click.option("--stage", default="", help="Only what the profile has for this stage."),
        click.option(
            "--only",
            multiple=True,
            metavar="ITEM",
            help="Only this item, or checks like 'disk.*'. Repeatable.",
        ),
    ):
        command = option(command)
    return command
