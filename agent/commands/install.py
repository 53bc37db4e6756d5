"""firstlight install: check this machine every so often."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.install import Wakeup


@click.command(short_help="Check this machine every so often.")
@click.option("--every", default="1d", show_default=True, metavar="SPAN", help="30 min, 6h, 1d …")
@click.option("--profile", metavar="PROFILE", help="What to check [default: the profile of the enrolment].")
@click.option("--site", help="The site to report for, where the agent has several.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@click.option(
    "--print", "printed", type=click.Choice(["systemd", "cron"]), help="Print this form, write nothing."
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Write the files into this folder and start nothing (for packages and images).",
)
@click.option("--remove", "removing", is_flag=True, help="Take the schedule away.")
def command(
    every: str,
    profile: str | None,
    site: str | None,
    dry_run: bool,
    printed: str | None,
    into: Path | None,
    removing: bool,
) -> None:
    """Check this machine every so often: by a systemd timer where systemd runs, else by one cron line.

    Typed again it replaces what is there. It says what it wrote and how to take it away.
    """
    from agent import install as place

    try:
        if removing:
            for line in place.remove() or ["nothing was installed"]:
                click.echo(line)
            return
        wakeup = _wakeup(every, profile, site)
        form = printed or ("systemd" if place.runs_systemd() else "cron")
        if dry_run or printed:
            click.echo(_text(wakeup, form), nl=False)
        elif into is not None:
            for path in _write(wakeup, form, into):
                click.echo(f"wrote {path}")
        else:
            for line in place.install(wakeup):
                click.echo(line)
            click.echo("to take it away: firstlight install --remove")
    except OSError as error:
        click.echo(f"firstlight: {error.filename or 'install'}: {error.strerror or error}", err=True)
        raise SystemExit(3) from None


def _wakeup(every: str, profile: str | None, site: str | None) -> Wakeup:
    from agent.identity import fingerprint, host_name, load_identity
    from agent.install import Wakeup, program
    from agent.paths import state
    from agent.schedule import parse_every

    at = state()
    identity = load_identity(at)
    if site is not None:
        if identity is None:
            raise BadInput(f"--site {site}: this machine is not enrolled; firstlight enrol URL --token TOKEN")
        identity.site(site)
    chosen = profile or (identity.profile if identity else "") or "linux-server"
    if "/" in chosen or chosen.endswith((".yaml", ".yml")):
        chosen = str(Path(chosen).absolute())
        if not Path(chosen).is_file():
            raise BadInput(f"--profile {chosen}: no such file")
    words = [*program(), "check", chosen, "--trigger", "schedule", *(["--site", site] if site else [])]
    if any(not word.isprintable() for word in words):
        raise BadInput("a schedule cannot hold line breaks or control characters")
    return Wakeup(words, str(at.root), parse_every(every, fingerprint(host_name())))


def _text(wakeup: Wakeup, form: str) -> str:
    from agent import install as place
    from agent.schedule import cron_line

    root = place.is_root()
    if form == "cron":
        return cron_line(wakeup.schedule, wakeup.command, wakeup.state, user="root" if root else "")
    return "\n".join(f"# {name}\n{text}" for name, text in place.units(wakeup, system=root).items())


def _write(wakeup: Wakeup, form: str, folder: Path) -> list[Path]:
    from agent import install as place

    if form == "cron":
        return [place.write_cron_file(wakeup, folder)]
    return place.write_units(wakeup, folder, system=place.is_root())
