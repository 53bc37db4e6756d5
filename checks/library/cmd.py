"""Checks of what a command says."""

from __future__ import annotations

from typing import Final, Literal

from checks.argv import Argv
from checks.facts.command import CommandOutput, Said, too_long
from checks.facts.texts import CommandText, Held
from checks.matchers import Matcher, read_matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span
from checks.verdicts import error, fail, msg, passed

SHOWN: Final = 200


@check(
    "cmd.output",
    severity=Severity.P2,
    about="system",
    owner="vendor",
    refuse=too_long,
    said=CommandOutput(
        "{command}", "{timeout}", "{environment}", "{secret_environment}", "{secret_stdin}", "{shell}"
    ),
)
def command_output(
    said: Said,
    command: Argv,
    status: Matcher | None = None,
    stdout: Matcher | None = None,
    stderr: Matcher | None = None,
    shell: bool = False,
    timeout: Span = 10,
    environment: dict[str, str] | None = None,
    secret_environment: dict[str, str] | None = None,
    secret_stdin: str = "",
) -> Verdict:
    """A command says what it should.

    `command` is a list of words, run without a shell, with PATH, LC_ALL=C and `environment`. With
    ``shell: true`` it is one text for ``sh -c``. The exit status has to be 0 unless `status` says what it
    may be; `stdout` and `stderr` are conditions on what was printed there, of which 4096 characters are
    kept, without what looks secret. A command that only looks is the only right one here: it runs in every
    run. Secrets are refused among its words, where every user can see them; `secret_environment` and
    `secret_stdin` name them as ``env:NAME`` or ``file:/path``. One that is not installed, cannot start or
    does not end within `timeout` (60 s at most) could not be told from a failure, so it is an error.

    Remedy: run the command by hand as the same user (`env -i PATH="$PATH" LC_ALL=C <command>; echo $?`), see
    what it says, and put right what it complains of.
    Source: our judgement; the profile that sets the command names its source.
    """
    evidence: dict[str, Scalar] = {"status": said.status, "stdout": said.out[:SHOWN]}
    if said.err:
        evidence["stderr"] = said.err[:SHOWN]
    wanted = status or read_matcher(0)
    if not wanted.holds(said.status):
        if (said.status == 127 and shell) or said.status == 126:
            return error(
                _say("the command could not be run: {said}", said), cause="absent", evidence=evidence
            )
        text = "its exit status is {status}, wanted: {wanted}; it said: {said}"
        return fail(_say(text, said, str(wanted)), cause="status", evidence=evidence)
    for name, condition, text in (("stdout", stdout, said.out), ("stderr", stderr, said.err)):
        if condition is None:
            continue
        if said.cut and not (condition.holds(text) and _grows(condition)):
            return error("it said too much to be compared", cause="too-large", evidence=evidence)
        if not condition.holds(text):
            shown = msg(
                "it printed {said} on {stream}, wanted: {wanted}",
                said=_first(text),
                stream=name,
                wanted=str(condition),
            )
            return fail(shown, cause=name, evidence=evidence)
    return passed(_say("exit status {status}: {said}", said), evidence=evidence)


@check(
    "cmd.text",
    severity=Severity.P2,
    about="system",
    owner="vendor",
    refuse=too_long,
    held=CommandText(
        "{command}",
        "{timeout}",
        "{environment}",
        "{secret_environment}",
        "{secret_stdin}",
        "{shell}",
        "{stream}",
        "{text}",
    ),
)
def command_text(
    held: Held,
    command: Argv,
    text: Matcher,
    stream: Literal["stdout", "stderr"] = "stdout",
    shell: bool = False,
    timeout: Span = 10,
    environment: dict[str, str] | None = None,
    secret_environment: dict[str, str] | None = None,
    secret_stdin: str = "",
) -> Verdict:
    """All that a command prints meets a condition.

    Like `cmd.output`, but `text` is held against everything on that `stream`, of up to 1 MiB, and whatever
    the exit status is: ``{contains: a}``, ``{some: {matches: "^b"}}`` for a line of it, ``{not: {contains:
    c}}``. Of the text only its first line comes into the report, without what looks secret, and which parts
    of the condition do not hold. A pattern sees 4096 characters of a line, or of the text where it is not
    held against lines; where there is more it is an error.

    Remedy: run the command by hand as the same user (`env -i PATH="$PATH" LC_ALL=C <command>`), hold what it
    says against the condition, and put right what it complains of.
    Source: our judgement; the profile that sets the command names its source.
    """
    evidence: dict[str, Scalar] = {"status": held.status, "start": held.start, "lines": held.lines}
    if not held.holds:
        said = msg(
            "{stream} is not as wanted: {failing}; it begins: {start}",
            failing="; ".join(held.failing),
            start=held.start or "nothing",
        )
        return fail(said, cause=stream, evidence=evidence)
    return passed(msg("{stream} is as wanted: {start}", start=held.start or "nothing"), evidence=evidence)


def _grows(condition: Matcher) -> bool:
    """Whether a condition that holds of the beginning of a text holds of all of it."""
    return all(
        name in ("contains", "matches", "starts_with")
        or (name == "some" and _grows(bound))
        or (name in ("all", "any") and all(map(_grows, bound)))
        for name, bound in condition.tests
    )


def _say(template: str, said: Said, wanted: str = "") -> Message:
    return msg(template, status=said.status, said=_first(said.out or said.err), wanted=wanted)


def _first(text: str) -> str:
    """The first line in a sentence."""
    line = text.strip().partition("\n")[0][:SHOWN]
    return line or "nothing"
