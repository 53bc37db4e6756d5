"""The check of what a file is: profiles have many, so it stands apart from those of what files hold."""

from __future__ import annotations

from typing import Final, Literal

from checks.facts.digest import Digest, FileDigest
from checks.facts.files import FileInfo, FileStat
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check, when
from checks.verdicts import error, fail, msg, passed, skip

_STICKY = 0o1000
_OTHERS_WRITE = 0o0002
_SHA256: Final = frozenset("0123456789abcdef")


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
    uid: Matcher | None = None,
    gid: Matcher | None = None,
    size: Matcher | None = None,
    mode: str = "",
    mode_as: Matcher | None = None,
    mode_at_most: str = "",
    world_writable: bool = False,
    hash: str = "",
) -> Verdict:
    """A file is there, is what it should be, and belongs to whom it should.

    Links are followed. `exists: false` wants it gone; `optional` judges it only where it is. `mode` is the
    exact octal mode, `mode_at_most` the bits that may be set: ``0640`` refuses any other; `mode_as` is any
    other condition on its four digits. `owner` and `group` are names, `uid` and `gid` their numbers, `size`
    is in bytes. What everybody may write to fails where no mode is given, unless `world_writable` allows it;
    a folder with the sticky bit, such as /tmp, is let pass. `hash` is the SHA-256 of what the file has to
    hold, 64 hex digits as `sha256sum` prints them.

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
    for name, condition, number in (
        ("uid", uid, info.uid),
        ("gid", gid, info.gid),
        ("size", size, info.size),
    ):
        if condition is not None and not condition.holds(number):
            wrong[name] = Message(
                f"its {name} is {{{name}}}, wanted: {{wanted_{name}}}",
                {name: number, f"wanted_{name}": str(condition)},
            )
    if mode_as is not None and not mode_as.holds(info.mode):
        wrong["mode"] = msg("its mode is {mode}, wanted: {wanted_mode}", wanted_mode=str(mode_as))
    elif mode and bits != exact:
        wrong["mode"] = msg("its mode is {mode}, wanted: {wanted_mode}", wanted_mode=f"{exact:04o}")
    elif bits & ~most:
        wrong["mode"] = msg("its mode is {mode}, wanted: at most {wanted_mode}", wanted_mode=f"{most:04o}")
    elif bits & _OTHERS_WRITE and not (world_writable or mode or mode_at_most or mode_as or sticky_folder):
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
