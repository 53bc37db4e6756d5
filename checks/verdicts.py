"""How a check says what it found: ``return passed(...)``, ``fail(...)``, ``grade(...)``.

Every function makes a `Verdict`. A text may be a plain string or a `msg`; a ``{name}`` in it that was given
no argument is filled with the item's parameter of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from checks.model import Message, Scalar, Severity, Status, Verdict

Bounds = tuple[float | None, float | None]
"""Where warning and failing begin; None where there is no such bound."""


def msg(template: str, /, **args: Scalar) -> Message:
    """A sentence as template and arguments; numbers stay numbers, so that other languages can show them."""
    return Message(template, args)


def passed(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "",
    evidence: Mapping[str, Scalar] | None = None,
    severity: Severity | None = None,
) -> Verdict:
    """What was asked for holds."""
    return _verdict(Status.PASS, say, object, cause, evidence, severity)


def warn(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "",
    evidence: Mapping[str, Scalar] | None = None,
    severity: Severity | None = None,
) -> Verdict:
    """It holds for now, or may not be meant so."""
    return _verdict(Status.WARN, say, object, cause, evidence, severity)


def fail(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "",
    evidence: Mapping[str, Scalar] | None = None,
    severity: Severity | None = None,
) -> Verdict:
    """It does not hold. `cause` is a short code of why, the same for the same reason."""
    return _verdict(Status.FAIL, say, object, cause, evidence, severity)


def skip(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "",
    evidence: Mapping[str, Scalar] | None = None,
) -> Verdict:
    """It does not apply here."""
    return _verdict(Status.SKIP, say, object, cause, evidence, None)


def manual(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "",
    evidence: Mapping[str, Scalar] | None = None,
) -> Verdict:
    """Only a person can tell, and none has; this never opens and never closes a finding."""
    return _verdict(Status.MANUAL, say, object, cause, evidence, None)


def error(
    say: Message | str,
    *,
    object: str | None = None,
    cause: str = "failed",
    evidence: Mapping[str, Scalar] | None = None,
) -> Verdict:
    """It could not be told; this never opens and never closes a finding."""
    return _verdict(Status.ERROR, say, object, cause, evidence, None)


def grade(
    value: float,
    *,
    say: Message | str,
    low: Bounds | None = None,
    high: Bounds | None = None,
    show: Callable[[float], str] | None = None,
    object: str | None = None,
    evidence: Mapping[str, Scalar] | None = None,
) -> Verdict:
    """Pass, warn or fail by where a measured number lies; the worse of the two sides counts.

    `low` is (warn below, fail below), `high` (warn above, fail above): a value exactly on a bound is still
    on its good side. A value that is no number is an `error`. With `show` (`percent_text`, `size_text`,
    `span_text`), which writes a bound for people, a warning and a failure say which bound was wanted.
    """
    if value != value:
        return error(say, object=object, cause="parse", evidence=evidence)
    for status, at in ((Status.FAIL, 1), (Status.WARN, 0)):
        for bounds, cause, sign in ((low, "low", 1), (high, "high", -1)):
            bound = bounds[at] if bounds else None
            if bound is not None and sign * value < sign * bound:
                said = say if show is None else _with_bound(say, cause, show(bound))
                return _verdict(status, said, object, cause, evidence, None)
    return _verdict(Status.PASS, say, object, "", evidence, None)


def _with_bound(say: Message | str, cause: str, bound: str) -> Message:
    message = Message(say) if isinstance(say, str) else say
    wanted = "at least" if cause == "low" else "at most"
    return Message(f"{message.template}; wanted: {wanted} {{bound}}", {**message.args, "bound": bound})


def _verdict(
    status: Status,
    say: Message | str,
    object: str | None,
    cause: str,
    evidence: Mapping[str, Scalar] | None,
    severity: Severity | None,
) -> Verdict:
    message = Message(say) if isinstance(say, str) else say
    return Verdict(status, message, object, cause, dict(evidence or {}), severity)
