"""Services that run and start with the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.discover.areas import products
from agent.discover.areas.products import running_products, running_programs
from agent.discover.seen import Area, Choices, Entry, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.servicelist import ServiceList
from checks.facts.units import UNITS_LIMIT, Units
from checks.facts.unitstates import Unit

NAME = "services"

_PASSING = re.compile(r"(user|user-runtime-dir|session)[@-].*|run-.*|.*@pts-.*|.*[^A-Za-z0-9_@:.\\-].*|-.*")
"""Services that come with a login or a command and go with it; and names that nobody can ask for."""


def facts(seen: Seen) -> Iterator[Fact]:
    yield from products.facts(seen)
    yield ServiceList()
    yield from _asked(seen)


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "which services run", ServiceList())
    units: list[Unit] = []
    for fact in _asked(seen):
        yield from seen.unread(NAME, f"the state of {', '.join(fact.names[:5])} and others", fact)
        table = seen.value(fact)
        units += table.units if table is not None else ()
    good = [unit.name for unit in units if unit.active == "running" and unit.enabled == "yes"]
    system = list(good)
    for product in running_products(seen):
        for name in [name for name in system if product.has_service(name)]:
            system.remove(name)
            why = f"a service of {product.name} that runs and starts with the machine"
            yield Entry(NAME, f"service.{slug(name)}", "svc.state", {"names": [name]}, why)
    for at in range(0, len(system), UNITS_LIMIT):
        number = f"-{at // UNITS_LIMIT + 1}" if at else ""
        yield Entry(
            NAME,
            f"service.others{number}",
            "svc.state",
            {"names": system[at : at + UNITS_LIMIT]},
            "all other services that run and start with the machine",
            severity="P2",
            listed="names",
        )
    by_hand = [unit.name for unit in units if unit.active == "running" and unit.enabled == "no"]
    if by_hand:
        yield Note(NAME, f"runs, but does not start with the machine: {', '.join(by_hand)}")
    static = [unit.name for unit in units if unit.active == "running" and unit.enabled == "static"]
    if static:
        yield Note(NAME, f"runs because others start it, and is left to them: {', '.join(static)}")
    idle = _idle_scripts(seen)
    if idle:
        yield Note(NAME, f"not asked about, since nothing of that name runs: {', '.join(idle)}")
    unknown = [f"{unit.name} ({unit.detail or 'nothing'})" for unit in units if unit.active == "unknown"]
    if unknown:
        yield Note(NAME, f"its manager cannot tell its state: {', '.join(unknown)}")


def _idle_scripts(seen: Seen) -> list[str]:
    """Scripts of /etc/init.d of which nothing seems to run.

    They are not called: to ask some of them (RabbitMQ's is one) is to start a program.
    """
    services = seen.value(ServiceList())
    if services is None or services.manager != "sysv":
        return []
    programs = [program.name for program in running_programs(seen)]
    running = running_products(seen)
    return [
        name
        for name in services.names
        if not any(product.has_service(name) for product in running)
        and not any(program.startswith(name.removesuffix("-server")) for program in programs)
    ]


def _asked(seen: Seen) -> list[Units]:
    """What to ask about the services that may be held."""
    services = seen.value(ServiceList())
    names = [name for name in services.names if not _PASSING.fullmatch(name)] if services is not None else []
    idle = _idle_scripts(seen)
    names = [name for name in names if name not in idle]
    return [Units(tuple(names[at : at + UNITS_LIMIT])) for at in range(0, len(names), UNITS_LIMIT)]


AREA = Area(NAME, "Services", facts, findings)
