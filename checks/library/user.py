"""Checks of users."""

from __future__ import annotations

from datetime import datetime, timedelta

from checks.fact import Unavailable
from checks.facts.accounts import Account, AccountValidity, User, Validity
from checks.facts.groups import Group, GroupEntry
from checks.matchers import Matcher
from checks.model import Message, Scalar, Severity, Verdict
from checks.registry import check, when
from checks.units import Span
from checks.verdicts import error, fail, msg, passed, skip, warn


@check(
    "user.account",
    severity=Severity.P2,
    about="name",
    owner="customer-it",
    user=Account("{name}"),
    validity=when("valid_for", AccountValidity("{name}")),
)
def user_account(
    user: User,
    validity: Validity | Unavailable | None,
    now: datetime,
    name: str,
    exists: bool = True,
    optional: bool = False,
    uid: Matcher | None = None,
    gid: Matcher | None = None,
    group: Matcher | None = None,
    groups: tuple[str, ...] = (),
    all_groups: Matcher | None = None,
    home: Matcher | None = None,
    shell: Matcher | None = None,
    valid_for: Span | None = None,
) -> Verdict:
    """A user is there, and is who it should be.

    It is looked up as programs do, also in LDAP or SSSD where nsswitch.conf names them. `group` is its
    primary group (`gid` its number), `groups` are those it has to be in, whatever else it is in, and
    `all_groups` is a condition on the list of all it is in. With `valid_for` neither the
    account nor its password may end sooner than that (warn), nor have ended (fail); that stands in
    /etc/shadow, which root alone may read, so without root it is an error. ``exists: false`` wants it gone;
    `optional` judges it only where it is.

    Remedy: look with `id {name}`, `getent passwd {name}` and `chage -l {name}`. `useradd` makes it,
    `usermod -aG <group> {name}` adds it to a group, `usermod -d <home> -s <shell> {name}` sets the rest,
    `chage -E -1 -M -1 {name}` lets account and password of a service never end.
    Source: our judgement; the profile that sets the values names its source.
    """
    if not user.exists:
        if not exists:
            return passed("there is no such user, as wanted")
        if optional:
            return skip("there is no such user", cause="absent")
        return fail("there is no such user", cause="absent")
    evidence: dict[str, Scalar] = {
        "uid": user.uid,
        "group": user.group,
        "groups": ", ".join(user.groups[:20]),
        "home": user.home,
        "shell": user.shell,
    }
    if not exists:
        return fail("the user exists, and should not", cause="present", evidence=evidence)
    for what, condition, actual in (
        ("uid", uid, user.uid),
        ("gid", gid, user.gid),
        ("group", group, user.group),
        ("home", home, user.home),
        ("shell", shell, user.shell),
    ):
        if condition is not None and not condition.holds(actual):
            said = msg(
                "its {what} is {actual}, wanted: {wanted}", what=what, actual=actual, wanted=str(condition)
            )
            return fail(said, cause=what, evidence=evidence)
    if all_groups is not None and not all_groups.holds(user.groups):
        said = msg("it is in {groups}, wanted: {wanted}", groups=evidence["groups"], wanted=str(all_groups))
        return fail(said, cause="groups", evidence=evidence)
    lacking = [each for each in groups if each not in user.groups]
    if lacking:
        said = msg("it is not in {groups}", groups=", ".join(lacking))
        return fail(said, cause="groups", evidence=evidence)
    if isinstance(validity, Unavailable):
        said = msg("whether it is still valid could not be read: {reason}", reason=validity.reason)
        return error(said, cause=validity.cause, evidence=evidence)
    if validity is not None and valid_for is not None:
        ends = _ends(validity, now, timedelta(seconds=valid_for))
        if ends is not None:
            verdict, said = (fail, ends[1]) if ends[0] else (warn, ends[1])
            return verdict(said, cause="expired" if ends[0] else "expires", evidence=evidence)
    return passed(msg("uid {uid}, group {group}, home {home}, shell {shell}", **evidence), evidence=evidence)


@check("user.group", severity=Severity.P2, about="name", owner="customer-it", entry=Group("{name}"))
def user_group(
    entry: GroupEntry,
    name: str,
    exists: bool = True,
    optional: bool = False,
    gid: Matcher | None = None,
    members: tuple[str, ...] = (),
) -> Verdict:
    """A group is there, and has the number it should have.

    It is looked up as programs do, also in LDAP or SSSD where nsswitch.conf names them. `members` are those
    that its own entry has to list, which does not list those whose primary group it is. ``exists: false``
    wants it gone; `optional` judges it only where it is.

    Remedy: look with `getent group {name}`. `groupadd -g <gid> {name}` makes it, `groupmod -g <gid> {name}`
    changes its number (files keep the old one: `find / -xdev -gid <old>`), `usermod -aG {name} <user>` adds
    a member.
    Source: our judgement; the profile that sets the values names its source.
    """
    if not entry.exists:
        if not exists:
            return passed("there is no such group, as wanted")
        if optional:
            return skip("there is no such group", cause="absent")
        return fail("there is no such group", cause="absent")
    evidence: dict[str, Scalar] = {"gid": entry.gid, "members": ", ".join(entry.members[:20])}
    if not exists:
        return fail("the group exists, and should not", cause="present", evidence=evidence)
    if gid is not None and not gid.holds(entry.gid):
        said = msg("its gid is {actual}, wanted: {wanted}", actual=entry.gid, wanted=str(gid))
        return fail(said, cause="gid", evidence=evidence)
    lacking = [each for each in members if each not in entry.members]
    if lacking:
        said = msg("{lacking} is not in it", lacking=", ".join(lacking))
        return fail(said, cause="members", evidence=evidence)
    return passed(msg("gid {gid}", gid=entry.gid), evidence=evidence)


def _ends(validity: Validity, now: datetime, ahead: timedelta) -> tuple[bool, Message] | None:
    """Whether account or password have ended, or do so soon, and how that is said."""
    dates = [("account", validity.account)]
    if not validity.locked:
        dates.append(("password", validity.password))
    for what, date in dates:
        if date is not None and date <= now:
            return True, msg("its {what} ended on {day}", what=what, day=f"{date:%Y-%m-%d}")
    for what, date in dates:
        if date is not None and date - now <= ahead:
            return False, msg("its {what} ends on {day}", what=what, day=f"{date:%Y-%m-%d}")
    return None
