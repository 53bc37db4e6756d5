"""Checks of services, as their manager sees them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from checks.fact import Unavailable
from checks.facts.units import FailedUnits, Units, wrong_names
from checks.facts.unitstates import LOOP_WINDOW_S, Unit, UnitTable
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip, warn

_WRONG: Final = {
    "failed": "it has failed: {detail}{result}",
    "stopped": "it is not running: {detail}",
    "starting": "it is still starting: {detail}",
    "stopping": "it is being stopped: {detail}",
}


def _no_services(given: Mapping[str, Any]) -> tuple[str, str] | None:
    problem = wrong_names(given["names"])
    return ("names", problem) if problem else None


@check(
    "svc.state",
    severity=Severity.P1,
    about="names",
    owner="vendor",
    refuse=_no_services,
    table=Units("{names}"),
)
def service_state(
    table: UnitTable | Unavailable,
    names: list[str],
    running: bool | None = True,
    enabled: bool | None = True,
    max_restarts: int = 2,
) -> list[Verdict]:
    """Services run, start with the machine, and are not restarted again and again.

    `names` are services as their manager knows them (``nginx``, ``getty@tty1.service``, ``backup.timer``);
    each is judged by itself. ``running: false`` wants them stopped, ``enabled: false`` wants them not to
    start with the machine, an empty `running` or `enabled` does not look. What has no own place in the start
    (static, indirect units) counts as enabled. More than `max_restarts` restarts within 5 minutes are a loop;
    they are counted from run to run, so where runs are further apart only a rate that high is sure to be one,
    and restarts just now are a warning. Read from systemd, OpenRC (`rc-service`), scripts of /etc/init.d
    (their word `status`), or Windows; only systemd counts restarts.

    Remedy: `systemctl status <name>` and `journalctl -u <name> -n 50` say why.
    `systemctl enable --now <name>` starts it now and with the machine, `systemctl unmask <name>` lifts a
    mask. Under OpenRC
    `rc-service <name> start` and `rc-update add <name> default`; on Windows `Get-Service` and `Set-Service`.
    Source: Prometheus node mixin, NodeSystemdServiceCrashlooping (more than 2 restarts in 5 minutes).
    """
    if isinstance(table, Unavailable):
        return [error(msg("{reason}", reason=table.reason), object=name, cause=table.cause) for name in names]
    return [_judge(unit, running, enabled, max_restarts) for unit in table.units]


def _judge(unit: Unit, running: bool | None, enabled: bool | None, max_restarts: int) -> Verdict:
    evidence: dict[str, Scalar] = {"active": unit.active, "enabled": unit.enabled, "detail": unit.detail}
    if unit.restarts is not None:
        evidence["restarts"] = unit.restarts
    if not unit.known:
        if running is False or (running is None and not enabled):
            return passed("there is no such service, as wanted", object=unit.name, evidence=evidence)
        return fail("there is no such service", object=unit.name, cause="not-found", evidence=evidence)
    if unit.enabled == "masked" and running:
        say = msg("it is masked, so it cannot be started")
        return fail(say, object=unit.name, cause="masked", evidence=evidence)
    if unit.active == "unknown" and running is not None:
        say = msg("its manager cannot tell: {detail}", detail=unit.detail or "nothing")
        return error(say, object=unit.name, cause="unknown", evidence=evidence)
    loop = _loop(unit, max_restarts, evidence) if running else None
    if loop is not None and loop.status == "fail":
        return loop
    if running and unit.active != "running":
        result = f" ({unit.result})" if unit.result else ""
        say = msg(_WRONG[unit.active], detail=unit.detail, result=result)
        return fail(say, object=unit.name, cause=unit.active, evidence=evidence)
    if running is False and unit.active in ("running", "starting"):
        say = msg("it is running, and should not be: {detail}", detail=unit.detail)
        return fail(say, object=unit.name, cause="running", evidence=evidence)
    if running is None and enabled is not None and unit.enabled == "unknown":
        say = msg("its manager cannot tell whether it starts with the machine")
        return error(say, object=unit.name, cause="unknown", evidence=evidence)
    if enabled is True and (unit.enabled == "no" or (running is None and unit.enabled == "masked")):
        say = msg("it does not start with the machine")
        return fail(say, object=unit.name, cause="disabled", evidence=evidence)
    if enabled is False and unit.enabled == "yes":
        say = msg("it starts with the machine, and should not")
        return fail(say, object=unit.name, cause="enabled", evidence=evidence)
    if loop is not None:
        return loop
    said = msg("{detail}, enabled: {enabled}", detail=unit.detail, enabled=unit.enabled)
    return passed(said, object=unit.name, evidence=evidence)


def _loop(unit: Unit, most: int, evidence: dict[str, Scalar]) -> Verdict | None:
    """Whether it is restarted again and again: sure by the rate since an earlier run, likely by just now."""
    if unit.restarted is not None and unit.since_s is not None and unit.restarted > most:
        evidence["restarted"], evidence["since_s"] = unit.restarted, round(unit.since_s)
        windows = max(1.0, unit.since_s / LOOP_WINDOW_S)
        said = msg("restarted {count} times in {minutes} min", count=unit.restarted, minutes=windows * 5)
        if unit.restarted / windows > most:
            return fail(said, object=unit.name, cause="restart-loop", evidence=evidence)
        if unit.active_s is not None and unit.active_s < LOOP_WINDOW_S:
            return warn(said, object=unit.name, cause="restart-loop", evidence=evidence)
        return None
    recent = unit.active_s is not None and unit.active_s < LOOP_WINDOW_S
    if unit.restarted is None and unit.restarts is not None and unit.restarts > most and recent:
        said = msg("restarted {count} times, the last time just now", count=unit.restarts)
        return warn(said, object=unit.name, cause="restart-loop", evidence=evidence)
    return None


@check("svc.failed", severity=Severity.P2, about="system", owner="customer-it", failed=FailedUnits())
def failed_services(failed: tuple[str, ...] | Unavailable, ignore: tuple[str, ...] = ()) -> list[Verdict]:
    """No unit has failed.

    Whatever systemd was told to do and could not is named, each by itself: services, mounts, timers' jobs.
    `ignore` lists units, or patterns of them (``user@*.service``), that may. Under OpenRC these are the
    services that could not be started.

    Remedy: `systemctl status <unit>` and `journalctl -u <unit> -b` say why; put it right and start it, or
    `systemctl reset-failed <unit>` where that is past, `systemctl disable <unit>` where nobody needs it.
    Source: Prometheus node mixin, NodeSystemdServiceFailed.
    """
    if isinstance(failed, Unavailable):
        if failed.cause == "unsupported":
            return [skip(msg("{reason}", reason=failed.reason), object="*", cause=failed.cause)]
        return [error(msg("{reason}", reason=failed.reason), object="*", cause=failed.cause)]
    wrong = [unit for unit in failed if not any(fnmatchcase(unit, pattern) for pattern in ignore)]
    if not wrong:
        ignored = msg("none has failed but {count} that may", count=len(failed))
        return [passed(ignored if failed else "none has failed", object="*")]
    return [warn("it has failed", object=unit, cause="failed") for unit in wrong]
