"""The names that are known to be of machines before a run begins: this one's, its targets', all destinations.

Short names (``db1``) look like any word, so only what is known of them tells that they are names.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agent.identity import Identity, host_name
from checks.errors import BadInput
from checks.fact import NotReadable
from checks.facts.asks import Talk

if TYPE_CHECKING:
    from agent.planning import Planned
    from checks.fact import Fact
    from checks.plan import Plan

_PLACEHOLDER = re.compile(r"[<{]")


def own_names() -> set[str]:
    """This machine's name, with and without its domain."""
    name = host_name()
    return {name, name.partition(".")[0]}


def own_domains(resolver: Path = Path("/etc/resolv.conf")) -> set[str]:
    """The domains that names are looked for in here: they are a site's even where no public one ends so."""
    found = {host_name().partition(".")[2]}
    with suppress(OSError):
        for line in resolver.read_text(errors="replace").splitlines()[:200]:
            words = line.split()
            if words[:1] in (["search"], ["domain"]):
                found |= {word.strip(".") for word in words[1:]}
    return {domain for domain in found if re.fullmatch(r"[A-Za-z0-9][\w.-]{1,200}", domain)}


def chosen_name(identity: Identity | None) -> str:
    """The name that somebody chose for this machine at its enrolment: the collector knows it by that one.

    Empty where there is none, and where it is no more than the machine's own name.
    """
    if identity is None or identity.target.lower() in {name.lower() for name in own_names()}:
        return ""
    return identity.target


def names_of(planned: Planned, identity: Identity | None) -> set[str]:
    """Every machine that a plan names: targets, how they are reached, and where their facts look."""
    names = own_names() | names_in(planned.plan)
    if planned.site is not None:
        for target in planned.site.targets.values():
            names |= {target.name, target.address}
            if planned.router is not None and not target.here:
                route = planned.router.route(target)
                names |= {each.host for each in (*route.jumps, route)}
    return {name for name in names if name} - {chosen_name(identity)}


def names_in(plan: Plan) -> set[str]:
    """The targets of a plan, and every destination of its facts."""
    names = {target.name for target in plan.targets}
    for unit in plan.units:
        for fact in unit.first_facts:
            names |= set(_destinations(fact))
    return names


def _destinations(fact: Fact) -> list[str]:
    found = []
    for ask in fact.asks():
        host = getattr(ask, "host", None) or getattr(ask, "name", None)
        if isinstance(ask, Talk):
            with suppress(NotImplementedError, BadInput, NotReadable):  # not known before something was read
                host = ask.destination[0]
        if isinstance(host, str) and not _PLACEHOLDER.search(host) and re.fullmatch(r"[\w.-]{1,253}", host):
            found.append(host)
    return found
