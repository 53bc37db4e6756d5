"""Checks of the operating system's release."""

from __future__ import annotations

import re
from typing import Final

from checks.facts.system import OsRelease, Release
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, warn

_ENTRY: Final = re.compile(r"([a-z0-9][a-z0-9._-]*)\s*(?:(>=|==)\s*([a-z]*[0-9][a-z0-9.]*))?", re.IGNORECASE)


@check("os.supported", severity=Severity.P2, about="system", owner="vendor", release=OsRelease())
def supported_release(release: Release, supported: tuple[str, ...] = ()) -> Verdict:
    """The operating system is one the product is supported on.

    `supported` lists distributions by their os-release ID, alone (any version) or with the versions that are
    supported: ``debian>=12``, ``ubuntu==22.04``, ``rhel``. A distribution that is not listed is a warning,
    because it may well work; one that is listed with other versions only fails. Without a list the check
    passes and records what runs.

    Remedy: upgrade to a supported release with the distribution's own tool (`do-release-upgrade`,
    `leapp upgrade`, `zypper migration`), or have the vendor confirm this one in writing and add it to
    `supported` in the profile.
    Source: host preflights of troubleshoot.sh (distribution and version in the vendor's list); a distribution
    that is not known there is a warning as well.
    """
    facts = {"id": release.id, "version": release.version, "name": release.name}
    if not supported:
        return passed(msg("{name}", name=release.name), evidence=facts)
    bounds = []
    for entry in supported:
        found = _ENTRY.fullmatch(entry.strip())
        if found is None:
            return error(
                msg("{entry} in `supported` is not like debian>=12 or ubuntu", entry=entry), cause="parse"
            )
        if found[1].lower() == release.id.lower():
            bounds.append((found[2] or "", found[3] or ""))
    if not bounds:
        said = msg("{name} is not among the supported systems", name=release.name)
        return warn(said, cause="unknown", evidence=facts)
    if any(not relation for relation, _ in bounds):
        return passed(msg("{name} is supported", name=release.name), evidence=facts)
    wanted = " or ".join(f"{relation} {version}" for relation, version in bounds)
    if not _numbers(release.version):
        said = msg("{name} names no version; supported is {wanted}", name=release.name, wanted=wanted)
        return warn(said, cause="unknown", evidence=facts)
    if any(_fits(release.version, relation, version) for relation, version in bounds):
        return passed(msg("{name} is supported", name=release.name), evidence=facts)
    said = msg("{name} is not supported; supported is {wanted}", name=release.name, wanted=wanted)
    return fail(said, cause="version", evidence=facts)


def _fits(version: str, relation: str, bound: str) -> bool:
    """``==`` compares as many parts as the bound has: 8.9 is 8."""
    have, want = _numbers(version), _numbers(bound)
    return have[: len(want)] == want if relation == "==" else have >= want


def _numbers(version: str) -> list[int]:
    """22.04 as [22, 4]; letters such as the V of Kylin's V10 mean nothing."""
    return [int(part) for part in re.findall(r"\d{1,9}", version)]
