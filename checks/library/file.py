"""Checks of what stands in files, where links lead, and how old files are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from checks.fact import Unavailable
from checks.facts.files import FileMatch, LineMatch
from checks.facts.links import FileSum, Link, Sum, SymbolicLink
from checks.facts.newest import Newest, NewestFile
from checks.facts.texts import FileText, Held
from checks.matchers import Matcher
from checks.model import Scalar, Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check
from checks.units import Size, Span, size_text, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

_AHEAD_S: Final = 300.0
"""Seconds that a file's time may lie ahead of the clock before it makes no sense."""


@check(
    "file.content",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    line=FileMatch("{path}", "{pattern}"),
)
def file_content(
    line: LineMatch | Unavailable,
    path: str,
    pattern: Pattern,
    present: bool = True,
    value: Matcher | None = None,
) -> Verdict:
    """A text file has the line it needs, or has not the one it must not have.

    `pattern` is a regular expression, looked for line by line; the first line that has it counts. With
    `value` the pattern's first group (or the line, if it has none) has to meet that condition. Of the file
    only that line comes into the report, and not even that where it looks like it holds a secret: compare
    secrets with `cfg.value` and its `secret`.

    Remedy: open {path}, look for the line with `grep -nE '<pattern>' {path}`, put it right, and reload the
    program that reads it.
    Source: our judgement; the profile that sets the pattern names its source.
    """
    if isinstance(line, Unavailable):
        if line.cause == "absent" and present:
            return fail("the file does not exist", cause="absent")
        return error(msg("{reason}", reason=line.reason), cause=line.cause)
    evidence: dict[str, Scalar] = {"line": line.line, "text": line.text} if line.found else {}
    if not present:
        if line.found:
            said = msg("line {line} has what must not be there", line=line.line)
            return fail(said, cause="present", evidence=evidence)
        return passed("no line has it, as wanted")
    if not line.found:
        return fail(msg("no line matches {pattern}", pattern=pattern), cause="missing")
    if value is None:
        return passed(msg("line {line} has it", line=line.line), evidence=evidence)
    if line.withheld:
        said = msg("line {line} looks like it holds a secret, so it is not compared", line=line.line)
        return error(said, cause="unsupported", evidence={"line": line.line})
    actual = line.text if line.caught is None else line.caught
    evidence |= {"actual": actual, "wanted": str(value)}
    if value.holds(actual):
        return passed(msg("line {line}: {actual}", line=line.line, actual=actual), evidence=evidence)
    said = msg("line {line}: {actual}, wanted: {wanted}", line=line.line, actual=actual, wanted=str(value))
    return fail(said, cause="differs", evidence=evidence)


@check(
    "file.text",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    held=FileText("{path}", "{text}"),
)
def whole_text(held: Held, path: str, text: Matcher, optional: bool = False) -> Verdict:
    """The text of a file meets a condition.

    `text` is held against the whole file, of up to 4 MiB: ``{contains: a}``, ``{some: {matches: "^b"}}`` for
    a line of it, ``{not: {contains: c}}``. Nothing of the text comes into the report, but which parts of the
    condition do not hold. `optional` judges it only where it is. A pattern sees 4096 characters of a line, or
    of the text where it is not held against lines; where there is more it is an error.

    Remedy: look at {path} with the condition beside it (`grep -nE '<pattern>' {path}`), put it right, and
    reload the program that reads it.
    Source: our judgement; the profile that sets the condition names its source.
    """
    if not held.found:
        if optional:
            return skip("the file does not exist", cause="absent")
        return fail("the file does not exist", cause="absent")
    if not held.holds:
        said = msg("its text is not as wanted: {failing}", failing="; ".join(held.failing))
        return fail(said, cause="differs", evidence={"lines": held.lines})
    return passed(msg("its {lines} lines are as wanted", lines=held.lines), evidence={"lines": held.lines})


