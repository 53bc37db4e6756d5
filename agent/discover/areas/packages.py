"""Packages: those of the products that run, at least in the version they have; or all there are."""

from __future__ import annotations

from collections.abc import Iterator

from agent.discover.areas import products
from agent.discover.areas.products import running_products
from agent.discover.known import PRODUCTS
from agent.discover.merging import lowest
from agent.discover.seen import Area, Choices, Entry, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.packagelist import PackageList, Packages

NAME = "packages"
ALL = "all"


def facts(seen: Seen) -> Iterator[Fact]:
    yield from products.facts(seen)
    yield PackageList()


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    yield from seen.unread(NAME, "the list of packages", PackageList())
    listed: Packages | None = seen.value(PackageList())
    if listed is None:
        return
    running = running_products(seen)
    idle = []
    for name, versions in sorted(listed.versions.items()):
        product = next((each for each in PRODUCTS if each.has_package(name)), None)
        if product is None and choices.packages != ALL:
            continue
        if product is not None and product not in running:
            idle.append(name)
            if choices.packages != ALL:
                continue
        why = f"of {product.name}" if product in running and product is not None else "installed"
        version = lowest(versions, listed.manager)
        parameters = {"name": name, "at_least": version}
        yield Entry(
            NAME,
            f"package.{slug(name)}",
            "pkg.version",
            parameters,
            f"{why}, {', '.join(versions)}",
            scheme=listed.manager,
        )
    if idle and choices.packages != ALL:
        yield Note(NAME, f"installed, but its product does not run: {', '.join(idle)}")


AREA = Area(NAME, "Packages", facts, findings)
