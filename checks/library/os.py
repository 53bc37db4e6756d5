"""Checks of the operating system: its release, its kernel, its last start, and the machine it runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from checks.facts.boot import BootTime, Pending, PendingReboot, Start, release_numbers
from checks.facts.kernel import KernelRelease
from checks.facts.machine import UNKNOWN, Machine, Platform, canonical_architecture
from checks.facts.system import OsRelease, Release
from checks.lifecycles import AS_OF, SOURCES, end_of_life
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import DAY, HOUR, Span, span_text
from checks.verdicts import fail, grade, msg, passed, warn
from checks.versions import compare, numbers

_ENTRY: Final = re.compile(r"([a-z0-9][a-z0-9._-]*)\s*(?:(>=|==)\s*([a-z]*[0-9][a-z0-9.]*))?", re.IGNORECASE)


def _odd_entry(given: Mapping[str, Any]) -> tuple[str, str] | None:
    for entry in given["supported"]:
        if _ENTRY.fullmatch(entry.strip()) is None:
            return "supported", f"{entry!r:.60} is not like debian>=12, ubuntu==22.04 or rhel"
    return None


def _no_date(given: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        date.fromisoformat(given["ends"] or "2030-06-30")
    except ValueError:
        return "ends", f"{given['ends']!r:.60} is no date such as 2030-06-30"
    return None


def _no_release(given: Mapping[str, Any]) -> tuple[str, str] | None:
    if given["at_least"] and not release_numbers(given["at_least"]):
        return "at_least", f"{given['at_least']!r:.60} is no release such as 5.14"
    return None


@check(
    "os.supported",
    severity=Severity.P2,
    about="system",
    owner="vendor",
    refuse=_odd_entry,
    release=OsRelease(),
)
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
        if found is not None and found[1].lower() == release.id.lower():
            bounds.append((found[2] or "", found[3] or ""))
    if not bounds:
        said = msg("{name} is not among the supported systems", name=release.name)
        return warn(said, cause="unknown", evidence=facts)
    if any(not relation for relation, _ in bounds):
        return passed(msg("{name} is supported", name=release.name), evidence=facts)
    wanted = " or ".join(f"{relation} {version}" for relation, version in bounds)
    if not _is_version(release.version):
        said = msg("{name} names no version; supported is {wanted}", name=release.name, wanted=wanted)
        return warn(said, cause="unknown", evidence=facts)
    if any(_fits(release.version, relation, version) for relation, version in bounds):
        return passed(msg("{name} is supported", name=release.name), evidence=facts)
    said = msg("{name} is not supported; supported is {wanted}", name=release.name, wanted=wanted)
    return fail(said, cause="version", evidence=facts)


@check(
    "os.eol",
    severity=Severity.P1,
    about="system",
    owner="customer-it",
    refuse=_no_date,
    release=OsRelease(),
)
def release_within_life(
    release: Release, now: datetime, ends: str = "", warn_before: Span = 180 * DAY
) -> Verdict:
    """The operating system still gets security fixes.

    The end is the last day of fixes that need no extra contract, from a table that comes with the program
    (`checks/lifecycles.py`); a release that is not in it is a warning. `ends` (a date, 2030-06-30) says it
    instead: for a distribution that publishes none, or for a contract that goes on (ESM, ELS, LTSS).

    Remedy: plan the upgrade to the next release with the distribution's own tool (`do-release-upgrade`,
    `leapp upgrade`, `zypper migration`), or buy the maker's extended support and set `ends` to its last day.
    Source: the makers' life cycle pages, named in the table; 180 days ahead is our judgement: an upgrade of a
    customer's system takes two quarters from the first letter to the last test.
    """
    facts: dict[str, Scalar] = {"id": release.id, "version": release.version}
    end = date.fromisoformat(ends) if ends else end_of_life(release.id, release.version, release.name)
    if end is None:
        text = "when {name} ends is not in the table of {as_of}; say it with `ends`"
        unknown = msg(text, name=release.name[:100], as_of=AS_OF.isoformat())
        return warn(unknown, cause="unknown", evidence=facts)
    left = (end - now.date()).days
    facts |= {"ends": end.isoformat(), "days_left": left}
    if not ends:
        facts["source"] = SOURCES[release.id.lower()]
    args: dict[str, Scalar] = {"name": release.name[:100], "end": end.isoformat(), "left": abs(left)}
    if left < 0:
        said = msg("{name} has had no fixes since {end}, {left} days ago", **args)
        return fail(said, cause="ended", evidence=facts)
    said = msg("{name} gets fixes until {end}, {left} days from now", **args)
    if left * DAY < warn_before:
        return warn(said, cause="ends", evidence=facts)
    return passed(said, evidence=facts)


@check(
    "os.kernel_min",
    severity=Severity.P2,
    about="system",
    owner="customer-it",
    refuse=_no_release,
    release=KernelRelease(),
)
def kernel_at_least(release: str, at_least: str = "") -> Verdict:
    """The running kernel is new enough.

    `at_least` is as much of a release as matters: ``5.14``, or with the distribution's own numbers
    ``5.14.0-427``. Its numbers are compared one by one; without it the check passes and records what runs.

    Remedy: install the distribution's current kernel (`apt-get install linux-image-amd64`, `dnf upgrade
    kernel`, `zypper update kernel-default`) and restart the system into it.
    Source: the profile that sets the bound names its source; SAP note 2684254 does so for HANA on SLES 15.
    """
    evidence = {"release": release}
    wanted = release_numbers(at_least)
    if not wanted:
        return passed(msg("kernel {release}", release=release), evidence=evidence)
    if release_numbers(release)[: len(wanted)] < wanted:
        said = msg("kernel {release} is older than {at_least}", release=release)
        return fail(said, cause="version", evidence=evidence)
    return passed(msg("kernel {release}, at least {at_least}", release=release), evidence=evidence)


@check(
    "os.reboot_pending", severity=Severity.P3, about="system", owner="customer-it", pending=PendingReboot()
)
def no_reboot_pending(pending: Pending) -> Verdict:
    """Nothing that was installed waits for a restart.

    Told from the marks that tools leave (Debian's /run/reboot-required, SUSE's /run/reboot-needed and
    /boot/do_purge_kernels, the keys of Windows' servicing), and from a kernel that is installed, of the same
    flavour as the running one, and newer. Until the restart the old code runs, with its known holes.

    Remedy: agree on a window and restart the system; see what asked for it with
    `cat /run/reboot-required.pkgs`, `needs-restarting -r` or `zypper needs-rebooting`.
    Source: our judgement: fixes that do not run are none; the marks are those of update-notifier, libzypp and
    the servicing stack of Windows.
    """
    evidence: dict[str, Scalar] = {"running": pending.running, "newer": pending.newer}
    evidence |= {"marks": ", ".join(pending.marks), "packages": ", ".join(pending.packages[:10])}
    if pending.newer:
        said = "kernel {running} runs, {newer} is installed"
        return warn(
            msg(said, running=pending.running, newer=pending.newer), cause="kernel", evidence=evidence
        )
    if pending.packages:
        names = ", ".join(pending.packages[:5])
        return warn(msg("a restart is asked for by {names}", names=names), cause="asked", evidence=evidence)
    if pending.marks:
        mark = pending.marks[0]
        return warn(msg("a restart is asked for ({mark})", mark=mark), cause="asked", evidence=evidence)
    return passed("no restart is asked for", evidence=evidence)


@check("os.uptime", severity=Severity.P2, about="system", owner="customer-it", start=BootTime())
def not_just_started(start: Start, warn_below: Span = HOUR) -> Verdict:
    """The system has not restarted unexpectedly.

    A start within the last hour is a warning: if nobody planned it, something crashed. A start since the last
    run on this machine is told in any case. A container tells of the machine that carries it.

    Remedy: `last -x reboot shutdown | head` and `journalctl -b -1 -e` show how the time before ended: without
    a line about a shutdown it was a crash, a reset or the power; look at the hypervisor's or the board's log.
    Source: our judgement.
    """
    evidence: dict[str, Scalar] = {"started": start.at.isoformat(), "up_s": round(start.up_s)}
    args: dict[str, Scalar] = {"at": f"{start.at:%Y-%m-%d %H:%M} UTC", "up": span_text(start.up_s)}
    text = "up for {up}, since {at}"
    if start.before is not None:
        evidence["started_before"] = start.before.isoformat()
        args["before"] = f"{start.before:%Y-%m-%d %H:%M} UTC"
        text += "; at the last run it was up since {before}"
    return grade(start.up_s, low=(warn_below, None), show=span_text, say=msg(text, **args), evidence=evidence)


@check("os.virt_arch", severity=Severity.P2, about="system", owner="vendor", machine=Machine())
def allowed_machine(
    machine: Platform, architectures: tuple[str, ...] = (), hypervisors: tuple[str, ...] = ()
) -> Verdict:
    """Architecture and hypervisor are ones the product is supported on.

    `architectures` are names such as ``x86_64`` and ``aarch64`` (``amd64`` and ``arm64`` are the same),
    `hypervisors` such as ``vmware``, ``kvm``, ``hyperv``, ``xen``, ``amazon``, ``google``, ``alibaba``, and
    ``none`` for real hardware. A hypervisor that does not say its name is a warning. Without lists the check
    passes and records what it runs on.

    Remedy: move the installation to a machine of the list, or have the vendor confirm this one in writing and
    add it to the profile.
    Source: the vendor's list of supported platforms, from the profile.
    """
    evidence: dict[str, Scalar] = {
        "architecture": machine.architecture,
        "hypervisor": machine.hypervisor,
        "maker": machine.maker,
        "product": machine.product,
        "container": machine.container,
    }
    args: dict[str, Scalar] = {"architecture": machine.architecture, "hypervisor": machine.hypervisor}
    wanted = {canonical_architecture(name) for name in architectures}
    if wanted and machine.architecture not in wanted:
        said = msg("{architecture} is not among {wanted}", wanted=", ".join(sorted(wanted)), **args)
        return fail(said, cause="architecture", evidence=evidence)
    if hypervisors and machine.hypervisor not in hypervisors:
        args["wanted"] = ", ".join(hypervisors)
        if machine.hypervisor == UNKNOWN:
            said = msg("the hypervisor does not say its name; supported is {wanted}", **args)
            return warn(said, cause="unknown", evidence=evidence)
        said = msg("hypervisor {hypervisor} is not among {wanted}", **args)
        return fail(said, cause="hypervisor", evidence=evidence)
    return passed(msg("{architecture}, hypervisor {hypervisor}", **args), evidence=evidence)


def _fits(version: str, relation: str, bound: str) -> bool:
    """``==`` compares as many parts as the bound has: 8.9 is 8."""
    version, bound = _number_of(version), _number_of(bound)
    if relation == "==":
        return numbers(version)[: len(numbers(bound))] == numbers(bound)
    return compare(version, bound) >= 0


def _number_of(version: str) -> str:
    """Windows calls its releases 2022Server; what follows the year means nothing here."""
    return re.sub(r"server(r2)?$", "", version, flags=re.IGNORECASE)


def _is_version(text: str) -> bool:
    try:
        return bool(numbers(_number_of(text)))
    except ValueError:
        return False
