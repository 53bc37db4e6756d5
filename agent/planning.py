"""From what was asked for on the command line to a plan: of this machine, a snapshot or a site file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.identity import Identity, load_identity, local_target
from checks.errors import BadInput
from checks.nearest import did_you_mean
from checks.plan import Plan, make_plan
from checks.profile import Profile, load_for_site, load_profile
from checks.profile_source import is_path, is_shipped
from checks.snapshot import Snapshot

if TYPE_CHECKING:
    from agent.targets.route import Router
    from agent.targets.sitefile import Site
    from checks.goss.suite import Suite
    from checks.profile_source import Source

DEFAULT_PROFILE: Final = "linux-server"
TAG: Final = "@"
"""What begins a --target that means all targets with a tag."""


class Wanted(msgspec.Struct, frozen=True):
    """The options that say what is to be checked, as they were typed; `ssh_config` is the file of -F.

    `suite` is a goss file in the place of a profile.
    """

    profile: str | None = None
    site_file: Path | None = None
    only: tuple[str, ...] = ()
    stage: str = ""
    target: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    ssh_config: Path | None = None
    pairs: Collection[tuple[str, str]] | None = None
    suite: Suite | None = None

    @property
    def named(self) -> str | Source | None:
        """The profile that was asked for, by name or as it was made; None where nothing was."""
        return self.suite.source() if self.suite is not None else self.profile


class Planned(msgspec.Struct, frozen=True):
    """A plan, and the site file it was made for, if it was. `note` is what a reader of the run must know."""

    plan: Plan
    site: Site | None = None
    router: Router | None = None
    note: str = ""


def plan_for(
    wanted: Wanted, identity: Identity | None, saved: Snapshot | None, *, newest: bool = False
) -> Planned:
    """The plan of a profile for the targets of a snapshot or a site file, else for this machine.

    Unnamed, the profile is that of the snapshot, the site file or the enrolment, else `linux-server`. Raises
    `BadInput` for what cannot be planned. `newest` is to look at what the collector published, not to run it:
    the newest version, whatever of it this site has allowed.
    """
    _keep_trees()
    if wanted.site_file is not None:
        return _of_site(wanted, wanted.site_file, saved, newest)
    tag = next((name for name in wanted.target if name.startswith(TAG)), "")
    if tag:
        raise BadInput(f"--target {tag}: tags stand in a site file (-s), and there is none here")
    if wanted.ssh_config is not None:
        raise BadInput(
            "-F says how targets are reached, and without a site file (-s) there are none to reach"
        )
    targets = [readings.target for readings in saved.targets] if saved is not None else [local_target()]
    roles = {readings.target.name: readings.roles for readings in saved.targets} if saved is not None else {}
    unnamed = (saved.profile if saved else "") or _of_enrolment(identity) or DEFAULT_PROFILE

    def lay(named: str | Source, sets: bool) -> Planned:
        return Planned(
            make_plan(
                load_profile(named, overrides=wanted.sets if sets else ()),
                targets,
                only=wanted.only,
                stage=wanted.stage,
                target=wanted.target,
                roles=roles,
                pairs=wanted.pairs,
            )
        )

    try:
        return _laid(wanted.named or unnamed, lay, "", saved, newest)
    except BadInput as error:
        if wanted.named is None and saved is not None:
            raise BadInput(f"{error}; the snapshot was made with that profile: name its file") from error
        raise


def _of_enrolment(identity: Identity | None) -> str:
    """The profile that the collector expects; raises `BadInput` for a file, which no collector may name."""
    name = identity.profile if identity is not None else ""
    if is_path(name):
        raise BadInput(f"the collector expects the profile {name!r:.100}, a file; name the profile yourself")
    return name


def _laid(
    named: str | Source,
    lay: Callable[[str | Source, bool], Planned],
    at: str,
    saved: Snapshot | None,
    newest: bool,
) -> Planned:
    """The plan of a profile: of a shipped one, of a file, or of one that the collector published.

    `at` is what belongs behind the name where an approval is typed.
    """
    if not isinstance(named, str) or is_path(named) or is_shipped(named):
        return lay(named, True)
    from agent.paths import state

    if load_identity() is None:
        return lay(named, True)
    from agent.rules.central import plan_central

    typed = f"firstlight approve {named}{at}"
    return plan_central(state(), named, lay, approval=typed, reads=saved is None, whole=newest)


def _keep_trees() -> None:
    """Keep parsed profiles in the agent's state, where that is there and nobody else can write it."""
    from agent.paths import state
    from checks import compiled

    root = state().root
    try:
        seen = root.stat()
    except OSError:
        return
    if os.name != "posix" or (seen.st_uid == os.geteuid() and not seen.st_mode & 0o022):
        compiled.keep_in(root / "profiles")


