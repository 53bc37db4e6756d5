"""Checks of installed packages."""

from __future__ import annotations

from checks.facts.packages import Installed, Package
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip


@check("pkg.version", severity=Severity.P2, about="name", owner="customer-it", package=Package("{name}"))
def package_version(
    package: Installed,
    name: str,
    installed: bool = True,
    optional: bool = False,
    at_least: str = "",
    below: str = "",
    version: Matcher | None = None,
    versions: Matcher | None = None,
) -> Verdict:
    """A package is installed, in a version that is right.

    `name` is that of the machine's own package manager (dpkg, rpm, apk), ``libc6:amd64`` that of one
    architecture. `at_least` and `below` are compared as that manager compares versions, ``1.0~rc1`` before
    ``1.0``; one without an epoch (the ``1:`` before some) or, for rpm, without a release is compared without
    it. `version` is any other condition on the version as written, `versions` one on the list of all that are
    installed. ``installed: false`` wants it gone;
    `optional` judges it only where it is installed. Where several versions are installed, as of a kernel, all
    of them have to be right.

    Remedy: `apt-get install {name}`, `dnf install {name}`, `zypper install {name}` or `apk add {name}`; for
    a newer version upgrade it (`apt-get install --only-upgrade {name}`, `dnf upgrade {name}`). `apt-cache
    policy {name}` and `dnf list {name}` show which versions there are to have.
    Source: our judgement; the profile that sets the version names its source.
    """
    have = ", ".join(package.versions[:10])
    evidence: dict[str, Scalar] = {"manager": package.manager, "versions": have}
    if not package.versions:
        if not installed:
            return passed("it is not installed, as wanted", evidence=evidence)
        if optional:
            return skip("it is not installed", cause="absent", evidence=evidence)
        return fail("it is not installed", cause="absent", evidence=evidence)
    if not installed:
        said = msg("it is installed ({versions}), and should not be", versions=have)
        return fail(said, cause="present", evidence=evidence)
    for one in package.versions:
        try:
            if at_least and _order(one, at_least, package.manager) < 0:
                said = msg(
                    "{version} is installed; at least {wanted} is needed", version=one, wanted=at_least
                )
                return fail(said, cause="old", evidence=evidence)
            if below and _order(one, below, package.manager) >= 0:
                said = msg("{version} is installed; it has to be below {wanted}", version=one, wanted=below)
                return fail(said, cause="new", evidence=evidence)
        except ValueError as problem:
            return error(msg("{problem}", problem=str(problem)), cause="parse", evidence=evidence)
        if version is not None and not version.holds(one):
            said = msg("{version} is installed, wanted: {wanted}", version=one, wanted=str(version))
            return fail(said, cause="version", evidence=evidence)
    if versions is not None and not versions.holds(package.versions):
        said = msg("{have} is installed, wanted: {wanted}", have=have, wanted=str(versions))
        return fail(said, cause="version", evidence=evidence)
    return passed(msg("{have} is installed", have=have), evidence=evidence)


def _order(one: str, bound: str, manager: str) -> int:
    """-1, 0 or 1; an epoch counts only where the bound has one."""
    from checks.versions import compare

    if ":" not in bound:
        one = one.rpartition(":")[2]
    return compare(one, bound, manager)
