"""Checks of memory."""

from __future__ import annotations

from checks.facts.system import Memory, MemoryUse
from checks.model import Severity, Verdict
from checks.registry import check
from checks.units import Percent, size_text
from checks.verdicts import grade, msg


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
        say=msg(said, used=used, total=size_text(memory.total)),
        evidence={"used_percent": used, "total": memory.total, "available": memory.available},
    )
