"""Where a plan's facts are read from: this machine, and the site's other targets over SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from checks.facts.host import Host
from checks.facts.memory import Memory
from checks.model import Target
from checks.plan import HERE

if TYPE_CHECKING:
    from agent.targets.connection import Dialer
    from agent.targets.remote import RemoteTarget
    from agent.targets.route import Router
    from agent.targets.sitefile import Site, SiteTarget


class Sources(msgspec.Struct, frozen=True):
    """What `agent.collect` reads from, by the target's name."""

    hosts: Mapping[str, Host]
    remotes: Mapping[str, RemoteTarget]
    dialer: Dialer | None = None

    def close(self) -> None:
        if self.dialer is not None:
            self.dialer.close()


def router_of(site: Site, config: Path | None) -> Router | None:
    """What resolves the routes of a site; None where all of it is this machine."""
    if all(target.here for target in site.targets.values()):
        return None
    from agent.targets.route import Router

    return Router(site.targets, config, site.where)


def routes_in_words(site: Site, router: Router | None) -> dict[str, str]:
    """How each target is reached, for plans and their digest."""
    return {
        name: HERE if target.here or router is None else str(router.route(target))
        for name, target in site.targets.items()
    }


def target_of(target: SiteTarget) -> Target:
    """The target as runs name it; checks over the network look from there and not from here."""
    return Target(target.name, vantage="local" if target.here else target.name)


def sources_of(
    site: Site,
    names: Iterable[str],
    router: Router | None,
    here: Callable[[str], Host],
    memory: Callable[[str], Memory],
    *,
    accept_new: bool = False,
) -> Sources:
    """The sources of these targets, nothing connected yet; `memory` is what is remembered of each.

    Asks for passwords and passphrases now if any are to be asked for. Raises `BadInput` where a secret or key
    cannot be had.
    """
    targets = [site.targets[name] for name in names]
    hosts = {target.name: here(target.name) for target in targets if target.here}
    far = [target for target in targets if not target.here]
    if not far or router is None:
        return Sources(hosts, {})
    from agent.targets.connection import Dialer
    from agent.targets.credentials import Credentials
    from agent.targets.remote import RemoteTarget

    routes = {target.name: router.route(target) for target in far}
    credentials = Credentials()
    credentials.prepare(routes.values())
    dialer = Dialer(credentials, accept_new=accept_new)
    remotes = {name: RemoteTarget(route, dialer, memory(name)) for name, route in routes.items()}
    return Sources(hosts, remotes, dialer)
