"""What only a person can tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from checks.facts.answers import Given, ManualAnswer
from checks.facts.memory import Answer
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span
from checks.verdicts import fail, manual, msg, passed, skip


@check(
    "manual.item",
    severity=Severity.P2,
    about="ask",
    owner="vendor",
    object="{ask}",
    given=ManualAnswer("{item}"),
)
def answered_item(
    given: Given,
    now: datetime,
    ask: str,
    how: str = "",
    evidence: Literal["no", "optional", "required"] = "optional",
    valid: Span = 90 * 86400,
) -> Verdict:
    """Somebody who knows has said that it is so.

    `ask` is a sentence that has to be true, `how` says how to find out. An answer holds for `valid`, or until
    the day that was given with it; then somebody has to look again. Where `evidence` is required an answer
    without a file that shows it does not count; of the file its name and SHA-256 are kept, the file itself
    stays with you. Until there is an answer the result is `manual`, which opens and closes nothing. Changing
    the sentence asks another question: a new history begins.

    Remedy: look, then say what you found: `firstlight answer {item}`, or all that is open with
    `firstlight answer`. Where the answer was no, do what the sentence asks for, and answer again.
    Source: our judgement: 90 days, so that each item is looked at once a quarter.
    """
    answer = given.answer
    if answer is None:
        return manual(msg("nobody has answered yet: {ask}"), cause="unanswered")
    ends = answer.at + timedelta(seconds=valid)
    if answer.until is not None:
        ends = min(ends, answer.until)
    told = _told(answer)
    if now >= ends:
        say = msg("the answer of {who} on {day} was valid until {until}", until=f"{ends:%Y-%m-%d}", **told)
        return manual(say, cause="expired", evidence=told)
    if answer.holds is None:
        return skip(msg("it does not apply, says {who} on {day}{note}", **told), evidence=told)
    if not answer.holds:
        return fail(msg("it is not so, says {who} on {day}{note}", **told), cause="no", evidence=told)
    if evidence == "required" and not answer.evidence:
        say = msg("{who} said so on {day}, but the file that shows it is missing", **told)
        return manual(say, cause="no-evidence", evidence=told)
    say = msg("it is so, says {who} on {day}{note}; valid until {until}", until=f"{ends:%Y-%m-%d}", **told)
    return passed(say, evidence=told)


def _told(answer: Answer) -> dict[str, Scalar]:
    """Who said what, when, and what shows it."""
    return {
        "who": answer.by,
        "day": f"{answer.at:%Y-%m-%d}",
        "note": f": {answer.note}" if answer.note else "",
        "evidence": answer.evidence,
        "evidence_name": answer.evidence_name,
    }
