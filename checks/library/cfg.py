"""Checks of settings in configuration files."""

from __future__ import annotations

from typing import Literal

from checks.fact import Unavailable
from checks.facts.config import ConfigValue, SecretMatches, Setting
from checks.matchers import Matcher
from checks.model import Severity, Verdict
from checks.registry import check, unless, when
from checks.verdicts import error, fail, msg, passed


@check(
    "cfg.value",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    object="{path}:{key}",
    setting=unless("secret", ConfigValue("{path}", "{format}", "{key}")),
    same=when("secret", SecretMatches("{path}", "{format}", "{key}", "{secret}")),
)
def configured_value(
    setting: Setting | Unavailable | None,
    same: bool | Unavailable | None,
    path: str,
    key: str,
    format: Literal["auto", "ini", "yaml", "json"] = "auto",
    value: Matcher | None = None,
    present: bool = True,
    secret: str = "",
) -> Verdict:
    """A key of a configuration file has the value it should.

    `key` is ``section.key`` in an ini file, a dotted path with list indexes elsewhere: ``servers[0].port``.
    The format is told from the file's extension unless it is given; other extensions are ini. `value` is a
    condition; without one the key only has to be there, and with `present: false` only not to be there. Keys
    whose names look secret (password, token, key, …) are never read into a report: name where the right value
    is with `secret: env:NAME` or `secret: file:/path`, and both are compared without being kept.

    Remedy: set `{key}` in {path}, and restart or reload the program that reads it; keep a copy of the file as
    it was.
    Source: our judgement; the profile that sets the value names its source.
    """
    reading = same if secret else setting
    if isinstance(reading, Unavailable):
        return _unread(reading, present)
    if isinstance(reading, bool):
        if reading:
            return passed("it is the secret that was named")
        return fail("it is not the secret that was named", cause="differs")
    if reading is None or not reading.found:
        return fail("it is not set", cause="missing") if present else passed("it is not set, as wanted")
    if not present:
        return fail("it is set, and should not be", cause="present")
    if reading.withheld:
        return _withheld(value)
    actual = _shown(reading.value)
    if value is None:
        return passed(msg("it is {actual}", actual=actual), evidence={"actual": actual})
    evidence = {"actual": actual, "wanted": str(value)}
    if value.holds(reading.value):
        return passed(msg("it is {actual}", actual=actual), evidence=evidence)
    said = msg("it is {actual}, wanted: {wanted}", actual=actual, wanted=str(value))
    return fail(said, cause="differs", evidence=evidence)


def _unread(reading: Unavailable, present: bool) -> Verdict:
    """A file or key that is not there is an answer; anything else that hindered the reader is none."""
    if reading.cause != "absent":
        return error(msg("{reason}", reason=reading.reason), cause=reading.cause)
    if present:
        return fail(msg("{reason}", reason=reading.reason), cause="absent")
    return passed(msg("{reason}, as wanted", reason=reading.reason))


def _withheld(value: Matcher | None) -> Verdict:
    if value is None:
        return passed("it is set; its value is not shown, because its name looks secret")
    said = "its name looks secret, so its value is not read; name the right one with `secret`"
    return error(said, cause="unsupported")


def _shown(value: object) -> str:
    """A value in a sentence: nothing and empty text are told apart."""
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value) or "empty"