def site_of(planned: Planned, identity: Identity | None, asked: str | None, no_send: bool) -> str:
    """The site that the run is of: as asked, as the site file says, or as the agent is enrolled."""
    named = planned.site.id if planned.site is not None else None
    if named is not None and asked is not None and asked != named:
        raise BadInput(f"--site {asked}: the site file is that of {named}")
    if identity is None or (named is not None and no_send):
        return asked or named or ""
    return identity.site(asked or named)


def _of_site(wanted: Wanted, file: Path, saved: Snapshot | None, newest: bool) -> Planned:
    from agent.targets.sitefile import load_site
    from agent.targets.sources import router_of, routes_in_words, target_of

    site = load_site(file)
    # A goss file has its own variables (--vars); those of a site are for profiles.
    own = wanted.suite is not None
    router = router_of(site, wanted.ssh_config) if saved is None else None
    targets = [target_of(target) for target in site.targets.values()]
    if saved is not None:
        targets = [readings.target for readings in saved.targets]

    def lay(named: str | Source, sets: bool) -> Planned:
        profile = load_for_site(
            named,
            site={} if own else site.variables,
            targets={} if own else {name: target.variables for name, target in site.targets.items()},
            overrides=wanted.sets if sets else (),
        )
        plan = make_plan(
            profile.profile,
            targets,
            only=wanted.only,
            stage=wanted.stage,
            target=_chosen(wanted.target, site, profile.profile),
            roles=site.roles,
            variants=profile.targets,
            routes=routes_in_words(site, router) if saved is None else None,
            pairs=wanted.pairs,
        )
        return Planned(plan, site, router)

    named = wanted.named or site.profile or (saved.profile if saved else "") or DEFAULT_PROFILE
    return _laid(named, lay, f" -s {file}", saved, newest)


def _chosen(asked: tuple[str, ...], site: Site, profile: Profile) -> tuple[str, ...]:
    """The names of the targets that --target asks for, each itself or by a tag: a run says names only.

    Of a tag's targets those count that the profile has items for. Raises `BadInput`.
    """
    names: list[str] = []
    for each in asked:
        if not each.startswith(TAG):
            names.append(each)
            continue
        tagged = [target for target in site.targets.values() if each.removeprefix(TAG) in target.tags]
        if not tagged:
            tags = {f"{TAG}{tag}" for target in site.targets.values() for tag in target.tags}
            raise BadInput(f"--target {each[:100]}: no target has this tag{did_you_mean(each, tags)}")
        placed = [target.name for target in tagged if _has_items(profile, target.roles)]
        if not placed:
            raise BadInput(f"--target {each}: profile {profile.id} has nothing for the targets with this tag")
        names += placed
    for name in names:
        if name in site.targets and not _has_items(profile, roles := site.targets[name].roles):
            has = f"the roles {', '.join(roles)}" if roles else "no role"
            raise BadInput(f"--target {name}: profile {profile.id} has nothing for it; it has {has}")
    return tuple(dict.fromkeys(names))


def _has_items(profile: Profile, roles: Collection[str]) -> bool:
    """Whether some item is evaluated at a target with these roles, and not only across several."""
    return any(
        item.declared.across is None and (not item.roles or {*item.roles} & {*roles})
        for item in profile.items
    )
