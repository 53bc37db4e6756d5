"""Known products that run: their role profiles, and a process of each that has to be there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.discover.known import PRODUCTS, Product
from agent.discover.seen import NOT_THERE, Area, Choices, Entry, Extension, Finding, Note, Seen, slug
from checks.fact import Fact
from checks.facts.cmdline import ProcessesWith
from checks.facts.jvm import JavaPrograms
from checks.facts.process import ProcessGroup
from checks.facts.programs import Program, Programs, ProgramTable
from checks.facts.servicelist import ServiceList, Services

NAME = "products"
_JAVA = "java"


def facts(seen: Seen) -> Iterator[Fact]:
    """Arguments are looked at only where a program of that name runs."""
    yield Programs()
    yield ServiceList()
    running = _by_name(seen)
    if _JAVA in running:
        yield JavaPrograms()
        for program in seen.value(JavaPrograms()) or ():
            yield ProcessesWith(_JAVA, re.escape(program))
    for product in PRODUCTS:
        for name, arguments in product.arguments:
            if name in running:
                yield ProcessesWith(name, arguments)


def running_products(seen: Seen) -> list[Product]:
    """The products that run, in the order of the table."""
    return [
        product
        for product in PRODUCTS
        if _has_service(product, seen) or next(_signs(product, seen), None) is not None
    ]


def findings(seen: Seen, choices: Choices) -> Iterator[Finding]:
    del choices
    yield from seen.unread(NAME, "which programs run", Programs())
    yield from seen.unread(NAME, "which Java programs run", JavaPrograms(), quiet=NOT_THERE)
    extended: dict[str, list[str]] = {}
    taken: set[tuple[str, str]] = set()
    for product in running_products(seen):
        signs = list(_signs(product, seen))
        if product.profile:
            extended.setdefault(product.profile, []).append(product.name)
        elif product.name != "OpenSSH":
            yield Note(NAME, f"{product.name} runs here; there is no role profile for it")
        for name, arguments in signs:
            taken.add((name, arguments))
            yield _process(product.name, name, _users(seen, name, arguments), arguments)
    for program in seen.value(JavaPrograms()) or ():
        arguments = re.escape(program)
        if program and not any(name == _JAVA and re.search(how, program) for name, how in taken if how):
            extended.setdefault("app-server-jvm", []).append(program)
            yield _process(program, _JAVA, _users(seen, _JAVA, arguments), arguments)
    for profile, names in extended.items():
        yield Extension(profile, f"{', '.join(names)} runs here")


def _users(seen: Seen, name: str, arguments: str) -> tuple[str, ...]:
    """As whom the processes of a name run, or those with such arguments."""
    if not arguments:
        return _by_name(seen)[name].users
    group: ProcessGroup | None = seen.value(ProcessesWith(name, arguments))
    return group.users if group is not None else ()


def _process(called: str, name: str, users: tuple[str, ...], arguments: str) -> Entry:
    """The process has to be there; as whom it runs counts where that is one user."""
    parameters: dict[str, object] = {"name": name}
    if arguments:
        parameters["args"] = arguments
    if len(users) == 1 and users != ("root",):
        parameters["user"] = users[0]
    if "root" in users:
        parameters["allow_root"] = True
    said = f"{called}: {name} runs as {', '.join(users) or 'somebody'}"
    return Entry(NAME, f"process.{slug(called if arguments else name)}", "proc.running", parameters, said)


def _has_service(product: Product, seen: Seen) -> bool:
    """Whether a service of the product runs. Scripts of /etc/init.d only say that it is meant to."""
    services: Services | None = seen.value(ServiceList())
    return (
        services is not None
        and services.manager != "sysv"
        and any(product.has_service(name) for name in services.names)
    )


def _signs(product: Product, seen: Seen) -> Iterator[tuple[str, str]]:
    """By which process a product is told: its name, and what its arguments fit, if that matters."""
    running = _by_name(seen)
    for name in product.processes:
        if name in running:
            yield name, ""
    if product.java:
        for program in seen.value(JavaPrograms()) or ():
            if re.fullmatch(product.java, program):
                yield _JAVA, re.escape(program)
                return
    for name, arguments in product.arguments:
        group = seen.value(ProcessesWith(name, arguments))
        if group is not None and group.count:
            yield name, arguments


def running_programs(seen: Seen) -> tuple[Program, ...]:
    """The programs that run, by name; none where that is not known."""
    table: ProgramTable | None = seen.value(Programs())
    return table.programs if table is not None else ()


def _by_name(seen: Seen) -> dict[str, Program]:
    return {program.name: program for program in running_programs(seen)}


AREA = Area(NAME, "Products", facts, findings)
