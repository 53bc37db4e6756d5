"""Checks of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from checks.across import ALONE, compare, not_known
from checks.fact import Unavailable
from checks.facts.clock import ClockState, TimeSync
from checks.facts.dbclock import DatabaseClock, ServerClock
from checks.facts.skew import ClockOffset, Offset
from checks.facts.timekeeper import Kept, TimeOffset
from checks.facts.zone import TimeZone, Zone, local_time
from checks.model import Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Span, span_text
from checks.verdicts import fail, grade, msg, passed, skip

SERVER: Final = "the database"
"""What the clock of a database server is called among those of targets."""


@check("time.sync", severity=Severity.P1, about="system", owner="customer-it", clock=TimeSync())
def synchronised_clock(clock: ClockState) -> Verdict:
    """The clock is kept in time.

    Asked is the kernel, which every time service has to tell that it keeps the clock: the same as "System
    clock synchronized" of `timedatectl`. A container has no clock of its own: there a synchronised one
    passes, and one that is not is skipped, for the machine below to answer.

    Remedy: `systemctl enable --now chronyd` (or systemd-timesyncd) and give it a time server that can be
    reached from here (UDP 123): `server <name> iburst` in /etc/chrony.conf; see `chronyc sources -v` and
    `timedatectl`. On a virtual machine this is needed as well.
    Source: host preflights of troubleshoot.sh (time is synchronised); the rule is that of
    systemd-timedated, a possible error below 16 s.
    """
    services = ", ".join(clock.services)
    evidence: dict[str, Scalar] = {"services": services}
    if clock.max_error_s is not None:
        evidence["max_error_s"] = round(clock.max_error_s, 3)
    if clock.synchronised and clock.max_error_s is None:
        return passed("synchronised, as the machine itself says", evidence=evidence)
    if clock.synchronised and clock.max_error_s is not None:
        return passed(
            msg("synchronised, at most {error} ms off", error=round(clock.max_error_s * 1000)),
            evidence=evidence,
        )
    if clock.container:
        said = msg("not synchronised; a container's clock is its machine's", container=clock.container)
        return skip(said, cause="container", evidence=evidence | {"container": clock.container})
    if clock.services:
        said = msg("not synchronised, although {services} runs", services=services)
        return fail(said, cause="unsynchronised", evidence=evidence)
    return fail("not synchronised; no time service runs", cause="no-service", evidence=evidence)


@check("time.offset", severity=Severity.P2, about="system", owner="customer-it", kept=TimeOffset())
def small_offset(kept: Kept, warn_above: Span = 0.05, fail_above: Span | None = None) -> Verdict:
    """The clock is close to the time of its servers.

    Asked is the service that keeps it: chronyd, ntpd (BusyBox's as well) or systemd-timesyncd. Where none of
    them runs it is skipped, and time.sync says whether that is right; where it has not found a server, too.

    Remedy: `chronyc sources -v` or `ntpq -pn` show which servers it follows and how far away they are; give
    it closer or more of them (at least four), and look for a machine that was suspended or is short of
    processors. `chronyc makestep` puts a clock right at once.
    Source: Prometheus node mixin, NodeClockSkewDetected (0.05 s).
    """
    evidence: dict[str, Scalar] = {"service": kept.service, "stratum": kept.stratum}
    if not kept.service:
        return skip("no time service runs here that tells an offset", cause="no-service")
    args: dict[str, Scalar] = {"service": kept.service}
    if kept.offset_s is None:
        said = msg("{service} runs, but follows no server yet", **args)
        return skip(said, cause="unsynchronised", evidence=evidence)
    evidence["offset_s"] = round(kept.offset_s, 9)
    side = "ahead of" if kept.offset_s >= 0 else "behind"
    text = f"{{offset}} {side} the time, as {{service}} says"
    return grade(
        abs(kept.offset_s),
        high=(warn_above, fail_above),
        show=span_text,
        say=msg(text, offset=span_text(abs(kept.offset_s)), **args),
        evidence=evidence,
    )


@check(
    "time.cluster_skew",
    severity=Severity.P1,
    about="site",
    owner="customer-it",
    across="site",
    offsets=ClockOffset(),
    clocks=when("database", DatabaseClock("{database}", "{password}")),
)
def clock_skew(
    offsets: Mapping[str, Offset | Unavailable],
    clocks: Mapping[str, ServerClock | Unavailable] | None,
    warn_above: Span = 2,
    fail_above: Span = 5,
    database: str = "",
    password: str = "",
) -> Verdict:
    """The clocks of all targets agree.

    Each clock is held against the agent's, at the middle of the round trip to it; judged is the largest
    difference between any two. How long the round trip takes limits what can be told: a target whose half
    round trip is longer than `warn_above` cannot be judged. Narrow it with `on` to the targets that work
    together.

    Remedy: see which clock is wrong with `chronyc tracking` or `timedatectl`, and have all targets follow the
    same time servers; step a clock that is far off with `chronyc makestep`, and stop databases and clusters
    before a clock goes back.
    Source: check_postgres, action timesync, whose defaults are 2 s and 5 s.
    """
    if clocks is not None:
        offsets = {**offsets, SERVER: _clock_of_server(clocks)}
    if len(offsets) < 2:
        return ALONE
    members = compare({name: _told_well_enough(each, warn_above) for name, each in offsets.items()})
    known = members.values
    if not known:
        return not_known(members)
    ahead = max(known, key=lambda name: known[name].offset_s)
    behind = min(known, key=lambda name: known[name].offset_s)
    skew = known[ahead].offset_s - known[behind].offset_s
    evidence: dict[str, Scalar] = {
        "skew_s": round(skew, 3),
        "doubt_s": round(max(each.doubt_s for each in known.values()), 3),
    }
    evidence |= members.evidence(lambda each: round(each.offset_s, 3))
    if members.unread and not skew > fail_above:
        return not_known(members, evidence)
    if ahead == behind:  # to the last digit: there is no furthest pair
        behind = next(name for name in known if name != ahead)
    say = msg("{ahead} is {skew} ahead of {behind}", ahead=ahead, behind=behind, skew=span_text(skew))
    return grade(skew, high=(warn_above, fail_above), show=span_text, say=say, evidence=evidence)


@check("time.zone", severity=Severity.P2, about="site", owner="customer-it", across="site", zones=TimeZone())
def same_time_zone(zones: Mapping[str, Zone | Unavailable]) -> Verdict:
    """All targets have the same time zone.

    Compared is the local time from now on: the rule at the end of /etc/localtime, which is UTC where there is
    no such file. So Berlin and Paris are the same, and one name with a rule of last year's is not. Zones are
    those of the machines; a program may set its own (`TZ`, `-Duser.timezone`).

    Remedy: `timedatectl set-timezone <zone>` where it differs, then restart the services and cron there.
    Where the names are the same and the rules are not, the tzdata package of one of them is out of date.
    Source: host preflights of troubleshoot.sh (time, which looks at the zone too); what is compared is the
    footer of RFC 8536, section 3.3.
    """
    if len(zones) < 2:
        return ALONE
    members = compare(zones, lambda zone: local_time(zone.rule))
    evidence = members.evidence()
    if not members.agree:
        count = len(members.groups)
        say = msg("{count} different local times: {who}", count=count, who=members.told())
        return fail(say, cause="differs", evidence=evidence)
    if members.unread:
        return not_known(members)
    (names,) = members.groups
    zone = str(members.values[names[0]])
    return passed(msg("all {count} targets have {zone}", count=len(names), zone=zone), evidence=evidence)


def _clock_of_server(seen: Mapping[str, ServerClock | Unavailable]) -> Offset | Unavailable:
    """The clock of a database, from the target that sees it best; why not, where none does."""
    known = [each for each in seen.values() if not isinstance(each, Unavailable)]
    if known:
        best = min(known, key=lambda each: each.doubt_s)
        return Offset(best.offset_s, best.doubt_s)
    return next(
        (each for each in seen.values() if isinstance(each, Unavailable)), Unavailable("it was not asked")
    )


def _told_well_enough(offset: Offset | Unavailable, limit: float) -> Offset | Unavailable:
    """An offset whose doubt would swallow the limit it is held to says nothing."""
    if isinstance(offset, Unavailable) or offset.doubt_s <= limit:
        return offset
    doubt, limit_text = span_text(offset.doubt_s), span_text(limit)
    return Unavailable(f"its clock is known to {doubt} only, more than {limit_text}", "imprecise")
