"""Checks that others wrote as monitoring plugins."""

from __future__ import annotations

from typing import Final

from checks.argv import Argv
from checks.facts.command import too_long
from checks.facts.plugin import PluginOutput, PluginSaid
from checks.model import Scalar, Severity, Verdict
from checks.perfdata import Range, parse_range
from checks.registry import check
from checks.units import Span
from checks.verdicts import error, fail, msg, passed, warn

SHOWN: Final = 20
"""Values that go into the evidence."""

_STATES: Final = {0: "ok", 1: "warning", 2: "critical", 3: "unknown"}


@check(
    "nagios.plugin",
    severity=Severity.P2,
    about="system",
    owner="vendor",
    refuse=too_long,
    said=PluginOutput("{command}", "{timeout}", "{environment}", "{secret_environment}", "{secret_stdin}"),
)
def monitoring_plugin(
    said: PluginSaid,
    command: Argv,
    warn_outside: dict[str, Range] | None = None,
    fail_outside: dict[str, Range] | None = None,
    timeout: Span = 30,
    environment: dict[str, str] | None = None,
    secret_environment: dict[str, str] | None = None,
    secret_stdin: str = "",
) -> Verdict:
    """A monitoring plugin is content.

    `command` is the plugin with its arguments as a list of words; plugins of Debian are in
    /usr/lib/nagios/plugins, of RHEL in /usr/lib64/nagios/plugins. Exit code 0 passes, 1 warns, 2 fails; 3
    (unknown) and all others could not tell, and neither could a plugin that is not there or does not end
    within `timeout` (60 s at most). Values in the performance data are kept from run to run. With
    `warn_outside` and `fail_outside` the profile sets ranges of its own by label, in the unit the plugin
    prints (``{load1: "0:8"}``, ``@`` alerts inside); they then decide instead of the exit codes 0, 1 and 2,
    and a label that the plugin does not print could not be told. It runs on the target, without a shell.
    Secrets are refused among its arguments, where every user can see them: `secret_environment` and
    `secret_stdin` name them as ``env:NAME`` or ``file:/path``, or give the plugin a file of its own
    (check_mysql -f, --extra-opts).

    Remedy: run the plugin by hand as the same user and read what it says; its own documentation (`--help`)
    says what it looks at. Where it is missing: `apt-get install monitoring-plugins-basic`.
    Source: Monitoring Plugins Development Guidelines (exit codes, performance data, ranges).
    """
    evidence: dict[str, Scalar] = {"exit_code": said.status}
    for each in said.values[:SHOWN]:
        evidence[each.label] = each.value if each.value is not None else "U"
    text = msg("{said}", said=said.text or "it said nothing")
    if said.status not in (0, 1, 2):
        state = _STATES.get(said.status, f"exit code {said.status}")
        unknown = msg("{state}: {said}", state=state, said=said.text or "it said nothing")
        return error(unknown, cause="unknown" if said.status == 3 else "failed", evidence=evidence)
    if warn_outside or fail_outside:
        return _by_ranges(said, warn_outside or {}, fail_outside or {}, evidence)
    if said.status == 2:
        return fail(text, cause="critical", evidence=evidence)
    if said.status == 1:
        return warn(text, cause="warning", evidence=evidence)
    return passed(text, evidence=evidence)


def _by_ranges(
    said: PluginSaid, warns: dict[str, str], fails: dict[str, str], evidence: dict[str, Scalar]
) -> Verdict:
    """What the profile's own ranges say: the worst of them, and before that what could not be told."""
    values = {each.label: each for each in said.values}
    for label in (*fails, *warns):
        if label not in values or values[label].value is None:
            there = ", ".join(list(values)[:10]) or "none"
            lacks = msg("it printed no value {label}; there is {there}", label=label, there=there)
            return error(lacks, cause="no-value", evidence=evidence)
    for ranges, verdict, cause in ((fails, fail, "critical"), (warns, warn, "warning")):
        for label, text in ranges.items():
            number = values[label].value
            if number is not None and parse_range(text).alerts(number):
                shown = msg(
                    "{label} is {value}{unit}, wanted: {range}",
                    label=label,
                    value=f"{number:.12g}",
                    unit=values[label].unit,
                    range=text,
                )
                return verdict(shown, cause=cause, evidence=evidence)
    return passed(msg("{said}", said=said.text or "it said nothing"), evidence=evidence)
