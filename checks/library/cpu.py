"""Checks of processors."""

from __future__ import annotations

from checks.facts.cputime import CpuTime, CpuUse
from checks.facts.processor import Cpus, Governors, Load, LoadAverage, Processors
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Percent, Span, percent_text, span_text
from checks.verdicts import error, fail, grade, msg, passed, skip


@check("cpu.count", severity=Severity.P2, about="system", owner="customer-it", cpus=Processors())
def enough_processors(cpus: Cpus, min_logical: int = 0, min_physical: int = 0) -> Verdict:
    """There are enough processors.

    `min_logical` is held against what programs can use: processors as the kernel counts them, less where a
    control group (container, slice) sets fewer apart or gives less time. `min_physical` is held against
    cores, of which hyper-threading makes two processors each. Without bounds the check passes and records
    them.

    Remedy: give the virtual machine more processors (as cores of one socket), or the container a larger share
    (`--cpus`, `resources.limits.cpu`, `CPUQuota=`).
    Source: the profile that sets the bounds names its source; host preflights of troubleshoot.sh show the
    form (fails below 4 physical and 8 logical).
    """
    evidence: dict[str, Scalar] = {"logical": cpus.logical, "usable": cpus.usable}
    if cpus.physical:
        evidence["physical"] = cpus.physical
    args: dict[str, Scalar] = {
        "logical": cpus.logical,
        "physical": cpus.physical,
        "usable": f"{cpus.usable:g}",
    }
    if cpus.usable < min_logical:
        text = "{usable} processors to use; at least {min_logical} are needed"
        return fail(msg(text, **args), cause="low", evidence=evidence)
    if min_physical and not cpus.physical:
        said = msg("the kernel does not tell cores from processors here")
        return error(said, cause="unsupported", evidence=evidence)
    if cpus.physical < min_physical:
        text = "{physical} cores; at least {min_physical} are needed"
        return fail(msg(text, **args), cause="low-physical", evidence=evidence)
    text = "{logical} processors" + (" in {physical} cores" if cpus.physical else "")
    return passed(
        msg(text + (", {usable} of them to use" if cpus.limited else ""), **args), evidence=evidence
    )


@check("cpu.usage", severity=Severity.P2, about="system", owner="customer-it", use=CpuUse())
def sustained_use(
    use: CpuTime, warn_above: Percent = 90, fail_above: Percent | None = None, at_least: Span = 600
) -> Verdict:
    """The processors are not busy all the time.

    Judged is the average since the newest run on this machine that is between a minute and 26 hours ago, from
    the kernel's own counters: a peak of a moment says nothing. Without such a run it is the average since the
    start, once that is `at_least` so long ago. Time that the hypervisor gave to others counts as busy.

    Remedy: `top` or `pidstat 5` show who it is; give it a limit of its own (workers, parallel jobs), move
    jobs to quiet hours, or add processors. Much stolen time means that the hypervisor has sold too many.
    Source: Prometheus node mixin, NodeCPUHighUsage (90 %, a notice, over 15 minutes).
    """
    evidence: dict[str, Scalar] = {
        "used_percent": use.used_percent,
        "waiting_percent": use.waiting_percent,
        "stolen_percent": use.stolen_percent,
        "over_s": use.over_s,
        "since": use.since,
    }
    over = span_text(use.over_s)
    if use.since == "start" and use.over_s < at_least:
        said = msg("up for {over} only, which is too early to say", over=over)
        return skip(said, cause="early", evidence=evidence)
    used = round(use.used_percent, 1)
    text = (
        "{used} % busy over the last {over}"
        if use.since != "start"
        else "{used} % busy since the start {over} ago"
    )
    return grade(
        use.used_percent,
        high=(warn_above, fail_above),
        show=percent_text,
        say=msg(text, used=used, over=over),
        evidence=evidence,
    )


@check(
    "cpu.load",
    severity=Severity.P3,
    about="system",
    owner="customer-it",
    load=LoadAverage(),
    cpus=Processors(),
)
def load_per_core(
    load: Load, cpus: Cpus, warn_above: float = 2.0, fail_above: float | None = None
) -> Verdict:
    """Programs do not queue for processors and disks.

    Judged is the load average over 15 minutes for each processor, unless that over 5 minutes is lower: then
    the queue is going already. A container shows the load of its machine, so the machine's processors count.

    Remedy: `vmstat 5` tells whether it is processors (column r) or disks (column b, wa): see who with `top`
    or `iotop`; let fewer jobs run at a time, or add what is short.
    Source: Prometheus node mixin, NodeSystemSaturation (2 a core, over 15 minutes).
    """
    each = min(load.five, load.fifteen) / cpus.logical
    said = "{each} for each of {count} processors (over 5 min {five}, over 15 min {fifteen})"
    args: dict[str, Scalar] = {"each": round(each, 2), "five": load.five, "fifteen": load.fifteen}
    return grade(
        each,
        high=(warn_above, fail_above),
        show="{:g}".format,
        say=msg(said, count=cpus.logical, **args),
        evidence={"per_core": round(each, 3), "one": load.one, "five": load.five, "fifteen": load.fifteen},
    )


@check("cpu.governor", severity=Severity.P3, about="system", owner="customer-it", governors=Governors())
def wanted_governor(governors: dict[str, int], allowed: tuple[str, ...] = ("performance",)) -> Verdict:
    """The processors run at full speed.

    A governor that saves energy lets the frequency fall between two requests, which a database feels as
    latency. A virtual machine has no governor, its hypervisor chooses: there it is skipped.

    Remedy: `tuned-adm profile throughput-performance`, or `cpupower frequency-set -g performance` with a unit
    that does so at each start; in the BIOS, the power profile for maximum performance.
    Source: Microsoft, performance best practices for SQL Server on Linux (governor performance).
    """
    shown = ", ".join(f"{name} on {count}" for name, count in governors.items())
    if not governors:
        return skip("the frequency is not this system's to choose", cause="absent")
    others = [name for name in governors if name not in allowed]
    if others:
        said = msg("governor {shown}; wanted is {allowed}", shown=shown, allowed=" or ".join(allowed))
        return fail(said, cause="differs", evidence={"governors": shown})
    return passed(msg("governor {shown}", shown=shown), evidence={"governors": shown})
