"""firstlight discover: a profile that holds a healthy machine to what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agent.commands.options import FILE, site_options
from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.discover.discovery import Discovered
    from agent.discover.seen import Area

AREAS: Final = (
    *("products", "services", "ports", "mounts", "users", "packages", "certificates", "files", "kernel"),
    "system",
)
"""The areas by name, so that help needs none of them; a test holds them to those there are."""

SHOWN: Final = 10


@click.command(short_help="Write a profile that holds a healthy machine to what it is.")
@site_options
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The profile to write; never one that is there already. [default: discovered-HOST.yaml here]",
)
@click.option(
    "--only",
    metavar="AREA,…",
    help=f"Only these areas. They are: {', '.join(AREAS)}.",
)
@click.option(
    "--packages",
    type=click.Choice(["products", "all"]),
    default="products",
    show_default=True,
    help="Which packages to hold at least at their version.",
)
@click.option("--limit", type=click.IntRange(1, 200), default=16, show_default=True, help="Hosts at once.")
@click.option(
    "--accept-new", is_flag=True, help="Trust host keys that nobody knows yet; never ones that changed."
)
def command(
    site_file: Path | None,
    target: tuple[str, ...],
    ssh_config: Path | None,
    output: Path | None,
    only: str | None,
    packages: str,
    limit: int,
    accept_new: bool,
) -> None:
    """Look at this machine, or with -s at those of a site, and write a profile of what is there.

    It is for machines that are healthy: known products with their role profiles, services, listeners,
    filesystems, accounts, packages, certificates, configuration files, kernel parameters, time zone,
    locale and name servers, each with a comment that says what was seen. What could not be read stands
    there as a comment with the reason. Nothing is changed on any machine, and no secret is written.

    The profile passes where it was made; what does not pass there is left out, and said. Edit it, then run
    firstlight check ./discovered-HOST.yaml. As root more can be seen.

    \b
    Ends with:
      0  the profile was written
      2  the input is wrong, or the file is there already
      3  nothing could be read
    """
    from agent.discover.discovery import discover
    from agent.discover.profile_text import profile_text
    from agent.discover.seen import Choices
    from agent.discover.sites import Surroundings
    from agent.discover.watching import watching

    areas = _areas(only)
    around = Surroundings(site_file, target, ssh_config, accept_new=accept_new)
    path = output or Path(f"discovered-{around.name}.yaml")
    _refuse_used(path)
    try:
        with watching() as on_read:
            found = discover(
                f"discovered-{around.name}",
                around.places(on_read),
                areas,
                Choices(packages),
                around.plan_of,
                around.clock,
                given=around.given(),
                limit=limit,
            )
    finally:
        around.close()
    _write(path, profile_text(found.draft))
    click.echo(path)
    _tell(found, path, site_file)


def _areas(only: str | None) -> list[Area]:
    """The areas asked for, in their own order; raises `BadInput` for one that there is not."""
    from agent.discover.survey import AREAS as all_areas

    if only is None:
        return list(all_areas)
    from checks.nearest import did_you_mean

    wanted = [word.strip() for word in only.split(",") if word.strip()]
    for word in wanted:
        if word not in AREAS:
            raise BadInput(f"--only {word[:60]}: no such area{did_you_mean(word, AREAS)}; {', '.join(AREAS)}")
    if not wanted:
        raise BadInput(f"--only names no area; {', '.join(AREAS)}")
    return [area for area in all_areas if area.name in wanted]


def _refuse_used(path: Path) -> None:
    """Before minutes go into what should be in the file."""
    from agent.present import refuse_unwritable

    refuse_unwritable(path)
    if path.exists() or path.is_symlink():
        raise BadInput(f"{path} is there already, and may have been edited; name another file with -o")
    if path.suffix not in (".yaml", ".yml"):
        raise BadInput(f"-o {path}: a profile's file ends with .yaml")


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise BadInput(f"{path}: {problem.strerror}") from problem


def _tell(found: Discovered, path: Path, site_file: Path | None) -> None:
    """What was made, for people."""
    draft = found.draft
    extended = f", extends {', '.join(base.profile for base in draft.bases)}" if draft.bases else ""
    click.echo(f"{len(draft.items)} items{extended}, {len(draft.notes)} notes", err=True)
    for name, why in found.lost.items():
        click.echo(f"not seen: {name}: {why.reason}", err=True)
    for result in found.left_out[:SHOWN]:
        click.echo(f"left out: {result.item} at {result.target}: {result.status}: {result.message}", err=True)
    if len(found.left_out) > SHOWN:
        click.echo(f"left out: {len(found.left_out) - SHOWN} more, see the file", err=True)
    shown = path if "/" in str(path) else f"./{path}"
    site = f" -s {site_file}" if site_file is not None else ""
    click.echo(f"try it: firstlight check {shown}{site}", err=True)
