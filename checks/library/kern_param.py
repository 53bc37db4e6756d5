"""The check of a single kernel parameter: profiles have many, so it stands apart from the others."""

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

    Remedy: `sysctl -w {name}={right}` for now, and the same as a line of /etc/sysctl.d/90-local.conf for the
    next start, read with `sysctl --system`; in a container on the machine that carries it.
    Source: the profile that sets the value names its source; the forms are those of sysctl(8).
    """
    evidence = {"actual": actual, "wanted": str(value)}
    if value.holds(actual):
        return passed(msg("{name} is {actual}", name=name, actual=actual), evidence=evidence)
    said = "{name} is {actual}, wanted: {wanted}"
    args = {"name": name, "actual": actual, "wanted": str(value), "right": _right(value)}
    return fail(msg(said, **args), cause="differs", evidence=evidence)


def _right(value: Matcher) -> str:
    """A value that would do, for the remedy; none can be told from a pattern."""
    bounds = value.canonical()
    for name in ("equals", "at_least", "at_most"):
        if name in bounds:
            bound = bounds[name]
            return " ".join(map(str, bound)) if isinstance(bound, list) else str(bound)
    return str(bounds["one_of"][0]) if "one_of" in bounds else "<value>"
