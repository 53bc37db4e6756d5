"""Keys of a host and of the jump hosts before it: looked at without a login, kept where trusted ones are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.targets import hostkeys
from agent.targets.connection import Dialer
from agent.targets.credentials import Credentials
from agent.targets.route import Route, Router, jump_target
from agent.targets.sitefile import load_site
from checks.errors import BadInput, Unreachable


@dataclass(frozen=True, slots=True)
class Seen:
    """The key that a host showed; `refusal` says why it can never be trusted here, mostly nothing."""

    route: Route
    kind: str
    key: str
    fingerprint: str
    trusted: bool
    jump: bool
    refusal: str


def look_at(host: str, site_file: Path | None, ssh_config: Path | None) -> Iterator[Seen]:
    """Ask a host for its key, and the jump hosts on the way before it, each through those before.

    A jump host has to be trusted by the time the next one is asked for. Raises `BadInput` for a host that
    cannot be reached or named.
    """
    route = _route(host, site_file, ssh_config)
    credentials = Credentials()
    credentials.prepare([route])
    with closing(Dialer(credentials)) as dialer:
        for at, hop in enumerate((*route.jumps, route)):
            try:
                kind, key = dialer.host_key(
                    msgspec.structs.replace(hop, jumps=route.jumps[:at], trust_command=route.trust_command)
                )
            except Unreachable as problem:
                raise BadInput(f"{hop.name}: {problem}") from problem
            yield _seen(hop, kind, key, jump=at < len(route.jumps))


def trust(seen: Seen) -> None:
    """Write the key into the first known_hosts file of the route. Raises `BadInput` where that fails."""
    route = seen.route
    after = hostkeys.learn(route.known_hosts, route.learns_in, route.key_name, seen.kind, seen.key)
    if not after.accepts(seen.kind, seen.key):
        raise BadInput(f"{route.learns_in}: the key was written there and is not found there now")


def _seen(route: Route, kind: str, key: str, *, jump: bool) -> Seen:
    known = hostkeys.known(route.known_hosts, route.key_name)
    refusal = ""
    if key in known.revoked:
        refusal = f"the key of {route.key_name} is revoked: {hostkeys.fingerprint(key)}"
    elif known.keys and not known.accepts(kind, key):
        refusal = (
            f"another key of {route.key_name} is trusted: {known.fingerprints}; once you know why it "
            f"changed: {hostkeys.removal(known, route.key_name)}, then this command again"
        )
    return Seen(route, kind, key, hostkeys.fingerprint(key), known.accepts(kind, key), jump, refusal)


def _route(host: str, site_file: Path | None, ssh_config: Path | None) -> Route:
    if site_file is None:
        return Router({}, ssh_config).route(jump_target(host))
    site = load_site(site_file)
    target = site.targets.get(host)
    if target is None:
        from checks.nearest import did_you_mean

        raise BadInput(f"{site.where}: no target {host!r:.100}{did_you_mean(host, site.targets)}")
    if target.here:
        raise BadInput(f"target {host} is this machine; it has no SSH key to trust")
    return Router(site.targets, ssh_config, site.where).route(target)
