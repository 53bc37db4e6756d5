"""Where discovery looks: this machine, or the targets of a site file; and how their profile is planned."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.collect import utc_now
from agent.discover.discovery import Place
from agent.discover.looking import Far, Here
from agent.discover.seen import slug
from agent.history import Recollection
from agent.identity import load_identity, local_target
from agent.paths import state
from agent.planning import Wanted, plan_for
from checks.errors import BadInput
from checks.facts.localhost import LocalHost

if TYPE_CHECKING:
    from agent.discover.looking import OnRead
    from agent.targets.sitefile import Site
    from agent.targets.sources import Sources
    from checks.plan import Plan


class Surroundings:
    """The machines of one discovery. `name` is that of the site, or of this machine, as part of an id.

    Raises `BadInput` for a site file or a target that is wrong.
    """

    def __init__(
        self, site_file: Path | None, target: tuple[str, ...], ssh_config: Path | None, *, accept_new: bool
    ) -> None:
        self._file, self._asked, self._config = site_file, target, ssh_config
        self._accept_new = accept_new
        self._site: Site | None = None
        self._sources: Sources | None = None
        if site_file is None:
            if target or ssh_config is not None:
                raise BadInput("--target and -F say which targets of a site file, and there is none (-s)")
            self.name = slug(local_target().name)
            return
        from agent.targets.sitefile import load_site

        self._site = load_site(site_file)
        self._names = _chosen(self._site, target)
        self.name = slug(self._site.id)

    def clock(self) -> datetime:
        """Now, in UTC."""
        return utc_now()

    def places(self, on_read: OnRead) -> list[Place]:
        """The machines, nothing read yet; asks for passwords if any are to be asked for."""
        if self._site is None:
            target = local_target()
            return [Place(target, Here(target.name, self._here(target.name), on_read))]
        from agent.targets.sources import router_of, sources_of, target_of

        site, here = self._site, self._here
        self._sources = sources_of(
            site,
            self._names,
            router_of(site, self._config),
            here,
            self._memory,
            accept_new=self._accept_new,
        )
        found = []
        for name in self._names:
            remote = self._sources.remotes.get(name)
            machine = Far(name, remote, on_read) if remote else Here(name, self._sources.hosts[name], on_read)
            found.append(Place(target_of(site.targets[name]), machine, site.targets[name].roles))
        return found

    def given(self) -> dict[str, Any]:
        """The variables that the site file sets, with the site's value, else that of the first target."""
        if self._site is None:
            return {}
        found = {name: node.plain() for name, node in self._site.variables.items()}
        for target in self._site.targets.values():
            found = {name: node.plain() for name, node in target.variables.items()} | found
        return dict(sorted(found.items()))

    def plan_of(self, path: Path) -> Plan:
        """The plan of a profile for these machines, made as `firstlight check` makes it."""
        names = tuple(self._names) if self._site is not None and self._asked else ()
        wanted = Wanted(str(path), self._file, target=names, ssh_config=self._config)
        return plan_for(wanted, load_identity(), None).plan

    def close(self) -> None:
        if self._sources is None:
            return
        for remote in self._sources.remotes.values():
            remote.close()
        self._sources.close()

    def _here(self, name: str) -> LocalHost:
        return LocalHost(stuck_dir=state().root / "stuck", memory=self._memory(name))

    def _memory(self, name: str) -> Recollection:
        return Recollection(state(), self._site.id if self._site is not None else "", name)


def _chosen(site: Site, asked: tuple[str, ...]) -> list[str]:
    """The targets that --target means, by name or @tag; all where it is not given."""
    from checks.nearest import did_you_mean

    names: dict[str, None] = {}
    for each in asked:
        tag = each.removeprefix("@")
        fitting = (
            [target.name for target in site.targets.values() if tag in target.tags]
            if each.startswith("@")
            else [name for name in site.targets if name == each]
        )
        if not fitting:
            raise BadInput(f"--target {each[:100]}: no such target{did_you_mean(each, site.targets)}")
        names |= dict.fromkeys(fitting)
    return list(names) or list(site.targets)
