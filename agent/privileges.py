"""What has to be allowed before a plan can be run: sudoers lines, database grants and firewall rows.

Written to be pasted into a mail to the people who allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.facts.asks import Connect, Talk

if TYPE_CHECKING:
    from agent.planning import Planned
    from agent.targets.route import Route

AGENT = "this machine"


def privileges_of(planned: Planned) -> str:
    """The three lists as text; each says so where it is empty."""
    parts = [
        ("sudoers (visudo -f /etc/sudoers.d/firstlight), on the target named", list(_sudoers(planned))),
        ("database grants", list(_grants(planned))),
        ("firewall rows: from, to, port, for", _aligned(list(_rows(planned)))),
    ]
    lines = []
    for title, found in parts:
        lines += [title, ""] + [f"  {line}" for line in found or ["none"]] + [""]
    lines.append(_reading_note(planned))
    return "\n".join(lines)


def routes_of(planned: Planned) -> dict[str, Route]:
    """The routes of the targets in scope that are not this machine."""
    if planned.site is None or planned.router is None:
        return {}
    in_scope = dict.fromkeys(source for unit in planned.plan.units for source in unit.sources)
    targets = (planned.site.targets[name] for name in in_scope)
    return {target.name: planned.router.route(target) for target in targets if not target.here}


def _sudoers(planned: Planned) -> Iterator[str]:
    from agent.targets.remote import SUDOERS

    for name, route in routes_of(planned).items():
        if route.sudo and route.user != "root":
            # A backslash, as in the name of a domain's user, is sudoers' own sign and has to be doubled.
            line = SUDOERS.format(user=route.user.replace("\\", "\\\\"))
            yield f"{line}    # {name}"


def _grants(planned: Planned) -> Iterator[str]:
    facts = (fact for unit in planned.plan.units for fact in (*unit.first_facts, *unit.templates))
    yield from dict.fromkeys(grant for fact in facts for grant in fact.grants())


def _rows(planned: Planned) -> Iterator[tuple[str, str, str, str]]:
    """Who connects to whom: the way to each target, then what each target's checks connect to."""
    seen: dict[tuple[str, str, str], str] = {}
    for name, route in routes_of(planned).items():
        source = AGENT
        for hop in (*route.jumps, route):
            seen.setdefault((source, hop.host, str(hop.port)), f"ssh to {name}")
            source = hop.name
    for target in planned.plan.targets:
        for ask in planned.plan.asks(target.name):
            if isinstance(ask, Connect | Talk):
                host, port = (ask.host, ask.port) if isinstance(ask, Connect) else ask.destination
                source = target.name if target.vantage != "local" else AGENT
                seen.setdefault((source, host, str(port)), "what is checked")
    for (source, host, port), why in seen.items():
        yield source, host, f"{port}/tcp", why


def _aligned(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    return [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]))
        for row in rows
    ]


def _reading_note(planned: Planned) -> str:
    names = [name for name, route in routes_of(planned).items() if not route.sudo and route.user != "root"]
    if not names:
        return "Everything else is read with the login's own rights."
    return (
        f"At {', '.join(names)} everything is read with the login's own rights; what it may not read is "
        "reported as an error that says what is needed. A sudoers line of this kind is as good as root."
    )
