"""firstlight bundle: what a support engineer wants to know of a site, in one file that is looked at first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.commands.options import FILE, scope_options, site_options
from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.bundle.gathering import Gathered
    from agent.bundle.parts import Part
    from agent.planning import Planned

MB = 1_000_000


@click.command(short_help="Pack readings, logs, runs and changes for a support engineer.")
@click.argument("profile", required=False)
@site_options
@scope_options
@click.option(
    "-o", "--output", type=FILE, metavar="FILE.zip", help="[default: firstlight-bundle-TIME.zip here]"
)
@click.option("--force", is_flag=True, help="Replace FILE.zip where it is there.")
@click.option("--yes", is_flag=True, help="Write it without asking.")
@click.option("--dry-run", is_flag=True, help="Read, show what it would hold, write nothing.")
@click.option("--plan", "plan_only", is_flag=True, help="Print all that would be read, and read nothing.")
@click.option(
    "--max-mb",
    type=click.FloatRange(2, 1000),
    default=20,
    show_default=True,
    help="Megabytes of all parts before they are packed; logs are cut at their front.",
)
@click.option("--limit", type=click.IntRange(1, 200), default=16, show_default=True, help="Hosts at once.")
@click.option("--accept-new", is_flag=True, help="Trust host keys that nobody knows yet.")
@click.option("--site", help="The site that it is of, where the agent has several.")
def command(
    profile: str | None,
    site_file: Path | None,
    target: tuple[str, ...],
    ssh_config: Path | None,
    only: tuple[str, ...],
    stage: str,
    sets: tuple[str, ...],
    output: Path | None,
    force: bool,
    yes: bool,
    dry_run: bool,
    plan_only: bool,
    max_mb: float,
    limit: int,
    accept_new: bool,
    site: str | None,
) -> None:
    """Read what PROFILE asks for and the logs that it names, and pack them with the agent's recent runs, what
    changed, and its own state into one zip. index.html in it is where to begin.

    Everything is redacted before it is shown: what is printed is what would be written. Without --yes you are
    asked first. Nothing of it is sent, stored or remembered. Whoever gets the file judges it without a
    network: firstlight check --from FILE.zip, firstlight diff FILE.zip.

    \b
    Ends with:
      2  the input is wrong, or there is nobody to ask and no --yes
      3  the file could not be written
      0  written, or not wanted
    """
    from agent.bundle import archive
    from agent.bundle.planned import plan_lines
    from agent.collect import utc_now
    from agent.identity import load_identity
    from agent.planning import Wanted, plan_for, site_of

    now = utc_now()
    file = output or Path(f"firstlight-bundle-{now:%Y%m%d-%H%M%S}.zip")
    if not (dry_run or plan_only):
        archive.refuse_existing(file, force)
    identity = load_identity()
    planned = plan_for(Wanted(profile, site_file, only, stage, target, sets, ssh_config), identity, None)
    if plan_only:
        click.echo("\n".join(plan_lines(planned.plan)))
        return
    at_site = site_of(planned, identity, site, identity is None)
    gathered = _gathered(planned, at_site, stage, limit, accept_new, int(max_mb * MB), now)
    data = archive.packed(gathered.parts)
    for line in preview(gathered, len(data)):
        click.echo(line)
    if dry_run:
        click.echo("nothing was written (--dry-run)")
        return
    if not yes and not _agreed(file, len(data)):
        click.echo("nothing was written")
        return
    archive.write(file, data)
    click.echo(f"wrote {file}, {_size(len(data))}; it holds what was listed above and nothing else")


def _gathered(
    planned: Planned,
    site: str,
    stage: str,
    limit: int,
    accept_new: bool,
    max_bytes: int,
    now: datetime,
) -> Gathered:
    from agent.bundle.gathering import gather
    from agent.operator import login
    from agent.paths import state

    return gather(
        planned,
        state(),
        site=site,
        stage=stage,
        operator=login(),
        limit=limit,
        accept_new=accept_new,
        max_bytes=max_bytes,
        now=now,
    )


def preview(gathered: Gathered, packed: int) -> list[str]:
    """Every part with its size, the logs that there is nothing of, what was replaced, and the total."""
    from agent.bundle.parts import INDEX
    from reports.run.view import readable

    rows = _rows(gathered.parts)
    width = max(len(name) for name, _, _ in rows)
    sizes = max(len(_size(size)) for _, size, _ in rows)
    lines = [f"{name:<{width}}  {_size(size):>{sizes}}  {what}" for name, size, what in rows]
    lines += [f"{'-':<{width}}  {'':>{sizes}}  {name}: {why}" for name, why in gathered.missing]
    total = sum(len(part.data) for part in gathered.parts)
    lines += [
        "",
        f"{_size(total)} in {sum(1 for part in gathered.parts if part.data)} files, {_size(packed)} packed",
    ]
    count = sum(part.data.count(b"[redacted:") for part in gathered.parts if part.name != INDEX)
    said = f"replaced in {count} places: secrets, persons, and what [redact] in config.toml names"
    lines.append(said if count else "nothing in it looks like a secret or a person")
    if gathered.masked:
        lines.append("names that this site masks stand as tokens; firstlight unmask reads them back here")
    return [readable(" ".join(line.splitlines())) for line in lines]


def _rows(parts: Sequence[Part]) -> list[tuple[str, int, str]]:
    """Name, bytes and words of each part; the runs as one."""
    rows: list[tuple[str, int, str]] = []
    runs = [part for part in parts if part.name.startswith("runs/")]
    for part in parts:
        if part.name.startswith("runs/"):
            continue
        cut = f" ({part.cut})" if part.cut else ""
        rows.append((part.name, len(part.data), f"{part.what}{cut}"))
    if runs:
        missing = sum(1 for part in runs if not part.data)
        left = f" ({missing} left out: the bundle is full)" if missing else ""
        size = sum(len(part.data) for part in runs)
        rows.append(("runs/", size, f"the last runs of this agent ({len(runs)}){left}"))
    return rows


def _agreed(file: Path, size: int) -> bool:
    if not sys.stdin.isatty():
        raise BadInput(
            "nothing was written: there is no terminal to ask at; look at the list, then add --yes"
        )
    return click.confirm(f"Write {file} ({_size(size)})?", err=True)


def _size(size: int) -> str:
    from checks.units import size_text

    return size_text(size)