@check("file.link", severity=Severity.P2, about="path", owner="vendor", link=SymbolicLink("{path}"))
def symbolic_link(
    link: Link,
    path: str,
    target: Matcher | None = None,
    is_link: bool = True,
    optional: bool = False,
) -> Verdict:
    """A symbolic link points where it should.

    `target` is a condition on what stands in the link, as `readlink` prints it. ``is_link: false`` wants the
    path to be no link. `optional` judges it only where something is at the path.

    Remedy: `ls -l {path}` shows where it points; `ln -sfn <target> {path}` points it anew,
    `update-alternatives --config <name>` where it is one of /etc/alternatives.
    Source: our judgement; the profile that sets the target names its source.
    """
    evidence: dict[str, Scalar] = {"target": link.target, "leads_somewhere": link.exists}
    if not link.link:
        if not link.exists and optional:
            return skip("it does not exist", cause="absent")
        if not is_link:
            return passed("it is no link, as wanted")
        if link.exists:
            return fail("it is no symbolic link", cause="no-link")
        return fail("it does not exist", cause="absent")
    if not is_link:
        said = msg("it is a link to {target}, and should be none", target=link.target)
        return fail(said, cause="link", evidence=evidence)
    if target is not None and not target.holds(link.target):
        said = msg("it points to {points_to}, wanted: {wanted}", points_to=link.target, wanted=str(target))
        return fail(said, cause="target", evidence=evidence)
    return passed(msg("it points to {points_to}", points_to=link.target), evidence=evidence)


@check(
    "file.checksum",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    found=FileSum("{path}", "{algorithm}"),
)
def file_checksum(
    found: Sum,
    path: str,
    digits: Matcher,
    algorithm: Literal["md5", "sha1", "sha512"] = "sha512",
    optional: bool = False,
) -> Verdict:
    """A file has the checksum that its maker published.

    `digits` is a condition on the hex digits. For SHA-256 use `file.stat` and its `hash`. MD5 and SHA-1 tell
    damage, and no longer forgery. `optional` judges it only where it is.

    Remedy: `{algorithm}sum {path}` shows it; fetch the file anew from where the checksum comes from.
    Source: RFC 6151 and RFC 6194 (what MD5 and SHA-1 are still good for); the sum is the profile's.
    """
    if not found.found:
        if optional:
            return skip("it does not exist", cause="absent")
        return fail("it does not exist", cause="absent")
    if not digits.holds(found.digits):
        said = msg("its {algorithm} is {sum}, wanted: {wanted}", sum=found.digits, wanted=str(digits))
        return fail(said, cause="differs", evidence={"sum": found.digits})
    return passed(msg("its {algorithm} is {sum}", sum=found.digits), evidence={"sum": found.digits})


@check("file.fresh", severity=Severity.P2, about="path", owner="vendor", newest=NewestFile("{path}"))
def fresh_file(
    newest: Newest,
    now: datetime,
    path: str,
    max_age: Span,
    min_size: Size = 1,
) -> Verdict:
    """A file was written not long ago, and holds something.

    The last part of `path` may be a pattern as shells have it (`/backup/db-*.dump`); then the newest of the
    files it stands for is judged. Older than `max_age` fails, and so does one below `min_size`. Ages are told
    by the clock of the machine that runs the agent.

    Remedy: see `ls -lt {path} | head`, and what should have written it: its log, its timer or cron line, the
    room on its disk. Run it by hand once it is put right.
    Source: our judgement; how old is too old is the profile's.
    """
    if not newest.found:
        return fail("there is no such file", cause="absent")
    last = datetime.fromtimestamp(newest.mtime, UTC)
    age = (now - last).total_seconds()
    evidence: dict[str, Scalar] = {"path": newest.path, "age": round(age), "size": newest.size}
    evidence["files"] = newest.count
    name = newest.path.rpartition("/")[2]
    seen: dict[str, Scalar] = {
        "name": name,
        "size": size_text(newest.size),
        "date": f"{last:%Y-%m-%d %H:%M} UTC",
    }
    if age < -_AHEAD_S:
        return warn(
            msg("{name} is dated {date}, ahead of the clock", **seen), cause="future", evidence=evidence
        )
    seen["age"] = span_text(max(0.0, age))
    if age > max_age:
        said = msg("{name} is {age} old ({date}), wanted: at most {most}", most=span_text(max_age), **seen)
        return fail(said, cause="old", evidence=evidence)
    if newest.size < min_size:
        said = msg("{name} holds {size}, wanted: at least {least}", least=size_text(min_size), **seen)
        return fail(said, cause="small", evidence=evidence)
    return passed(msg("{name} is {age} old and holds {size}", **seen), evidence=evidence)
