"""The machines that were named, and root's shell on each of them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli import exit_code
from agent.deploy.far import RootShell
from agent.deploy.steps import Tell
from agent.targets.connection import Dialer
from agent.targets.credentials import Credentials
from agent.targets.route import Route, Router, jump_target
from agent.targets.sitefile import load_site
from checks.errors import BadInput, FirstlightError
from checks.nearest import did_you_mean

if TYPE_CHECKING:
    from checks.secret import Secret


def routes_of(hosts: tuple[str, ...], site_file: Path | None, ssh_config: Path | None) -> list[Route]:
    """How the machines that were named are reached; raises `BadInput` for one that there is not."""
    if site_file is None:
        if not hosts:
            raise BadInput("which machine? firstlight deploy user@host --server URL")
        return [Router({}, ssh_config).route(jump_target(host)) for host in hosts]
    site = load_site(site_file)
    unknown = next((host for host in hosts if host not in site.targets), None)
    if unknown is not None:
        raise BadInput(f"{site.where}: no target {unknown!r:.100}{did_you_mean(unknown, site.targets)}")
    chosen = [each for name, each in site.targets.items() if not each.here and (not hosts or name in hosts)]
    if not chosen:
        raise BadInput(f"{site.where}: none of these targets is reached over SSH")
    router = Router(site.targets, ssh_config, site.where)
    return [router.route(each) for each in chosen]


def on_each(
    routes: list[Route],
    accept_new: bool,
    sudo_password: str | None,
    work: Callable[[RootShell, Route], int],
    tell: Tell,
) -> int:
    """Do the work on every machine, one after the other; one that fails does not keep the others waiting.

    The exit code of all: the first of 2, 1, 3 and 4 that any of them gave. Raises `BadInput` where a key or a
    password cannot be had.
    """
    credentials = Credentials()
    credentials.prepare(routes)
    secret = credentials.named(sudo_password, "sudo", "password") if sudo_password else None
    codes: list[int] = []
    with closing(Dialer(credentials, accept_new=accept_new)) as dialer:
        for route in routes:
            click.echo(f"{route.name}  ({route})", err=True)
            codes.append(_one(route, dialer, secret, work, tell))
    return next((code for code in (2, 1, 3, 4) if code in codes), 0)


def _one(
    route: Route,
    dialer: Dialer,
    secret: Secret | None,
    work: Callable[[RootShell, Route], int],
    tell: Tell,
) -> int:
    try:
        with _root_shell(route, dialer, secret) as shell:
            return work(shell, route)
    except FirstlightError as problem:
        tell("!!", str(problem))
        return exit_code(problem)


@contextmanager
def _root_shell(route: Route, dialer: Dialer, secret: Secret | None) -> Iterator[RootShell]:
    with closing(dialer.dial(route)) as transport:
        yield RootShell(transport, route.user, secret)
