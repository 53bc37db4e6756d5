"""firstlight deploy: put the agent on other machines, keep it current there, take it away."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.commands.options import FILE
from checks.errors import BadInput

if TYPE_CHECKING:
    from agent.deploy.far import RootShell
    from agent.deploy.package import Package
    from agent.deploy.probe import Place
    from agent.deploy.steps import Deployed, Wish
    from agent.targets.route import Route


@click.command(short_help="Put the agent on other machines, over SSH.")
@click.argument("hosts", nargs=-1, metavar="[USER@]HOST[:PORT]…")
@click.option("-s", "--site-file", type=FILE, help="Take HOSTS from this site file; without any, all of it.")
@click.option("-F", "--ssh-config", type=FILE, help="An ssh_config file, in place of the usual ones.")
@click.option("--accept-new", is_flag=True, help="Trust host keys that nobody knows yet; never changed ones.")
@click.option("--server", "url", metavar="URL", help="The collector, as those machines reach it.")
@click.option("--api", metavar="URL", help="The collector, as it is reached from here [default: --server].")
@click.option(
    "--site",
    default="",
    help="The site they report for. A fresh token is asked for with $FIRSTLIGHT_API_TOKEN.",
)
@click.option("--project", default="", help="The project that their runs count for.")
@click.option(
    "--token",
    envvar="FIRSTLIGHT_TOKEN",
    metavar="-",
    help="A one-time token instead of --site, from standard input (-) or $FIRSTLIGHT_TOKEN; for one machine.",
)
@click.option("--ca", type=FILE, help="Certificates to trust (PEM), there and here.")
@click.option("--config", type=FILE, help="The config.toml of those machines, in place before they enrol.")
@click.option("--insecure-http", is_flag=True, help="Accept http:// to another machine.")
@click.option(
    "--target",
    default="",
    metavar="NAME",
    help="What the machine is called at its site [default: host name].",
)
@click.option("--profile", default="", help="What is checked [default: the enrolment's].")
@click.option("--stage", default="", help="The stage of the first check.")
@click.option(
    "--every", default="", metavar="SPAN", help="How often it is checked [default: 1d, or as it is there]."
)
@click.option(
    "--grant",
    type=click.Choice(["read", "none"]),
    help="Let the agent read what is not its own [default: none, or as it is there].",
)
@click.option(
    "--package", "given", type=FILE, help="The standalone build [default: this one, or the newest in dist/]."
)
@click.option("--sudo-password", metavar="WHERE", help="prompt or env:NAME, where sudo wants one.")
@click.option("--user", default="firstlight", show_default=True, help="The account that the agent runs as.")
@click.option("--prefix", default="/opt/firstlight", show_default=True)
@click.option("--state", default="/var/lib/firstlight", show_default=True)
@click.option("--link", default="/usr/local/bin/firstlight", show_default=True)
@click.option("--check", "check_again", is_flag=True, help="Check also where nothing had to be changed.")
@click.option("--remove", "removing", is_flag=True, help="Take everything away; leave nothing.")
@click.option("--discard-runs", is_flag=True, help="With --remove: also runs that were never delivered.")
def command(
    hosts: tuple[str, ...],
    site_file: Path | None,
    ssh_config: Path | None,
    accept_new: bool,
    url: str | None,
    api: str | None,
    site: str,
    project: str,
    token: str | None,
    ca: Path | None,
    config: Path | None,
    insecure_http: bool,
    target: str,
    profile: str,
    stage: str,
    every: str,
    grant: str | None,
    given: Path | None,
    sudo_password: str | None,
    user: str,
    prefix: str,
    state: str,
    link: str,
    check_again: bool,
    removing: bool,
    discard_runs: bool,
) -> None:
    """Put the standalone build on HOSTS, enrol them, let them check themselves, and show the first check.

    Over SSH as firstlight check does it, with sudo where the login is not root's. What is there is kept:
    typed again it upgrades, or finds nothing to do. The agent gets an account of its own that may do nothing
    else.

    \b
    Ends with, the first that applies:
      2  the input is wrong, or a machine is unfit
      1  a first check found something
      3  a machine could not be reached or not be brought to what was asked
      4  the collector refused
      0  fine
    """
    from agent.deploy.machines import on_each, routes_of
    from agent.deploy.probe import Place, checked

    place = checked(Place(prefix, state, user, link))
    routes = routes_of(hosts, site_file, ssh_config)
    if removing:
        removal = _removal(place, url, api, ca, insecure_http, discard_runs)
        raise SystemExit(on_each(routes, accept_new, sudo_password, removal, _tell))
    if url is None:
        raise BadInput("--server URL is missing: the collector that the machines report to")
    if target and len(routes) > 1:
        raise BadInput(f"--target {target}: names one machine, and there are {len(routes)}")
    from agent.address import checked_url
    from agent.deploy.tokens import desk_at, source_of_tokens

    settings = _settings(config) if config else ""
    address = checked_url(url, insecure_http=insecure_http)
    desk = desk_at(api or url, ca, insecure_http)
    fresh = source_of_tokens(desk, token, site, project, profile, every, len(routes))
    from agent.deploy.package import package
    from agent.deploy.steps import Wish
    from agent.operator import login

    with package(given) as build:
        click.echo(
            f"package: {build.path}, {build.path.stat().st_size / 1e6:.0f} MB, SHA-256 {build.digest}",
            err=True,
        )

        def deployment(shell: RootShell, route: Route) -> int:
            named = target or (route.name if site_file is not None else "")
            wish = Wish(
                place,
                address,
                fresh,
                ca=ca.read_text() if ca else "",
                config=settings,
                insecure=insecure_http,
                target=named,
                profile=profile,
                stage=stage,
                every=every,
                grant=grant or "",
                operator=login(),
                check=check_again,
            )
            return _deploy(shell, route, build, wish)

        raise SystemExit(on_each(routes, accept_new, sudo_password, deployment, _tell))


def _settings(file: Path) -> str:
    """The text of a configuration that an agent takes; raises `BadInput`."""
    from agent.config import LARGEST, read_config
    from agent.durable import read_bounded

    try:
        text = read_bounded(file, LARGEST)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    read_config(text, str(file))
    return text.decode().rstrip()


def _deploy(shell: RootShell, route: Route, build: Package, wish: Wish) -> int:
    from agent.deploy.steps import NOTHING, deploy

    total = build.path.stat().st_size

    def progress(sent: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r  {'copying':<10}{100 * sent // total:3d} %", nl=sent == total, err=True)

    done = deploy(shell, build, wish, _tell, progress)
    if done.first_check is None:
        _tell("ready", f"{NOTHING}: {build.release}, enrolled as {done.identity.agent}")
        return 0
    return _show(done, route)


def _show(done: Deployed, route: Route) -> int:
    """The first check as it was printed there, and what it came to."""
    first = done.first_check
    assert first is not None
    click.echo("\n".join(map(_plain, first.out.rstrip().split("\n"))))
    outcome = {
        0: "well",
        1: "found something to do",
        2: "could not be begun",
        4: "was refused by the collector",
    }
    _tell("ready", f"the first check of {route.name} {outcome.get(first.code, 'could not tell everything')}")
    return first.code if first.code in (0, 1, 4) else 3


def _removal(
    place: Place, url: str | None, api: str | None, ca: Path | None, insecure: bool, discard: bool
) -> Callable[[RootShell, Route], int]:
    from agent.deploy.steps import remove
    from agent.deploy.tokens import desk_at

    def work(shell: RootShell, route: Route) -> int:
        del route
        identity = remove(shell, place, _tell, discard=discard)
        if identity is None:
            return 0
        # Never the address that the machine itself gives: it would be sent the admin's token.
        desk = desk_at(api or url or "", ca, insecure)
        if desk is None:
            _tell(
                "note",
                "the collector still trusts it: firstlight server agent revoke "
                f"{identity.agent} --reason removed "
                "(with --server and an admin's token in $FIRSTLIGHT_API_TOKEN it is done from here)",
            )
        else:
            desk.revoke(identity.agent)
            _tell("revoked", identity.agent)
        return 0

    return work


def _tell(step: str, what: str) -> None:
    click.echo(_plain(f"  {step:<10}{what}"), err=True)


def _plain(text: str) -> str:
    """A line without what could drive this terminal: most of it was said by another machine."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)
