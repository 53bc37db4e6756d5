"""firstlight install: check this machine every so often."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.identity import Identity
    from agent.install.wanted import Wakeup
    from agent.paths import State
    from checks.rules import ScheduleEntry

FORMS = ("systemd", "cron", "windows")


@click.command(short_help="Check this machine every so often.")
@click.option(
    "--every", metavar="SPAN", help="30 min, 6h, 1d … [default: what the enrolment expects, else 1d]"
)
@click.option("--profile", metavar="PROFILE", help="What to check [default: the profile of the enrolment].")
@click.option("--site", help="The site to report for, where the agent has several.")
@click.option(
    "--user",
    metavar="NAME",
    help="The account it runs as; only root may name one [default: whose the state folder is].",
)
@click.option(
    "--grant",
    type=click.Choice(["read", "none"]),
    help="What --user may do beyond its account: read every file, look at every process (systemd) "
    "[default: as it is].",
)
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@click.option("--print", "printed", type=click.Choice(FORMS), help="Print this form, write nothing.")
@click.option(
    "--into",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Write the files into this folder and start nothing (for packages and images).",
)
@click.option("--remove", "removing", is_flag=True, help="Take everything that install wrote away.")
def command(
    every: str | None,
    profile: str | None,
    site: str | None,
    user: str | None,
    grant: str | None,
    dry_run: bool,
    printed: str | None,
    into: Path | None,
    removing: bool,
) -> None:
    """Have this machine wake the agent: by systemd timers where systemd runs, by one cron line, or by a task
    of Windows.

    What is checked when stands in config.toml of the state folder, and comes from the collector. --every,
    --profile and --site write one schedule, called default, into config.toml, and so does install where there
    is no schedule at all.

    Typed again it replaces what is there. It says what it wrote and how to take it away.
    """
    from agent.install import placing
    from agent.paths import state

    at = state()
    try:
        if removing:
            _remove(at)
            return
        entry = _default(at, every, profile, site)
        wakeup, text = _wanted(at, entry, user, grant)
        form = printed or placing.form_here()
        if dry_run or printed:
            click.echo(("" if printed else _config_shown(text, at)) + _shown(wakeup, form), nl=False)
        elif into is not None:
            for path in placing.write_files(wakeup, form, into):
                click.echo(f"wrote {path}")
            if text is not None:
                click.echo(f"the schedule itself belongs into {at.config} of the machine:\n{_block(text)}")
        else:
            _install(at, wakeup, form, text)
    except OSError as error:
        click.echo(f"firstlight: {error.filename or 'install'}: {error.strerror or error}", err=True)
        raise SystemExit(3) from None


def _install(at: State, wakeup: Wakeup, form: str, text: str | None) -> None:
    from agent.install import block, placing

    placing.refuse_unplaceable(wakeup)
    if text is not None:
        block.write_text(at, text, wakeup.user)
        click.echo(f"wrote the schedule default into {at.config}")
    else:
        with block.acting_as(at.root, wakeup.user):
            pass  # the folder is there, and belongs to whoever uses it
    for line in [*placing.install(wakeup), *_coarse(wakeup, form), *_lacking(at, wakeup)]:
        click.echo(line)
    click.echo("to see when it checks next: firstlight agent --list")
    click.echo("to take it away: firstlight install --remove")


def _remove(at: State) -> None:
    from agent.install import block, placing

    gone = placing.remove(str(at.root))
    text = block.read_text(at)
    kept = block.without_block(text, str(at.config))
    if kept != text:
        block.write_text(at, kept, _owner(at))
        gone.append(f"removed the schedule default from {at.config}")
    for line in gone or ["nothing was installed"]:
        click.echo(line)


def _default(at: State, every: str | None, profile: str | None, site: str | None) -> ScheduleEntry | None:
    """The schedule that the options ask for; None where they ask for none and there are others."""
    from agent.config import load_config
    from agent.identity import load_identity
    from agent.schedules.known import DEFAULT, known_schedules
    from checks.rules import ScheduleEntry
    from checks.schedules.timing import read_timing

    identity = load_identity(at)
    config = load_config(at)
    known = known_schedules(at, config)
    if every is profile is site is None and any(each.origin != "enrolment" for each in known):
        return None
    before = next((entry for entry in config.schedules if entry.name == DEFAULT), None)
    expected = next((each.entry.every for each in known if each.origin == "enrolment"), "1d")
    entry = ScheduleEntry(
        DEFAULT,
        every=every if every is not None else before.every if before and before.every else expected,
        profile=_profile(profile) if profile else before.profile if before else "",
        site=_site(site, identity) if site else before.site if before else "",
    )
    if not all(text.isprintable() for text in (entry.every, entry.profile, entry.site)):
        raise BadInput("a schedule cannot hold line breaks or control characters")
    try:
        read_timing(entry)
    except BadInput as error:
        raise BadInput(f"--every: {str(error).partition(': ')[2]}") from error
    return entry


def _profile(named: str) -> str:
    """A profile by name, or the absolute path of its file."""
    from agent.schedules.known import is_path

    if not is_path(named):
        return named
    path = Path(named).absolute()
    if not path.is_file():
        raise BadInput(f"--profile {path}: no such file")
    return str(path)


def _site(named: str, identity: Identity | None) -> str:
    if identity is None:
        raise BadInput(f"--site {named}: this machine is not enrolled; firstlight enrol URL --token TOKEN")
    return identity.site(named)


def _wanted(
    at: State, entry: ScheduleEntry | None, user: str | None, grant: str | None
) -> tuple[Wakeup, str | None]:
    """What is to be installed, and the configuration as it is to be (None: as it is)."""
    from agent.config import load_config, read_config
    from agent.install import block, placing
    from agent.install.start import is_root, lasting_program
    from agent.install.wanted import Wakeup
    from agent.schedules.surroundings import machine

    text = None if entry is None else block.with_block(block.read_text(at), entry, str(at.config))
    config = load_config(at) if text is None else read_config(text.encode(), str(at.config))
    account = _account(user) if user is not None else _owner(at)
    wakeup = Wakeup(
        lasting_program(),
        str(at.root),
        machine(),
        config.schedules,
        system=is_root(),
        user=account,
        reads=grant == "read" or (grant is None and placing.grants_reading(str(at.root), account)),
    )
    if wakeup.reads and not wakeup.user:
        raise BadInput("--grant read is for an account that --user names; root may read everything")
    if any(not word.isprintable() for word in [*wakeup.program, wakeup.state]):
        raise BadInput("a schedule cannot hold line breaks or control characters")
    return wakeup, text


def _account(user: str) -> str:
    """The account to run as, empty for whoever installs."""
    from agent.install.placing import WINDOWS
    from agent.install.start import is_root

    if WINDOWS:
        return user
    if not is_root():
        raise BadInput(f"--user {user:.100}: only root may choose an account; leave it out, or use sudo")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", user):
        raise BadInput(f"--user {user!r:.100}: not the name of an account, such as firstlight")
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        raise BadInput(
            f"--user {user}: there is no such account; useradd --system --home-dir /nonexistent "
            f"--shell /usr/sbin/nologin {user} makes it"
        ) from None
    return "" if user == "root" else user


def _owner(at: State) -> str:
    """The account that the state folder belongs to, where root changes it for another."""
    from agent.install.placing import WINDOWS
    from agent.install.start import is_root

    if WINDOWS or not is_root() or not at.root.exists() or (owner := at.root.stat().st_uid) == 0:
        return ""
    import pwd

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        raise BadInput(f"{at.root} belongs to user id {owner}, who is no account here") from None


def _shown(wakeup: Wakeup, form: str) -> str:
    """What wakes the agent, as the form has it; several files each under its name."""
    if form == "cron":
        from agent.install.cron import cron_line

        return cron_line(wakeup)
    if form == "windows":
        from agent.install.windows import task_definition

        return task_definition(wakeup)
    from agent.install.units import units

    texts, notes = units(wakeup)
    files = "\n".join(f"# {name}\n{unit}" for name, unit in texts.items())
    return "".join(f"# {note}\n" for note in notes) + files


def _config_shown(text: str | None, at: State) -> str:
    """What would be written into the configuration, under its name."""
    if text is None:
        return ""
    return f"# {at.config}\n{_block(text)}\n"


def _block(text: str) -> str:
    from agent.install.block import BEGIN, END

    return text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"


def _lacking(at: State, wakeup: Wakeup) -> list[str]:
    """A line for each schedule that names what is not there."""
    from agent.schedules.known import lacking

    found = ((entry.name, lacking(at, entry)) for entry in wakeup.schedules)
    return [
        f"schedule {name}: {lack}; its runs end with 2 until that is mended" for name, lack in found if lack
    ]


def _coarse(wakeup: Wakeup, form: str) -> list[str]:
    """A line for each schedule that is finer than what wakes it."""
    if form == "systemd":
        return []
    from agent.install.cron import STEP
    from checks.schedules.timing import read_timing

    what = "cron" if form == "cron" else "the task"
    return [
        f"schedule {entry.name}: every {entry.every}, but {what} wakes every {STEP} minutes only"
        for entry in wakeup.schedules
        if 0 < read_timing(entry).span_s < STEP * 60
    ]
