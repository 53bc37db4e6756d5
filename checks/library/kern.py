"""Checks of the kernel's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.fact import NotReadable
from checks.facts.kernel import (
    ConnectionTracking,
    EphemeralPorts,
    HugePages,
    Ports,
    Tracked,
    TransparentHugePages,
    port_ranges,
)
from checks.facts.persisted import Parameters, Persisted, PersistedParameters
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, percent_text
from checks.verdicts import error, fail, grade, msg, passed, skip, warn


@check("kern.thp", severity=Severity.P3, about="system", owner="customer-it", pages=TransparentHugePages())
def transparent_huge_pages(
    pages: HugePages, enabled: Matcher | None = None, defrag: Matcher | None = None
) -> Verdict:
    """Transparent huge pages are as the role wants them.

    `enabled` is a condition on ``always``, ``madvise`` or ``never``, `defrag` likewise; without them the
    check passes and records what is set. Redis and most databases want ``never``; SQL Server wants them left
    on. A container has its machine's. A kernel without them is skipped.

    Remedy: `echo never > /sys/kernel/mm/transparent_hugepage/enabled` for now; for each start
    `transparent_hugepage=never` on the kernel's command line, or a tuned profile. Restart the service then:
    pages that it has stay as they are.
    Source: Redis administration (never) and Microsoft, performance best practices for SQL Server on Linux
    (always); the profile that sets the condition names its own.
    """
    if not pages.supported:
        return skip("this kernel has no transparent huge pages", cause="absent")
    evidence: dict[str, Scalar] = {"enabled": pages.enabled, "defrag": pages.defrag}
    for name, wanted, actual in (("enabled", enabled, pages.enabled), ("defrag", defrag, pages.defrag)):
        if wanted is not None and not wanted.holds(actual):
            said = msg("{name} is {actual}, wanted: {wanted}", name=name, actual=actual, wanted=str(wanted))
            return fail(said, cause="differs", evidence=evidence)
    said = msg("enabled is {enabled}, defrag {defrag}", enabled=pages.enabled, defrag=pages.defrag)
    return passed(said, evidence=evidence)


def _no_ports(given: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        port_ranges(",".join(given["ports"]))
    except NotReadable as problem:
        return "ports", problem.reason
    return None


@check(
    "kern.port_range",
    severity=Severity.P2,
    about="system",
    owner="customer-it",
    refuse=_no_ports,
    taken=EphemeralPorts(),
)
def free_of_application_ports(taken: Ports, ports: tuple[str, ...] = ()) -> Verdict:
    """Connections from here take no port that an application listens on.

    The kernel gives every outgoing connection a local port out of a range. If a port that a service listens
    on lies in it, some connection may have taken it when the service starts, and the service does not come
    up: once in a hundred restarts. `ports` are ports or ranges such as ``8069`` and ``50000-50013``; those
    that net.ipv4.ip_local_reserved_ports leaves out are no problem. Without `ports` the check passes and
    shows the range.

    Remedy: leave them out with `net.ipv4.ip_local_reserved_ports = {overlap}` in /etc/sysctl.d/90-local.conf,
    read with `sysctl --system` (what is in the list already has to stay in it), or move the range.
    Source: Oracle Database installation guide for Linux (net.ipv4.ip_local_port_range = 9000 65500, so that
    the listener's ports lie outside); a warning is our judgement.
    """
    wanted = port_ranges(",".join(ports))
    evidence: dict[str, Scalar] = {"low": taken.low, "high": taken.high, "reserved": _ranges(taken.reserved)}
    args: dict[str, Scalar] = {"low": taken.low, "high": taken.high}
    hit = [port for first, last in wanted for port in range(first, last + 1) if taken.takes(port)]
    if hit:
        overlap = _ranges(_joined(hit))
        said = "connections take ports {low} to {high}, among them {overlap}"
        return warn(
            msg(said, overlap=overlap, **args), cause="overlap", evidence=evidence | {"overlap": overlap}
        )
    if not wanted:
        return passed(msg("connections take ports {low} to {high}", **args), evidence=evidence)
    return passed(msg("connections take ports {low} to {high}, none of these", **args), evidence=evidence)


@check(
    "kern.persisted",
    severity=Severity.P3,
    about="system",
    owner="customer-it",
    settings=PersistedParameters("{names}"),
)
def parameters_survive_a_start(settings: Parameters, names: tuple[str, ...] = ()) -> list[Verdict]:
    """Kernel parameters are what they will be after the next start.

    Every parameter that a file sets (sysctl.d(5): /etc, /run, /usr/local/lib and /usr/lib, the later file
    name wins; /etc/sysctl.conf where it is read) is held against the running one: somebody changed one and
    forgot the other. `names` narrows it to these; one of them that no file sets is a warning as well. A
    container takes no part in its machine's start and is skipped.

    Remedy: if the running value is right, write it into the file that wins; if the file is right, read it
    with `sysctl --system`. `systemd-analyze cat-config sysctl.d` shows what is read.
    Source: sysctl.d(5) and sysctl(8); a warning is our judgement: it works until the next start.
    """
    if settings.container:
        return [skip("a container does not set its machine's parameters", object="*", cause="container")]
    known = {each.key for each in settings.parameters}
    verdicts = [_differing(each) for each in settings.parameters if not each.holds]
    unread = [each for each in settings.parameters if each.unread]
    if unread:
        shown = ", ".join(each.key for each in unread[:10])
        said = msg(
            "{count} running values cannot be read: {reason}", count=len(unread), reason=unread[0].unread
        )
        verdicts.append(error(said, object="*", cause="denied", evidence={"unread": shown}))
    for name in names:
        if name not in known:
            verdicts.append(warn("no file sets it, so a start puts it back", object=name, cause="unset"))
    if verdicts:
        return verdicts
    count = len(settings.parameters)
    if not count:
        return [passed("no file sets any", object="*")]
    return [passed(msg("{count} that files set are so", count=count), object="*", evidence={"count": count})]


@check(
    "kern.conntrack", severity=Severity.P2, about="system", owner="customer-it", table=ConnectionTracking()
)
def tracked_connections(table: Tracked, warn_above: Percent = 75, fail_above: Percent = 95) -> Verdict:
    """The packet filter can keep track of more connections.

    Where its table is full new connections are dropped, and nothing but the kernel's log says so. A system
    that keeps track of none is skipped.

    Remedy: `conntrack -S` and `conntrack -L | awk '{print $3, $4}' | sort | uniq -c | sort -n | tail` show
    who has them; raise `net.netfilter.nf_conntrack_max` (and the module's `hashsize` to a quarter of it) in
    /etc/sysctl.d, or leave what needs no tracking out with a NOTRACK rule.
    Source: Prometheus node mixin, NodeHighNumberConntrackEntriesUsed (75 %); failing at 95 % is our
    judgement.
    """
    if not table.limit:
        return skip("connections are not kept track of here", cause="absent")
    used = 100 * table.used / table.limit
    shown = round(used, 1)
    return grade(
        used,
        high=(warn_above, fail_above),
        show=percent_text,
        say=msg("{used} % of {limit} entries in use", used=shown, limit=str(table.limit)),
        evidence={"used": table.used, "limit": table.limit, "used_percent": shown},
    )


def _differing(each: Persisted) -> Verdict:
    evidence: dict[str, Scalar] = {"running": each.running, "file": each.file, "value": each.value}
    said = msg(
        "runs with {running}, {file} sets {value}",
        running=(each.running or "nothing")[:200],
        file=each.file,
        value=each.value[:200],
    )
    return warn(said, object=each.key, cause="differs", evidence=evidence)


def _joined(ports: list[int]) -> list[tuple[int, int]]:
    """Ports in ascending order as ranges."""
    ranges: list[tuple[int, int]] = []
    for port in sorted(set(ports)):
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1] = (ranges[-1][0], port)
        else:
            ranges.append((port, port))
    return ranges


def _ranges(ranges: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> str:
    """As the kernel writes them: ``8080,9000-9010``; shortened after ten."""
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:10]]
    return ",".join([*shown, "…"] if len(ranges) > 10 else shown)
