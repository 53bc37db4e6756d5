"""Checks of files: what they are, and what stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from checks.fact import Unavailable
from checks.facts.content import Digest, FileDigest
from checks.facts.files import FileInfo, FileMatch, FileStat, LineMatch
from checks.facts.newest import Newest, NewestFile
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check, when
from checks.units import Size, Span, size_text, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

_STICKY = 0o1000
_OTHERS_WRITE = 0o0002
_SHA256: Final = frozenset("0123456789abcdef")
_AHEAD_S: Final = 300.0
"""Seconds that a file's time may lie ahead of the clock before it makes no sense."""


@check(
    "file.stat",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    info=FileStat("{path}"),
    digest=when("hash", FileDigest("{path}")),
)
def file_state(
    info: FileInfo,
    digest: Digest | None,
    path: str,
    exists: bool = True,
    optional: bool = False,
    type: Literal["file", "directory", "socket", "fifo", "device"] | None = None,
    owner: Matcher | None = None,
    group: Matcher | None = None,
    mode: str = "",
    mode_at_most: str = "",
    world_writable: bool = False,
    hash: str = "",
) -> Verdict:
    """A file is there, is what it should be, and belongs to whom it should.

    Links are followed. `exists: false` wants it gone; `optional` judges it only where it is. `mode` is
    the exact octal mode, `mode_at_most` the bits that may be set: ``0640`` refuses any other. What
    everybody may write to fails where no mode is given, unless `world_writable` allows it; a folder with
    the sticky bit, such as /tmp, is let pass. `hash` is the SHA-256 of what the file has to hold, 64 hex
    digits as `sha256sum` prints them.

    Remedy: look with `stat {path}` and `sha256sum {path}`; put it right with `chown <owner>:<group> {path}`
    and `chmod <mode> {path}` (`chmod o-w {path}` where everybody may write). What is missing comes back with
    its package (`dpkg -S {path}` or `rpm -qf {path}` names it) or from the backup.
    Source: dev-sec Linux baseline (nothing world-writable); all else is what the profile sets.
    """
    if not info.exists:
        if not exists:
            return passed("it does not exist, as wanted")
        if optional:
            return skip("it does not exist", cause="absent")
        return fail("it does not exist", cause="absent")
    bits = int(info.mode or "0", 8)
    evidence: dict[str, Scalar] = {"type": info.type, "owner": info.owner, "group": info.group}
    evidence |= {"mode": info.mode, "size": info.size}
    if not exists:
        return fail("it exists, and should not", cause="present", evidence=evidence)
    try:
        exact, most = int(mode or "0", 8), int(mode_at_most or "7777", 8)
    except ValueError:
        bad = msg("{mode} is not an octal mode such as 0640", mode=f"{mode} {mode_at_most}".strip())
        return error(bad, cause="parse")
    sticky_folder = info.type == "directory" and bits & _STICKY
    wrong: dict[str, Message] = {}
    if type is not None and info.type != type:
        wrong["type"] = msg("it is a {type}, not a {wanted_type}", type=info.type, wanted_type=type)
    if owner is not None and not owner.holds(info.owner):
        wrong["owner"] = msg("its owner is {owner}, wanted: {wanted_owner}", wanted_owner=str(owner))
    if group is not None and not group.holds(info.group):
        wrong["group"] = msg("its group is {group}, wanted: {wanted_group}", wanted_group=str(group))
    if mode and bits != exact:
        wrong["mode"] = msg("its mode is {mode}, wanted: {wanted_mode}", wanted_mode=f"{exact:04o}")
    elif bits & ~most:
        wrong["mode"] = msg("its mode is {mode}, wanted: at most {wanted_mode}", wanted_mode=f"{most:04o}")
    elif bits & _OTHERS_WRITE and not (world_writable or mode or mode_at_most or sticky_folder):
        wrong["world-writable"] = msg("everybody may write to it (mode {mode})")
    if digest is not None:
        evidence["sha256"] = digest.sha256
        wanted_hash = hash.lower().removeprefix("sha256:").strip()
        if not _SHA256.issuperset(wanted_hash) or len(wanted_hash) != 64:
            return error(msg("{hash} is not a SHA-256: 64 hex digits", hash=hash[:80]), cause="parse")
        if digest.sha256 != wanted_hash:
            wrong["hash"] = msg(
                "its SHA-256 is {sha}…, wanted: {wanted_sha}…",
                sha=digest.sha256[:16],
                wanted_sha=wanted_hash[:16],
            )
    seen = {"owner": info.owner, "group": info.group, "mode": info.mode}
    if wrong:
        return fail(_joined(wrong, seen), cause=next(iter(wrong)), evidence=evidence)
    return passed(msg("{type} of {owner}:{group}, mode {mode}", type=info.type, **seen), evidence=evidence)


def _joined(parts: dict[str, Message], seen: dict[str, str]) -> Message:
    """Several sentences as one; the arguments of each have names of their own."""
    args: dict[str, Scalar] = dict(seen)
    for part in parts.values():
        args |= part.args
    return Message("; ".join(part.template for part in parts.values()), args)


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
