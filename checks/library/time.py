"""Checks of the clock."""

from __future__ import annotations

from checks.facts.clock import ClockState, TimeSync
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import fail, msg, passed, skip


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
