"""Checks of memory."""

from __future__ import annotations

from checks.facts.oom import DAYS, Kill, Kills, OomKills
from checks.facts.swap import Swap, SwapSpace
from checks.facts.system import Memory, MemoryUse
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import DAY, Percent, Size, percent_text, size_text, span_text
from checks.verdicts import error, fail, grade, msg, passed


@check("mem.used", severity=Severity.P2, about="system", owner="customer-it", memory=Memory())
def used_memory(memory: MemoryUse, warn_above: Percent = 90, fail_above: Percent = 98) -> Verdict:
    """Memory is not used up.

    Used is what programs cannot get any more: the total without what the kernel calls available, so that a
    large file cache does no harm. In a container with a memory limit that limit is the total.

    Remedy: see who takes it with `ps -eo pid,user,rss,comm --sort=-rss | head`; then lower that program's own
    limits (heap, buffers, workers), or add memory.
    Source: Prometheus node mixin, NodeMemoryHighUtilization (90 %); failing at 98 % is our judgement: there
    the kernel is about to end programs.
    """
    used = round(memory.used_percent, 1)
    said = "{used} % of {total} used" if not memory.limited else "{used} % of this container's {total} used"
    return grade(
        memory.used_percent,
        high=(warn_above, fail_above),
        show=percent_text,
        say=msg(said, used=used, total=size_text(memory.total)),
        evidence={"used_percent": used, "total": memory.total, "available": memory.available},
    )


@check("mem.total", severity=Severity.P2, about="system", owner="customer-it", memory=Memory())
def enough_memory(
    memory: MemoryUse, warn_below: Size | None = None, fail_below: Size | None = None
) -> Verdict:
    """The system has the memory that it should have.

    In a container with a memory limit that limit counts. The kernel keeps a little of what is built in for
    itself, so that a machine of 8 GiB shows some 7.7 GiB: allow for it in the bounds. Without bounds the
    check passes and records what there is.

    Remedy: give the virtual machine or the container more memory, or take other programs off this machine.
    Source: the profile that sets the bounds names its source; host preflights of troubleshoot.sh show the
    form (fails below 8 GiB, warns below 32 GiB).
    """
    whose = "{total} of memory" if not memory.limited else "{total} of memory in this container"
    return grade(
        memory.total,
        low=(warn_below, fail_below),
        show=size_text,
        say=msg(whose, total=size_text(memory.total)),
        evidence={"total": memory.total, "limited": memory.limited},
    )


@check("mem.swap_size", severity=Severity.P3, about="system", owner="customer-it", swap=SwapSpace())
def swap_size(swap: Swap, size: Matcher | None = None) -> Verdict:
    """There is as much swap as the role wants.

    `size` is a condition such as ``{at_least: 2 GiB}``, ``{at_most: 0 B}`` or both; without it the check
    passes and records what there is.

    Remedy: more: `fallocate -l 4G /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile` and its
    line in /etc/fstab. Less: `swapoff <device>` and take its line out of /etc/fstab.
    Source: the profile that sets the bound names its source; Redis administration wants swap, as much as
    there is memory, so that a spike makes it slow instead of killing it.
    """
    evidence: dict[str, Scalar] = {"total": swap.total, "free": swap.free}
    total = size_text(swap.total)
    if size is None or size.holds(swap.total):
        return passed(msg("{total} of swap", total=total), evidence=evidence)
    wanted = str(size)
    return fail(
        msg("{total} of swap, wanted: {wanted}", total=total, wanted=wanted),
        cause="differs",
        evidence=evidence,
    )


@check("mem.oom", severity=Severity.P2, about="system", owner="customer-it", kills=OomKills())
def no_oom_kills(kills: Kills) -> Verdict:
    """The kernel has killed no program for want of memory within seven days.

    Asked are the kernel's counter and, where that does not settle it, its log (journal or dmesg). In a
    container the counter of its own control group counts. Where the log is closed to this user and the system
    has been up for longer, kills may be older than a week: then it cannot be told.

    Remedy: `journalctl _TRANSPORT=kernel --since -7d | grep -i 'killed process'` names the programs; see
    which one grows (`ps -eo pid,user,rss,comm --sort=-rss | head`), lower its own limits (heap, buffers,
    workers) or add memory; restart what was killed if nothing did.
    Source: our judgement: a killed program is an outage that nobody planned; seven days as the longest time
    between two looks at a system that runs well.
    """
    evidence: dict[str, Scalar] = {"log": kills.log, "days": DAYS, "up_s": round(kills.up_s)}
    if kills.counted is not None:
        evidence["since_start"] = kills.counted
    if kills.logged:
        last, programs = kills.logged[0], ", ".join(dict.fromkeys(kill.program for kill in kills.logged))
        evidence |= {"programs": programs[:200], "last_pid": last.pid}
        said = "{count} killed within {days} days: {programs}; the last one {when}"
        args: dict[str, Scalar] = {"count": len(kills.logged), "days": DAYS, "programs": programs[:200]}
        return fail(msg(said, when=_when(last), **args), cause="killed", evidence=evidence)
    up = span_text(kills.up_s)
    if kills.recent:
        said = "{count} killed within {days} days, by the kernel's counter"
        return fail(msg(said, count=kills.recent, days=DAYS), cause="killed", evidence=evidence)
    if kills.certain and kills.up_s >= DAYS * DAY:
        return passed(msg("none within {days} days (up for {up})", days=DAYS, up=up), evidence=evidence)
    if kills.certain and not kills.log:
        return passed(msg("none since the start {up} ago", up=up), evidence=evidence)
    if kills.log:
        return passed(msg("none within {days} days in its log", days=DAYS), evidence=evidence)
    said = "{count} killed since the start {up} ago; whether within {days} days is not known"
    unknown = msg(said, count=kills.counted or 0, up=up, days=DAYS)
    return error(unknown, cause="denied", evidence=evidence)


def _when(kill: Kill) -> str:
    if kill.at:
        return f"at {kill.at}"
    if kill.ago_s is None:
        return "since the start"
    return f"{span_text(kill.ago_s)} ago" if kill.ago_s < 2 * DAY else f"{kill.ago_s / DAY:.0f} days ago"
