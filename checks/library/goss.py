"""What goss files hold that is no state of a machine: content, what is skipped, what is left over."""

from __future__ import annotations

from typing import Any

from checks.facts.given import GivenContent
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.verdicts import fail, msg, passed, skip

SHOWN = 200


@check(
    "goss.matching",
    severity=Severity.P2,
    about="what",
    owner="vendor",
    given=GivenContent("{content}", "{unmapped}"),
)
def given_content(
    given: Any,
    what: str,
    content: str = "",
    matches: Matcher | None = None,
    skipped: str = "",
    unmapped: str = "",
) -> Verdict:
    """What a goss file gives meets the matcher that it gives beside it.

    `content` is JSON, most often made by a template; `matches` is the condition on it. Two more things of
    goss files are kept here, so that none is dropped: `skipped` says that the file itself skips {what}, and
    `unmapped` why {what} cannot be told here, which is always an error.

    Remedy: see where the content comes from: the variables given with --vars, or the environment. What is
    unmapped has to be said with a check of ours, or left to goss.
    Source: Goss manual, gossfile, resource `matching`.
    """
    if skipped:
        return skip(msg("{skipped}", skipped=skipped), cause="skipped")
    shown = str(given)[:SHOWN]
    evidence: dict[str, Scalar] = {"content": shown}
    if matches is not None and not matches.holds(given):
        said = msg("it is {content}, wanted: {wanted}", content=shown, wanted=str(matches))
        return fail(said, cause="differs", evidence=evidence)
    return passed(msg("it is {content}", content=shown), evidence=evidence)
