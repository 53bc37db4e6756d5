"""Checks of the kernel's settings."""

from __future__ import annotations

from checks.facts.system import Sysctl
from checks.matchers import Matcher
from checks.model import Severity, Verdict
from checks.registry import check
from checks.verdicts import fail, msg, passed


@check("kern.param", severity=Severity.P2, about="name", owner="customer-it", actual=Sysctl("{name}"))
def kernel_parameter(actual: str, name: str, value: Matcher) -> Verdict:
    """A kernel parameter has the value that is wanted.

    `name` is as `sysctl` shows it; `value` is a condition, such as ``{at_least: 262144}``. A parameter that
    holds several numbers is compared one by one: ``kernel.sem`` with ``{at_least: [250, 32000, 100, 128]}``.
    What runs now is judged, not what a file says for the next start.

    Remedy: `sysctl -w {name}=<value>` for now, and the same as a line of /etc/sysctl.d/90-local.conf for the
    next start, read with `sysctl --system`; in a container on the machine that carries it.
    Source: the profile that sets the value names its source; the forms are those of sysctl(8).
    """
    evidence = {"actual": actual, "wanted": str(value)}
    if value.holds(actual):
        return passed(msg("{name} is {actual}", name=name, actual=actual), evidence=evidence)
    said = msg("{name} is {actual}, wanted: {wanted}", name=name, actual=actual, wanted=str(value))
    return fail(said, cause="differs", evidence=evidence)
