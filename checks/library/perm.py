"""Checks of who may do what to files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from checks.facts.openpaths import OpenPaths, Rights, bits_of
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.paths import AbsolutePath
from checks.registry import check
from checks.verdicts import error, fail, msg, passed, skip

_SHOWN = 5
_DEEPEST = 1000
_STICKY, _OTHERS_WRITE = 0o1000, 0o0002


def _odd_bound(given: Mapping[str, Any]) -> tuple[str, str] | None:
    mode = given["mode_at_most"]
    if mode and not re.fullmatch("0?[0-7]{1,4}", mode):
        return "mode_at_most", f"{mode!r:.40} is not an octal mode such as 0750"
    if not 0 <= given["depth"] <= _DEEPEST:
        return "depth", f"{given['depth']} is not between 0 and {_DEEPEST}"
    return None


@check(
    "perm.path",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    refuse=_odd_bound,
    rights=OpenPaths("{path}", "{depth}", "{ignore}"),
)
def path_rights(
    rights: Rights,
    path: AbsolutePath,
    owner: Matcher | None = None,
    group: Matcher | None = None,
    mode_at_most: str = "",
    depth: int = 12,
    ignore: tuple[str, ...] = (),
    optional: bool = False,
) -> Verdict:
    """An application's folder belongs to whom it should, and nothing below it is open to everybody.

    Owner, group and `mode_at_most` (octal: the bits that may be set) are those of `path` itself. Below it, on
    the same filesystem and at most `depth` levels deep, no file and no folder without the sticky bit may be
    writable for everybody; `ignore` are patterns of paths relative to it, such as ``run/*``. The walk has
    20 s. What could not be looked into is never taken for clean.

    Remedy: `find {path} -xdev -perm -0002 ! -type l -ls` lists them; `chmod o-w <path>`, or give a group of
    its own to who has to write there (`chgrp <group>`, `chmod g+ws`). Whatever made them so has umask 000.
    Source: dev-sec Linux baseline, os-06 (nothing world-writable); all else is what the profile sets.
    """
    if not rights.exists:
        if optional:
            return skip("it does not exist", cause="absent")
        return fail("it does not exist", cause="absent")
    most = bits_of(mode_at_most or "7777")
    evidence: dict[str, Scalar] = {"owner": rights.owner, "group": rights.group, "mode": rights.mode}
    evidence |= {"open": rights.open_count, "unread": rights.unread, "ignored": rights.ignored}
    wrong = _itself(rights, owner, group, most)
    if rights.open:
        shown = ", ".join(rights.open[:_SHOWN])
        more = rights.open_count - min(_SHOWN, len(rights.open))
        said = msg(
            "everybody may write to {count} below it: {shown}" + (" and {more} more" if more else ""),
            count=rights.open_count,
            shown=shown,
            more=more,
        )
        wrong.append(("world-writable", said))
        evidence["first"] = shown
    if wrong:
        args = {name: value for _, part in wrong for name, value in part.args.items()}
        joined = Message("; ".join(part.template for _, part in wrong), args)
        return fail(joined, cause=wrong[0][0], evidence=evidence)
    if rights.unread:
        said = msg("{count} folders below it could not be looked into", count=rights.unread)
        return error(said, cause="denied", evidence=evidence)
    seen = {"owner": rights.owner, "group": rights.group, "mode": rights.mode}
    return passed(msg("of {owner}:{group}, mode {mode}, nothing open below it", **seen), evidence=evidence)


def _itself(
    rights: Rights, owner: Matcher | None, group: Matcher | None, most: int
) -> list[tuple[str, Message]]:
    """What is wrong with the path itself: causes with their sentences."""
    bits = bits_of(rights.mode)
    wrong: list[tuple[str, Message]] = []
    if owner is not None and not owner.holds(rights.owner):
        said = msg(
            "its owner is {owner}, wanted: {wanted_owner}", owner=rights.owner, wanted_owner=str(owner)
        )
        wrong.append(("owner", said))
    if group is not None and not group.holds(rights.group):
        said = msg(
            "its group is {group}, wanted: {wanted_group}", group=rights.group, wanted_group=str(group)
        )
        wrong.append(("group", said))
    if bits & ~most:
        said = msg(
            "its mode is {mode}, wanted: at most {wanted_mode}", mode=rights.mode, wanted_mode=f"{most:04o}"
        )
        wrong.append(("mode", said))
    elif rights.type != "directory" and bits & _OTHERS_WRITE and not bits & _STICKY:
        wrong.append(("world-writable", msg("everybody may write to it (mode {mode})", mode=rights.mode)))
    return wrong
