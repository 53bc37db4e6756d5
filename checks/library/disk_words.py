"""What the checks of filesystems say of an array, of a mount and of a forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from checks.facts.disk import Usage
from checks.facts.mountstate import Writable
from checks.facts.raid import Array
from checks.forecast import Point, Trend, trend
from checks.model import Scalar, Verdict
from checks.units import size_text, span_text
from checks.verdicts import fail, msg, passed, skip, warn

FORESIGHT: Final = 30
"""How many times as far as it looks back a forecast looks ahead: beyond that a date would be a guess."""


def array_verdict(array: Array) -> Verdict:
    """What is said of a software RAID."""
    evidence: dict[str, Scalar] = {"level": array.level, "state": array.state, "doing": array.doing}
    evidence |= {"wanted": array.wanted, "working": array.working, "failed": ", ".join(array.failed)}
    seen: dict[str, Scalar] = {"level": array.level, "working": array.working, "wanted": array.wanted}
    seen |= {"failed": ", ".join(array.failed), "doing": _progress(array)}
    busy = array.doing in ("recovery", "resync")
    if array.state != "active":
        said, verdict, cause = "it is {state}", fail, "inactive"
        seen["state"] = array.state
    elif array.working < array.wanted and busy:
        said, verdict, cause = "{level} with {working} of {wanted} disks, {doing}", warn, "recovering"
    elif array.working < array.wanted:
        said, verdict, cause = "{level} with {working} of {wanted} disks", fail, "degraded"
        if array.failed:
            said += "; failed: {failed}"
    elif array.failed:
        said, verdict, cause = "{level} has its {wanted} disks, but {failed} failed", warn, "failed-disk"
    elif busy:
        said, verdict, cause = "{level} with {wanted} disks, {doing}", warn, "recovering"
    elif array.wanted:
        said, verdict, cause = "{level} with {working} of {wanted} disks", passed, ""
    else:
        said, verdict, cause = "{level}, which has no redundancy, is active", passed, ""
    return verdict(msg(said, **seen), object=array.name, cause=cause, evidence=evidence)


def _progress(array: Array) -> str:
    if array.percent is None:
        return f"{array.doing} waits"
    left = "" if array.minutes is None else f", {span_text(array.minutes * 60)} to go"
    return f"{array.doing} at {array.percent:g} %{left}"


def writable_verdict(mount: Writable, expected: bool) -> Verdict:
    """What is said of a filesystem that takes writes or not; `expected`: the profile wants it read-only."""
    evidence: dict[str, Scalar] = {"type": mount.type, "source": mount.source, "read_only": mount.read_only}
    object = mount.point
    if not mount.read_only:
        return passed("it takes writes", object=object, evidence=evidence)
    if expected or mount.wanted_read_only:
        return passed("it is read-only, as wanted", object=object, evidence=evidence)
    if mount.by_kernel:
        said = msg(
            "the kernel has made it read-only ({type} on {source})", type=mount.type, source=mount.source
        )
        return fail(said, object=object, cause="stopped", evidence=evidence)
    said = msg("it is read-only ({type} on {source})", type=mount.type, source=mount.source)
    return fail(said, object=object, cause="read-only", evidence=evidence)


def forecast_verdict(
    usage: Usage,
    points: Sequence[Point],
    now: datetime,
    within: tuple[float, float],
    below: tuple[float, float],
) -> Verdict:
    """What is said of a filesystem that fills: `points` are bytes used before now, `within` the seconds and
    `below` the percent free at which it warns and fails."""
    free = round(usage.free_percent, 1)
    current = Point(now.timestamp(), usage.total - usage.free)
    seen = trend([*points, current], now.timestamp(), usage.total)
    evidence: dict[str, Scalar] = {"free_percent": free, "free": usage.free, "runs": len(points) + 1}
    if seen is None:
        said = msg("{free} % free; too few runs yet for a forecast: {runs}", free=free, runs=len(points) + 1)
        if usage.free_percent >= below[0]:
            return passed(said, evidence=evidence)
        return skip(said, cause="no-history", evidence=evidence)
    evidence |= {"rate": round(seen.slope * 3600), "runs": seen.points, "span": round(seen.span)}
    told = basis(seen)
    if seen.slope <= 0:
        return passed(
            msg("{free} % free, not filling up ({basis})", free=free, basis=told), evidence=evidence
        )
    left = max(0.0, (usage.total - seen.level) / seen.slope)
    if left > seen.span * FORESIGHT:
        said = msg(
            "{free} % free, not full within {far} ({basis})",
            free=free,
            far=span_text(seen.span * FORESIGHT),
            basis=told,
        )
        return passed(said, evidence=evidence)
    evidence["seconds_left"] = round(left)
    said = msg(
        "{free} % free; full in {left}, on {date}, at {rate} an hour ({basis})",
        free=free,
        left=span_text(left),
        date=date_text(now + timedelta(seconds=left)),
        rate=size_text(seen.slope * 3600),
        basis=told,
    )
    if left < within[1] and usage.free_percent < below[1]:
        return fail(said, cause="filling", evidence=evidence)
    if left < within[0] and usage.free_percent < below[0]:
        return warn(said, cause="filling", evidence=evidence)
    return passed(said, evidence=evidence)


def basis(seen: Trend) -> str:
    """What a forecast rests on."""
    text = f"by {seen.points} runs in {span_text(seen.span)}"
    if not seen.clearings:
        return text
    often = "once" if seen.clearings == 1 else f"{seen.clearings} times"
    return f"{text}, cleared {often}" + (", by the level it is cleared at" if seen.periodic else "")


def date_text(at: datetime) -> str:
    """A moment for people."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
