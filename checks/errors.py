"""The exceptions that callers of any floor can meet.

    FirstlightError
    ├─ BadInput          the user's input is wrong                 → exit 2
    │  └─ BadProfile     a profile, "file:line: what, and what would be right"
    ├─ Unreachable       a target cannot be had                    → results `error`, other targets go on
    ├─ SpoolFull         the promise to keep a run cannot be kept  → exit 3, never silent
    └─ UplinkError       the collector did not take a run          → retry, hold or quarantine

A reading that fails is no exception; it is the value `checks.fact.Unavailable`.
"""

from __future__ import annotations


class FirstlightError(Exception):
    """Root of every exception this project raises on purpose; its text is one clear line."""


class BadInput(FirstlightError):
    """The user's input is wrong; the text says what, where and what would be right."""


class BadProfile(BadInput):
    """A profile cannot be used.

    The text starts with ``file:line:`` (or ``file:`` where no line can be named).
    """

    def __init__(self, where: str, line: int | None, problem: str) -> None:
        self.where, self.line, self.problem = where, line, problem
        place = f"{where}:{line}" if line is not None else where
        super().__init__(f"{place}: {problem}")


class Unreachable(FirstlightError):
    """A target cannot be had; `cause` is one of the cause codes of `checks.fact.Unavailable`."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class SpoolFull(FirstlightError):
    """A run could not be made durable on this machine."""


class UplinkError(FirstlightError):
    """The collector did not take a run.

    `permanent` means sending the same bytes again cannot succeed; `hold` means it will once the agent is
    enrolled again or upgraded, so the run stays in the spool untouched. `status` is that of the answer, None
    where there was none; `retry_after_s` the wait in seconds that the collector asked for. Where nothing
    could be reached, `cause` is one of the words of `agent.unreached`.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        hold: bool = False,
        status: int | None = None,
        retry_after_s: float | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.permanent, self.hold, self.status = permanent, hold, status
        self.retry_after_s, self.cause = retry_after_s, cause
