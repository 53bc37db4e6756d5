"""Checks of other software on the machine."""

from __future__ import annotations

from typing import Final, Literal

from checks.facts.interference import AS_OF, Found, Interfering
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import msg, passed, warn

_DOES: Final = {
    "antivirus": "opens every file that is opened; leave data, logs and backups out of it",
    "edr": "watches every process and file; leave the product's folders out of it",
    "configuration": "puts settings back; have it know the product's",
    "update": "installs updates and restarts services by itself; give it a window",
}


@check("soft.interference", severity=Severity.P3, about="system", owner="customer-it", running=Interfering())
def interfering_software(
    running: tuple[Found, ...],
    kinds: tuple[Literal["antivirus", "edr", "configuration", "update"], ...] = (
        "antivirus",
        "edr",
        "configuration",
        "update",
    ),
    allow: tuple[str, ...] = (),
) -> list[Verdict]:
    """Nothing runs that is known to get into the way.

    Virus scanners, endpoint detection, configuration managers and programs that update by themselves are
    told by the names of their processes, from a list of November 2026. Each is a warning, because it may be
    meant and set up well: then name it in `allow` (as the result names it, or one of its processes). `kinds`
    says which sorts are looked for.

    Remedy: have whoever owns it leave the folders of data, logs and backups out (virus scanners, endpoint
    detection), take the product's settings over (configuration managers), or restart services only in a
    window that was agreed (updates); then add it to `allow`.
    Source: host preflights of troubleshoot.sh; the list of names is our judgement.
    """
    wanted = {name.casefold() for name in allow}
    found = [
        each
        for each in running
        if each.kind in kinds and not wanted & {name.casefold() for name in (each.product, *each.processes)}
    ]
    if not found:
        allowed = sum(each.kind in kinds for each in running)
        if allowed:
            return [passed(msg("nothing but the {count} that may", count=allowed), object="*")]
        return [passed(msg("nothing that was known in {as_of}", as_of=AS_OF), object="*")]
    return [
        warn(
            msg("{processes} runs: it {does}", processes=", ".join(each.processes), does=_DOES[each.kind]),
            object=each.product,
            cause=each.kind,
            evidence={"processes": ", ".join(each.processes), "kind": each.kind},
        )
        for each in found
    ]
