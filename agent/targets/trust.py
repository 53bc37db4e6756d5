"""A host's key looked at without logging in, and written where trusted keys stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.targets import hostkeys
from agent.targets.connection import Dialer
from agent.targets.credentials import Credentials
from agent.targets.route import Route, Router, jump_target
from agent.targets.sitefile import load_site
from checks.errors import BadInput, Unreachable


@dataclass(frozen=True, slots=True)
class Seen:
    """The key that a host showed; `others` are the fingerprints of what is trusted in its place."""

    route: Route
    kind: str
    key: str
    fingerprint: str
    trusted: bool
    others: tuple[str, ...]


def look_at(host: str, site_file: Path | None, ssh_config: Path | None) -> Seen:
    """Ask a host for its key. Raises `BadInput` for a host that cannot be reached or named."""
    route = _route(host, site_file, ssh_config)
    credentials = Credentials()
    credentials.prepare(route.jumps)
    dialer = Dialer(credentials)
    try:
        kind, key = dialer.host_key(route)
    except Unreachable as problem:
        raise BadInput(f"{host}: {problem}") from problem
    finally:
        dialer.close()
    known = hostkeys.known(route.known_hosts, route.key_name)
    others = tuple(
        f"{name} {hostkeys.fingerprint(each)}" for name, keys in known.keys.items() for each in keys
    )
    trusted = known.accepts(kind, key)
    if key in known.revoked:
        raise BadInput(f"the key of {route.key_name} is revoked: {hostkeys.fingerprint(key)}")
    return Seen(route, kind, key, hostkeys.fingerprint(key), trusted, () if trusted else others)


def trust(seen: Seen) -> None:
    """Write the key into the first known_hosts file of the route. Raises `BadInput` where that fails."""
    if not seen.route.known_hosts:
        raise BadInput("ssh_config names no UserKnownHostsFile that could be written to")
    hostkeys.add(seen.route.known_hosts[0], seen.route.key_name, seen.kind, seen.key)


def _route(host: str, site_file: Path | None, ssh_config: Path | None) -> Route:
    site = load_site(site_file) if site_file is not None else None
    targets = site.targets if site is not None else {}
    target = targets.get(host)
    if target is None and site is not None:
        from checks.nearest import did_you_mean

        raise BadInput(f"{site.where}: no target {host!r:.100}{did_you_mean(host, targets)}")
    if target is not None and target.here:
        raise BadInput(f"target {host} is this machine; it has no SSH key to trust")
    return Router(targets, ssh_config).route(target or jump_target(host))
